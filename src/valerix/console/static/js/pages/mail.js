// Targets of links in mails, and the form that requests such a mail. The token is behind the #,
// which is not sent to servers.
import { html, useEffect, useRef, useState } from "../lib.js";
import { post } from "../api.js";
import { title } from "../store.js";
import { Link, path } from "../router.js";
import { Button, Field } from "../ui.js";
import { Icon } from "../icons.js";

const VIEWS = { "/forgot-password": Forgot, "/reset-password": Reset, "/confirm-email": Confirm };

export default function Mail() {
  const View = VIEWS[path.value];
  return html`<${View} key=${path.value} />`;
}

/** The token of the link; it is removed from the address bar and the history. */
function useToken() {
  const [token] = useState(() => location.hash.slice(1));
  useEffect(() => {
    history.replaceState(null, "", location.pathname);
  }, []);
  return token;
}

/** The state of one call: {busy, done, problem, run}. */
function useCall(where) {
  const [state, setState] = useState({});
  const run = async (body) => {
    setState({ busy: true });
    try {
      await post(where, body);
      setState({ done: true });
    } catch (problem) {
      setState({ problem });
    }
  };
  return { ...state, run };
}

function Forgot() {
  const [email, setEmail] = useState("");
  const { busy, done, problem, run } = useCall("/api/v1/users/password/forgot");
  const submit = (event) => {
    event.preventDefault();
    run({ email: email.trim() });
  };
  return html`
    <${Box} heading="Forgot your password?" problem=${problem}>
      ${
        done
          ? html`
        <${Said}>
          If this address has an account, an e-mail with a link is on its way. The link is valid for 30 minutes.
        <//>
      `
          : html`
        <form class="form" onSubmit=${submit}>
          <${Field} label="E-mail" hint="We send you a link to set a new password.">
            ${(field) => html`
              <input
                ...${field}
                type="email"
                required
                autocomplete="username"
                maxlength="254"
                value=${email}
                onInput=${(event) => setEmail(event.currentTarget.value)}
              />
            `}
          <//>
          <${Button} type="submit" kind="primary" busy=${busy}>Send the link<//>
        </form>
      `
      }
    <//>
  `;
}

function Reset() {
  const token = useToken();
  const [password, setPassword] = useState("");
  const { busy, done, problem, run } = useCall("/api/v1/users/password/reset");
  const submit = (event) => {
    event.preventDefault();
    run({ token, newPassword: password });
  };
  const refused = problem?.field("newPassword");
  return html`
    <${Box}
      heading="Set a new password"
      problem=${refused ? null : problem}
      again=${problem?.code === "mail_token_refused"}
    >
      ${
        done
          ? html`<${Said}>Your password is set. You are signed out everywhere. Sign in with the new password.<//>`
          : html`
        <form class="form" onSubmit=${submit}>
          <${Field}
            label="New password"
            hint="10 characters or more; several unrelated words make a good one."
            error=${refused}
          >
            ${(field) => html`
              <input
                ...${field}
                type="password"
                required
                autocomplete="new-password"
                minlength="10"
                maxlength="128"
                value=${password}
                onInput=${(event) => setPassword(event.currentTarget.value)}
              />
            `}
          <//>
          <${Button} type="submit" kind="primary" busy=${busy}>Set the password<//>
        </form>
      `
      }
    <//>
  `;
}

function Confirm() {
  const token = useToken();
  const { busy, done, problem, run } = useCall("/api/v1/users/email/confirm");
  return html`
    <${Box} heading="Confirm your e-mail address" problem=${problem}>
      ${
        done
          ? html`<${Said}>Your address is confirmed.<//>`
          : html`
        <${Button} kind="primary" busy=${busy} onClick=${() => run({ token })}>Confirm the address<//>
      `
      }
    <//>
  `;
}

function Box({ heading, problem, again, children }) {
  const head = useRef(null);
  useEffect(() => {
    title.value = heading;
    head.current?.focus();
  }, []);
  return html`<main class="login"><div class="login-box">
    <p class="brand"><span class="mark" aria-hidden="true"></span>Valerix</p>
    <h1 ref=${head} tabindex="-1">${heading}</h1>
    ${problem && html`<div class="notice bad" role="alert"><${Icon} name="alert" /><p>${problem.message}</p></div>`}
    ${again && html`<p><${Link} to="/forgot-password">Request another e-mail<//></p>`}
    ${children}
    <p><${Link} to="/">Sign in<//></p></div></main>`;
}

function Said({ children }) {
  return html`<p class="notice info" role="status"><${Icon} name="info" />${children}</p>`;
}
