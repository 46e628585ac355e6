// Acts of staff, in words.
import { html } from "../lib.js";
import { isStaff } from "../store.js";
import { shortId } from "../format.js";
import { CopyId, Time } from "../ui.js";

/** Whose act an entry of a history is; nothing for an entry that is no act of staff. Customers get no name. */
export function By({ by }) {
  if (!by) return null;
  if (!by.actor) return html`<p class="small-text muted event-by">by ${by.kind}</p>`;
  return html`<p class="small-text muted event-by break">by ${by.actor.role} <span title=${by.actor.id}>${nameOf(by.actor.id)}</span>${by.actor.address && ` from ${by.actor.address}`} · trace <code>${by.actor.traceId}</code></p>`;
}

/** Acts on one thing, as its history shows them to staff; `unanswered`: services whose acts are missing. */
export function Acts({ acts, unanswered }) {
  if (!isStaff.value) return null;
  return html`${unanswered.length > 0 && html`<p class="notice"><span>Not answering, so theirs are missing: ${unanswered.join(", ")}.</span></p>`}
    ${acts.length === 0 && html`<p class="muted">Nothing was done by staff.</p>`}
    <ul class="plain-list">${acts.map((act) => html`<li key=${act.id}><div class="spread"><strong>${act.act}</strong><span class="small-text muted"><${Time} at=${act.occurredAt} /></span></div>
      <p class="small-text break">${details(act.what)}</p>
      <p class="small-text muted break">by ${act.role} <span title=${act.actor}>${nameOf(act.actor)}</span>${act.address && ` from ${act.address}`} · trace <${CopyId} id=${act.traceId} label="trace id" /></p></li>`)}</ul>`;
}

/** A service has a name; a person's id is long. */
export const nameOf = (actor) => (actor.includes(":") ? actor : shortId(actor));

/** `reason: broken · amountMinor: 77` */
export const details = (what) => Object.entries(what).map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");
