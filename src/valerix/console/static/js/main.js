// Start: who is it, what is offered; then the frame, or the way in.
import { html, render, useEffect, useState } from "./lib.js";
import { Frame } from "./frame.js";
import { restore } from "./session.js";
import { user } from "./store.js";
import { path } from "./router.js";
import { Failure, Skeleton } from "./ui.js";

const AGAIN_SECONDS = 2;
/** Pages with and without a session. */
const MAIL_PAGES = ["/forgot-password", "/reset-password", "/confirm-email"];

function App() {
  const [error, setError] = useState(null);
  const [Login, setLogin] = useState(null);
  const [Mail, setMail] = useState(null);
  const mail = MAIL_PAGES.includes(path.value);
  const begin = () => restore().then(() => setError(null), (problem) => {
    setError(problem);
    if (problem.offline) setTimeout(begin, AGAIN_SECONDS * 1000);
  });
  useEffect(() => { begin(); }, []);
  useEffect(() => { if (mail) import("./pages/mail.js").then((module) => setMail(() => module.default)); }, [mail]);
  useEffect(() => { if (user.value === null) import("./pages/login.js").then((module) => setLogin(() => module.default)); }, [user.value]);
  if (mail && Mail) return html`<${Mail} />`;
  if (user.value && !mail) return html`<${Frame} />`;
  if (user.value === null && !mail && Login) return html`<${Login} />`;
  if (error) return html`<main class="alone"><h1>Valerix</h1><${Failure} error=${error} retry=${begin} /></main>`;
  return html`<main class="alone" aria-busy="true"><h1 class="sr-only">Valerix</h1><${Skeleton} lines=${4} /></main>`;
}

render(html`<${App} />`, document.getElementById("app"));
