// Parts of an order's page: lines and payment.
import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { By } from "./acts.js";
import { Link } from "../router.js";
import { config, failed, isStaff } from "../store.js";
import { money, words } from "../format.js";
import { meanings } from "../states.js";
import { Badge, Button, Card, CopyId, Table, Time, View } from "../ui.js";

const COLUMNS = [
  { title: "Product" },
  { title: "Qty", align: "right" },
  { title: "Price", align: "right", class: "wide" },
  { title: "Sum", align: "right" },
];

export function Lines({ order }) {
  return html`
    <${Card} title="Lines">
      <${Table} caption="Lines of this order" columns=${COLUMNS}>
        ${order.items.map(
          (item) => html`
          <tr key=${item.productId}>
            <td class="break">
              ${item.productName ?? item.productId}
              ${item.productName && html`<span class="block small-text muted">${item.productId}</span>`}
            </td>
            <td class="num">${item.quantity}</td>
            <td class="num nowrap wide">${money(item.unitPrice)}</td>
            <td class="num nowrap">${money(item.lineTotal)}</td>
          </tr>
        `,
        )}
        <tr class="sum">
          <th scope="row">Total</th>
          <td></td>
          <td class="wide"></td>
          <td class="num nowrap">
            ${
              order.total
                ? money(order.total)
                : meanings.order[order.status]?.terminal
                  ? "never priced"
                  : "not priced yet"
            }
          </td>
        </tr>
        ${
          order.refunded &&
          html`
          <tr>
            <th scope="row">Refunded</th>
            <td></td>
            <td class="wide"></td>
            <td class="num nowrap">${money(order.refunded)}</td>
          </tr>
        `
        }
      <//>
    <//>
  `;
}

/** The payment of an order. `of`: the payment as a resource; null data: there is none (yet). */
export function PaymentFacts({ of, ended }) {
  return html`
    <${Card} title="Payment">
      <${View}
        of=${of}
        isEmpty=${(data) => data === null}
        empty=${html`<p class="muted">${ended ? "No money was taken." : "Not charged yet."}</p>`}
      >
        ${(payment) => html`
          <${PaymentNumbers} payment=${payment} link />
          <${Refunds} payment=${payment} />
        `}
      <//>
    <//>
  `;
}

/** The label of a payment method, as in the shop. */
export const methodName = (method) => (method ? (config.value.paymentMethods?.[method] ?? words(method)) : "–");

/** Status and amounts of a payment. `link`: whether to link to the payment itself. */
export function PaymentNumbers({ payment, link = false }) {
  return html`
    <dl class="facts">
      <dt>Status</dt>
      <dd>
        <${Badge} of="payment" status=${payment.status} />
        ${payment.reason && html` <span class="muted">${words(payment.reason)}</span>`}
      </dd>
      <dt>Payment id</dt>
      <dd>
        <${CopyId} id=${payment.id} label="payment id" />
        ${link && isStaff.value && html` <${Link} to="/payments" query=${{ payment: payment.id }}>Show<//>`}
      </dd>
      ${
        payment.amount &&
        html`
        <dt>Amount</dt>
        <dd>
          ${money(payment.amount)}
          ${payment.method && html` <span class="muted">${methodName(payment.method)}</span>`}
        </dd>
        <dt>Captured</dt>
        <dd>${money(payment.captured)}</dd>
      `
      }
      ${payment.refunded?.amountMinor > 0 && html`<dt>Refunded</dt><dd>${money(payment.refunded)}</dd>`}
      ${payment.refundPending?.amountMinor > 0 && html`<dt>Being refunded</dt><dd>${money(payment.refundPending)}</dd>`}
    </dl>
  `;
}

const PAGE = 200;

/**
 * A list whose first page came with another answer: `children(entries)`, and a button that loads
 * more from `cursor`.
 */
export function Whole({ path, first, cursor, children }) {
  const [rest, setRest] = useState({ items: [] });
  const [busy, setBusy] = useState(false);
  const next = rest.items.length ? rest.nextCursor : cursor;
  const more = () => {
    setBusy(true);
    get(path, { cursor: next, limit: PAGE })
      .then(
        (page) => setRest({ ...page, items: [...rest.items, ...page.items] }),
        (problem) => failed("More entries could not be loaded", problem),
      )
      .finally(() => setBusy(false));
  };
  return html`
    ${children([...first, ...rest.items])}
    ${next && html`<p><${Button} small busy=${busy} onClick=${more}>Show more<//></p>`}
  `;
}

export function Refunds({ payment }) {
  if (!payment.refunds.length) return null;
  return html`
    <h3 class="sub-head">Refunds</h3>
    <${Whole} path=${`/api/v1/payments/${payment.id}/refunds`} first=${payment.refunds} cursor=${payment.refundsCursor}>
      ${(refunds) => html`
        <ul class="plain-list">
          ${refunds.map(
            (refund) => html`
            <li key=${refund.id}>
              <div class="spread">
                <strong>${money({ ...payment.captured, amountMinor: refund.amountMinor })}</strong>
                <${Badge} of="refund" status=${refund.status} />
              </div>
              <p class="small-text break">${refund.reason}${refund.failure && ` – ${words(refund.failure)}`}</p>
              <p class="small-text muted"><${Time} at=${refund.createdAt} /></p>
              <${By} by=${refund.by} />
            </li>
          `,
          )}
        </ul>
      `}
    <//>
  `;
}
