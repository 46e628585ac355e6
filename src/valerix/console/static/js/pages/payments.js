// Payments: captures, refunds, and the dialog for further refunds.
import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { useLive } from "../live.js";
import { useResource } from "../resource.js";
import { Link, params, setParams } from "../router.js";
import { money, shortId, zone } from "../format.js";
import { PaymentStatus, meanings } from "../states.js";
import {
  Badge,
  Button,
  Card,
  Chips,
  CopyId,
  Drawer,
  Empty,
  Failure,
  PageHead,
  Search,
  Skeleton,
  SkeletonRows,
  Table,
  Time,
  View,
} from "../ui.js";
import { DateRange, Pager, filterBy, span, useList, useQueryText, useUpdatedRows } from "../widgets/list.js";
import { By } from "../widgets/acts.js";
import { PaymentNumbers, Refunds, Whole, methodName } from "../widgets/orderparts.js";
import { RefundDialog, refundable } from "../widgets/refund.js";

const STATUSES = Object.values(PaymentStatus);
const CHOICES = [["", "all"], ...STATUSES.map((status) => [status, meanings.payment[status].label])];
const COLUMNS = [
  { title: "Payment" },
  { title: "Order", class: "wide" },
  { title: "Customer", class: "wide" },
  { title: "Method", class: "wide" },
  { title: "Amount", align: "right" },
  { title: "Refunded", align: "right", class: "wide" },
  { title: "Status" },
  { title: `Created, ${zone()}`, class: "wide" },
];
const FILTERS = ["q", "status", "from", "to"];

export default function Payments() {
  const { q = "", status = "", from, to, payment } = params.value;
  const known = STATUSES.includes(status) ? status : "";
  const list = useList("/api/v1/payments", { q, status: known, ...span({ from, to }) });
  const [rows, update] = useUpdatedRows(list);
  useLive(["payment."], (event) => update(event.data));
  return html`
    <${PageHead} title="Payments">
      <${Button} icon="refresh" busy=${list.refreshing && list.data !== undefined} onClick=${list.reload}>Refresh<//>
    <//>
    <${Card} class="list">
      <${Filters} status=${known} from=${from} to=${to} />
      ${list.error && html`<${Failure} error=${list.error} retry=${list.reload} stale=${Boolean(rows)} />`}
      ${
        (rows?.length > 0 || list.loading) &&
        html`
        <${Table} caption="Payments" columns=${COLUMNS} busy=${list.refreshing}>
          ${
            rows
              ? rows.map((row) => html`<${Row} key=${row.id} payment=${row} />`)
              : html`
            <${SkeletonRows} rows=${12} columns=${COLUMNS.length} />
          `
          }
        <//>
      `
      }
      ${rows?.length === 0 && html`<${Nothing} />`}
      ${rows?.length > 0 && html`<${Pager} of=${list} shown=${rows.length} noun="payments" />`}
    <//>
    ${payment && html`<${Detail} key=${payment} id=${payment} onDone=${list.reload} />`}
  `;
}

function Filters({ status, from, to }) {
  const [text, setText] = useQueryText();
  return html`
    <div class="filters">
      <${Search}
        label="Search payments"
        placeholder="Payment id, order id, customer"
        value=${text}
        onInput=${setText}
      />
      <${DateRange} from=${from} to=${to} />
      <${Chips} label="Status" options=${CHOICES} value=${status} onChange=${(key) => filterBy({ status: key })} />
    </div>
  `;
}

