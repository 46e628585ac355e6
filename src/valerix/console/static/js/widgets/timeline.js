// The timeline of an order as rows on a scale that shortens idle time. Pure: no access to the page.
import { OrderStatus, PaymentStatus, ReservationStatus } from "../states.js";
import { progress } from "./saga.js";

/** All steps of an order, in order; compensations are shown only when they were taken. */
const ROWS = [
  { key: "accept", title: "Accept" },
  { key: "validate_customer", title: "Check customer" },
  { key: "reserve_stock", title: "Reserve stock" },
  { key: "charge", title: "Take payment" },
  { key: "pack", title: "Pick and pack" },
  { key: "ship", title: "Ship" },
  { key: "deliver", title: "Deliver" },
  { key: "void_payment", title: "Void payment", back: true },
  { key: "release_stock", title: "Release stock", back: true },
];
/** The row of each of the five steps in saga.js. */
const STEP_KEYS = ["validate_customer", "reserve_stock", "charge", "ship", "deliver"];
const SAYING = {
  ok: "done",
  [ReservationStatus.COMMITTED]: "left the warehouse",
  [PaymentStatus.PROCESSING]: "no answer yet",
};
/** Words for outcomes of compensations: there an earlier failure is good. */
const SAYING_BACK = {
  [PaymentStatus.DECLINED]: "no money was taken",
  [ReservationStatus.ABSENT]: "nothing to undo",
  [PaymentStatus.PROCESSING]: "no answer yet",
};
const GOOD = new Set([
  "ok",
  "active",
  PaymentStatus.CAPTURED,
  PaymentStatus.VOIDED,
  PaymentStatus.REFUNDED,
  ReservationStatus.COMMITTED,
  ReservationStatus.RELEASED,
]);
/** Further outcomes that are good for a compensation: nothing was taken. */
const GOOD_BACK = new Set([PaymentStatus.DECLINED, ReservationStatus.ABSENT]);
/** The outcome of a step that failed without a more specific outcome. */
export const STEP_FAILED = "failed";

export function toneOf(step, back) {
  if (GOOD.has(step.outcome) || (back && GOOD_BACK.has(step.outcome))) return "ok";
  return step.outcome === PaymentStatus.PROCESSING ? "warn" : "bad";
}

const at = (text) => new Date(text).getTime();

/**
 * The rows: [{key, title, back, bars, attempts, ms, outcome, tone, detail}]; bars: {from, to, tone,
 * label, open}.
 */
export function rowsOf(order, events, now) {
  const when = (type) => events.find((event) => event.type === type)?.occurredAt;
  const steps = events.flatMap((event) => event.steps);
  const rows = ROWS.map((row) =>
    stepRow(
      row,
      steps.filter((step) => step.name === row.key),
    ),
  );
  const named = Object.fromEntries(rows.map((row) => [row.key, row]));
  Object.assign(named.accept, {
    bars: [bar(at(order.createdAt), at(order.createdAt), "ok", "accepted")],
    outcome: "accepted",
    tone: "ok",
  });
  spanRow(named.pack, when("order.processing"), when("order.shipped"), "packed");
  spanRow(named.deliver, when("order.shipped"), when("order.completed"), "delivered");
  if (!named.validate_customer.attempts && (named.reserve_stock.attempts || order.paymentId))
    Object.assign(named.validate_customer, { outcome: "already known", tone: "ok" });
  const failedAt = named[STEP_KEYS[order.status === OrderStatus.FAILED ? progress(order).at : -1]];
  if (failedAt && !failedAt.attempts) Object.assign(failedAt, { outcome: order.errorMessage, tone: "bad" });
  waitRow(named[waitingFor(order)], order, Math.max(now, at(order.updatedAt)));
  return rows.filter((row) => !row.back || row.bars.length);
}

/** What the compensation returned: {stock, money}; neither where there was nothing to undo. */
export function givenBack(events) {
  const steps = events.flatMap((event) => event.steps);
  const did = (name, outcomes) => steps.some((step) => step.name === name && outcomes.includes(step.outcome));
  return {
    stock: did("release_stock", [ReservationStatus.RELEASED]),
    money: did("void_payment", [PaymentStatus.VOIDED, PaymentStatus.REFUNDED]),
  };
}

