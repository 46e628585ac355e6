// The sign-in page. The message is the same for an unknown user and a wrong password, as in the server's answer.
import { html, useEffect, useRef, useState } from "../lib.js";
import { config, expired, clock, title } from "../store.js";
import { signIn } from "../session.js";
import { home } from "../pages.js";
import { href, Link, navigate, path } from "../router.js";
import { Button, CopyId, Field } from "../ui.js";
import { countdown } from "../format.js";
import { Icon } from "../icons.js";

export default function Login() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState("");
  const [problem, setProblem] = useState(null);
  const [waitUntil, setWaitUntil] = useState(0);
  const first = useRef(null);
  useEffect(() => {
    title.value = "Sign in";
    first.current?.focus();
  }, []);
  const waiting = Math.max(0, waitUntil - clock.value);

  const enter = async (account, secret) => {
    setBusy(account);
    setProblem(null);
    try {
      await signIn(account, secret);
      if (path.value === "/") navigate(href(home()), { replace: true });
    } catch (error) {
      if (error.status === 429) setWaitUntil(clock.value + (error.retryAfter || 30));
      setProblem(error);
      setPassword("");
    }
    setBusy("");
  };
  const submit = (event) => {
    event.preventDefault();
    enter(email.trim(), password);
  };

  return html`
    <main class="login">
      <div class="login-box">
        <p class="brand"><span class="mark" aria-hidden="true"></span>Valerix</p>
        <h1>Sign in</h1>
        ${
          expired.value &&
          !problem &&
          html`
          <p class="notice info" role="status">
            <${Icon} name="info" />Your session has ended. Sign in to continue where you left off.
          </p>
        `
        }
        ${
          problem &&
          html`
          <div class="notice bad" role="alert">
            <${Icon} name="alert" />
            <div>
              <p>${saying(problem, waiting)}</p>
              ${
                problem.status >= 500 &&
                problem.traceId &&
                html`
                <p>Trace <${CopyId} id=${problem.traceId} label="trace id" /></p>
              `
              }
            </div>
          </div>
        `
        }
        <form class="form" onSubmit=${submit}>
          <${Field} label="E-mail">
            ${(field) => html`
              <input
                ...${field}
                ref=${first}
                type="email"
                required
                autocomplete="username"
                maxlength="254"
                value=${email}
                onInput=${(event) => setEmail(event.currentTarget.value)}
              />
            `}
          <//>
          <${Field} label="Password">
            ${(field) => html`
              <input
                ...${field}
                type="password"
                required
                autocomplete="current-password"
                maxlength="1024"
                value=${password}
                onInput=${(event) => setPassword(event.currentTarget.value)}
              />
            `}
          <//>
          <${Button}
            type="submit"
            kind="primary"
            busy=${busy === email && busy !== ""}
            disabled=${Boolean(busy) || waiting > 0}
          >
            ${waiting ? `Wait ${countdown(waiting)}` : "Sign in"}
          <//>
          <p class="small-text spread">
            <${Link} to="/forgot-password">Forgot your password?<//>
            <${Link} to="/register">Create an account<//>
          </p>
        </form>
        ${
          config.value.demo &&
          html`
          <section class="demo" aria-labelledby="demo">
            <h2 id="demo">Demo accounts</h2>
            <p class="muted small-text">This is a demo stack: one click signs you in.</p>
            <ul>
              ${config.value.demo.accounts.map(
                (account) => html`
                <li key=${account.email}>
                  <button
                    type="button"
                    class="demo-account"
                    disabled=${Boolean(busy) || waiting > 0}
                    aria-busy=${busy === account.email ? "true" : undefined}
                    onClick=${() => enter(account.email, config.value.demo.password)}
                  >
                    <${Icon} name="user" />
                    <span><strong>${account.about}</strong><span class="muted">${account.email}</span></span>
                    <${Icon} name="chevron" size=${16} />
                  </button>
                </li>
              `,
              )}
            </ul>
          </section>
        `
        }
      </div>
    </main>
  `;
}

function saying(problem, waiting) {
  if (problem.status === 401) return "E-mail or password is wrong.";
  if (problem.status === 429)
    return waiting ? "Too many attempts. Wait a moment, then try again." : "You can try again now.";
  if (problem.status === 400) return "Enter an e-mail address and a password.";
  return problem.message;
}
