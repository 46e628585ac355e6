// Rate, latency and errors of every process, and of placing an order; periods with injected faults are shaded.
import { html } from "../lib.js";
import { zone } from "../format.js";
import { params, setParams } from "../router.js";
import { Card, Chips, Empty, PageHead, Skeleton, Table, Time, View } from "../ui.js";
import { Chart, ChartHead } from "../widgets/charts.js";
import { OrdersMeanwhile } from "../widgets/health.js";
import { milliseconds, perSecond, share } from "../widgets/numbers.js";
import { useSpan } from "../widgets/span.js";

const SPANS = [
  ["5", "5 min"],
  ["15", "15 min"],
  ["60", "60 min"],
];
const PLACING = "placing";
const NAMES = { placing: "placing orders" };
const named = (name) => NAMES[name] ?? name;

export default function Metrics() {
  const { minutes = "15", process = PLACING } = params.value;
  const wanted = SPANS.some(([key]) => key === minutes) ? minutes : "15";
  const span = useSpan(Number(wanted));
  return html`
    <${PageHead} title="Metrics">
      <${Chips} label="Time span" options=${SPANS} value=${wanted} onChange=${(key) => setParams({ minutes: key })} />
    <//>
    <${View} of=${span} skeleton=${html`<${Card}><${Skeleton} lines=${3} height=${150} /><//>`}>
      ${(data) => html`
        <div class="stack">
          <${Chips}
            label="Process"
            options=${[PLACING, ...Object.keys(data.series).filter((name) => name !== PLACING)].map((name) => [
              name,
              named(name),
            ])}
            value=${process}
            onChange=${(key) => setParams({ process: key })}
          />
          ${
            data.series[process]
              ? html`<${Charts} name=${process} data=${data} />`
              : html`
            <${Empty} title="No such process">Choose a process above.<//>
          `
          }
          <${Present} data=${data} />
          <${Faults} faults=${data.chaos} />
        </div>
      `}
    <//>
  `;
}

function Charts({ name, data }) {
  const { rate, p50, p95, p99, errors } = data.series[name];
  const bands = data.chaos.map((fault) => ({
    from: Date.parse(fault.since) / 1000,
    to: Date.parse(fault.until) / 1000,
    label: `${fault.service}: ${fault.kind}`,
  }));
  const shared = { times: data.times, bands, sync: "metrics" };
  const latencies = [
    { label: "p50", values: p50, colour: "chart-4", fill: false },
    { label: "p95", values: p95, colour: "chart-2", fill: false },
    { label: "p99", values: p99, colour: "chart-5", fill: false },
  ];
  const quiet = rate.every((value) => value === null);
  return html`
    <${Card} title=${named(name)} aside="gaps: no data">
      ${
        quiet
          ? html`
        <${Empty} title="No data in this time span" icon="metrics">Choose a longer time span, or wait a moment.<//>
      `
          : html`
        <${ChartHead} colour="chart-1" label="Requests / s" value=${perSecond(latest(rate))} />
        <${Chart}
          label="Requests per second"
          series=${[{ label: "rate", values: rate, colour: "chart-1" }]}
          write=${perSecond}
          floor=${1}
          height=${130}
          last=${false}
          ...${shared}
        />
        <div class="row">
          ${latencies.map(
            (one) => html`
            <${ChartHead}
              key=${one.label}
              colour=${one.colour}
              label=${`Latency ${one.label}`}
              value=${milliseconds(latest(one.values))}
            />
          `,
          )}
        </div>
        <${Chart}
          label="Latency"
          series=${latencies}
          write=${milliseconds}
          floor=${10}
          height=${170}
          last=${false}
          ...${shared}
        />
        <${ChartHead} colour="chart-3" label="Errors" value=${share(latest(errors))} />
        <${Chart}
          label="Share of failed answers"
          series=${[{ label: "errors", values: errors, colour: "chart-3" }]}
          write=${share}
          floor=${0.01}
          height=${130}
          ...${shared}
        />
      `
      }
    <//>
  `;
}

const latest = (values) => values.findLast((value) => value !== null) ?? null;

const COLUMNS = [
  { title: "Process" },
  { title: "Requests / s", align: "right" },
  { title: "p50", align: "right", class: "wide" },
  { title: "p95", align: "right" },
  { title: "p99", align: "right", class: "wide" },
  { title: "Errors", align: "right" },
];

/** The same as a table: the values at the right end of every chart. */
function Present({ data }) {
  return html`
    <${Card} title="Latest values">
      <${Table} caption="Latest values" columns=${COLUMNS}>
        ${Object.entries(data.series).map(
          ([name, { rate, p50, p95, p99, errors }]) => html`
          <tr key=${name}>
            <td>${named(name)}</td>
            <td class="num">${perSecond(rate.at(-1))}</td>
            <td class="num wide">${milliseconds(latest(p50))}</td>
            <td class="num">${milliseconds(latest(p95))}</td>
            <td class="num wide">${milliseconds(latest(p99))}</td>
            <td class="num">${share(errors.at(-1))}</td>
          </tr>
        `,
        )}
      <//>
    <//>
  `;
}

function Faults({ faults }) {
  if (!faults.length) return null;
  return html`
    <${Card} title="Faults in the last hour">
      <${Table}
        caption="Faults injected in the last hour"
        columns=${[
          { title: "Service" },
          { title: "Fault" },
          { title: `From, ${zone()}`, class: "wide" },
          { title: "Until", class: "wide" },
          { title: "Orders" },
        ]}
      >
        ${faults.map(
          (fault) => html`
          <tr key=${fault.id}>
            <td>${fault.service}</td>
            <td>${fault.label}</td>
            <td class="wide"><${Time} at=${fault.since} /></td>
            <td class="wide"><${Time} at=${fault.until} /></td>
            <td><${OrdersMeanwhile} fault=${fault} until=${fault.until}>placed meanwhile<//></td>
          </tr>
        `,
        )}
      <//>
    <//>
  `;
}
