// The user's own account: name and address, password, and sessions.
import { html, useState } from "../lib.js";
import { post, put } from "../api.js";
import { failed, role, toast, user } from "../store.js";
import { Badge, Button, Card, Field, PageHead } from "../ui.js";
import { Icon } from "../icons.js";
import { Sessions } from "../widgets/sessions.js";

const ME = "/api/v1/users/me";

export default function Account() {
  return html`
    <${PageHead}
      title="Your account"
      sub=${`${role.value}${user.value.customerId ? `, ${user.value.customerId}` : ""}`}
    />
    <div class="grid two">
      <div class="stack"><${Profile} /><${Password} /></div>
      <div class="stack">
        <${Card} title="Signed in on">
          <${Sessions} path=${ME} everywhere="Signed out everywhere else" action="Sign out everywhere else" />
        <//>
      </div>
    </div>
  `;
}

/** {busy, problem, run(work)}: `work` is a call; `problem` is the error it throws. */
function useWork() {
  const [state, setState] = useState({ busy: false, problem: null });
  const run = async (work) => {
    setState({ busy: true, problem: null });
    try {
      await work();
      setState({ busy: false, problem: null });
    } catch (problem) {
      setState({ busy: false, problem });
    }
  };
  return { ...state, run };
}

/** A problem that belongs to no field. */
const Rest = ({ problem }) =>
  problem &&
  !problem.errors.length &&
  html`<div class="notice bad" role="alert"><${Icon} name="alert" /><p>${problem.message}</p></div>`;

function Profile() {
  const { busy, problem, run } = useWork();
  const [name, setName] = useState(user.value.name);
  const [email, setEmail] = useState(user.value.email);
  const [currentPassword, setCurrentPassword] = useState("");
  const moves = email.trim() !== user.value.email;
  const submit = (event) => {
    event.preventDefault();
    run(async () => {
      user.value = await put(`/api/v1/users/${user.value.id}`, {
        name: name.trim(),
        email: email.trim(),
        ...(moves && { currentPassword }),
      });
      setCurrentPassword("");
      toast("ok", "Your account is updated", {
        detail: moves ? "An e-mail to confirm the new address is on its way." : "",
      });
    });
  };
  return html`
    <${Card} title="Name and address">
      <form class="form" onSubmit=${submit}>
        <${Field} label="Name" error=${problem?.field("name")}>
          ${(field) => html`
            <input
              ...${field}
              required
              autocomplete="name"
              maxlength="100"
              pattern=".*\\S.*"
              value=${name}
              onInput=${(event) => setName(event.currentTarget.value)}
            />
          `}
        <//>
        <${Field} label="E-mail" error=${problem?.field("email")}>
          ${(field) => html`
            <input
              ...${field}
              type="email"
              required
              autocomplete="email"
              maxlength="254"
              value=${email}
              onInput=${(event) => setEmail(event.currentTarget.value)}
            />
          `}
        <//>
        ${!moves && html`<${Confirmation} />`}
        ${
          moves &&
          html`
          <${Field}
            label="Current password"
            hint="Needed to change the address."
            error=${problem?.field("currentPassword")}
          >
            ${(field) => html`
              <input
                ...${field}
                type="password"
                required
                autocomplete="current-password"
                maxlength="128"
                value=${currentPassword}
                onInput=${(event) => setCurrentPassword(event.currentTarget.value)}
              />
            `}
          <//>
        `
        }
        <${Rest} problem=${problem} />
        <div><${Button} type="submit" kind="primary" busy=${busy}>Save<//></div>
      </form>
    <//>
  `;
}

/** Whether the address is confirmed, if the server says; and a button that sends another mail. */
function Confirmation() {
  const [sent, setSent] = useState(false);
  const { emailConfirmed } = user.value;
  const send = async () => {
    try {
      await post(`${ME}/email/confirmation`);
      setSent(true);
    } catch (problem) {
      failed("The e-mail was not sent", problem);
    }
  };
  if (emailConfirmed) return html`<p><${Badge} tone="ok">confirmed<//></p>`;
  return html`
    <p class="row">
      ${emailConfirmed === false && html`<${Badge} tone="warn">not confirmed<//>`}
      ${
        sent
          ? html`<span role="status">An e-mail with a link is on its way.</span>`
          : html`
        <${Button} small onClick=${send}>Send an e-mail to confirm this address<//>
      `
      }
    </p>
  `;
}

function Password() {
  const { busy, problem, run } = useWork();
  const [given, setGiven] = useState({ currentPassword: "", newPassword: "" });
  const set = (name) => (event) => setGiven({ ...given, [name]: event.currentTarget.value });
  const submit = (event) => {
    event.preventDefault();
    run(async () => {
      await put(`${ME}/password`, given);
      setGiven({ currentPassword: "", newPassword: "" });
      toast("ok", "Your password is changed", { detail: "You are signed out everywhere else." });
    });
  };
  return html`
    <${Card} title="Password">
      <form class="form" onSubmit=${submit}>
        <input type="hidden" name="username" autocomplete="username" value=${user.value.email} />
        <${Field} label="Current password" error=${problem?.field("currentPassword")}>
          ${(field) => html`
            <input
              ...${field}
              type="password"
              required
              autocomplete="current-password"
              maxlength="128"
              value=${given.currentPassword}
              onInput=${set("currentPassword")}
            />
          `}
        <//>
        <${Field}
          label="New password"
          hint="10 characters or more; several unrelated words make a good one."
          error=${problem?.field("newPassword")}
        >
          ${(field) => html`
            <input
              ...${field}
              type="password"
              required
              autocomplete="new-password"
              minlength="10"
              maxlength="128"
              value=${given.newPassword}
              onInput=${set("newPassword")}
            />
          `}
        <//>
        <${Rest} problem=${problem} />
        <div><${Button} type="submit" kind="primary" busy=${busy}>Change the password<//></div>
      </form>
    <//>
  `;
}
