// All orders: saved views, search, filters; new orders wait in a bar until the reader clicks it.
import { html } from "../lib.js";
import { get } from "../api.js";
import { useLive } from "../live.js";
import { Link, params } from "../router.js";
import { useResource } from "../resource.js";
import { isStaff } from "../store.js";
import { money, shortId, zone } from "../format.js";
import { OrderStatus, meanings } from "../states.js";
import { Badge, Button, Card, Chip, Empty, Failure, PageHead, Search, SkeletonRows, Table, Time } from "../ui.js";
import { Icon } from "../icons.js";
import {
  DateRange,
  Pager,
  filterBy,
  span,
  useList,
  useQueryText,
  useUpdatedRows,
  useUpdates,
} from "../widgets/list.js";
import { Items, Steps } from "../widgets/saga.js";
import { FILTERS, Views } from "../widgets/views.js";

const STATUSES = Object.values(OrderStatus);
const CUSTOMER = { title: "Customer", class: "wide" };
const COLUMNS = [
  { title: "Order" },
  CUSTOMER,
  { title: "Items", class: "wide" },
  { title: "Total", align: "right" },
  { title: "Status" },
  { title: "Steps", class: "wide" },
  { title: `Created, ${zone()}`, class: "wide" },
];

export default function Orders() {
  const { q = "", status = "", from, to, sort = "" } = params.value;
  const statuses = STATUSES.filter((one) => status.split(",").includes(one));
  const list = useList("/api/v1/orders", { q, status: statuses, sort, ...span({ from, to }) });
  const [rows, update] = useUpdatedRows(list);
  const [fresh, add] = useUpdates(list);
  const shown = new Set(rows?.map((row) => row.id));
  useLive(["order."], ({ data }) => {
    update(data);
    if (!shown.has(data.id) && !list.cursor && !sort && belongs(data, { q, statuses, from, to })) add(data.id);
  });
  const unseen = [...fresh.keys()].filter((id) => !shown.has(id)).length;
  const columns = isStaff.value ? COLUMNS : COLUMNS.filter((column) => column !== CUSTOMER);
  return html`
    <${PageHead} title="Orders">
      <${Button} icon="refresh" busy=${list.refreshing && list.data !== undefined} onClick=${list.reload}>Refresh<//>
    <//>
    <${Views} />
    <${Card} class="list">
      <${Filters} statuses=${statuses} from=${from} to=${to} sort=${sort} />
      ${list.error && html`<${Failure} error=${list.error} retry=${list.reload} stale=${Boolean(rows)} />`}
      <${NewOrders} count=${unseen} show=${list.reload} />
      ${
        (rows?.length > 0 || list.loading) &&
        html`
        <${Table} caption="Orders" columns=${columns} busy=${list.refreshing}>
          ${
            rows
              ? rows.map((order) => html`<${Row} key=${order.id} order=${order} />`)
              : html`
            <${SkeletonRows} rows=${12} columns=${columns.length} />
          `
          }
        <//>
      `
      }
      ${rows?.length === 0 && html`<${Nothing} q=${q} />`}
      ${rows?.length > 0 && html`<${Pager} of=${list} shown=${rows.length} noun="orders" />`}
    <//>
  `;
}

/** Whether an order of a live event belongs in this list. */
function belongs(order, { q, statuses, from, to }) {
  const { from: first, to: end } = span({ from, to });
  const wanted = q.trim().toLowerCase();
  const names = [order.customerId, ...order.items.map((item) => item.productId)].map((name) => name.toLowerCase());
  return (
    (!statuses.length || statuses.includes(order.status)) &&
    (!first || order.createdAt >= first) &&
    (!end || order.createdAt < end) &&
    (!wanted || order.id.startsWith(wanted) || order.id.endsWith(wanted.replace("…", "")) || names.includes(wanted))
  );
}

function Filters({ statuses, from, to, sort }) {
  const [text, setText] = useQueryText();
  const toggle = (one) =>
    filterBy({ status: STATUSES.filter((other) => statuses.includes(other) !== (other === one)).join() });
  return html`
    <div class="filters">
      <${Search}
        label="Search orders"
        placeholder=${isStaff.value ? "Id or its last digits, customer, product" : "Order id, product"}
        value=${text}
        onInput=${setText}
      />
      <${DateRange} from=${from} to=${to} />
      <div class="chips" role="group" aria-label="Status">
        ${STATUSES.map(
          (one) => html`
          <${Chip} key=${one} on=${statuses.includes(one)} onClick=${() => toggle(one)}>${meanings.order[one].label}<//>
        `,
        )}
      </div>
      <${Chip} on=${sort === "createdAt"} onClick=${() => filterBy({ sort: sort ? "" : "createdAt" })}>Oldest first<//>
    </div>
  `;
}

/** New orders are announced, and shown on a click, so that rows do not jump while they are read. */
function NewOrders({ count, show }) {
  return html`
    <div role="status">
      ${
        count > 0 &&
        html`
        <button type="button" class="new-bar" onClick=${show}>
          <${Icon} name="refresh" size=${15} />
          ${count === 1 ? "1 new order" : `${count} new orders`}
          <span class="sr-only">, show</span>
        </button>
      `
      }
    </div>
  `;
}

function Row({ order }) {
  return html`
    <tr>
      <td>
        <${Link} to=${`/orders/${order.id}`} class="mono nowrap" title=${order.id}>${shortId(order.id)}<//>
        <span class="narrow small-text muted">
          ${isStaff.value && `${order.customerId} · `}
          <${Time} at=${order.createdAt} />
        </span>
      </td>
      ${isStaff.value && html`<td class="wide nowrap">${order.customerId}</td>`}
      <td class="wide"><${Items} order=${order} /></td>
      <td class="num nowrap">${money(order.total)}</td>
      <td><${Badge} of="order" status=${order.status} /></td>
      <td class="wide"><${Steps} order=${order} /></td>
      <td class="wide nowrap muted"><${Time} at=${order.createdAt} /></td>
    </tr>
  `;
}

function Nothing({ q }) {
  const filtered = FILTERS.some((name) => params.value[name]);
  if (!filtered)
    return html`
      <${Empty} title="No orders yet" icon="orders">
        <p>They appear here as soon as an order is placed.</p>
        <p><${Link} to="/" class="button">Place an order<//></p>
      <//>
    `;
  return html`
    <${Empty} title="No order matches" icon="search">
      <p>
        ${
          q
            ? "Search by order id (its beginning or its last digits), by number, name or e-mail address" +
              " of the customer, or by product id."
            : "Try fewer filters."
        }
      </p>
      ${q && html`<${ProductHints} q=${q} />`}
      <p>
        <${Button} onClick=${() => filterBy(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>
          Clear the filters
        <//>
      </p>
    <//>
  `;
}

/** Products with this name, because people remember names, and orders contain product ids. */
function ProductHints({ q }) {
  const found = useResource((signal) => get("/api/v1/products", { q, limit: 5 }, signal), [q]);
  if (!found.data?.items.length) return null;
  return html`
    <p class="row hints">
      Products with this name: ${found.data.items.map(
        (product) => html`
        <${Button} small key=${product.productId} onClick=${() => filterBy({ q: product.productId })}>
          ${product.name}
        <//>
      `,
      )}
    </p>
  `;
}
