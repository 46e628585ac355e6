// The state of the shop at a glance.
import { html, useEffect, useRef } from "../lib.js";
import { get } from "../api.js";
import { report, useLive } from "../live.js";
import { useResource } from "../resource.js";
import { Link } from "../router.js";
import { money, number, percent, shortId, zone } from "../format.js";
import { Badge, Card, Empty, PageHead, Skeleton, SkeletonRows, Table, Time, View } from "../ui.js";
import { Chart, ChartHead } from "../widgets/charts.js";
import { milliseconds, perSecond, share } from "../widgets/numbers.js";
import { Items, Steps } from "../widgets/saga.js";
import { HealthSummary } from "../widgets/health.js";
import { Legend, ServiceMap } from "../widgets/map.js";
import { useSpan } from "../widgets/span.js";

const LATEST = 8,
  MINUTES = 5;
/** Below this number of orders a change is chance: it is shown, but not coloured. */
const ENOUGH_ORDERS = 20;

export default function Overview() {
  return html`
    <${PageHead} title="Overview" />
    <div class="stack">
      <${HealthSummary} />
      <${Figures} />
      <div class="grid two"><${Traffic} /><${Map} /></div>
      <${Latest} />
    </div>
  `;
}

// --- figures

function Figures() {
  if (!report.value)
    return html`
      <div class="grid four" aria-busy="true">
        ${["Orders / min", "Success rate", "p95 latency", "Low stock"].map(
          (label) => html`
          <section class="card figure"><p class="muted">${label}</p><${Skeleton} lines=${1} height=${28} /></section>
        `,
        )}
      </div>
    `;
  const { perMinute, successRate, p95Ms, lowStock } = report.value.orders;
  return html`
    <div class="grid four">
      <${Figure}
        label="Orders / min"
        value=${number(perMinute.now)}
        about=${perMinute.before === null ? "" : `${number(perMinute.before)} in the minute before`}
        change=${judged(relative(perMinute), perMinute.before)}
      />
      <${Figure}
        label="Success rate"
        value=${percent(successRate.now)}
        about=${`${number(successRate.confirmed)} of ${orders(successRate.placed)} in 5 min confirmed at once`}
        change=${judged(difference(successRate, 100, "pt", 1), successRate.placed)}
      />
      <${Figure}
        label="p95 latency"
        value=${milliseconds(p95Ms.now)}
        about=${`of ${orders(perMinute.now ?? 0)} in the last minute`}
        change=${judged(difference(p95Ms, 1, "ms", 0, -1), perMinute.now)}
      />
      <${Figure}
        label="Low stock"
        value=${number(lowStock.now)}
        about="products at or below their threshold"
        change=${fresh(lowStock)}
        to="/inventory"
        query=${{ low: "1" }}
      />
    </div>
  `;
}

const orders = (count) => (count === 1 ? "1 order" : `${number(count)} orders`);
const judged = (change, count) => (change && count < ENOUGH_ORDERS ? { ...change, tone: "plain" } : change);

