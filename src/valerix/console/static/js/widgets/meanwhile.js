// Links from an order to the faults and symptoms while it was processed.
import { html } from "../lib.js";
import { get } from "../api.js";
import { times } from "../format.js";
import { health } from "../live.js";
import { Link } from "../router.js";
import { useResource } from "../resource.js";
import { config, role } from "../store.js";
import { meanings } from "../states.js";
import { Card, Time } from "../ui.js";

const MINUTES = 60;

/** The worst current symptom, for an order that waits. */
export function WhatIsWrong() {
  const { level, symptoms } = health.value;
  if (level === "ok" || level === "unknown") return null;
  const [first] = symptoms;
  return html`
    <p>Now: ${first.about && html`<strong>${first.about}</strong> `}${first.text}. <${Link} to="/map">System map<//></p>
  `;
}

/** Faults of the last hour that were in force between the order's first and last event. */
export function FaultsMeanwhile({ order }) {
  const recent = config.value.chaos && Date.now() - Date.parse(order.createdAt) < MINUTES * 60_000;
  const span = useResource(
    (signal) => (recent ? get("/console/api/history", { minutes: MINUTES }, signal) : Promise.resolve(null)),
    [order.id, order.version, recent],
  );
  const end = meanings.order[order.status]?.terminal ? Date.parse(order.updatedAt) : Date.now();
  const faults = (span.data?.chaos ?? []).filter(
    (fault) => Date.parse(fault.since) <= end && Date.parse(fault.until) >= Date.parse(order.createdAt),
  );
  if (!faults.length) return null;
  return html`
    <${Card} title="Faults during this order" aside=${role.value === "admin" && html`<${Link} to="/chaos">Chaos<//>`}>
      <ul class="plain-list">
        ${faults.map(
          (fault) => html`
          <li key=${fault.id}>
            <strong>${fault.service}</strong> ${fault.label}
            <span class="block small-text muted">
              <${Time} at=${fault.since} /> to <${Time} at=${fault.until} /> · ${
                fault.strikes ? `struck ${times(fault.strikes)}` : "no request met it"
              }
            </span>
          </li>
        `,
        )}
      </ul>
    <//>
  `;
}
