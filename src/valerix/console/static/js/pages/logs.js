// Log lines of all processes. A bounded number of lines is kept; while paused, the list does not move.
import { html, useEffect, useRef, useState } from "../lib.js";
import { get } from "../api.js";
import { Link, params, setParams } from "../router.js";
import { useResource, useSettled } from "../resource.js";
import { shortId, time, words } from "../format.js";
import { Badge, Button, Card, CopyId, Empty, Failure, Field, PageHead, Search, Skeleton } from "../ui.js";

const LEVELS = ["debug", "info", "warning", "error"];
const KEPT = 1000,
  EVERY_SECONDS = 2;
const TONES = { warning: "warn", error: "bad", critical: "bad", debug: "plain", info: "info" };
const TRACE = /^[0-9a-f]{32}$/;

export default function Logs() {
  const { level = "info", service = "", trace = "", q = "", requests = "", own = "" } = params.value;
  const [paused, pause] = useState(false);
  const logs = useLogs(
    { level, service, traceId: trace, q, requests: requests !== "no", console: own === "yes" },
    paused,
  );
  const [text, setText] = useState(trace || q);
  const settled = useSettled(text.trim());
  useEffect(() => {
    const next = TRACE.test(settled) ? { trace: settled, q: "" } : { trace: "", q: settled };
    if (next.trace !== trace || next.q !== q) setParams(next, { replace: true });
  }, [settled]);
  useEffect(() => {
    if ((trace || q) !== settled) setText(trace || q);
  }, [trace, q]);
  return html`
    <${PageHead} title="Logs">
      <${Button}
        icon=${paused ? "play" : "pause"}
        aria-pressed=${paused ? "true" : "false"}
        onClick=${() => pause(!paused)}
      >
        ${paused ? "Resume" : "Pause"}
      <//>
    <//>
    <${Card}>
      <div class="log-filters">
        <${Search} label="Text or trace id" value=${text} onInput=${setText} />
        <${Field} label="Level">
          ${(field) => html`
            <select
              ...${field}
              value=${level}
              onChange=${(event) =>
                setParams({ level: event.currentTarget.value === "info" ? "" : event.currentTarget.value })}
            >
              ${LEVELS.map(
                (one) => html`
                <option key=${one} value=${one}>${one}${one === "error" ? "" : " and above"}</option>
              `,
              )}
            </select>
          `}
        <//>
        <${Field} label="Process">
          ${(field) => html`
            <select
              ...${field}
              value=${service}
              onChange=${(event) => setParams({ service: event.currentTarget.value })}
            >
              <option value="">All</option>
              ${(logs.files ?? [service].filter(Boolean)).map(
                (file) => html`
                <option key=${file} value=${file}>${file}</option>
              `,
              )}
            </select>
          `}
        <//>
        <label class="tick">
          <input
            type="checkbox"
            checked=${requests !== "no"}
            onChange=${(event) => setParams({ requests: event.currentTarget.checked ? "" : "no" })}
          /> Requests 
        </label>
        <label class="tick">
          <input
            type="checkbox"
            checked=${own === "yes"}
            disabled=${requests === "no"}
            onChange=${(event) => setParams({ own: event.currentTarget.checked ? "yes" : "" })}
          /> Including this console 
        </label>
      </div>
      ${trace && html`<${Order} trace=${trace} lines=${logs.lines} />`}
      ${logs.error && html`<${Failure} error=${logs.error} retry=${logs.reload} stale=${Boolean(logs.lines)} />`}
      ${
        !logs.lines
          ? !logs.error &&
            html`
        <div aria-busy="true"><span class="sr-only" role="status">Loading</span><${Skeleton} lines=${10} /></div>
      `
          : html`
        <p class="muted small-text" role="status">
          ${logs.lines.length} lines${logs.lines.length === KEPT ? ", older lines are not shown" : ""}
          ${paused ? ", paused" : ""}
        </p>
        ${
          logs.lines.length
            ? html`<${Lines} lines=${logs.lines} />`
            : html`
          <${Empty} title="No line matches" icon="logs">
            <${Button}
              onClick=${() => {
                setText("");
                setParams({ level: "", service: "", trace: "", q: "", requests: "", own: "" });
              }}
            >
              Show everything
            <//>
          <//>
        `
        }
      `
      }
    <//>
  `;
}

