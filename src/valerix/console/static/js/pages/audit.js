// The audit: security events of accounts, and acts of staff in every service.
import { html } from "../lib.js";
import { zone } from "../format.js";
import { params } from "../router.js";
import { Button, Card, Chips, CopyId, Empty, Failure, PageHead, Search, SkeletonRows, Table, Time } from "../ui.js";
import { Pager, filterBy, useList, useQueryText } from "../widgets/list.js";
import { details, nameOf } from "../widgets/acts.js";

const SERVICES = [
  ["", "all"],
  ...["orders", "inventory", "payments", "users", "notifications", "psp", "console", "worker"].map((name) => [
    name,
    name,
  ]),
];
const COLUMNS = [
  { title: `When, ${zone()}` },
  { title: "Action" },
  { title: "Actor" },
  { title: "Subject", class: "wide" },
  { title: "Service", class: "wide" },
  { title: "Details", class: "wide" },
  { title: "Trace", class: "wide" },
];

export default function Audit() {
  const { service = "", actor = "", subject = "" } = params.value;
  const list = useList("/api/v1/users/audit", { service, actor, subject });
  const rows = list.data?.items;
  return html`
    <${PageHead} title="Audit">
      <${Button} icon="refresh" busy=${list.refreshing && list.data !== undefined} onClick=${list.reload}>Refresh<//>
    <//>
    <${Card} class="list">
      <${Filters} service=${service} />
      ${list.error && html`<${Failure} error=${list.error} retry=${list.reload} stale=${Boolean(rows)} />`}
      ${
        (rows?.length > 0 || list.loading) &&
        html`
        <${Table} caption="Audit" columns=${COLUMNS} busy=${list.refreshing}>
          ${
            rows
              ? rows.map((row) => html`<${Row} key=${row.id} entry=${row} />`)
              : html`
            <${SkeletonRows} rows=${12} columns=${COLUMNS.length} />
          `
          }
        <//>
      `
      }
      ${
        rows?.length === 0 &&
        html`
        <${Empty} title="Nothing matches" icon="search">
          <p>Enter complete ids for actor and subject.</p>
          <p><${Button} onClick=${() => filterBy({ service: "", actor: "", subject: "" })}>Clear the filters<//></p>
        <//>
      `
      }
      ${rows?.length > 0 && html`<${Pager} of=${list} shown=${rows.length} noun="entries" />`}
    <//>
  `;
}

function Filters({ service }) {
  const [actor, setActor] = useQueryText("actor");
  const [subject, setSubject] = useQueryText("subject");
  return html`
    <div class="filters">
      <${Search} label="Actor" placeholder="Id of a user" value=${actor} onInput=${setActor} />
      <${Search}
        label="Subject"
        placeholder="Id of a user, order, payment, product"
        value=${subject}
        onInput=${setSubject}
      />
      <${Chips} label="Service" options=${SERVICES} value=${service} onChange=${(key) => filterBy({ service: key })} />
    </div>
  `;
}

function Row({ entry }) {
  return html`
    <tr>
      <td class="nowrap muted"><${Time} at=${entry.occurredAt} /></td>
      <td class="nowrap">${entry.action}</td>
      <td class="break">
        ${entry.actor ? html`<span title=${entry.actor}>${nameOf(entry.actor)}</span>` : "–"}
        ${entry.role && html` <span class="muted">${entry.role}</span>`}
        ${entry.address && html` <span class="muted small-text">${entry.address}</span>`}
      </td>
      <td class="wide break"><span title=${entry.subject}>${entry.subject ? nameOf(entry.subject) : "–"}</span></td>
      <td class="wide nowrap">${entry.service}</td>
      <td class="wide break small-text">${details(entry.details)}</td>
      <td class="wide"><${CopyId} id=${entry.traceId} label="trace id" /></td>
    </tr>
  `;
}
