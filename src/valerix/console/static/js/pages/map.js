// The system map: all processes, the calls between them and their circuit breakers; also as a table.
import { html } from "../lib.js";
import { report } from "../live.js";
import { Link, params, setParams } from "../router.js";
import { age, dateTime } from "../format.js";
import { clock } from "../store.js";
import { Badge, Button, Card, Dot, Empty, PageHead, Skeleton, Table, Tabs } from "../ui.js";
import { HealthSummary } from "../widgets/health.js";
import { Legend, ServiceMap, STATUS_WORDS, TONES, edgeTone, edgeWords } from "../widgets/map.js";
import { megabytes, milliseconds, perSecond, share } from "../widgets/numbers.js";

const COPY_WORDS = {
  ok: "healthy",
  draining: "shutting down",
  unavailable: "not ready",
  down: "no answer",
  unknown: "no data yet",
};

export default function SystemMap() {
  const { view = "map", process: chosen } = params.value;
  const now = report.value;
  const choose = (name) => setParams({ process: name === chosen ? "" : name });
  return html`
    <${PageHead}
      title="System map"
      sub="All processes, their health and the calls between them. Figures cover the last 10 seconds."
    />
    <${Tabs}
      label="View"
      tabs=${[
        ["map", "Map"],
        ["table", "Table"],
      ]}
      value=${view}
      onChange=${(key) => setParams({ view: key === "map" ? "" : key })}
    />
    ${
      !now
        ? html`
      <${Card}>
        <div aria-busy="true">
          <span class="sr-only" role="status">Loading</span>
          <${Skeleton} lines=${1} height=${380} />
        </div>
      <//>
    `
        : html`
      <div class=${`map-page ${chosen ? "with-side" : ""}`}>
        <div class="stack">
          <${HealthSummary} />
          ${
            view === "map"
              ? html`
            <${Card} title="Services" aside=${html`<${Legend} />`}>
              <div class="map-wrap"><${ServiceMap} report=${now} chosen=${chosen} onChoose=${choose} /></div>
            <//>
          `
              : html`<${Processes} report=${now} choose=${choose} /><${Edges} edges=${now.edges} />`
          }
        </div>
        ${chosen && html`<${Side} name=${chosen} report=${now} close=${() => setParams({ process: "" })} />`}
      </div>
    `
    }
  `;
}

const PROCESS_COLUMNS = [
  { title: "Process" },
  { title: "Health" },
  { title: "Copies", align: "right", class: "wide" },
  { title: "Requests / s", align: "right" },
  { title: "p50", align: "right", class: "wide" },
  { title: "p95", align: "right", class: "wide" },
  { title: "Errors", align: "right", class: "wide" },
];

function Processes({ report: now, choose }) {
  return html`
    <${Card} title="Processes">
      <${Table} caption="Processes" columns=${PROCESS_COLUMNS}>
        ${now.processes.map(
          ({ name, status, now: figures, copies }) => html`
          <tr key=${name}>
            <td><button type="button" class="link" onClick=${() => choose(name)}>${name}</button></td>
            <td><${Badge} tone=${TONES[status]}>${STATUS_WORDS[status]}<//></td>
            <td class="num wide">${copies.filter((copy) => copy.status === "ok").length} / ${copies.length}</td>
            <td class="num">${perSecond(figures?.rate)}</td>
            <td class="num wide">${milliseconds(figures?.p50)}</td>
            <td class="num wide">${milliseconds(figures?.p95)}</td>
            <td class="num wide">${share(figures?.errors)}</td>
          </tr>
        `,
        )}
      <//>
    <//>
  `;
}

const EDGE_COLUMNS = [{ title: "Caller" }, { title: "Called" }, { title: "Circuit breaker" }];

function Edges({ edges }) {
  return html`
    <${Card} title="Calls">
      <${Table} caption="Calls and their circuit breakers" columns=${EDGE_COLUMNS}>
        ${edges.map(
          (edge) => html`
          <tr key=${edge.source + edge.target}>
            <td>${edge.source}</td>
            <td>${edge.target}</td>
            <td>
              <${Badge} tone=${edge.state === "closed" ? "ok" : edgeTone(edge.state)}>${edgeWords(edge.state)}<//>
            </td>
          </tr>
        `,
        )}
      <//>
    <//>
  `;
}

function Side({ name, report: now, close }) {
  const process = now.processes.find((one) => one.name === name);
  if (!process)
    return html`<${Card} title=${name}><${Empty} title="No such process"><${Button} onClick=${close}>Close<//><//><//>`;
  const { now: figures } = process;
  return html`
    <${Card} title=${name} aside=${html`<${Button} small icon="close" onClick=${close}>Close<//>`} class="side-panel">
      <div class="stack">
        <div class="row">
          <${Badge} tone=${TONES[process.status]}>${STATUS_WORDS[process.status]}<//>
          <${Link} to="/metrics" query=${{ process: name }}>Metrics<//>
        </div>
        <dl class="facts">
          <dt>Requests / s</dt>
          <dd>${perSecond(figures?.rate)}</dd>
          <dt>Latency</dt>
          <dd>
            p50 ${milliseconds(figures?.p50)}, p95 ${milliseconds(figures?.p95)}, p99 ${milliseconds(figures?.p99)}
          </dd>
          <dt>Errors</dt>
          <dd>${share(figures?.errors)}</dd>
        </dl>
        ${process.copies.map(
          (copy) => html`
          <section key=${copy.name} class="copy-box">
            <h3>
              <${Dot} tone=${TONES[copy.status]} /> ${copy.name} <span class="muted">${
                COPY_WORDS[copy.status] ?? copy.status
              }</span>
            </h3>
            <dl class="facts small-text">
              ${
                copy.startedAt &&
                html`
                <dt>Up for</dt>
                <dd title=${dateTime(copy.startedAt * 1000)}>${age(clock.value - copy.startedAt)}</dd>
              `
              }
              ${copy.memoryBytes && html`<dt>Memory</dt><dd>${megabytes(copy.memoryBytes)}</dd>`}
              ${Object.entries(copy.checks ?? {}).map(
                ([check, { status, message }]) => html`
                <dt>${check}</dt>
                <dd><${Badge} tone=${status === "ok" ? "ok" : "bad"}>${status}<//> ${message}</dd>
              `,
              )}
            </dl>
          </section>
        `,
        )}
        <${Breakers} edges=${now.edges.filter((edge) => edge.source === name && edge.state !== null)} />
      </div>
    <//>
  `;
}

function Breakers({ edges }) {
  if (!edges.length) return null;
  return html`
    <section>
      <h3>Circuit breakers</h3>
      <dl class="facts">
        ${edges.map(
          (edge) => html`
          <dt key=${edge.target}>to ${edge.target}</dt>
          <dd><${Badge} tone=${edge.state === "closed" ? "ok" : edgeTone(edge.state)}>${edgeWords(edge.state)}<//></dd>
        `,
        )}
      </dl>
    </section>
  `;
}
