// Fault injection: every fault ends by itself, all can be stopped at once, and past faults stay listed.
import { html, useEffect, useState } from "../lib.js";
import { del, get, put } from "../api.js";
import { report } from "../live.js";
import { useResource } from "../resource.js";
import { params, setParams } from "../router.js";
import { OrdersMeanwhile } from "../widgets/health.js";
import { failed, toast } from "../store.js";
import { countdown, number, times, words, zone } from "../format.js";
import {
  Actions,
  Badge,
  Button,
  Card,
  Dialog,
  Empty,
  Field,
  PageHead,
  Skeleton,
  Table,
  Tabs,
  Time,
  View,
  secondsUntil,
} from "../ui.js";

const TABS = [
  ["gremlin", "Gremlin"],
  ["crash", "Crash"],
  ["errors", "Errors"],
  ["cut", "Dependency cut"],
  ["behaviour", "Provider"],
];
const PROVIDER = "psp";
const REFRESH_SECONDS = 3;
const STATE_TONES = { active: "bad", expired: "plain", stopped: "info", spent: "ok" };
const BEHAVIOURS = {
  decline: "Declines every charge",
  "timeout-before": "Answers too late, and nothing was charged",
  "timeout-after": "Answers too late, and the charge was made",
  "error-after": "Fails after the charge was made",
  "rate-limit": "Answers 429",
  stall: "Accepts requests and does not answer",
};

