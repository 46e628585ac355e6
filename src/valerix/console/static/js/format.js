// Formats of values. Times in the reader's zone, 24 hours, days as 2026-11-30; money with its currency's own digits.
const ZONE = new Intl.DateTimeFormat("en", { timeZoneName: "short" });
const WHOLE = new Intl.NumberFormat();
const currencies = new Map();

function currency(code) {
  if (!currencies.has(code))
    currencies.set(code, new Intl.NumberFormat(undefined, { style: "currency", currency: code }));
  return currencies.get(code);
}

/** Digits after the point: 2 for USD, 0 for JPY. */
export const digits = (code) => currency(code).resolvedOptions().maximumFractionDigits;
export const money = (amount) =>
  amount ? currency(amount.currency).format(amount.amountMinor / 10 ** digits(amount.currency)) : "–";
export const times = (count) => (count === 1 ? "once" : `${WHOLE.format(count)} times`);
export const number = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));
const two = (value) => String(value).padStart(2, "0");
export const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const timeOfDay = (at) => [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
/** The reader's zone at that time: "UTC", "GMT+1". */
export const zone = (at = new Date()) => ZONE.formatToParts(at).find((part) => part.type === "timeZoneName").value;
/** 2026-11-30 08:10:12 GMT+1; `moment`: ISO text or milliseconds. */
export function dateTime(moment) {
  if (!moment) return "–";
  const at = new Date(moment);
  return `${day(at)} ${timeOfDay(at)} ${zone(at)}`;
}
export const time = (moment) => (moment ? timeOfDay(new Date(moment)) : "–");
/** The time of day for today, otherwise the day and the time. */
export function when(text) {
  if (!text) return "–";
  const then = new Date(text);
  return day(then) === day(new Date()) ? timeOfDay(then) : `${day(then)} ${timeOfDay(then).slice(0, 5)}`;
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

/** "0:42", "12:05", "29 days": remaining time. */
export function countdown(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  if (s >= 7200) return age(s);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

export const percent = (share, places = 1) =>
  share === null || share === undefined ? "–" : `${(share * 100).toFixed(places)}%`;
export const rate = (perSecond) =>
  perSecond === null || perSecond === undefined
    ? "–"
    : perSecond < 10
      ? perSecond.toFixed(1)
      : number(Math.round(perSecond));
const LONG_ID = /^[0-9a-f-]{32,}$/,
  SHOWN_DIGITS = 12;
/**
 * The short form of an id, which the searches understand: `…769c3417a559` (as in contracts/ids.py).
 * Product ids stay complete.
 */
export const shortId = (id) => (LONG_ID.test(id) ? `…${id.slice(-SHOWN_DIGITS)}` : id);
/** order_confirmed, orderConfirmed → order confirmed */
export const words = (text) =>
  text
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[_.]/g, " ")
    .toLowerCase();
