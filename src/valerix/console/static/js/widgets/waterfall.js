// The saga as a waterfall: one row per step, its attempts as bars; compensations striped, waiting dashed.
import { html } from "../lib.js";
import { By } from "./acts.js";
import { age, duration, money } from "../format.js";
import { because } from "../placing.js";
import { meanings } from "../states.js";
import { Badge } from "../ui.js";
import { STEP_FAILED, rowsOf, scaleOf } from "./timeline.js";

export function Waterfall({ order, events, now }) {
  const rows = rowsOf(order, events, now);
  const scale = scaleOf(rows);
  return html`
    <ol class="waterfall" aria-label="Steps of this order">
      <li class="wf-scale" aria-hidden="true">
        <span></span>
        <span class="wf-track">
          ${ticks(scale).map(
            ({ place, ms }) => html`
            <span class=${`wf-tick ${place > LATE ? "late" : ""}`} style=${{ left: percent(place) }}>
              ${ms ? `+${duration(ms)}` : "0"}
            </span>
          `,
          )}
        </span>
      </li>
      ${rows.map((row) => html`<${Row} key=${row.key} row=${row} scale=${scale} />`)}
    </ol>
  `;
}

const percent = (share) => `${(share * 100).toFixed(3)}%`;
const LABEL_WIDTH = 0.2,
  LATE = 0.8;
/** Ticks whose labels fit; late ones have their label on the left. */
function ticks({ ticks: all }) {
  let end = 0;
  return all.filter(({ place }) => {
    const from = place > LATE ? place - LABEL_WIDTH : place;
    if (from < end) return false;
    end = from + LABEL_WIDTH;
    return true;
  });
}

function Row({ row, scale }) {
  const reached = row.bars.length > 0 || row.outcome;
  return html`
    <li class=${`wf-row ${row.back ? "back" : ""} ${reached ? "" : "unreached"}`}>
      <span class="wf-name">
        ${row.back && html`<span aria-hidden="true">↩ </span>`}
        ${row.title}
        ${row.back && html`<span class="sr-only"> (compensation)</span>`}
        ${
          row.attempts > 1 &&
          html`
          <span class="badge attempts" title="Attempts of this step">${row.attempts} attempts</span>
        `
        }
      </span>
      <span class="wf-track" aria-hidden="true">
        ${scale.gaps.map(
          (gap) => html`
          <i
            class="wf-gap"
            style=${{ left: percent(gap.from), width: percent(gap.to - gap.from) }}
            title=${`${duration(gap.ms)} idle`}
          ></i>
        `,
        )}
        ${row.bars.map((one) => html`<${Bar} bar=${one} scale=${scale} />`)}
      </span>
      <span class="wf-note">
        ${
          reached
            ? html`
          <span class=${`wf-outcome ${row.tone}`}>${row.outcome}</span>
          ${row.ms > 0 && html`<span class="muted nowrap">${duration(row.ms)}</span>`}
        `
            : html`<span class="muted">not reached</span>`
        }
        ${row.detail && html`<span class="muted wf-detail">${row.detail}</span>`}
      </span>
    </li>
  `;
}

function Bar({ bar, scale }) {
  const left = scale.place(bar.from),
    right = scale.place(bar.to);
  const name = `wf-bar ${bar.tone} ${bar.wait ? "wait" : ""} ${bar.open ? "open" : ""} ${
    bar.from === bar.to ? "instant" : ""
  }`;
  const said = [
    bar.attempt > 1 && `Attempt ${bar.attempt}`,
    bar.label,
    bar.to > bar.from && duration(bar.to - bar.from),
    bar.detail,
  ]
    .filter(Boolean)
    .join(" · ");
  return html`
    <i class=${name} style=${{ left: percent(left), width: percent(Math.max(0, right - left)) }} title=${said}></i>
  `;
}

// --- the same as a list of events

export const MODES = [
  ["compact", "Compact"],
  ["full", "Full"],
  ["failed", "Failed only"],
];
const wentWrong = (event) =>
  ["order.failed", "order.delayed", "order.held", "order.still_held"].includes(event.type) ||
  event.steps.some((step) => step.outcome === STEP_FAILED);

export function EventList({ events, mode }) {
  const start = new Date(events[0]?.occurredAt ?? 0).getTime();
  const shown = mode === "failed" ? events.filter(wentWrong) : events;
  if (!shown.length) return html`<p class="muted">Nothing went wrong.</p>`;
  return html`
    <ol class="events">
      ${shown.map(
        (event) => html`
        <li key=${event.version}>
          <div class="spread">
            <span>
              <span class="mono muted event-at">${offset(
                new Date(event.occurredAt).getTime() - start,
              )}</span> <strong>${event.type}</strong>
            </span>
            <${Badge} of="order" status=${event.status} />
          </div>
          ${
            event.refund &&
            html`
            <p class="small-text event-note break">Refund of ${money(event.refund.amount)}: ${event.refund.reason}</p>
          `
          }
          ${
            event.errorMessage &&
            html`
            <p class=${`small-text event-error ${meanings.order[event.status]?.tone ?? ""}`}>${because(event)}</p>
          `
          }
          ${
            event.nothingToUndo &&
            html`
            <p class="small-text muted event-note">Neither stock nor money was taken, so there was nothing to undo.</p>
          `
          }
          <${By} by=${event.by} />
          ${mode !== "compact" && html`<${Details} event=${event} />`}
        </li>
      `,
      )}
    </ol>
  `;
}

const offset = (ms) => (ms <= 0 ? "0" : `+${ms < 600_000 ? duration(ms) : age(ms / 1000)}`);

function Details({ event }) {
  return html`
    ${
      event.steps.length > 0 &&
      html`
      <ul class="event-steps small-text">
        ${event.steps.map(
          (step) => html`
          <li>
            <span>${step.name}${step.attempt > 1 && html` <span class="muted">attempt ${step.attempt}</span>`}</span>
            <span>${step.outcome}</span>
            <span class="num">${duration(step.durationMs)}</span>
            ${step.detail && html`<span class="muted event-detail">${step.detail}</span>`}
          </li>
        `,
        )}
      </ul>
    `
    }
    <p class="small-text muted break">
      version ${event.version} · ${new Date(event.occurredAt).toISOString()} · trace <code>${event.traceId}</code>
    </p>
  `;
}
