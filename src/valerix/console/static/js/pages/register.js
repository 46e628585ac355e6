// Registration of a customer: the new account is signed in at once, and its address is confirmed by mail.
import { html, useEffect, useRef, useState } from "../lib.js";
import { post } from "../api.js";
import { signIn } from "../session.js";
import { title, toast } from "../store.js";
import { Link, href, navigate } from "../router.js";
import { Button, Field } from "../ui.js";
import { Icon } from "../icons.js";

export default function Register() {
  const [given, setGiven] = useState({ name: "", email: "", password: "" });
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const head = useRef(null);
  useEffect(() => {
    title.value = "Create an account";
    head.current?.focus();
  }, []);
  const set = (name) => (event) => setGiven({ ...given, [name]: event.currentTarget.value });
  const submit = async (event) => {
    event.preventDefault();
    const email = given.email.trim();
    setBusy(true);
    setProblem(null);
    try {
      await post("/api/v1/users/register", { ...given, name: given.name.trim(), email });
      await signIn(email, given.password);
      navigate(href("/"), { replace: true });
      toast("ok", "Your account is ready", { detail: "An e-mail to confirm your address is on its way." });
    } catch (refused) {
      setProblem(refused);
      setBusy(false);
    }
  };
  const input = (name, label, { hint, ...rest }) => html`
      <${Field} label=${label} hint=${hint} error=${problem?.field(name)}>
        ${(field) => html`<input ...${field} required ...${rest} value=${given[name]} onInput=${set(name)} />`}
      <//>
    `;
  return html`
    <main class="login">
      <div class="login-box">
        <p class="brand"><span class="mark" aria-hidden="true"></span>Valerix</p>
        <h1 ref=${head} tabindex="-1">Create an account</h1>
        ${
          problem &&
          !problem.errors.length &&
          html`
          <div class="notice bad" role="alert"><${Icon} name="alert" /><p>${problem.message}</p></div>
        `
        }
        <form class="form" onSubmit=${submit}>
          ${input("name", "Name", { autocomplete: "name", maxlength: 100, pattern: ".*\\S.*" })}
          ${input("email", "E-mail", { type: "email", autocomplete: "username", maxlength: 254 })}
          ${input("password", "Password", {
            type: "password",
            autocomplete: "new-password",
            minlength: 10,
            maxlength: 128,
            hint: "10 characters or more; several unrelated words make a good one.",
          })}
          <${Button} type="submit" kind="primary" busy=${busy}>Create the account<//>
        </form>
        <p class="small-text">Already have an account? <${Link} to="/">Sign in<//></p>
      </div>
    </main>
  `;
}
