// Start: who is it, what is offered; then the frame, or the way in.
import { html, render, useEffect, useState } from "./lib.js";
import { Frame } from "./frame.js";
import { restore } from "./session.js";
import { user } from "./store.js";
import { Failure, Skeleton } from "./ui.js";

const AGAIN_SECONDS = 2;

function App() {
  const [error, setError] = useState(null);
  const [Login, setLogin] = useState(null);
  const begin = () => restore().then(() => setError(null), (problem) => {
    setError(problem);
    if (problem.offline) setTimeout(begin, AGAIN_SECONDS * 1000);
  });
  useEffect(() => { begin(); }, []);
  useEffect(() => { if (user.value === null) import("./pages/login.js").then((module) => setLogin(() => module.default)); }, [user.value]);
  if (user.value) return html`<${Frame} />`;
  if (user.value === null && Login) return html`<${Login} />`;
  if (error) return html`<main class="alone"><h1>Valerix</h1><${Failure} error=${error} retry=${begin} /></main>`;
  return html`<main class="alone" aria-busy="true"><h1 class="sr-only">Valerix</h1><${Skeleton} lines=${4} /></main>`;
}

render(html`<${App} />`, document.getElementById("app"));
