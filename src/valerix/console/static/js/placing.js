// Places an order over an unreliable network: one idempotency key for all attempts of one submission.
import { useEffect, useRef, useState } from "./lib.js";
import { call, get, newKey } from "./api.js";
import { useLive } from "./live.js";
import { toast } from "./store.js";
import { href } from "./router.js";
import { money, words } from "./format.js";
import { OrderStatus } from "./states.js";

const PAUSES = [1, 2, 4, 8];
const TIMEOUT_SECONDS = 20;
const LOOK_AGAIN_SECONDS = 3;
const MAX_EARLY = 500;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const WAITING = new Set(["submitting", "unknown"]);

/**
 * {state, order, problem, submit(body), tryAgain(), update(order)}. `state`:
 * idle · submitting · unknown (no answer yet: the same request is sent again under its key) ·
 * placed (see order.status) · refused (see problem) `onChange(order)`: called for each new version
 * of the order. `onEvent(event)`: called for each live event of the order.
 */
export function usePlacing({ onChange, onEvent }) {
  const [placing, setPlacing] = useState({ state: "idle" });
  const current = useRef(placing); // ahead of the rendered state: answers and events may come before the next rendering
  const alive = useRef(true);
  const early = useRef([]);
  useEffect(
    () => () => {
      alive.current = false;
    },
    [],
  );
  const put = (next) => {
    current.current = next;
    setPlacing(next);
  };
  const show = (changes) => {
    if (alive.current) put({ ...current.current, ...changes });
  };

  const take = (order) => {
    show({ state: "placed", order, problem: null });
    onChange?.(order);
  };
  const update = (order) => {
    announce(order);
    const known = current.current.order;
    if (known?.id === order.id && known.version < order.version) take(order);
  };
  const follow = (event) => {
    onEvent?.(event);
    update(event.data);
  };
  const catchUp = (id) => {
    const missed = early.current.filter((event) => event.subject === id);
    early.current = [];
    missed.forEach(follow);
  };
  const settle = (order) => {
    if (current.current.order?.id === order.id) return update(order); // another attempt was answered before
    announce(order);
    take(order);
    catchUp(order.id);
  };

  const attempt = async (body, key) => {
    for (let number = 0; ; number++) {
      try {
        const { data } = await call("POST", "/api/v1/orders", { body, key, patience: TIMEOUT_SECONDS });
        return settle(data);
      } catch (problem) {
        if (problem.document?.order) return settle(problem.document.order);
        if (!worthRepeating(problem)) {
          show({ state: "refused", problem });
          return showRefusal(problem);
        }
        show({ state: "unknown", problem, attempts: number + 1 });
        if (number >= PAUSES.length) return;
        await sleep(PAUSES[number]);
        if (!alive.current || current.current.key !== key) return;
      }
    }
  };

  const submit = (body) => {
    const key = newKey();
    early.current = [];
    put({ state: "submitting", key, body, order: null, problem: null });
    return attempt(body, key);
  };
  const tryAgain = () => {
    show({ state: "submitting" });
    return attempt(placing.body, placing.key);
  };

  // Events update the order while the page is open; polling covers lost events. Only the answer has
  // the id of the order, and events may overtake it: until it arrives, the events of all orders of
  // this customer are kept.
  useLive(["order."], (event) => {
    const { state, order, body } = current.current;
    if (order) {
      if (event.subject === order.id) follow(event);
    } else if (WAITING.has(state) && event.data.customerId === body.customerId)
      early.current = [...early.current.slice(1 - MAX_EARLY), event];
  });
  useEffect(() => {
    if (placing.state !== "placed" || placing.order.status !== OrderStatus.PENDING) return;
    const timer = setInterval(
      () => get(`/api/v1/orders/${placing.order.id}`).then(update, () => {}),
      LOOK_AGAIN_SECONDS * 1000,
    );
    return () => clearInterval(timer);
  }, [placing.state, placing.order?.id, placing.order?.status]);

  return { ...placing, submit, tryAgain, update };
}

const worthRepeating = (problem) =>
  problem.passing || problem.status === 429 || problem.code === "idempotency_key_in_flight";

const showRefusal = (problem) =>
  toast("bad", "The order was not accepted", { detail: problem.message, traceId: problem.traceId });

const NEWS = {
  [OrderStatus.CONFIRMED]: ["ok", "Order confirmed"],
  [OrderStatus.SHIPPED]: ["info", "Order shipped"],
  [OrderStatus.COMPLETED]: ["ok", "Order delivered"],
  [OrderStatus.CANCELLED]: ["info", "Order cancelled"],
  [OrderStatus.FAILED]: ["bad", "Order failed"],
};
const SAYING = {
  [OrderStatus.CONFIRMED]: "Confirmed and paid",
  [OrderStatus.PROCESSING]: "Being packed",
  [OrderStatus.SHIPPED]: "On its way",
  [OrderStatus.COMPLETED]: "Delivered",
  [OrderStatus.CANCELLED]: "Cancelled",
  [OrderStatus.FAILED]: "The order failed",
};
/** The key under which the status of an order is announced. */
export const newsKey = (id, status) => `${id} ${status}`;

/**
 * Show the status of an order as a toast; false for a status that is not announced. Live events and
 * answers both report a status, and either may come first: the first one shows it, the other one
 * does not repeat it.
 */
export function announce(order) {
  if (order.refund) {
    // from the event of a refund; the status was announced before
    toast("info", `${money(order.refund.amount)} refunded`, {
      detail: order.refund.reason,
      href: href(`/orders/${order.id}`),
      key: newsKey(order.id, order.version),
    });
    return true;
  }
  if (!NEWS[order.status]) return false;
  const [tone, title] = NEWS[order.status];
  const about = order.items.map((item) => `${item.quantity} × ${item.productName ?? item.productId}`).join(", ");
  const reason = order.errorMessage ? `${because(order)}. ` : "";
  toast(tone, title, {
    detail: `${reason}${about}`,
    href: href(`/orders/${order.id}`),
    key: newsKey(order.id, order.status),
  });
  return true;
}

const HELD = { hold: "Out of stock: held for you", backorder: "Out of stock: confirmed as soon as it is back" };

/**
 * The reason of an order, or of an entry of its history, as a sentence without its full stop. A
 * reason typed for a cancellation is marked as one.
 */
export function because({ status, errorMessage }) {
  const said = errorMessage.replace(/[.!?]$/, "");
  return status === OrderStatus.CANCELLED && !/^cancelled/i.test(said) ? `Cancelled: ${said}` : said;
}

/** The state of an order in words: what it waits for, or how it ended. */
export function saying(order) {
  if (order.status === OrderStatus.PENDING)
    return order.errorCode === "insufficient_stock"
      ? (HELD[order.onShortage] ?? HELD.hold)
      : order.errorMessage
        ? `Still processing: ${order.errorMessage.toLowerCase()}`
        : "Still processing";
  const ended = order.status === OrderStatus.FAILED || order.status === OrderStatus.CANCELLED;
  return (ended && order.errorMessage && because(order)) || SAYING[order.status] || words(order.status);
}
