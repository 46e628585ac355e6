// One order: its data, its history, and the actions that it permits.
import { html, useEffect, useRef, useState } from "../lib.js";
import { del, get, post } from "../api.js";
import { useLive } from "../live.js";
import { announce, because, newsKey } from "../placing.js";
import { useResource } from "../resource.js";
import { Link, params, setParams } from "../router.js";
import { clock, config, failed, isStaff, toast } from "../store.js";
import { countdown, dateTime, money, shortId, words } from "../format.js";
import { OrderStatus, meanings } from "../states.js";
import {
  Actions,
  Badge,
  Button,
  Card,
  Chips,
  CopyId,
  Dialog,
  Empty,
  Failure,
  Field,
  PageHead,
  Skeleton,
  Time,
  View,
  secondsUntil,
} from "../ui.js";
import { EventList, MODES, Waterfall } from "../widgets/waterfall.js";
import { RefundDialog, refundable } from "../widgets/refund.js";
import { Acts } from "../widgets/acts.js";
import { FaultsMeanwhile, WhatIsWrong } from "../widgets/meanwhile.js";
import { givenBack } from "../widgets/timeline.js";
import { Lines, PaymentFacts } from "../widgets/orderparts.js";

const TOGETHER_MS = 150;

const PAGE = 200;

/**
 * The first `pages` pages of the history, oldest first, with their number; `more`: whether there are
 * more. For staff with their acts.
 */
async function history(path, pages, signal) {
  const events = [];
  let cursor,
    acts = [],
    unanswered = [];
  for (let page = 0; page < pages && cursor !== null; page++) {
    const found = await get(`${path}/events`, { limit: PAGE, cursor }, signal);
    events.push(...found.events);
    ({ nextCursor: cursor, acts = [], unanswered = [] } = found);
  }
  return { events, acts, unanswered, pages, more: cursor !== null };
}

export default function OrderPage({ id }) {
  const path = `/api/v1/orders/${encodeURIComponent(id)}`;
  const [pages, setPages] = useState(1);
  const order = useResource(
    async (signal) => {
      const [found, timeline] = await Promise.all([get(path, {}, signal), history(path, pages, signal)]);
      return { ...found, ...timeline };
    },
    [id, pages],
  );
  // Before stock is reserved, nothing is charged.
  const charged = order.data && (order.data.reservation !== null || order.data.paymentId !== null);
  const payment = useResource(
    async (signal) => {
      if (!charged) return charged === undefined ? new Promise(() => {}) : null;
      return get(`/api/v1/payments/order/${encodeURIComponent(id)}`, {}, signal).catch(noneYet);
    },
    [id, charged],
  );
  const reload = () => {
    order.reload();
    payment.reload();
  };
  useFollowing(id, reload);
  if (order.error?.status === 404)
    return html`
      <${PageHead} title="Order" />
      <${Card}>
        <${Empty} title="There is no such order" icon="orders">
          <p>Perhaps the address is incomplete.</p>
          <p><${Link} to="/orders" class="button">All orders<//></p>
        <//>
      <//>
    `;
  const shown = order.data;
  return html`
    <${PageHead}
      title=${html`
        Order <span class="mono">${shortId(id)}</span>
        ${" "}
        ${shown && html`<${Badge} of="order" status=${shown.status} />`}
      `}
      sub=${shown && html`${isStaff.value ? `${shown.customerId} · ` : ""}placed ${dateTime(shown.createdAt)}`}
    >
      ${shown && html`<${OrderActions} order=${shown} payment=${payment.data} path=${path} reload=${reload} />`}
    <//>
    <${View} of=${order} skeleton=${html`<${Waiting} />`}>
      ${(found) => html`
        <${Reason} order=${found} />
        <div class="grid order-grid">
          <div class="stack">
            <${Card} title="How it went" aside="idle time is shortened">
              <${Waterfall} order=${found} events=${found.events} now=${clock.value * 1000} />
            <//>
            <${Events}
              events=${found.events}
              more=${found.more && (() => setPages(pages + 1))}
              busy=${pages > found.pages}
            />
            ${
              isStaff.value &&
              html`
              <${FaultsMeanwhile} order=${found} />
              <${Card} title="Done by staff"><${Acts} acts=${found.acts} unanswered=${found.unanswered} /><//>
            `
            }
          </div>
          <div class="stack">
            <${Lines} order=${found} />
            <${PaymentFacts} of=${payment} ended=${meanings.order[found.status]?.terminal} />
            <${Facts} order=${found} />
          </div>
        </div>
      `}
    <//>
  `;
}

