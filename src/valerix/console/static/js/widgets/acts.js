// Acts of staff: the person, the change, address and trace.
import { html } from "../lib.js";
import { isStaff } from "../store.js";
import { shortId } from "../format.js";
import { CopyId, Time } from "../ui.js";

/**
 * The person behind an entry of a history; nothing for an entry that is no act of staff. Customers
 * see no name.
 */
export function By({ by }) {
  if (!by) return null;
  if (!by.actor) return html`<p class="small-text muted event-by">by ${by.kind}</p>`;
  return html`
    <p class="small-text muted event-by break">
      by ${by.actor.role} <span title=${by.actor.id}>${nameOf(by.actor.id)}</span>
      ${by.actor.address && ` from ${by.actor.address}`} · trace <code>${by.actor.traceId}</code>
    </p>
  `;
}

/**
 * Acts on one thing, shown to staff only; `unanswered`: services that did not answer, whose acts
 * are missing.
 */
export function Acts({ acts, unanswered }) {
  if (!isStaff.value) return null;
  return html`
    ${
      unanswered.length > 0 &&
      html`
      <p class="notice">
        <span>Acts of these services are missing, because they do not answer: ${unanswered.join(", ")}.</span>
      </p>
    `
    }
    ${acts.length === 0 && html`<p class="muted">Nothing was done by staff.</p>`}
    <ul class="plain-list">
      ${acts.map(
        (act) => html`
        <li key=${act.id}>
          <div class="spread">
            <strong>${act.act}</strong>
            <span class="small-text muted"><${Time} at=${act.occurredAt} /></span>
          </div>
          <p class="small-text break">${details(act.what)}</p>
          <p class="small-text muted break">
            by ${act.role} <span title=${act.actor}>${nameOf(act.actor)}</span>
            ${act.address && ` from ${act.address}`} · trace <${CopyId} id=${act.traceId} label="trace id" />
          </p>
        </li>
      `,
      )}
    </ul>
  `;
}

/** The name of a service, or the short form of a person's id. */
export const nameOf = (actor) => (actor.includes(":") ? actor : shortId(actor));

/** `reason: broken · amountMinor: 77` */
export const details = (what) =>
  Object.entries(what)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" · ");