/** {lines, files, error, reload}: newest first, polled while not `paused`. */
function useLogs(filters, paused) {
  const [state, setState] = useState({});
  const [round, setRound] = useState(0);
  const wanted = JSON.stringify(filters);
  const place = useRef({});
  useEffect(() => {
    if (paused) return;
    const going = new AbortController();
    let timer = 0;
    const fresh = place.current.wanted !== wanted;
    const ask = async () => {
      try {
        const page = await get(
          "/console/api/logs",
          { ...filters, after: place.current.wanted === wanted ? place.current.position : "" },
          going.signal,
        );
        const known = place.current.wanted === wanted ? place.current.lines : [];
        place.current = { wanted, position: page.position, lines: [...page.lines.reverse(), ...known].slice(0, KEPT) };
        setState({ lines: place.current.lines, files: page.files, error: null });
      } catch (error) {
        if (going.signal.aborted) return;
        setState((old) => ({ ...old, error }));
      }
      timer = setTimeout(ask, EVERY_SECONDS * 1000);
    };
    if (fresh) setState((old) => ({ files: old.files }));
    ask();
    return () => {
      going.abort();
      clearTimeout(timer);
    };
  }, [wanted, paused, round]);
  return { ...state, reload: () => setRound((n) => n + 1) };
}

function Lines({ lines }) {
  return html`
    <ol class="log" tabindex="0" aria-label="Log lines, newest first">
      ${lines.map((line) => html`<li key=${`${line.file} ${line.at}`}><${Line} line=${line} /></li>`)}
    </ol>
  `;
}

function Line({ line }) {
  const { message, fields, traceId } = line;
  const request = message === "request";
  const said = request ? `${fields.method} ${fields.endpoint} ${fields.status} in ${fields.duration_ms} ms` : message;
  const rest = request ? [] : Object.entries(fields);
  return html`
    <time>${time(line.timestamp)}</time>
    <${Badge} tone=${TONES[line.level]}>${line.level}<//>
    <span class="log-who">${line.file}</span>
    <span class="log-what break">
      ${said}
      ${rest.map(
        ([key, value]) =>
          html` <span class="log-field"
            ><b>${key}</b>=${typeof value === "object" ? JSON.stringify(value) : String(value)}</span
          >`,
      )}
      ${
        traceId &&
        html` <${Link}
          class="mono nowrap"
          to="/logs"
          query=${{ trace: traceId, level: "debug" }}
          title=${traceId}
          aria-label=${`Lines of trace ${shortId(traceId)}`}
        >
          ${shortId(traceId)}
        <//>`
      }
    </span>
  `;
}

const AROUND_SECONDS = 60;
const ORDER_SECONDS = 5;

/**
 * The order that the request of a trace placed or changed, if any. The times of the lines limit the
 * search.
 */
function Order({ trace, lines }) {
  const [first, last] = [lines?.at(-1)?.timestamp ?? "", lines?.[0]?.timestamp ?? ""];
  const ask = (signal) => {
    const [begin, end] = [Date.parse(first) - AROUND_SECONDS * 1000, Date.parse(last) + AROUND_SECONDS * 1000].map(
      (ms) => new Date(ms).toISOString(),
    );
    return get("/api/v1/orders", { traceId: trace, from: begin, to: end, limit: 1 }, signal).then(
      ({ items }) => items[0] ?? null,
    );
  };
  const { data: order } = useResource((signal) => (first ? ask(signal) : Promise.resolve(null)), [trace, first], {
    every: ORDER_SECONDS,
    keep: false,
  });
  return html`
    <div class="notice info">
      <span>Lines of trace <${CopyId} id=${trace} full label="trace id" /></span>
      ${
        order &&
        html`
        <${Link} class="button small" to=${`/orders/${order.id}`}>Order of this trace, ${words(order.status)}<//>
      `
      }
      <${Link} class="button small" to="/logs">All lines<//>
    </div>
  `;
}
