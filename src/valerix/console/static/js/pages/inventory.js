// Stock of every product in every warehouse: on hand, reserved, available.
import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { kind, useLive } from "../live.js";
import { useResource } from "../resource.js";
import { params } from "../router.js";
import { number } from "../format.js";
import { Badge, Button, Card, Chip, Empty, Failure, Field, PageHead, Search, SkeletonRows, Table } from "../ui.js";
import { Icon } from "../icons.js";
import { Pager, filterBy, useList, useQueryText, useUpdates } from "../widgets/list.js";
import { AdjustDialog, MovementsDrawer } from "../widgets/stock.js";

const COLUMNS = [
  { title: "Product" },
  { title: "Warehouse" },
  { title: "On hand", align: "right" },
  { title: "Reserved", align: "right" },
  { title: "Available", align: "right" },
  { title: "Threshold", align: "right", class: "wide" },
  { title: "Actions", hidden: true },
];
const MOST_ALERTS = 200;

export default function Inventory() {
  const { q = "", warehouse = "", low = "" } = params.value;
  const list = useList("/api/v1/inventory", { q, warehouse, lowStock: low && "true" }, { limit: 25 });
  const alerts = useResource((signal) => get("/api/v1/inventory/alerts", { limit: MOST_ALERTS }, signal), []);
  const warehouses = useResource((signal) => get("/api/v1/warehouses", { limit: 200 }, signal), []);
  const [items, move] = useMoves(list);
  const [open, setOpen] = useState(null);
  useLive(["inventory."], (event) => {
    move(event.data);
    if (kind(event) !== "inventory.updated") alerts.reload();
  });
  const changed = () => {
    list.reload();
    alerts.reload();
  };
  const close = () => setOpen(null);
  const places = warehouses.data?.items ?? [];
  return html`
    <${PageHead} title="Inventory">
      <${Button} icon="refresh" busy=${list.refreshing && list.data !== undefined} onClick=${changed}>Refresh<//>
    <//>
    <${LowStock} of=${alerts} only=${Boolean(low)} />
    <${Card} class="list">
      <${Filters} warehouse=${warehouse} low=${low} places=${places} />
      ${list.error && html`<${Failure} error=${list.error} retry=${list.reload} stale=${Boolean(items)} />`}
      ${
        (items?.length > 0 || list.loading) &&
        html`
        <${Table} class="stock" caption="Stock" columns=${COLUMNS} busy=${list.refreshing}>
          ${
            items
              ? items.map((item) => html`<${Item} key=${item.productId} item=${item} open=${setOpen} />`)
              : html`
            <${SkeletonRows} rows=${12} columns=${COLUMNS.length} />
          `
          }
        <//>
      `
      }
      ${items?.length === 0 && html`<${Nothing} low=${low} filtered=${Boolean(q || warehouse)} />`}
      ${items?.length > 0 && html`<${Pager} of=${list} shown=${items.length} noun="products" />`}
    <//>
    ${
      open?.what === "adjust" &&
      html`
      <${AdjustDialog} item=${open.item} places=${places} onClose=${close} onDone=${changed} />
    `
    }
    ${open?.what === "movements" && html`<${MovementsDrawer} item=${open.item} onClose=${close} />`}
  `;
}

/** Items with the movements since they were requested: [items, move(event data)]. */
function useMoves(list) {
  const [moves, update] = useUpdates(list);
  return [list.data?.items.map((item) => moved(item, moves)), (to) => update(`${to.productId}/${to.warehouseId}`, to)];
}

function moved(item, moves) {
  const warehouses = item.warehouses.map((place) => {
    const to = moves.get(`${item.productId}/${place.warehouseId}`)?.value;
    return to ? { ...place, onHand: to.onHand, reserved: to.reserved, available: to.onHand - to.reserved } : place;
  });
  const sum = (name) => warehouses.reduce((total, place) => total + place[name], 0);
  const available = sum("available");
  return {
    ...item,
    warehouses,
    onHand: sum("onHand"),
    reserved: sum("reserved"),
    available,
    lowStock: item.active && available <= item.lowStockThreshold,
  };
}

