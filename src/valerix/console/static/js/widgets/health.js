// How ordering is, in full: what is wrong, and the way to the orders that met it.
import { html } from "../lib.js";
import { health, report } from "../live.js";
import { Link } from "../router.js";
import { time } from "../format.js";
import { OrderStatus } from "../states.js";
import { Dot } from "../ui.js";

const DOTS = { bad: "bad", warn: "warn", unknown: "plain", ok: "ok" };

export function HealthSummary() {
  const { level, symptoms } = health.value;
  if (level === "ok") return html`<p class="notice ok"><${Dot} tone="ok" />Orders are answered quickly, all processes answer, all circuit breakers are closed.</p>`;
  if (!symptoms.length) return html`<p class="notice unknown"><${Dot} />Nothing is heard of the platform at the moment.</p>`;
  return html`<div class=${`notice ${level} summary`}><ul>${symptoms.map((one) => html`<li key=${one.about + one.text}><${Dot} tone=${DOTS[one.level]} /> <strong>${one.about || one.title}:</strong> ${one.text}</li>`)}</ul>
    ${level !== "unknown" && html`<${Affected} />`}</div>`;
}

/** From what is wrong to the orders that met it. */
function Affected() {
  const faults = report.value?.chaos.active ?? [];
  return html`<p class="row"><${Link} to="/orders" query=${{ status: OrderStatus.PENDING }}>Orders that wait<//>
    ${faults.map((fault) => html`<${OrdersMeanwhile} key=${fault.id} fault=${fault}>Orders since ${time(fault.since)}, with ${fault.service} ${fault.label}<//>`)}</p>`;
}

/** Orders that were placed while a fault was in force; `until`: null while it is. */
export const OrdersMeanwhile = ({ fault, until = null, children }) => html`<${Link} to="/orders" query=${{ from: fault.since, to: until }}>${children}<//>`;
