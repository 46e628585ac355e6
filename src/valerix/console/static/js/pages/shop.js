// The shop: choose a product, order it, and follow the order.
import { html, useEffect, useRef, useState } from "../lib.js";
import { get, call } from "../api.js";
import { config, failed, isStaff, user } from "../store.js";
import { useLive, kind } from "../live.js";
import { useResource, useSettled } from "../resource.js";
import { saying, usePlacing } from "../placing.js";
import { Link } from "../router.js";
import { money, number, shortId, time } from "../format.js";
import { OrderStatus } from "../states.js";
import {
  Badge,
  Button,
  Card,
  CopyId,
  Empty,
  Field,
  PageHead,
  Search,
  Skeleton,
  SkeletonRows,
  Table,
  View,
} from "../ui.js";
import { Icon } from "../icons.js";
import { Steps } from "../widgets/saga.js";

const REFRESH_SECONDS = 5,
  MAX_QUANTITY = 100,
  MAX_LINES = 100,
  MAX_ACTIVITY = 30;

export default function Shop() {
  const [search, setSearch] = useState("");
  const wanted = useSettled(search.trim());
  const catalogue = useResource((signal) => loadCatalogue(wanted, signal), [wanted], { every: REFRESH_SECONDS });
  const form = useOrderForm();
  const [activity, note] = useActivity();
  const noteEvent = (event) =>
    note(
      event.data.status === OrderStatus.FAILED ? "bad" : "ok",
      kind(event).replace("order.", "Order "),
      event.subject,
      event.time,
    );
  // Staff receive the events of every order: only those of the order placed here are noted.
  const placing = usePlacing({ onChange: () => catalogue.reload(), onEvent: isStaff.value ? noteEvent : undefined });
  useLive(["order."], (event) => {
    if (!isStaff.value) noteEvent(event);
  });
  useEffect(() => {
    if (placing.state === "refused") note("bad", `Refused: ${placing.problem.message}`);
    if (placing.state === "unknown") note("warn", "No answer yet, sent again");
  }, [placing.state]);
  useStockEvents(catalogue.reload);
  const submit = (body) => {
    note("info", `Ordering ${body.items.map((item) => `${item.quantity} × ${item.productId}`).join(", ")}`);
    placing.submit(body);
  };

  return html`
    <${PageHead} title="New order" />
    <div class="shop">
      <${Card} title="Order">
        <${View} of=${catalogue} skeleton=${html`<${Skeleton} lines=${4} height=${36} />`}>
          ${({ products }) =>
            html`<${OrderForm} form=${form} products=${products} placing=${placing} submit=${submit} />`}
        <//>
      <//>
      <div class="stack"><${Outcome} placing=${placing} /><${Activity} entries=${activity} /></div>
    </div>
    <${Card} title="In stock" aside=${html`<${Search} label="Find a product" value=${search} onInput=${setSearch} />`}>
      <${View}
        of=${catalogue}
        skeleton=${html`<${Table} caption="Products" columns=${COLUMNS}><${SkeletonRows} columns=${5} /><//>`}
        isEmpty=${({ products }) => !products.length}
        empty=${html`
          <${Empty} title=${wanted ? "No product matches" : "Nothing is sold here yet"}>
            ${wanted && html`<${Button} onClick=${() => setSearch("")}>Show all products<//>`}
          <//>
        `}
      >
        ${({ products, more }) => html`
          <${Table} caption="Products" columns=${COLUMNS}>
            ${products.map(
              (product) => html`
              <tr key=${product.productId}>
                <td>
                  <strong>${product.name}</strong>
                  <br />
                  <code class="muted">${product.productId}</code>
                  <span class="narrow">${money(product.price)} <${Stock} product=${product} /></span>
                </td>
                <td class="num wide">${money(product.price)}</td>
                <td class="num">${number(product.available)}</td>
                <td class="wide"><${Stock} product=${product} /></td>
                <td class="num">
                  <${Button}
                    small
                    disabled=${!form.waits && product.available < 1}
                    aria-label=${`Choose ${product.name}`}
                    onClick=${() => form.choose(product.productId)}
                  >
                    Choose
                  <//>
                </td>
              </tr>
            `,
            )}
          <//>
          ${more && html`<p class="muted small-text pad-top">More products match: search to find them.</p>`}
        `}
      <//>
    <//>
  `;
}

const COLUMNS = [
  { title: "Product" },
  { title: "Price", align: "right", class: "wide" },
  { title: "Available", align: "right" },
  { title: "State", class: "wide" },
  { title: "Choose", hidden: true },
];

async function loadCatalogue(q, signal) {
  const [products, stock] = await Promise.all([
    get("/api/v1/products", { q, limit: 200 }, signal),
    get("/api/v1/inventory", { q, limit: 200 }, signal),
  ]);
  const levels = new Map(stock.items.map((item) => [item.productId, item]));
  const joined = products.items.map((product) => ({
    available: 0,
    lowStock: false,
    ...levels.get(product.productId),
    ...product,
  }));
  return { products: joined, more: Boolean(products.nextCursor) };
}

/**
 * Refresh when stock moves (only staff receive these events); a burst of events causes one refresh.
 */
function useStockEvents(reload) {
  const timer = useRef(0);
  useLive(["inventory."], () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(reload, 400);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
}

function Stock({ product }) {
  if (product.available < 1) return html`<${Badge} tone="bad">Out of stock<//>`;
  return product.lowStock
    ? html`<${Badge} tone="warn">Only ${product.available} left<//>`
    : html`<${Badge} tone="ok">In stock<//>`;
}

const NEW_LINE = { productId: "", quantity: "1" };
const SHORTAGES = {
  hold: "Hold the order for me",
  backorder: "Wait until there is stock",
  reject: "Do not order at all",
};
const PLACE = [
  { name: "name", label: "Recipient", autocomplete: "shipping name", required: true },
  { name: "street", label: "Street", autocomplete: "shipping address-line1", required: true },
  { name: "postalCode", label: "Postal code", autocomplete: "shipping postal-code", maxlength: 20 },
  { name: "city", label: "City", autocomplete: "shipping address-level2", required: true },
  { name: "region", label: "Region", autocomplete: "shipping address-level1" },
  {
    name: "country",
    label: "Country",
    hint: "Two letters, for example GB",
    autocomplete: "shipping country",
    required: true,
    maxlength: 2,
  },
];

/**
 * The order form: {customer, lines, method, onShortage, address, waits, change(fields),
 * changeLine(index, fields), add(), remove(index), choose(productId)}. `waits`: quantities may
 * exceed the stock. `choose` fills the line used last.
 */
function useOrderForm() {
  const [form, setForm] = useState(() => ({
    customer: user.value.customerId ?? "",
    lines: [NEW_LINE],
    touched: 0,
    address: {},
    onShortage: "hold",
    method: Object.keys(config.value.paymentMethods ?? { card_ok: "" })[0],
  }));
  const change = (fields) => setForm((old) => ({ ...old, ...fields }));
  const changeLine = (index, fields) =>
    setForm((old) => ({
      ...old,
      touched: index,
      lines: old.lines.map((line, i) => (i === index ? { ...line, ...fields } : line)),
    }));
  const add = () => change({ lines: [...form.lines, NEW_LINE], touched: form.lines.length });
  const remove = (index) => change({ lines: form.lines.filter((_, i) => i !== index), touched: 0 });
  const choose = (productId) => {
    changeLine(form.touched, { productId });
    document.getElementById(`quantity-${form.touched}`)?.focus();
  };
  return { ...form, waits: form.onShortage === "backorder", change, changeLine, add, remove, choose };
}

function OrderForm({ form, products, placing, submit }) {
  const [errors, setErrors] = useState({});
  const busy = placing.state === "submitting" || placing.state === "unknown";
  const known = new Map(products.map((product) => [product.productId, product]));
  const send = (event) => {
    event.preventDefault();
    const found = check(form, known);
    setErrors(found);
    if (!Object.keys(found).length) submit(body(form));
  };
  return html`
    <form class="form" onSubmit=${send} novalidate>
      ${
        isStaff.value
          ? html`
        <${Customer}
          value=${form.customer}
          onInput=${(customer) => form.change({ customer })}
          error=${errors.customer}
        />
      `
          : html`<p class="muted small-text">For ${user.value.name}, ${user.value.customerId}</p>`
      }
      ${form.lines.map(
        (line, index) => html`
        <${Line}
          key=${index}
          form=${form}
          index=${index}
          line=${line}
          products=${products}
          product=${known.get(line.productId)}
          errors=${errors}
        />
      `,
      )}
      <div><${Button} small onClick=${form.add} disabled=${form.lines.length >= MAX_LINES}>Add a line<//></div>
      <div class="form-row">
        <${Field} label="Payment">
          ${(field) => html`
            <select
              ...${field}
              value=${form.method}
              onChange=${(event) => form.change({ method: event.currentTarget.value })}
            >
              ${Object.entries(config.value.paymentMethods ?? {}).map(
                ([key, label]) => html`
                <option key=${key} value=${key}>${label}</option>
              `,
              )}
            </select>
          `}
        <//>
        <${Field} label="If short of stock">
          ${(field) => html`
            <select
              ...${field}
              value=${form.onShortage}
              onChange=${(event) => form.change({ onShortage: event.currentTarget.value })}
            >
              ${Object.entries(SHORTAGES).map(
                ([key, label]) => html`<option key=${key} value=${key}>${label}</option>`,
              )}
            </select>
          `}
        <//>
      </div>
      <${Address} form=${form} errors=${errors} />
      <div class="spread order-foot">
        <p><span class="muted">Total </span><strong class="total">${total(form.lines, known)}</strong></p>
        <${Button} type="submit" kind="primary" icon="cart" busy=${busy}>${busy ? "Creating order" : "Create order"}<//>
      </div>
    </form>
  `;
}

const most = (form, product) =>
  form.waits ? MAX_QUANTITY : Math.min(MAX_QUANTITY, product?.available ?? MAX_QUANTITY);

function Line({ form, index, line, products, product, errors }) {
  const which = form.lines.length > 1 ? ` ${index + 1}` : "";
  const gone = (one) => !form.waits && one.available < 1;
  return html`
    <div class="order-line">
      <${Field}
        label=${`Product${which}`}
        error=${errors[`product${index}`]}
        hint=${product && `${money(product.price)} each, ${number(product.available)} available`}
      >
        ${(field) => html`
          <select
            ...${field}
            value=${line.productId}
            onFocus=${() => form.changeLine(index, {})}
            onChange=${(event) => form.changeLine(index, { productId: event.currentTarget.value })}
          >
            <option value="">Choose a product</option>
            ${!product && line.productId && html`<option value=${line.productId}>${line.productId}</option>`}
            ${products.map(
              (one) => html`
              <option key=${one.productId} value=${one.productId} disabled=${gone(one)}>
                ${one.name}
                ${one.available < 1 ? " (out of stock)" : ` (${one.available})`}
              </option>
            `,
            )}
          </select>
        `}
      <//>
      <${Field}
        id=${`quantity-${index}`}
        label=${`Quantity${which}`}
        error=${errors[`quantity${index}`]}
        hint=${`At most ${most(form, product)}`}
      >
        ${(field) => html`
          <input
            ...${field}
            type="number"
            inputmode="numeric"
            min="1"
            max=${most(form, product)}
            value=${line.quantity}
            onFocus=${() => form.changeLine(index, {})}
            onInput=${(event) => form.changeLine(index, { quantity: event.currentTarget.value })}
          />
        `}
      <//>
      ${
        form.lines.length > 1 &&
        html`
        <button
          type="button"
          class="icon-button"
          aria-label=${`Remove line ${index + 1}`}
          onClick=${() => form.remove(index)}
        >
          <${Icon} name="close" />
        </button>
      `
      }
    </div>
  `;
}

function Address({ form, errors }) {
  const wrong = PLACE.some(({ name }) => errors[name]);
  return html`
    <details class="address" open=${wrong || undefined}>
      <summary>Ship to (optional)</summary>
      <div class="form-row">
        ${PLACE.map(
          ({ name, label, hint, required, ...rest }) => html`
          <${Field} key=${name} label=${label} hint=${hint} error=${errors[name]}>
            ${(field) => html`
              <input
                ...${field}
                maxlength="200"
                ...${rest}
                value=${form.address[name] ?? ""}
                onInput=${(event) => form.change({ address: { ...form.address, [name]: event.currentTarget.value } })}
              />
            `}
          <//>
        `,
        )}
      </div>
    </details>
  `;
}

const isGiven = (address) => PLACE.some(({ name }) => address[name]?.trim());

/** The body of the request, from a valid form. */
function body({ customer, lines, method, onShortage, address }) {
  const given = Object.fromEntries(PLACE.map(({ name }) => [name, address[name]?.trim()]).filter(([, text]) => text));
  return {
    customerId: customer.trim(),
    paymentMethod: method,
    onShortage,
    items: lines.map((line) => ({ productId: line.productId, quantity: Number(line.quantity) })),
    ...(isGiven(address) && { shippingAddress: { ...given, country: given.country.toUpperCase() } }),
  };
}

/** Errors of the form, by field. */
function check(form, known) {
  const found = {};
  if (!form.customer.trim()) found.customer = "Enter the customer's number";
  form.lines.forEach((line, index) => {
    const product = known.get(line.productId),
      count = Number(line.quantity),
      limit = most(form, product);
    if (!line.productId) found[`product${index}`] = "Choose a product";
    else if (form.lines.findIndex((other) => other.productId === line.productId) < index)
      found[`product${index}`] = "This product has a line already";
    else if (product && !form.waits && product.available < 1) found[`product${index}`] = "Out of stock";
    if (!Number.isInteger(count) || count < 1) found[`quantity${index}`] = "Enter a whole number from 1";
    else if (count > limit) found[`quantity${index}`] = `Only ${limit} can be ordered`;
  });
  if (isGiven(form.address)) {
    for (const { name, label, required } of PLACE)
      if (required && !form.address[name]?.trim()) found[name] = `${label} is missing`;
    if (!found.country && !/^[a-z]{2}$/i.test(form.address.country.trim()))
      found.country = "Enter two letters, for example GB";
  }
  return found;
}

/** The sum of the lines; "–" while a line is incomplete, or the lines have several currencies. */
function total(lines, known) {
  const prices = lines.map((line) => known.get(line.productId)?.price);
  const counts = lines.map((line) => Number(line.quantity));
  const clear =
    prices.every((price) => price && price.currency === prices[0]?.currency) &&
    counts.every((count) => Number.isInteger(count) && count > 0);
  return clear
    ? money({
        ...prices[0],
        amountMinor: prices.reduce((sum, price, index) => sum + price.amountMinor * counts[index], 0),
      })
    : "–";
}

/**
 * The field for the customer: staff may order for any customer, and see the name that belongs to
 * the number.
 */
function Customer({ value, onInput, error }) {
  const entered = useSettled(value.trim());
  const [found, setFound] = useState(null);
  useEffect(() => {
    setFound(null);
    if (!entered) return;
    const going = new AbortController();
    get(`/api/v1/customers/${encodeURIComponent(entered)}`, {}, going.signal).then(
      (customer) => setFound(`${customer.name} (${customer.status})`),
      (problem) => {
        if (!going.signal.aborted) setFound(problem.status === 404 ? "No such customer" : "");
      },
    );
    return () => going.abort();
  }, [entered]);
  return html`
    <${Field} label="Customer number" error=${error} hint=${found || "For example CUST-001"}>
      ${(field) => html`
        <input
          ...${field}
          value=${value}
          maxlength="50"
          autocomplete="off"
          onInput=${(event) => onInput(event.currentTarget.value)}
        />
      `}
    <//>
  `;
}

/** Tone and icon of outcomes that are not a success. */
const LOOKS = {
  [OrderStatus.FAILED]: { tone: "bad", icon: "alert" },
  [OrderStatus.PENDING]: { tone: "warn", icon: "refresh" },
};

/** The result of the submission, and the order's progress. */
function Outcome({ placing }) {
  const { state, order, problem } = placing;
  const [acting, setActing] = useState(false);
  const act = async (method, path) => {
    setActing(true);
    try {
      placing.update((await call(method, path)).data);
    } catch (problem) {
      if (problem.document?.order) placing.update(problem.document.order);
      else failed("Something went wrong", problem);
    }
    setActing(false);
  };
  return html`
    <${Card} title="Your order">
      <div
        class="outcome"
        role="status"
        aria-busy=${state === "submitting" ? "true" : undefined}
        data-state=${state === "placed" ? order.status : state}
      >
        ${
          state === "idle" &&
          html`
          <${Empty} title="Nothing ordered yet" icon="cart">
            Choose a product and create an order. Its progress is shown here.
          <//>
        `
        }
        ${
          state === "submitting" &&
          html`
          <div class="outcome-line"><span class="spinner" aria-hidden="true"></span><strong>Submitting</strong></div>
        `
        }
        ${
          state === "unknown" &&
          html`
          <div class="outcome-line warn"><${Icon} name="alert" /><strong>Still processing</strong></div>
          <p>${problem.message}. The same request is sent again under the same key, so it cannot become two orders.</p>
          <div><${Button} icon="refresh" onClick=${placing.tryAgain}>Try again now<//></div>
        `
        }
        ${
          state === "refused" &&
          html`
          <div class="outcome-line bad">
            <${Icon} name="alert" />
            <strong>${problem.title || "Not accepted"}</strong>
          </div>
          <p class="break">${problem.message}</p>
          ${problem.errors.map((error) => html`<p class="field-error">${error.pointer.slice(1)}: ${error.message}</p>`)}
          ${
            problem.traceId &&
            html`
            <p class="small-text muted">Trace <${CopyId} id=${problem.traceId} label="trace id" /></p>
          `
          }
        `
        }
        ${
          state === "placed" &&
          html`
          <div class=${`outcome-line ${LOOKS[order.status]?.tone ?? "ok"}`}>
            <${Icon} name=${LOOKS[order.status]?.icon ?? "check"} />
            <strong>${saying(order)}</strong>
            <${Badge} of="order" status=${order.status} />
          </div>
          <dl class="facts">
            <dt>Order</dt>
            <dd><${CopyId} id=${order.id} full label="order id" /></dd>
            <dt>Items</dt>
            <dd>
              ${order.items.map((item) => `${item.quantity} × ${item.productName ?? item.productId}`).join(", ")}
            </dd>
            <dt>Total</dt>
            <dd>${money(order.total)}</dd>
            <dt>Progress</dt>
            <dd><${Steps} order=${order} /></dd>
          </dl>
          <div class="row">
            <${Link} class="button small" to=${`/orders/${order.id}`}>Timeline<//>
            ${
              order.status === OrderStatus.PENDING &&
              html`
              <${Button}
                small
                icon="refresh"
                busy=${acting}
                onClick=${() => act("POST", `/api/v1/orders/${order.id}/retry`)}
              >
                Retry now
              <//>
              <${Button}
                small
                kind="danger"
                disabled=${acting}
                onClick=${() => act("DELETE", `/api/v1/orders/${order.id}`)}
              >
                Cancel order
              <//>
            `
            }
          </div>
        `
        }
      </div>
    <//>
  `;
}

let lastEntry = 0;
function useActivity() {
  const [entries, setEntries] = useState([]);
  const note = (tone, text, id = "", at = new Date().toISOString()) =>
    setEntries((old) => [{ number: ++lastEntry, tone, text, id, at }, ...old].slice(0, MAX_ACTIVITY));
  return [entries, note];
}

function Activity({ entries }) {
  return html`
    <${Card} title="Activity">
      ${
        entries.length
          ? html`
        <ul class="activity" tabindex="0" aria-label="Activity">
          ${entries.map(
            (entry) => html`
            <li key=${entry.number}>
              <span class=${`dot ${entry.tone}`} aria-hidden="true"></span>
              <time class="muted">${time(entry.at)}</time>
              <span class="break">
                ${entry.text}
                ${entry.id && html` <code class="muted" title=${entry.id}>${shortId(entry.id)}</code>`}
              </span>
            </li>
          `,
          )}
        </ul>
      `
          : html`<p class="muted">Events of your orders are listed here.</p>`
      }
    <//>
  `;
}