const noneYet = (problem) => {
  if (problem.status === 404) return null;
  throw problem;
};

/** Reload after events of the order. Events come in bursts; each burst causes one reload. */
function useFollowing(id, reload) {
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive(["order.", "payment."], (event) => {
    if (event.subject !== id && event.data.orderId !== id) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(reload, TOGETHER_MS);
  });
}

const Waiting = () => html`
    <div class="grid order-grid">
      <div class="stack"><${Card}><${Skeleton} lines=${9} /><//><${Card}><${Skeleton} lines=${5} /><//></div>
      <div class="stack"><${Card}><${Skeleton} lines=${4} /><//><${Card}><${Skeleton} lines=${4} /><//></div>
    </div>
  `;

const REASON_TONES = { [OrderStatus.FAILED]: "bad", [OrderStatus.CANCELLED]: "info" };

/** The reason for the order's state, and what happens next. */
function Reason({ order }) {
  if (!order.errorMessage) return null;
  return html`
    <div class=${`notice ${REASON_TONES[order.status] ?? ""} reason`}>
      <p><strong>${because(order)}.</strong> ${next(order)}</p>
      ${order.status === OrderStatus.PENDING && isStaff.value && order.errorCode !== HELD && html`<${WhatIsWrong} />`}
    </div>
  `;
}

const HELD = "insufficient_stock";

function next(order) {
  if (order.status === OrderStatus.PENDING)
    return order.errorCode === HELD ? waits(order) : "It is retried automatically.";
  return meanings.order[order.status]?.terminal ? undone(givenBack(order.events)) : "";
}

/** What a held order waits for. `heldUntil`: only for orders that expire. */
function waits({ onShortage, heldUntil }) {
  const what =
    onShortage === "backorder"
      ? "It is confirmed automatically as soon as there is stock."
      : "Retry it once there is stock, or cancel it.";
  return heldUntil
    ? `${what} Held until ${dateTime(heldUntil)} (${countdown(secondsUntil(heldUntil))}), then it is cancelled.`
    : what;
}

function undone({ stock, money: paid }) {
  if (!stock && !paid) return "Neither stock nor money was taken.";
  return `${[stock && "Its stock was released", paid && "its money was returned"]
    .filter(Boolean)
    .join(" and ")}.`.replace(/^i/, "I");
}

function OrderActions({ order, payment, path, reload }) {
  const [open, setOpen] = useState("");
  const [busy, setBusy] = useState(false);
  const left = refundable(payment);
  const retry = async () => {
    setBusy(true);
    try {
      const retried = await post(`${path}/retry`);
      if (!announce(retried))
        toast("info", "Still pending", {
          detail: "It will be retried automatically.",
          unless: newsKey(order.id, OrderStatus.CONFIRMED),
        });
    } catch (problem) {
      if (!(problem.document?.order && announce(problem.document.order)))
        failed("The order could not be confirmed", problem);
    }
    setBusy(false);
    reload();
  };
  return html`
    ${
      order.status === OrderStatus.PENDING &&
      order.errorCode &&
      html`
      <${Button} kind="primary" icon="refresh" busy=${busy} onClick=${retry}>Retry now<//>
    `
    }
    ${
      isStaff.value &&
      left?.amountMinor > 0 &&
      html`
      <${Button} icon="payments" onClick=${() => setOpen("refund")}>Refund<//>
    `
    }
    ${
      meanings.order[order.status]?.cancellable &&
      html`
      <${Button} kind="danger" icon="close" onClick=${() => setOpen("cancel")}>Cancel order<//>
    `
    }
    ${
      open === "refund" &&
      html`
      <${RefundDialog}
        payment=${payment}
        partOnly=${meanings.order[order.status]?.cancellable}
        onClose=${() => setOpen("")}
        onDone=${reload}
      />
    `
    }
    ${
      open === "cancel" &&
      html`
      <${CancelDialog} order=${order} left=${left} path=${path} onClose=${() => setOpen("")} onDone=${reload} />
    `
    }
  `;
}

