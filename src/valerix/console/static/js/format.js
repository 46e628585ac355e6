// How values are written. Times in the reader's zone, money by its currency's own digits.
const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const WHOLE = new Intl.NumberFormat();
const currencies = new Map();

function currency(code) {
  if (!currencies.has(code)) currencies.set(code, new Intl.NumberFormat(undefined, { style: "currency", currency: code }));
  return currencies.get(code);
}

/** Digits after the point: 2 for USD, 0 for JPY. */
export const digits = (code) => currency(code).resolvedOptions().maximumFractionDigits;
export const money = (amount) => (amount ? currency(amount.currency).format(amount.amountMinor / 10 ** digits(amount.currency)) : "–");
export const number = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));
export const dateTime = (text) => (text ? DATE_TIME.format(new Date(text)) : "–");
export const time = (text) => (text ? TIME.format(new Date(text)) : "–");
/** The time of day for today, otherwise with its day. */
export function when(text) {
  if (!text) return "–";
  const then = new Date(text);
  return then.toDateString() === new Date().toDateString() ? TIME.format(then) : `${DAY.format(then)} ${TIME.format(then)}`;
}

/** 0.8 ms · 54 ms · 1.23 s · 2 min 5 s */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** "5 s", "3 min", "2 h", "4 days" */
export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} days`;
}

/** "0:42", "12:05": what is left of something. */
export function countdown(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

export const percent = (share, places = 1) => (share === null || share === undefined ? "–" : `${(share * 100).toFixed(places)}%`);
export const rate = (perSecond) => (perSecond === null || perSecond === undefined ? "–" : perSecond < 10 ? perSecond.toFixed(1) : number(Math.round(perSecond)));
/** What tells it from its neighbours: `…769c3417a559` (as contracts/ids.py), which the searches understand. */
export const shortId = (id) => (id.length > 13 ? `…${id.slice(-12)}` : id);
/** order_confirmed, orderConfirmed → order confirmed */
export const words = (text) => text.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[_.]/g, " ").toLowerCase();
