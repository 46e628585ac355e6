// The health of ordering in full: all symptoms, and links to the affected orders.
import { html } from "../lib.js";
import { health, report } from "../live.js";
import { Link } from "../router.js";
import { time } from "../format.js";
import { OrderStatus } from "../states.js";
import { Dot } from "../ui.js";

const DOTS = { bad: "bad", warn: "warn", unknown: "plain", ok: "ok" };

export function HealthSummary() {
  const { level, symptoms } = health.value;
  if (level === "ok")
    return html`
      <p class="notice ok">
        <${Dot} tone="ok" />Orders are answered quickly, all processes answer, all circuit breakers are closed.
      </p>
    `;
  if (!symptoms.length) return html`<p class="notice unknown"><${Dot} />No data from the platform at the moment.</p>`;
  return html`
    <div class=${`notice ${level} summary`}>
      <ul>
        ${symptoms.map(
          (one) => html`
          <li key=${one.about + one.text}>
            <${Dot} tone=${DOTS[one.level]} /> <strong>${one.about || one.title}:</strong> ${one.text}
          </li>
        `,
        )}
      </ul>
      ${level !== "unknown" && html`<${Affected} />`}
    </div>
  `;
}

/** Links from the symptoms to the affected orders. */
function Affected() {
  const faults = report.value?.chaos.active ?? [];
  return html`
    <p class="row">
      <${Link} to="/orders" query=${{ status: OrderStatus.PENDING }}>Waiting orders<//>
      ${faults.map(
        (fault) => html`
        <${OrdersMeanwhile} key=${fault.id} fault=${fault}>
          Orders since ${time(fault.since)}, with ${fault.service} ${fault.label}
        <//>
      `,
      )}
    </p>
  `;
}

/** A link to the orders placed while a fault was in force; `until`: null while it still is. */
export const OrdersMeanwhile = ({ fault, until = null, children }) =>
  html`<${Link} to="/orders" query=${{ from: fault.since, to: until }}>${children}<//>`;