export default function Chaos() {
  const services = useResource((signal) => get("/api/v1/chaos", {}, signal).then(({ items }) => items), [], {
    every: REFRESH_SECONDS,
  });
  const { tab = "gremlin" } = params.value;
  const [stopping, setStopping] = useState(false);
  const active = (services.data ?? []).flatMap((one) =>
    one.active.map((fault) => ({ ...fault, service: one.service })),
  );
  const stopAll = async () => {
    setStopping(true);
    try {
      await del("/api/v1/chaos");
      toast("ok", "All faults are stopped");
    } catch (problem) {
      failed("Some faults could not be stopped", problem);
    }
    setStopping(false);
    services.reload();
  };
  return html`
    <${PageHead} title="Chaos" sub="Inject faults into this installation. Each ends by itself.">
      <${Button} kind="danger solid" icon="stop" busy=${stopping} disabled=${!active.length} onClick=${stopAll}>
        Stop all
      <//>
    <//>
    <${View} of=${services} skeleton=${html`<${Card}><${Skeleton} lines=${5} height=${32} /><//>`}>
      ${(data) => html`
        <div class="stack">
          <div class="grid two">
            <${Card} title="Inject a fault">
              <${Tabs}
                label="Kind of fault"
                tabs=${TABS}
                value=${tab}
                onChange=${(key) => setParams({ tab: key === "gremlin" ? "" : key })}
              />
              <${Form} key=${tab} kind=${tab} services=${data} done=${services.reload} />
            <//>
            <${Active} faults=${active} reload=${services.reload} />
          </div>
          <${History} services=${data} />
        </div>
      `}
    <//>
  `;
}

// --- in force

function Active({ faults, reload }) {
  const [busy, setBusy] = useState("");
  const stop = async (service) => {
    setBusy(service);
    try {
      await del(`/api/v1/chaos/${service}`);
    } catch (problem) {
      failed(`The faults of ${service} could not be stopped`, problem);
    }
    setBusy("");
    reload();
  };
  const orders = report.value?.orders;
  return html`
    <${Card}
      title="In force"
      aside=${
        orders?.averageMs != null &&
        html`
        <${Badge} tone=${orders.slow ? "bad" : "ok"}>orders: ${number(Math.round(orders.averageMs))} ms<//>
      `
      }
    >
      ${
        faults.length
          ? html`
        <ul class="faults">
          ${faults.map(
            (one) => html`
            <li key=${one.id} class="fault">
              <div>
                <p><strong>${one.service}</strong> <${Badge} tone="bad">${words(one.fault.kind)}<//></p>
                <p>${said(one.fault)}</p>
                <p class="muted small-text">
                  ${
                    one.strikes ? `struck ${times(one.strikes)}${copies(one)}` : "armed, no request has met it yet"
                  } · <${OrdersMeanwhile} fault=${one}>orders since then<//>
                </p>
              </div>
              <div class="fault-end">
                <strong class="countdown" role="timer" aria-label="Time left">
                  ${countdown(secondsUntil(one.until))}
                </strong>
                <${Button}
                  small
                  kind="danger"
                  busy=${busy === one.service}
                  onClick=${() => stop(one.service)}
                  aria-label=${`Stop the faults of ${one.service}`}
                >
                  Stop
                <//>
              </div>
            </li>
          `,
          )}
        </ul>
      `
          : html`
        <${Empty} title="No faults are active" icon="check">Inject a fault, and watch header, map and orders.<//>
      `
      }
    <//>
  `;
}

const copies = (one) => {
  const names = Object.entries(one.strikesByCopy ?? {});
  return names.length > 1 ? ` (${names.map(([name, count]) => `${name} ${count}`).join(", ")})` : "";
};

function said(fault) {
  const where = fault.path ? ` below ${fault.path}` : "";
  switch (fault.kind) {
    case "gremlin":
      return `${
        fault.every === 1 ? "Every request" : `Every ${ordinal(fault.every)} request`
      }${where} waits ${number(fault.delayMs)} ms.`;
    case "crash":
      return `${
        fault.how === "kill" ? "Kills itself" : "Drops the connection"
      } after the commit, before the reply; ${changes(fault.times)}${where}.`;
    case "errors":
      return `${Math.round(fault.fraction * 100)}% of the requests${where} are answered 503.`;
    case "cut":
      return `Calls to ${fault.dependency} fail as if the network were down.`;
    case "failpoint":
      return `At ${fault.point}: ${fault.action}, ${times(fault.times)}.`;
    case "behaviour":
      return BEHAVIOURS[fault.name] ?? fault.name;
    default:
      return fault.kind;
  }
}

const changes = (n) => (n === 1 ? "the next change" : `the next ${number(n)} changes`);
const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th")}`;

// --- injecting

const FIRST = {
  gremlin: { every: "5", delayMs: "3000" },
  crash: { how: "drop", times: "1" },
  errors: { percent: "50" },
  cut: { dependency: "" },
  behaviour: { name: "" },
};

function Form({ kind, services, done }) {
  const offered = services.filter((one) =>
    kind === "cut"
      ? one.dependencies.length
      : kind === "behaviour"
        ? one.behaviours.length
        : one.service !== "console" && one.service !== PROVIDER,
  );
  const [service, setService] = useState(
    offered.find((one) => one.service === "orders")?.service ?? offered[0]?.service ?? "",
  );
  const [given, setGiven] = useState({ ...FIRST[kind], durationSeconds: "60" });
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const [confirming, setConfirming] = useState(false);
  const chosen = offered.find((one) => one.service === service);
  const choices =
    kind === "cut" ? (chosen?.dependencies ?? []) : kind === "behaviour" ? (chosen?.behaviours ?? []) : [];
  useEffect(() => {
    const name = kind === "cut" ? "dependency" : "name";
    if (choices.length && !choices.includes(given[name])) setGiven((old) => ({ ...old, [name]: choices[0] }));
  }, [service, choices.join()]);
  if (!offered.length) return html`<${Empty} title="No service offers this" icon="chaos" />`;
  const set = (name) => (event) => setGiven((old) => ({ ...old, [name]: event.currentTarget.value }));
  const inject = async () => {
    setConfirming(false);
    setBusy(true);
    setProblem(null);
    try {
      await put(`/api/v1/chaos/${service}`, body(kind, given));
      toast("info", `${TABS.find(([key]) => key === kind)[1]} on ${service}`, {
        detail: `Ends by itself in ${given.durationSeconds} s`,
      });
    } catch (refused) {
      setProblem(refused);
      if (!refused.errors.length) failed("The fault was not injected", refused);
    }
    setBusy(false);
    done();
  };
  const submit = (event) => {
    event.preventDefault();
    if (kind === "crash") setConfirming(true);
    else inject();
  };
  const numeric = (name, label, { min = 1, max, hint } = {}) => html`
      <${Field} label=${label} hint=${hint} error=${problem?.field(name)}>
        ${(field) => html`
          <input ...${field} type="number" required min=${min} max=${max} value=${given[name]} onInput=${set(name)} />
        `}
      <//>
    `;
  const select = (name, label, options) => html`
      <${Field} label=${label} error=${problem?.field(name)}>
        ${(field) => html`
          <select ...${field} value=${given[name]} onChange=${set(name)}>
            ${options.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
          </select>
        `}
      <//>
    `;
  return html`
    <form class="form" onSubmit=${submit}>
      <div class="form-row">
        ${
          kind !== "behaviour" &&
          html`
          <${Field} label="Service">
            ${(field) => html`
              <select ...${field} value=${service} onChange=${(event) => setService(event.currentTarget.value)}>
                ${offered.map((one) => html`<option key=${one.service} value=${one.service}>${one.service}</option>`)}
              </select>
            `}
          <//>
        `
        }
        ${numeric("durationSeconds", "Duration, seconds", { max: 3600 })}
      </div>
      ${
        kind === "gremlin" &&
        html`
        <div class="form-row">
          ${numeric("every", "Every … requests", { hint: "1 is every request" })}
          ${numeric("delayMs", "Delay, milliseconds", { max: 600000 })}
        </div>
      `
      }
      ${
        kind === "crash" &&
        html`
        <div class="form-row">
          ${select("how", "How", [
            ["drop", "Drop the connection"],
            ["kill", "Kill the process"],
          ])}
          ${numeric("times", "Times", { max: 1000 })}
        </div>
      `
      }
      ${kind === "errors" && numeric("percent", "Share of requests, percent", { max: 100 })}
      ${
        kind === "cut" &&
        select(
          "dependency",
          "Cut off from",
          choices.map((name) => [name, name]),
        )
      }
      ${
        kind === "behaviour" &&
        select(
          "name",
          "Behaviour",
          choices.map((name) => [name, BEHAVIOURS[name] ?? words(name)]),
        )
      }
      ${chosen?.copies.length > 1 && html`<p class="hint">In all ${chosen.copies.length} copies.</p>`}
      <div><${Button} type="submit" kind="danger" icon="chaos" busy=${busy}>Inject<//></div>
    </form>
    ${
      confirming &&
      html`
      <${Confirm}
        service=${service}
        how=${given.how}
        times=${given.times}
        onClose=${() => setConfirming(false)}
        onConfirm=${inject}
      />
    `
    }
  `;
}

function body(kind, given) {
  const durationSeconds = Number(given.durationSeconds);
  switch (kind) {
    case "gremlin":
      return { kind, every: Number(given.every), delayMs: Number(given.delayMs), durationSeconds };
    case "crash":
      return { kind, how: given.how, times: Number(given.times), durationSeconds };
    case "errors":
      return { kind, fraction: Number(given.percent) / 100, durationSeconds };
    case "cut":
      return { kind, dependency: given.dependency, durationSeconds };
    default:
      return { kind, name: given.name, durationSeconds };
  }
}

/** A crash is confirmed by typing the name of the service. */
function Confirm({ service, how, times, onClose, onConfirm }) {
  const [typed, setTyped] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (typed === service) onConfirm();
  };
  return html`
    <${Dialog} title=${`Crash ${service}?`} onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <p>
          ${
            how === "kill" ? "The process kills itself" : "The connection is dropped"
          } after the commit and before the reply, for ${changes(Number(times))}.
          Clients get no answer; nothing that was committed is lost. 
        </p>
        <${Field} label=${`Type ${service} to confirm`}>
          ${(field) => html`
            <input
              ...${field}
              value=${typed}
              autocomplete="off"
              onInput=${(event) => setTyped(event.currentTarget.value)}
            />
          `}
        <//>
        <${Actions}>
          <${Button} onClick=${onClose}>Cancel<//>
          <${Button} type="submit" kind="danger solid" disabled=${typed !== service}>Crash ${service}<//>
        <//>
      </form>
    <//>
  `;
}

// --- what was

const COLUMNS = [
  { title: "Service" },
  { title: "Fault" },
  { title: "State", class: "wide" },
  { title: "Struck", align: "right" },
  { title: `From, ${zone()}`, class: "wide" },
  { title: "Until", class: "wide" },
  { title: "Orders" },
];

function History({ services }) {
  const past = services
    .flatMap((one) => one.history.map((fault) => ({ ...fault, service: one.service })))
    .sort((a, b) => b.since.localeCompare(a.since));
  return html`
    <${Card} title="History">
      ${
        past.length
          ? html`
        <${Table} caption="Past faults" columns=${COLUMNS}>
          ${past.map(
            (one) => html`
            <tr key=${one.id}>
              <td>${one.service}</td>
              <td>${said(one.fault)}</td>
              <td class="wide"><${Badge} tone=${STATE_TONES[one.state]}>${one.state}<//></td>
              <td class="num">${number(one.strikes)}</td>
              <td class="wide nowrap"><${Time} at=${one.since} /></td>
              <td class="wide nowrap"><${Time} at=${one.stoppedAt ?? one.until} /></td>
              <td><${OrdersMeanwhile} fault=${one} until=${one.stoppedAt ?? one.until}>placed meanwhile<//></td>
            </tr>
          `,
          )}
        <//>
      `
          : html`<${Empty} title="No faults yet">Injected faults are listed here.<//>`
      }
    <//>
  `;
}
