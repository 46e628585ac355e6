// Addresses: /console/orders/4711?status=failed. Filters live in the query, so reload, back and a sent link work.
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

window.addEventListener("popstate", () => { here.value = read(); });

/** The address of a page, for links: href("/orders", {q: "CUST-001"}). */
export function href(to, query = {}) {
  const kept = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return BASE + (to === "/" ? "/" : to) + (kept.length ? `?${new URLSearchParams(kept)}` : "");
}

/** Go to an address made by href(). */
export function navigate(address, { replace = false } = {}) {
  if (address !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", address);
  here.value = read();
}

/** Change some filters; empty values are left out. Typing replaces the entry in the history, choosing adds one. */
export function setParams(changes, { replace = false } = {}) {
  navigate(href(path.value, { ...params.value, ...changes }), { replace });
}

/** A link inside the console: a real one, so that it opens in a new tab, too. */
export function Link({ to, query, class: name, children, ...rest }) {
  const address = href(to, query);
  const go = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(address);
  };
  return html`<a href=${address} class=${name} onClick=${go} ...${rest}>${children}</a>`;
}

/** Parameters of `pattern` ("/orders/:id") in `path`, or null. */
export function match(pattern, path) {
  const wanted = pattern.split("/"), given = path.split("/");
  if (wanted.length !== given.length) return null;
  const found = {};
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i].startsWith(":")) found[wanted[i].slice(1)] = decode(given[i]);
    else if (wanted[i] !== given[i]) return null;
  }
  return found;
}

function decode(part) { try { return decodeURIComponent(part); } catch { return part; } }
