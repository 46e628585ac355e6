// Progress of an order, from the order alone: five steps at a glance, and a word.
import { html } from "../lib.js";
import { words } from "../format.js";
import { OrderStatus } from "../states.js";

const STEPS = ["Customer", "Stock", "Payment", "Shipping", "Delivery"];
const DONE = {
  [OrderStatus.CONFIRMED]: 3,
  [OrderStatus.PROCESSING]: 3,
  [OrderStatus.SHIPPED]: 4,
  [OrderStatus.COMPLETED]: 5,
};
const SAYING = {
  [OrderStatus.CONFIRMED]: "paid",
  [OrderStatus.PROCESSING]: "being packed",
  [OrderStatus.SHIPPED]: "on its way",
  [OrderStatus.COMPLETED]: "delivered",
  [OrderStatus.CANCELLED]: "undone",
};
/** The step at which an order is, by its error code. */
const AT = {
  users_unavailable: 0,
  unknown_customer: 0,
  customer_suspended: 0,
  insufficient_stock: 1,
  inventory_unavailable: 1,
  unknown_product: 1,
  not_chargeable: 1,
  payments_unavailable: 2,
  payment_processing: 2,
  payment_declined: 2,
};
const WAITING = { insufficient_stock: "waiting for stock", payment_processing: "waiting for the payment" };

/**
 * {done, at, tone, saying}: steps done, the step in progress or failed (null: none), its tone, and
 * a word for it.
 */
export function progress({ status, errorCode, inventoryUpdated }) {
  if (status === OrderStatus.CANCELLED) return { done: 0, at: null, tone: "plain", saying: SAYING[status] };
  if (status === OrderStatus.FAILED)
    return { done: AT[errorCode] ?? 0, at: AT[errorCode] ?? null, tone: "bad", saying: words(errorCode ?? status) };
  if (status === OrderStatus.PENDING) {
    const at = AT[errorCode] ?? (inventoryUpdated ? 2 : 0);
    return { done: at, at, tone: "warn", saying: errorCode ? (WAITING[errorCode] ?? words(errorCode)) : "running" };
  }
  const done = DONE[status] ?? 0;
  return {
    done,
    at: done < 5 ? done : null,
    tone: errorCode ? "warn" : "next",
    saying: errorCode ? words(errorCode) : (SAYING[status] ?? words(status)),
  };
}

export function Steps({ order }) {
  const { done, at, tone, saying } = progress(order);
  const of = (step) => (step < done ? "ok" : step === at ? tone : "");
  return html`
    <span class="saga">
      <span class="steps" aria-hidden="true">
        ${STEPS.map((name, step) => html`<i key=${name} class=${of(step)} title=${name}></i>`)}
      </span>
      <span class="small-text muted"><span class="sr-only">${done} of 5 steps, </span>${saying}</span>
    </span>
  `;
}

/** "Dell XPS 15 × 2" and the number of further lines. */
export function Items({ order }) {
  const [first, ...more] = order.items;
  if (!first) return "–";
  return html`
    <span class="items">
      <span class="items-first">${first.productName ?? first.productId}</span> <span class="nowrap muted"
        >× ${first.quantity}${more.length > 0 && ` + ${more.length} more`}</span>
    </span>
  `;
}
