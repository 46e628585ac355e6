// Dialog that corrects the stock of a product, and the ledger of its movements.
import { html, useRef, useState } from "../lib.js";
import { By } from "./acts.js";
import { get, newKey, post } from "../api.js";
import { Link } from "../router.js";
import { useResource } from "../resource.js";
import { toast } from "../store.js";
import { number, shortId } from "../format.js";
import { Actions, Badge, Button, Dialog, Drawer, Empty, Failure, Field, Skeleton, Time, View } from "../ui.js";

const REASONS = ["Counted", "Damaged", "Lost", "Found", "Returned by a customer", "Delivery"];

export function AdjustDialog({ item, places, onClose, onDone }) {
  const first = item.warehouses[0]?.warehouseId ?? places[0]?.warehouseId ?? "";
  const [warehouse, setWarehouse] = useState(first);
  const [text, setText] = useState("");
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const stock = item.warehouses.find((place) => place.warehouseId === warehouse) ?? { onHand: 0, reserved: 0 };
  const delta = /^[+-]?\d{1,7}$/.test(text.trim().replace("−", "-")) ? Number(text.trim().replace("−", "-")) : null;
  const wrong =
    text &&
    (!delta
      ? "Enter how many units more or fewer, e.g. 5 or -2"
      : stock.onHand + delta < stock.reserved
        ? `At least ${stock.reserved} must stay: they are reserved`
        : "");
  const changed = (set) => (event) => {
    set(event.currentTarget.value);
    key.current = newKey();
    setError(null);
  };

  const submit = async (event) => {
    event.preventDefault();
    if (wrong || !delta) return;
    setBusy(true);
    try {
      const now = await post("/api/v1/inventory/adjust", {
        productId: item.productId,
        warehouseId: warehouse,
        delta,
        reason: reason.trim(),
        idempotencyKey: key.current,
      });
      toast("ok", `${item.name}: ${number(now.onHand)} on hand in ${now.warehouseId}`);
      onDone();
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  const names = [...new Set([...item.warehouses, ...places].map((place) => place.warehouseId))];
  return html`
    <${Dialog} title=${`Adjust ${item.name}`} onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <${Field} label="Warehouse">
          ${(field) => html`
            <select ...${field} required value=${warehouse} onChange=${changed(setWarehouse)}>
              ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
            </select>
          `}
        <//>
        <${Field}
          label="Units more or fewer"
          hint=${`${number(stock.onHand)} on hand, ${number(stock.reserved)} of them reserved`}
          error=${wrong || error?.field("delta")}
        >
          ${(field) => html`
            <input
              ...${field}
              required
              inputmode="numeric"
              maxlength="8"
              autofocus
              placeholder="e.g. -2"
              value=${text}
              onInput=${changed(setText)}
            />
          `}
        <//>
        <p class="change" role="status">
          ${
            delta && !wrong
              ? html`On hand: ${number(stock.onHand)} → <strong>${number(stock.onHand + delta)}</strong>`
              : html`
            <span class="muted">On hand stays ${number(stock.onHand)}</span>
          `
          }
        </p>
        <${Field} label="Reason" hint="Shown in the ledger with your name." error=${error?.field("reason")}>
          ${(field) => html`
            <input
              ...${field}
              required
              maxlength="500"
              list="adjust-reasons"
              autocomplete="off"
              pattern=".*\\S.*"
              value=${reason}
              onInput=${changed(setReason)}
            />
          `}
        <//>
        <datalist id="adjust-reasons">${REASONS.map((one) => html`<option key=${one} value=${one} />`)}</datalist>
        ${error && html`<${Failure} error=${error} stale />`}
        <${Actions}>
          <${Button} onClick=${onClose}>Cancel<//>
          <${Button} type="submit" kind="primary" busy=${busy} disabled=${!delta || Boolean(wrong)}>Adjust<//>
        <//>
      </form>
    <//>
  `;
}

const KINDS = {
  receive: "received",
  adjust: "adjusted",
  update: "updated",
  reserve: "reserved",
  release: "released",
  commit: "shipped",
  set_aside: "set aside",
  give_up: "given up",
};
const TONES = { receive: "ok", adjust: "info", update: "info", reserve: "warn", release: "plain", commit: "ok" };

export function MovementsDrawer({ item, onClose }) {
  const path = `/api/v1/inventory/${encodeURIComponent(item.productId)}/movements`;
  const ledger = useResource((signal) => get(path, { limit: 50 }, signal), [item.productId]);
  const [more, setMore] = useState({ items: [], cursor: null, busy: false, error: null });
  const cursor = more.items.length ? more.cursor : ledger.data?.nextCursor;
  const loadMore = async () => {
    setMore({ ...more, busy: true, error: null });
    try {
      const page = await get(path, { limit: 50, cursor });
      setMore({ items: [...more.items, ...page.items], cursor: page.nextCursor, busy: false, error: null });
    } catch (error) {
      setMore({ ...more, busy: false, error });
    }
  };
  return html`
    <${Drawer} title=${`Movements of ${item.name}`} onClose=${onClose}>
      <p class="muted">${item.productId} · ${number(item.onHand)} on hand, ${number(item.reserved)} reserved</p>
      <${View}
        of=${ledger}
        skeleton=${html`<${Skeleton} lines=${10} />`}
        isEmpty=${(data) => !data.items.length}
        empty=${html`
          <${Empty} title="Nothing has moved yet" icon="inventory"><p>Adjust the stock to bring units in.</p><//>
        `}
      >
        ${(data) => html`
          <ol class="plain-list movements">
            ${[...data.items, ...more.items].map(
              (one) => html`
              <${Movement} key=${`${one.warehouseId}/${one.seq}`} movement=${one} />
            `,
            )}
          </ol>
          ${more.error && html`<${Failure} error=${more.error} retry=${loadMore} stale />`}
          ${cursor && html`<p class="row center"><${Button} busy=${more.busy} onClick=${loadMore}>Show more<//></p>`}
        `}
      <//>
    <//>
  `;
}

const signed = (value) => (value > 0 ? `+${number(value)}` : value < 0 ? `−${number(-value)}` : "0");

function Movement({ movement }) {
  const { kind, onHandDelta, reservedDelta } = movement;
  return html`
    <li>
      <div class="spread">
        <span>
          <${Badge} tone=${TONES[kind]}>${KINDS[kind] ?? kind}<//> ${
            onHandDelta !== 0 && html`<strong>${signed(onHandDelta)} on hand</strong>`
          }
          ${onHandDelta !== 0 && reservedDelta !== 0 && ", "}
          ${reservedDelta !== 0 && html`<strong>${signed(reservedDelta)} reserved</strong>`}
        </span>
        <span class="muted small-text nowrap"><${Time} at=${movement.occurredAt} /></span>
      </div>
      <p class="small-text muted">
        ${movement.warehouseId} ·
        then ${number(movement.onHandAfter)} on hand, ${number(movement.reservedAfter)} reserved${
          movement.orderId &&
          html` · order <${Link} to=${`/orders/${movement.orderId}`} class="mono">${shortId(movement.orderId)}<//>`
        }
      </p>
      ${movement.reason && html`<p class="small-text break">“${movement.reason}”</p>`}
      <${By} by=${movement.by} />
    </li>
  `;
}