function stepRow(row, steps) {
  const bars = steps.map((step, index) => ({
    ...bar(at(step.startedAt), at(step.startedAt) + step.durationMs, toneOf(step, row.back), step.outcome),
    detail: step.detail,
    attempt: index + 1,
  }));
  const last = steps.at(-1);
  return {
    ...row,
    bars,
    attempts: steps.length,
    ms: steps.reduce((sum, step) => sum + step.durationMs, 0),
    failures: steps.filter((step) => step.outcome === STEP_FAILED).length,
    outcome: last ? ((row.back ? SAYING_BACK : SAYING)[last.outcome] ?? last.outcome.replaceAll("_", " ")) : "",
    tone: last ? bars.at(-1).tone : "plain",
    detail: last?.detail ?? "",
  };
}

function spanRow(row, from, to, outcome) {
  if (from && to)
    Object.assign(row, {
      bars: [{ ...bar(at(from), at(to), "ok", outcome), wait: true }],
      ms: at(to) - at(from),
      outcome,
      tone: "ok",
    });
}

const bar = (from, to, tone, label) => ({ from, to: Math.max(from, to), tone, label });

/** The row of the step that an order in progress waits for. */
function waitingFor({ status, errorCode, inventoryUpdated }) {
  if (status === OrderStatus.CONFIRMED || status === OrderStatus.PROCESSING) return "pack";
  if (status === OrderStatus.SHIPPED) return "deliver";
  if (status !== OrderStatus.PENDING) return "";
  if (errorCode?.startsWith("users")) return "validate_customer";
  if (errorCode?.startsWith("payment")) return "charge";
  return errorCode || !inventoryUpdated ? "reserve_stock" : "charge";
}

function waitRow(row, order, now) {
  if (!row) return;
  const from = Math.max(at(order.updatedAt), ...row.bars.map((one) => one.to));
  row.bars.push({ ...bar(from, now, "warn", "waiting"), open: true });
  row.waiting = true;
  row.outcome = order.errorMessage ?? "under way";
  row.tone = "warn";
}

// --- the scale

const LONGEST_IDLE_MS = 150,
  GAP = 0.09,
  GAPS_AT_MOST = 0.5;

/**
 * Maps time to place (0 to 1). Busy time gets width in proportion to its length; each idle time gets a narrow gap.
 * {place(ms), gaps: [{from, to, ms}], ticks: [{place, ms}]}
 */
export function scaleOf(rows) {
  const busy = rows
    .flatMap((row) => row.bars)
    .flatMap((one) =>
      one.wait || one.open
        ? [
            [one.from, one.from],
            [one.to, one.to],
          ]
        : [[one.from, one.to]],
    );
  const stretches = merge(busy.sort((one, other) => one[0] - other[0]));
  const share = Math.min(GAP, GAPS_AT_MOST / Math.max(1, stretches.length - 1));
  const total = stretches.reduce((sum, [from, to]) => sum + to - from, 0);
  const least = total ? total * 0.02 : 1;
  const weights = stretches.map(([from, to]) => Math.max(least, to - from));
  const width = (1 - share * (stretches.length - 1)) / weights.reduce((sum, weight) => sum + weight, 0);
  let place = 0;
  const marks = stretches.map(([from, to], index) => {
    const mark = { from, to, left: place, right: place + weights[index] * width };
    place = mark.right + share;
    return mark;
  });
  const start = stretches[0]?.[0] ?? 0;
  return {
    place: (ms) => placeIn(marks, ms),
    gaps: marks
      .slice(1)
      .map((mark, index) => ({ from: marks[index].right, to: mark.left, ms: mark.from - marks[index].to })),
    ticks: marks.map((mark) => ({ place: mark.left, ms: mark.from - start })),
  };
}

function merge(spans) {
  const merged = [];
  for (const [from, to] of spans) {
    const last = merged.at(-1);
    if (last && from - last[1] <= LONGEST_IDLE_MS) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

function placeIn(marks, ms) {
  const next = marks.findIndex((mark) => ms <= mark.to);
  if (next < 0) return 1;
  const mark = marks[next];
  if (ms >= mark.from)
    return mark.from === mark.to
      ? mark.left
      : mark.left + ((ms - mark.from) / (mark.to - mark.from)) * (mark.right - mark.left);
  const before = marks[next - 1];
  return before ? before.right + ((ms - before.to) / (mark.from - before.to)) * (mark.left - before.right) : 0;
}
