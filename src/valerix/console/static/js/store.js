// State of the whole page: the signed-in user, the theme, the toasts, and the clock for ages.
import { signal, computed, effect } from "./lib.js";

/** The features of this installation: {demo, paymentMethods, logs, chaos}, as read at start. */
export const config = signal({ demo: null, logs: false });

/**
 * The signed-in user {id, name, email, role, customerId, …}; null: not signed in; undefined: not
 * known yet.
 */
export const user = signal(undefined);
export const role = computed(() => user.value?.role ?? null);
export const isStaff = computed(() => role.value === "operator" || role.value === "admin");

/** Whether the session expired, so that signing in leads back to the page that was open. */
export const expired = signal(false);

/** Seconds since the epoch, updated once a second; components that show an age read it. */
export const clock = signal(Math.floor(Date.now() / 1000));
setInterval(() => {
  clock.value = Math.floor(Date.now() / 1000);
}, 1000);

// --- theme

const remember = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    /* for this visit only */
  }
};
const system = matchMedia("(prefers-color-scheme: dark)");
export const theme = signal(document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light"));
system.addEventListener("change", (event) => {
  if (!document.documentElement.dataset.theme) theme.value = event.matches ? "dark" : "light";
});

export function switchTheme() {
  theme.value = theme.value === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme.value;
  remember("valerix.theme", theme.value);
}

/** A signal: whether the window is at most `pixels` wide. */
function atMost(pixels) {
  const query = matchMedia(`(max-width: ${pixels}px)`),
    state = signal(query.matches);
  query.addEventListener("change", (event) => {
    state.value = event.matches;
  });
  return state;
}
/** Whether the navigation is hidden behind a button; app.css uses the same width. */
export const narrow = atMost(900);
export const telephone = atMost(560);

// --- toasts

export const toasts = signal([]);
let lastToast = 0;
const TOAST_SECONDS = 6;
const usedKeys = new Set();
const MAX_USED_KEYS = 1000;

/**
 * Show a message. `tone`: "ok", "info" or "bad"; a failure stays until it is dismissed.
 * `key`: a message with the same key is shown once per visit. `unless`: skip the message if this key was used.
 */
export function toast(tone, title, { detail = "", traceId = "", href = "", key = "", unless = "" } = {}) {
  if (usedKeys.has(key) || usedKeys.has(unless)) return;
  if (key) use(key);
  const id = ++lastToast;
  toasts.value = [...toasts.value.slice(-4), { id, tone, title, detail, traceId, href }];
  if (tone !== "bad") setTimeout(() => dismiss(id), TOAST_SECONDS * 1000);
}

function use(key) {
  usedKeys.add(key);
  if (usedKeys.size > MAX_USED_KEYS) usedKeys.delete(usedKeys.values().next().value);
}

/** Show a failed call as a toast. */
export const failed = (title, problem) => toast("bad", title, { detail: problem.message, traceId: problem.traceId });

export function dismiss(id) {
  toasts.value = toasts.value.filter((shown) => shown.id !== id);
}

// --- title of the page

export const title = signal("");
effect(() => {
  document.title = title.value ? `${title.value} · Valerix` : "Valerix";
});
