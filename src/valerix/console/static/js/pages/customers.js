// All accounts: names, roles, status; each with its orders and sessions.
import { html } from "../lib.js";
import { useLive } from "../live.js";
import { params, setParams, Link } from "../router.js";
import { words } from "../format.js";
import { Badge, Button, Card, Chips, Empty, Failure, PageHead, Search, SkeletonRows, Table, Time } from "../ui.js";
import { Pager, filterBy, useList, useQueryText, useUpdatedRows } from "../widgets/list.js";
import { UserDrawer } from "../widgets/user.js";

const ROLES = [
  ["", "all"],
  ["customer", "customers"],
  ["operator", "operators"],
  ["admin", "admins"],
];
const COLUMNS = [
  { title: "Name" },
  { title: "Number", class: "wide" },
  { title: "E-mail", class: "wide" },
  { title: "Role" },
  { title: "Status" },
  { title: "Since", class: "wide" },
];

export default function Customers() {
  const { q = "", role = "", status = "", user } = params.value;
  const roleShown = ROLES.some(([key]) => key === role) ? role : "";
  const list = useList("/api/v1/users", { q, role: roleShown, status: status === "suspended" ? status : "" });
  const [rows, update] = useUpdatedRows(list);
  useLive(["customer."], (event) => update(event.data));
  return html`
    <${PageHead} title="Customers">
      <${Button} icon="refresh" busy=${list.refreshing && list.data !== undefined} onClick=${list.reload}>Refresh<//>
    <//>
    <${Card} class="list">
      <${Filters} role=${roleShown} status=${status} />
      ${list.error && html`<${Failure} error=${list.error} retry=${list.reload} stale=${Boolean(rows)} />`}
      ${
        (rows?.length > 0 || list.loading) &&
        html`
        <${Table} caption="Customers" columns=${COLUMNS} busy=${list.refreshing}>
          ${
            rows
              ? rows.map((row) => html`<${Row} key=${row.id} user=${row} />`)
              : html`
            <${SkeletonRows} rows=${10} columns=${COLUMNS.length} />
          `
          }
        <//>
      `
      }
      ${
        rows?.length === 0 &&
        html`
        <${Empty} title="No account matches" icon="customers">
          <p>Search by part of a name or e-mail address, or by customer number.</p>
          <p><${Button} onClick=${() => filterBy({ q: "", role: "", status: "" })}>Clear the filters<//></p>
        <//>
      `
      }
      ${rows?.length > 0 && html`<${Pager} of=${list} shown=${rows.length} noun="accounts" />`}
    <//>
    ${
      user && html`<${UserDrawer} key=${user} id=${user} onClose=${() => setParams({ user: "" })} onChange=${update} />`
    }
  `;
}

function Filters({ role, status }) {
  const [text, setText] = useQueryText();
  return html`
    <div class="filters">
      <${Search}
        label="Search customers"
        placeholder="Name, e-mail or customer number"
        value=${text}
        onInput=${setText}
      />
      <${Chips} label="Role" options=${ROLES} value=${role} onChange=${(key) => filterBy({ role: key })} />
      <${Chips}
        label="Status"
        options=${[["suspended", "suspended only"]]}
        value=${status}
        onChange=${(key) => filterBy({ status: status === key ? "" : key })}
      />
    </div>
  `;
}

function Row({ user }) {
  return html`
    <tr>
      <td>
        <${Link} to="/customers" query=${{ ...params.value, user: user.id }} class="break">${user.name}<//>
        <span class="narrow small-text muted break">${user.customerId && `${user.customerId} · `}${user.email}</span>
      </td>
      <td class="wide nowrap">${user.customerId ?? "–"}</td>
      <td class="wide break">${user.email}</td>
      <td>${user.role === "customer" ? words(user.role) : html`<${Badge} status=${user.role} />`}</td>
      <td><${Badge} status=${user.status} /></td>
      <td class="wide nowrap muted"><${Time} at=${user.createdAt} /></td>
    </tr>
  `;
}
