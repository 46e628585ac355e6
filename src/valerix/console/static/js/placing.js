// Placing an order, whatever the network does: one idempotency key for all attempts of one submission.
import { useEffect, useRef, useState } from "./lib.js";
import { call, get, newKey } from "./api.js";
import { onLive, kind } from "./live.js";
import { toast } from "./store.js";
import { href } from "./router.js";
import { words } from "./format.js";

const PAUSES = [1, 2, 4, 8];
const PATIENCE_SECONDS = 20;
const LOOK_AGAIN_SECONDS = 3;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const STILL_GOING = new Set(["pending"]);

/**
 * {state, order, problem, submit(body), tryAgain(), reset()}. `state`:
 * idle · submitting · unknown (no answer yet: the same request is sent again under its key) · placed (see order.status) · refused (see problem)
 */
export function usePlacing({ onChange }) {
  const [placing, setPlacing] = useState({ state: "idle" });
  const current = useRef(placing);
  current.current = placing;
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const show = (changes) => { if (alive.current) setPlacing((old) => ({ ...old, ...changes })); };

  const settle = (order) => {
    const known = current.current.order;
    if (known?.id === order.id && known.version >= order.version) return;
    show({ state: "placed", order, problem: null });
    onChange?.(order);
  };

  const attempt = async (body, key) => {
    for (let number = 0; ; number++) {
      try {
        const { data } = await call("POST", "/api/v1/orders", { body, key, patience: PATIENCE_SECONDS });
        return settle(data);
      } catch (problem) {
        if (problem.document?.order) return settle(problem.document.order);
        if (!worthRepeating(problem)) { show({ state: "refused", problem }); return tell(problem); }
        show({ state: "unknown", problem, attempts: number + 1 });
        if (number >= PAUSES.length) return;
        await sleep(PAUSES[number]);
        if (!alive.current || current.current.key !== key) return;
      }
    }
  };

  const submit = (body) => {
    const key = newKey();
    current.current = { key, body };
    setPlacing({ state: "submitting", key, body, order: null, problem: null });
    return attempt(body, key);
  };
  const tryAgain = () => { show({ state: "submitting" }); return attempt(placing.body, placing.key); };

  // While it is open, events move it; a look now and then covers for those that were lost.
  useEffect(() => onLiveOrders(({ subject, data }) => { if (subject === current.current.order?.id) settle(data); }), []);
  useEffect(() => {
    if (placing.state !== "placed" || !STILL_GOING.has(placing.order.status)) return;
    const timer = setInterval(() => get(`/api/v1/orders/${placing.order.id}`).then(settle, () => {}), LOOK_AGAIN_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [placing.state, placing.order?.id, placing.order?.status]);

  return { ...placing, submit, tryAgain, reset: () => setPlacing({ state: "idle" }) };
}

const worthRepeating = (problem) => problem.offline || problem.status === 503 || problem.status === 429 || problem.code === "idempotency_key_in_flight";

const tell = (problem) => toast("bad", "The order was not accepted", { detail: problem.message, traceId: problem.traceId });

const listeners = new Set();
onLive((event) => { if (event.type.startsWith("valerix.order.")) for (const listener of listeners) listener(event); });
function onLiveOrders(listener) { listeners.add(listener); return () => { listeners.delete(listener); }; }

/** What an event of an order means to its customer, as a toast; null for what is no news. */
export function newsOf(event) {
  const link = href(`/orders/${event.subject}`);
  const about = event.data.items.map((item) => `${item.quantity} × ${item.productName ?? item.productId}`).join(", ");
  const say = {
    "order.confirmed": ["ok", "Order confirmed"],
    "order.shipped": ["info", "Order shipped"],
    "order.completed": ["ok", "Order delivered"],
    "order.cancelled": ["info", "Order cancelled"],
    "order.failed": ["bad", "Order failed"],
  }[kind(event)];
  if (!say) return null;
  const reason = event.data.errorMessage ? `${event.data.errorMessage}. ` : "";
  return { tone: say[0], title: say[1], detail: `${reason}${about}`, href: link, key: `${event.subject} ${kind(event)}` };
}

/** What an order is waiting for or ended with, in words. */
export function saying(order) {
  if (order.status === "pending") return order.errorCode === "insufficient_stock" ? "Out of stock: held for you" : order.errorMessage ? `Still processing: ${order.errorMessage.toLowerCase()}` : "Still processing";
  if (order.status === "failed") return order.errorMessage ?? "The order failed";
  return { confirmed: "Confirmed and paid", processing: "Being packed", shipped: "On its way", completed: "Delivered", cancelled: order.errorMessage ?? "Cancelled" }[order.status] ?? words(order.status);
}