function LowStock({ of, only }) {
  const count = of.data?.items.length ?? 0;
  if (!count) return null;
  const names = of.data.items
    .slice(0, 3)
    .map((item) => item.name)
    .join(", ");
  return html`
    <div class="notice" role="status">
      <${Icon} name="alert" />
      <p>
        <strong>
          ${count === 1 ? "1 product is" : `${count}${of.data.nextCursor ? "+" : ""} products are`} low on stock:
        </strong> ${names}
        ${count > 3 && ` and ${count - 3} more`}
      </p>
      <${Button} small onClick=${() => filterBy({ low: only ? "" : "1", q: "", warehouse: "" })}>
        ${only ? "Show all" : "Show them"}
      <//>
    </div>
  `;
}

function Filters({ warehouse, low, places }) {
  const [text, setText] = useQueryText();
  return html`
    <div class="filters">
      <${Search} label="Search products" placeholder="Product name or id" value=${text} onInput=${setText} />
      <${Field} label="Warehouse" class="inline">
        ${(field) => html`
          <select
            ...${field}
            value=${warehouse}
            onChange=${(event) => filterBy({ warehouse: event.currentTarget.value })}
          >
            <option value="">All</option>
            ${places.map(
              (place) => html`
              <option key=${place.warehouseId} value=${place.warehouseId}>
                ${place.warehouseId} – ${place.name}
              </option>
            `,
            )}
          </select>
        `}
      <//>
      <${Chip} on=${Boolean(low)} onClick=${() => filterBy({ low: low ? "" : "1" })}>Low stock only<//>
    </div>
  `;
}

/** A product: one row for all warehouses, and a less prominent row for each. */
function Item({ item, open }) {
  const span = item.warehouses.length + 1;
  return html`
    <tr class="first-of-item">
      <th scope="rowgroup" rowspan=${span}>
        <span class="break">${item.name}</span>
        <span class="block small-text muted">${item.productId}${!item.active && " · no longer sold"}</span>
        ${
          item.lowStock &&
          html`
          <${Badge} tone=${item.available > 0 ? "warn" : "bad"}>${item.available > 0 ? "low stock" : "out of stock"}<//>
        `
        }
      </th>
      <td><strong>All</strong></td>
      <td class="num"><strong>${number(item.onHand)}</strong></td>
      <td class="num">${number(item.reserved)}</td>
      <td class="num"><strong>${number(item.available)}</strong></td>
      <td class="num muted wide">${number(item.lowStockThreshold)}</td>
      <td rowspan=${span}>
        <div class="row end">
          <${Button} small aria-label=${`Adjust ${item.name}`} onClick=${() => open({ what: "adjust", item })}>
            Adjust
          <//>
          <${Button}
            small
            kind="ghost"
            aria-label=${`Movements of ${item.name}`}
            onClick=${() => open({ what: "movements", item })}
          >
            Movements
          <//>
        </div>
      </td>
    </tr>
    ${item.warehouses.map(
      (place) => html`
      <tr key=${place.warehouseId} class="place">
        <td class="nowrap">${place.warehouseId}</td>
        <td class="num">${number(place.onHand)}</td>
        <td class="num">${number(place.reserved)}</td>
        <td class="num">${number(place.available)}</td>
        <td class="wide"></td>
      </tr>
    `,
    )}
  `;
}

function Nothing({ low, filtered }) {
  if (low && !filtered)
    return html`
      <${Empty} title="No product is low on stock" icon="check">
        <p>Every product is above its threshold.</p>
        <p><${Button} onClick=${() => filterBy({ low: "" })}>Show all products<//></p>
      <//>
    `;
  if (filtered)
    return html`
      <${Empty} title="No product matches" icon="search">
        <p><${Button} onClick=${() => filterBy({ q: "", warehouse: "", low: "" })}>Clear the filters<//></p>
      <//>
    `;
  return html`
    <${Empty} title="There are no products yet" icon="inventory">
      <p>Create products with the API: <a href="/docs">POST /api/v1/products</a>.</p>
    <//>
  `;
}