function Row({ payment }) {
  return html`
    <tr>
      <td>
        <${Link}
          to="/payments"
          query=${{ ...params.value, payment: payment.id }}
          class="mono nowrap"
          title=${payment.id}
        >
          ${shortId(payment.id)}
        <//>
        <span class="narrow small-text muted">
          ${payment.customerId && `${payment.customerId} · `}
          <${Time} at=${payment.createdAt} />
        </span>
      </td>
      <td class="wide">
        <${Link} to=${`/orders/${payment.orderId}`} class="mono nowrap" title=${payment.orderId}>
          ${shortId(payment.orderId)}
        <//>
      </td>
      <td class="wide nowrap">${payment.customerId ?? "–"}</td>
      <td class="wide nowrap">${methodName(payment.method)}</td>
      <td class="num nowrap">${money(payment.amount)}</td>
      <td class="num nowrap wide">${payment.refunded?.amountMinor ? money(payment.refunded) : "–"}</td>
      <td><${Badge} of="payment" status=${payment.status} /></td>
      <td class="wide nowrap muted"><${Time} at=${payment.createdAt} /></td>
    </tr>
  `;
}

function Nothing() {
  if (!FILTERS.some((name) => params.value[name]))
    return html`
      <${Empty} title="No payments yet" icon="payments">
        <p>They appear as soon as an order is charged.</p>
        <p><${Link} to="/" class="button">Place an order<//></p>
      <//>
    `;
  return html`
    <${Empty} title="No payment matches" icon="search">
      <p>The search knows payment and order ids, how they begin and their last digits, and customer numbers.</p>
      <p>
        <${Button} onClick=${() => filterBy(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>
          Clear the filters
        <//>
      </p>
    <//>
  `;
}

function Detail({ id, onDone }) {
  const found = useResource((signal) => get(`/api/v1/payments/${encodeURIComponent(id)}`, {}, signal), [id]);
  const [refunding, setRefunding] = useState(false);
  useLive(["payment."], (event) => {
    if (event.subject === id) found.reload();
  });
  const close = () => setParams({ payment: "" });
  const done = () => {
    found.reload();
    onDone();
  };
  const left = refundable(found.data);
  return html`
    <${Drawer} title="Payment" onClose=${close}>
      <${View} of=${found} skeleton=${html`<${Skeleton} lines=${9} />`}>
        ${(payment) => html`
          <div class="stack">
            <${PaymentNumbers} payment=${payment} />
            <dl class="facts">
              <dt>Order</dt>
              <dd><${Link} to=${`/orders/${payment.orderId}`} class="mono">${shortId(payment.orderId)}<//></dd>
              ${
                payment.customerId &&
                html`
                <dt>Customer</dt>
                <dd><${Link} to="/orders" query=${{ q: payment.customerId }}>${payment.customerId}<//></dd>
              `
              }
              <dt>Provider's reference</dt>
              <dd><${CopyId} id=${payment.providerReference} full label="reference" /></dd>
            </dl>
            <div class="row">
              ${
                left?.amountMinor > 0
                  ? html`
                <${Button} kind="primary" onClick=${() => setRefunding(true)}>Refund<//>
                <span class="muted">${money(left)} can be refunded</span>
              `
                  : html`<p class="muted">${left ? "Everything was refunded." : "There is nothing to refund."}</p>`
              }
            </div>
            <${Refunds} payment=${payment} />
            <${History} payment=${payment} />
          </div>
          ${
            refunding &&
            html`<${RefundDialog} payment=${payment} onClose=${() => setRefunding(false)} onDone=${done} />`
          }
        `}
      <//>
    <//>
  `;
}

function History({ payment }) {
  return html`
    <div>
      <h3 class="sub-head">History</h3>
      <${Whole}
        path=${`/api/v1/payments/${payment.id}/events`}
        first=${payment.history}
        cursor=${payment.historyCursor}
      >
        ${(history) => html`
          <ol class="plain-list">
            ${history.map(
              (event) => html`
              <li key=${event.version}>
                <div class="spread"><strong>${event.type}</strong><${Badge} of="payment" status=${event.status} /></div>
                <p class="small-text muted break">
                  <${Time} at=${event.occurredAt} /> · trace <code>${event.traceId}</code>
                </p>
                <${By} by=${event.by} />
              </li>
            `,
            )}
          </ol>
        `}
      <//>
    </div>
  `;
}
