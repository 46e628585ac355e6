// Start: reads the session and the features of this installation, then shows the frame or the sign-in page.
import { html, render, useEffect, useState } from "./lib.js";
import { Frame } from "./frame.js";
import { useImport } from "./resource.js";
import { restore } from "./session.js";
import { user } from "./store.js";
import { path } from "./router.js";
import { Failure, Skeleton } from "./ui.js";

const AGAIN_SECONDS = 2;
/** Pages that are shown with and without a session. */
const MAIL_PAGES = ["/forgot-password", "/reset-password", "/confirm-email"];
const login = () => import("./pages/login.js");
const register = () => import("./pages/register.js");
const mails = () => import("./pages/mail.js");

/**
 * The page shown instead of the frame: targets of links in mails, sign-in and registration; null:
 * the frame.
 */
function outside() {
  if (MAIL_PAGES.includes(path.value)) return mails;
  if (user.value !== null) return null;
  return path.value === "/register" ? register : login;
}

function App() {
  const [error, setError] = useState(null);
  const begin = () =>
    restore().then(
      () => setError(null),
      (problem) => {
        setError(problem);
        if (problem.passing) setTimeout(begin, AGAIN_SECONDS * 1000);
      },
    );
  useEffect(() => {
    begin();
  }, []);
  const load = outside();
  if (load) return html`<${Outside} key=${load.name} load=${load} />`;
  if (user.value) return html`<${Frame} />`;
  if (error) return html`<${Alone}><${Failure} error=${error} retry=${begin} /><//>`;
  return html`<${Alone} busy />`;
}

function Outside({ load }) {
  const [Content, error] = useImport(load);
  if (Content) return html`<${Content} />`;
  return error ? html`<${Alone}><${Failure} error=${error} /><//>` : html`<${Alone} busy />`;
}

function Alone({ busy, children }) {
  return html`
    <main class="alone" aria-busy=${busy ? "true" : undefined}>
      <h1>Valerix</h1>
      ${busy ? html`<${Skeleton} lines=${4} />` : children}
    </main>
  `;
}

render(html`<${App} />`, document.getElementById("app"));