function CancelDialog({ order, left, path, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const ended = await del(path, { params: { reason: reason.trim() } });
      if (!announce(ended))
        toast("info", "The order will be cancelled", {
          detail: "A service it needs is not available. The order is cancelled as soon as that service is back.",
          unless: newsKey(order.id, OrderStatus.CANCELLED),
        });
      onDone();
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
      onDone();
    }
  };
  return html`
    <${Dialog} title="Cancel this order?" onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <p>
          ${order.inventoryUpdated ? "Its stock is released" : "It holds no stock"}
          ${
            left?.amountMinor > 0 ? `, and ${money(left)} goes back to the customer` : ", and no money was taken"
          }. This cannot be undone. 
        </p>
        <${Field} label="Reason (optional)" hint="The customer can read it.">
          ${(field) => html`
            <input
              ...${field}
              maxlength="200"
              autofocus
              value=${reason}
              onInput=${(event) => setReason(event.currentTarget.value)}
            />
          `}
        <//>
        ${error && html`<${Failure} error=${error} stale />`}
        <${Actions}>
          <${Button} onClick=${onClose}>Keep the order<//>
          <${Button} type="submit" kind="danger solid" busy=${busy}>Cancel the order<//>
        <//>
      </form>
    <//>
  `;
}

/** The events of an order. `more`: loads further events; false when there are none. */
function Events({ events, more, busy }) {
  const mode = MODES.some(([key]) => key === params.value.events) ? params.value.events : "compact";
  return html`
    <${Card}
      title="Events"
      aside=${html`
        <${Chips}
          label="Events shown"
          options=${MODES}
          value=${mode}
          onChange=${(key) => setParams({ events: key === "compact" ? "" : key }, { replace: true })}
        />
      `}
    >
      <${EventList} events=${events} mode=${mode} />
      ${
        more &&
        html`
        <p class="row">
          <span class="muted small-text">The first ${events.length} events.</span>
          <${Button} small busy=${busy} onClick=${more}>Show more<//>
        </p>
      `
      }
    <//>
  `;
}

function Facts({ order }) {
  const address = order.shippingAddress,
    trace = order.events[0]?.traceId ?? "";
  const lines =
    address &&
    [
      address.name,
      address.street,
      [address.postalCode, address.city].filter(Boolean).join(" "),
      [address.region, address.country].filter(Boolean).join(", "),
    ].filter(Boolean);
  return html`
    <${Card} title="Details">
      <dl class="facts">
        <dt>Order id</dt>
        <dd><${CopyId} id=${order.id} full label="order id" /></dd>
        <dt>Customer</dt>
        <dd>
          ${
            isStaff.value
              ? html`<${Link} to="/orders" query=${{ q: order.customerId }}>${order.customerId}<//>`
              : order.customerId
          }
        </dd>
        ${
          order.reservation?.length > 0 &&
          html`
          <dt>Taken from</dt>
          <dd>
            ${order.reservation.map(
              (part) => html`
              <span class="block">${part.warehouseId}: ${part.quantity} × ${part.productId}</span>
            `,
            )}
          </dd>
        `
        }
        <dt>If short of stock</dt>
        <dd>${words(order.onShortage)}</dd>
        ${lines && html`<dt>Ship to</dt><dd>${lines.map((line) => html`<span class="block">${line}</span>`)}</dd>`}
        <dt>Updated</dt>
        <dd><${Time} at=${order.updatedAt} /></dd>
        <dt>Trace</dt>
        <dd>
          <${CopyId} id=${trace} full label="trace id" />
          ${isStaff.value && config.value.logs && html` <${Link} to="/logs" query=${{ trace }}>Logs<//>`}
        </dd>
      </dl>
    <//>
  `;
}
