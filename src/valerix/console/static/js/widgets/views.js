// Views of the orders: predefined ones, and views that this reader keeps (in this browser).
import { html, signal, useState } from "../lib.js";
import { params } from "../router.js";
import { OrderStatus } from "../states.js";
import { Actions, Button, Dialog, Field, Tabs } from "../ui.js";
import { filterBy } from "./list.js";

export const FILTERS = ["q", "status", "from", "to", "sort"];
const GIVEN = [
  { name: "All", filters: {} },
  { name: "Waiting", filters: { status: OrderStatus.PENDING } },
  {
    name: "In the warehouse",
    filters: { status: [OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.SHIPPED].join() },
  },
  { name: "Completed", filters: { status: OrderStatus.COMPLETED } },
  { name: "Failed or cancelled", filters: { status: [OrderStatus.FAILED, OrderStatus.CANCELLED].join() } },
];
const STORE = "valerix.order-views",
  MOST = 12;
const UNSAVED = "unsaved";

const kept = signal(read());

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return found.filter((view) => typeof view.name === "string" && typeof view.filters === "object").slice(0, MOST);
  } catch {
    return [];
  }
}

function keep(views) {
  kept.value = views;
  try {
    localStorage.setItem(STORE, JSON.stringify(views));
  } catch {
    /* for this visit only */
  }
}

const same = (view, filters) => FILTERS.every((name) => (view.filters[name] ?? "") === (filters[name] ?? ""));

export function Views() {
  const [naming, setNaming] = useState(false);
  const views = [...GIVEN, ...kept.value];
  const here = views.findIndex((view) => same(view, params.value));
  const tabs = views.map((view, index) => [String(index), view.name]);
  if (here < 0) tabs.push([UNSAVED, "These filters"]);
  const show = (key) => {
    if (key !== UNSAVED)
      filterBy({ ...Object.fromEntries(FILTERS.map((name) => [name, ""])), ...views[Number(key)].filters });
  };
  return html`
    <div class="views">
      <${Tabs} label="Views" tabs=${tabs} value=${here < 0 ? UNSAVED : String(here)} onChange=${show} />
      ${
        here < 0 && kept.value.length < MOST && html`<${Button} small onClick=${() => setNaming(true)}>Keep as view<//>`
      }
      ${
        here >= GIVEN.length &&
        html`
        <${Button} small onClick=${() => keep(kept.value.filter((view) => view !== views[here]))}>Forget this view<//>
      `
      }
      ${naming && html`<${Naming} onClose=${() => setNaming(false)} />`}
    </div>
  `;
}

function Naming({ onClose }) {
  const [name, setName] = useState("");
  const save = (event) => {
    event.preventDefault();
    const filters = Object.fromEntries(
      FILTERS.filter((one) => params.value[one]).map((one) => [one, params.value[one]]),
    );
    keep([...kept.value, { name: name.trim(), filters }]);
    onClose();
  };
  return html`
    <${Dialog} title="Keep these filters as a view" onClose=${onClose}>
      <form onSubmit=${save}>
        <${Field} label="Name" hint="Kept in this browser.">
          ${(field) => html`
            <input
              ...${field}
              autofocus
              required
              maxlength="40"
              pattern=".*\\S.*"
              value=${name}
              onInput=${(event) => setName(event.currentTarget.value)}
            />
          `}
        <//>
        <${Actions}><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" kind="primary">Keep<//><//>
      </form>
    <//>
  `;
}
