// Addresses: /console/orders/4711?status=failed. Filters are in the query, so reload, back and shared links work.
import { html, signal, computed } from "./lib.js";

export const BASE = "/console";
const here = signal(read());

function read() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  return { path: path.replace(/\/+$/, "") || "/", search: location.search };
}

/** Path below /console, e.g. "/orders". */
export const path = computed(() => here.value.path);
/** The query as a plain object of strings. */
export const params = computed(() => Object.fromEntries(new URLSearchParams(here.value.search)));

window.addEventListener("popstate", ({ state }) => {
  clearTimeout(keeping);
  here.value = read();
  returnTo(state?.y ?? 0);
});

// --- scroll position: kept with its entry in the history, restored on the way back once the data is loaded

history.scrollRestoration = "manual";
const SETTLED_MS = 100,
  RETURNING_MS = 5000;
let keeping = 0;
let arrive = null;
/** Whether the scroll position of an earlier visit to this page is being restored. */
export const returning = () => arrive !== null;

const keepPlace = () => history.replaceState({ ...history.state, y: Math.round(scrollY) }, "");
window.addEventListener(
  "scroll",
  () => {
    clearTimeout(keeping);
    if (!returning()) keeping = setTimeout(keepPlace, SETTLED_MS);
  },
  { passive: true },
);

/** Hold the page at `y` until the reader scrolls, because the page grows while its data arrives. */
function returnTo(y) {
  arrive?.();
  if (!y) return scrollTo(0, 0);
  const growing = new ResizeObserver(() => scrollTo(0, y));
  const moves = ["wheel", "touchstart", "pointerdown", "keydown"];
  const timer = setTimeout(() => arrive(), RETURNING_MS);
  arrive = () => {
    arrive = null;
    clearTimeout(timer);
    growing.disconnect();
    for (const move of moves) window.removeEventListener(move, arrived);
  };
  const arrived = () => arrive?.();
  for (const move of moves) window.addEventListener(move, arrived, { passive: true });
  growing.observe(document.body);
}

returnTo(history.state?.y ?? 0);

/** The address of a page, for links: href("/orders", {q: "CUST-001"}). */
export function href(to, query = {}) {
  const kept = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "" && value !== false,
  );
  return BASE + (to === "/" ? "/" : to) + (kept.length ? `?${new URLSearchParams(kept)}` : "");
}

/** Go to an address made by href(). */
export function navigate(address, { replace = false } = {}) {
  if (address !== location.pathname + location.search) {
    clearTimeout(keeping);
    arrive?.();
    if (replace) history.replaceState(history.state, "", address);
    else {
      keepPlace();
      history.pushState(null, "", address);
    }
  }
  here.value = read();
}

/**
 * Change some filters; empty values are left out. `replace`: replaces the entry in the history
 * instead of adding one.
 */
export function setParams(changes, { replace = false } = {}) {
  navigate(href(path.value, { ...params.value, ...changes }), { replace });
}

/** A link inside the console. It is a real link, so that it opens in a new tab, too. */
export function Link({ to, query, class: name, children, ...rest }) {
  const address = href(to, query);
  const go = (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(address);
  };
  return html`<a href=${address} class=${name} onClick=${go} ...${rest}>${children}</a>`;
}

/** Parameters of `pattern` ("/orders/:id") in `path`, or null. */
export function match(pattern, path) {
  const wanted = pattern.split("/"),
    given = path.split("/");
  if (wanted.length !== given.length) return null;
  const found = {};
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i].startsWith(":")) found[wanted[i].slice(1)] = decode(given[i]);
    else if (wanted[i] !== given[i]) return null;
  }
  return found;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