function Figure({ label, value, about, change, to, query }) {
  return html`
    <section class="card figure">
      <p class="muted">${to ? html`<${Link} to=${to} query=${query}>${label}<//>` : label}</p>
      <p class="figure-value">
        ${value}
        ${
          change &&
          html`
          <span class=${`figure-change ${change.tone}`}>
            ${change.text}
            <span class="sr-only"> compared with before</span>
          </span>
        `
        }
      </p>
      <p class="muted small-text">${about}</p>
    </section>
  `;
}

const sign = (value) => (value > 0 ? "+" : "−");
const known = ({ now, before }) => now !== null && before !== null;
/** `better`: 1 when more is better, -1 when less is, 0 when it is neither. */
const toned = (value, better) => (better * value > 0 ? "ok" : better * value < 0 ? "bad" : "plain");

function relative(figure) {
  if (!known(figure) || !figure.before || figure.now === figure.before) return null;
  const change = Math.round((100 * (figure.now - figure.before)) / figure.before);
  return { text: `${sign(change)}${Math.abs(change)}%`, tone: toned(change, 1) };
}

function difference(figure, factor, unit, places, better = 1) {
  if (!known(figure)) return null;
  const change = +((figure.now - figure.before) * factor).toFixed(places);
  return change ? { text: `${sign(change)}${Math.abs(change)} ${unit}`, tone: toned(change, better) } : null;
}

function fresh(figure) {
  const change = known(figure) ? figure.now - figure.before : 0;
  return change ? { text: change > 0 ? `${change} new` : `${-change} fewer`, tone: toned(change, -1) } : null;
}

// --- charts and map

function Traffic() {
  const span = useSpan(MINUTES);
  return html`
    <${Card} title="Traffic" aside=${`last ${MINUTES} minutes`}>
      <${View} of=${span} skeleton=${html`<${Skeleton} lines=${3} height=${92} />`}>
        ${(data) => {
          const { gateway, orders } = data.series;
          const { rate, errors } = gateway ?? orders;
          // HAProxy does not time answers.
          const timed = gateway?.p95.some((value) => value !== null) ? "" : " of orders";
          const { p95 } = timed ? orders : gateway;
          const bands = data.chaos.map((fault) => ({
            from: Date.parse(fault.since) / 1000,
            to: Date.parse(fault.until) / 1000,
            label: `${fault.service}: ${fault.kind}`,
          }));
          const charts = [
            { label: "Requests / s", values: rate, colour: "chart-1", write: perSecond, floor: 1 },
            { label: `Latency p95${timed}`, values: p95, colour: "chart-2", write: milliseconds, floor: 10 },
            { label: "Errors", values: errors, colour: "chart-3", write: share, floor: 0.01 },
          ];
          return charts.map(
            (one, index) => html`
          <div key=${one.label}>
            <${ChartHead} colour=${one.colour} label=${one.label} value=${one.write(latest(one.values))} />
            <${Chart}
              label=${one.label}
              times=${data.times}
              series=${[one]}
              write=${one.write}
              floor=${one.floor}
              sync="traffic"
              bands=${bands}
              last=${index === charts.length - 1}
              height=${index === charts.length - 1 ? 112 : 88}
            />
          </div>
        `,
          );
        }}
      <//>
    <//>
  `;
}

const latest = (values) => values.findLast((value) => value !== null) ?? null;

function Map() {
  return html`
    <${Card} title="Service map" aside=${html`<${Link} to="/map">Open<span class="sr-only"> the system map</span><//>`}>
      ${
        report.value
          ? html`
        <div class="map-wrap" role="region" aria-label="Service map" tabindex="0">
          <${ServiceMap} report=${report.value} />
        </div>
        <p class="card-aside"><${Legend} /></p>
      `
          : html`<div aria-busy="true"><${Skeleton} lines=${1} height=${300} /></div>`
      }
    <//>
  `;
}

// --- latest orders

const COLUMNS = [
  { title: "Order" },
  { title: "Customer", class: "wide" },
  { title: "Items", class: "wide" },
  { title: "Total", align: "right" },
  { title: "Status" },
  { title: "Steps", class: "wide" },
  { title: `Created, ${zone()}`, class: "wide" },
];

function Latest() {
  const orders = useResource((signal) => get("/api/v1/orders", { limit: LATEST }, signal), [], { every: 30 });
  const timer = useRef(0);
  useLive(["order."], () => {
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      orders.reload();
    }, 700);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`
    <${Card} title="Latest orders" aside=${html`<${Link} to="/orders">All orders<//>`}>
      <${View}
        of=${orders}
        skeleton=${html`
          <${Table} caption="Latest orders" columns=${COLUMNS}>
            <${SkeletonRows} rows=${LATEST} columns=${COLUMNS.length} />
          <//>
        `}
        isEmpty=${({ items }) => !items.length}
        empty=${html`<${Empty} title="No orders yet" icon="orders"><${Link} class="button" to="/">Create one<//><//>`}
      >
        ${({ items }) => html`
          <${Table} caption="Latest orders" columns=${COLUMNS}>
            ${items.map(
              (order) => html`
              <tr key=${order.id}>
                <td>
                  <${Link} class="mono nowrap" to=${`/orders/${order.id}`} title=${order.id}>${shortId(order.id)}<//>
                  <span class="narrow small-text muted">${order.customerId} · <${Time} at=${order.createdAt} /></span>
                </td>
                <td class="wide">${order.customerId}</td>
                <td class="wide"><${Items} order=${order} /></td>
                <td class="num nowrap">${money(order.total)}</td>
                <td><${Badge} of="order" status=${order.status} /></td>
                <td class="wide"><${Steps} order=${order} /></td>
                <td class="wide nowrap"><${Time} at=${order.createdAt} /></td>
              </tr>
            `,
            )}
          <//>
        `}
      <//>
    <//>
  `;
}
