// All processes and the calls between them. An edge shows the state of the circuit breaker of its calls.
import { html } from "../lib.js";
import { heard } from "../live.js";
import { telephone } from "../store.js";
import { milliseconds, perSecond } from "./numbers.js";
import { words } from "../format.js";

const HEIGHT = 46,
  MARGIN = 6;
/**
 * Column and row of known processes; others line up at the end. Calls go to the right, on a
 * telephone down.
 */
const WIDE = {
  width: 128,
  column: 166,
  row: 104,
  down: false,
  places: {
    gateway: [0, 1.5],
    console: [1, 0],
    orders: [1, 1],
    worker: [1, 2],
    notifications: [1, 3],
    users: [2, 0.5],
    inventory: [2, 1.5],
    payments: [2, 2.5],
    psp: [3, 2.5],
  },
  other: (index) => [3, index * 0.6],
};
const NARROW = {
  width: 126,
  column: 131,
  row: 92,
  down: true,
  places: {
    gateway: [1, 0],
    console: [0, 1],
    orders: [1, 1],
    notifications: [2, 1],
    worker: [0, 2],
    users: [0, 3],
    inventory: [1, 3],
    payments: [2, 3],
    psp: [2, 4],
  },
  other: (index) => [0, 4 + index * 0.6],
};

export const STATUS_WORDS = { ok: "healthy", degraded: "impaired", down: "down", unknown: "no data yet" };
export const TONES = { ok: "ok", degraded: "warn", down: "bad", draining: "warn", unavailable: "bad" };
export const edgeTone = (state) => (state === "open" ? "bad" : state === "half_open" ? "warn" : "plain");
const EDGE_WORDS = { half_open: "half-open, waits for the next call" };
export const edgeWords = (state) => (state === null ? "no breaker" : (EDGE_WORDS[state] ?? words(state)));
const LABELS = { half_open: "waits for a call" };

/** The map. With `onChoose(name)`, nodes are buttons. */
export function ServiceMap({ report, chosen, onChoose }) {
  const layout = telephone.value ? NARROW : WIDE;
  const nodes = report.processes.map((process, index) => ({ ...process, ...place(layout, process.name, index) }));
  const at = new Map(nodes.map((node) => [node.name, node]));
  const edges = report.edges
    .filter((edge) => at.has(edge.source) && at.has(edge.target) && edge.source !== "console")
    .map((edge) => ({ ...edge, ...route(layout, at.get(edge.source), at.get(edge.target)) }));
  const width = Math.max(...nodes.map((node) => node.x)) + layout.width + MARGIN;
  const height = Math.max(...nodes.map((node) => node.y)) + HEIGHT + MARGIN;
  const unwell = edges.filter((edge) => edgeTone(edge.state) !== "plain");
  return html`
    <svg
      class="map"
      viewBox=${`0 0 ${width} ${height}`}
      role=${onChoose ? "group" : "img"}
      aria-label=${sentence(report, unwell)}
    >
      ${[...edges].sort(byGravity).map((edge) => html`<${Edge} key=${`${edge.source} ${edge.target}`} edge=${edge} />`)}
      ${nodes.map(
        (node) => html`
        <${Node} key=${node.name} node=${node} layout=${layout} chosen=${node.name === chosen} onChoose=${onChoose} />
      `,
      )}
      ${unwell.map((edge) => html`<${EdgeLabel} key=${`${edge.source} ${edge.target}`} edge=${edge} />`)}
    </svg>
  `;
}

function place(layout, name, index) {
  const [column, row] = layout.places[name] ?? layout.other(index);
  return { x: MARGIN + column * layout.column, y: MARGIN + row * layout.row };
}

const BACK_BY = 12;
/**
 * {back, middle, d}: the line between two processes; a call in the opposite direction runs beside
 * the others.
 */
function route(layout, from, to) {
  const along = layout.down ? "y" : "x";
  const back = to[along] < from[along];
  const [first, last] = back ? [to, from] : [from, to];
  const by = back ? BACK_BY : 0;
  const [x1, y1, x2, y2] = layout.down
    ? [first.x + layout.width / 2 + by, first.y + HEIGHT, last.x + layout.width / 2 + by, last.y]
    : [first.x + layout.width, first.y + HEIGHT / 2 + by, last.x, last.y + HEIGHT / 2 + by];
  const middle = { x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
  const bend = Math.min(90, (layout.down ? y2 - y1 : x2 - x1) / 2);
  const turns = layout.down ? `C${x1} ${y1 + bend} ${x2} ${y2 - bend}` : `C${x1 + bend} ${y1} ${x2 - bend} ${y2}`;
  return { back, middle, d: `M${x1} ${y1} ${turns} ${x2} ${y2}` };
}

const GRAVITY = { plain: 0, warn: 1, bad: 2 };
const byGravity = (a, b) => GRAVITY[edgeTone(a.state)] - GRAVITY[edgeTone(b.state)];

function sentence(report, broken) {
  if (!heard.value) return `Service map: ${report.processes.length} processes, in their last known state.`;
  const unwell = report.processes
    .filter((process) => process.status !== "ok")
    .map((process) => `${process.name} is ${STATUS_WORDS[process.status]}`);
  const cut = broken.map(
    (edge) => `the circuit breaker from ${edge.source} to ${edge.target} is ${edgeWords(edge.state)}`,
  );
  return `Service map: ${report.processes.length} processes. ${
    [...unwell, ...cut].join("; ") || "All healthy, all circuit breakers closed"
  }.`;
}

/** CSS class of an edge; "none": a call without a breaker. */
const edgeClass = ({ state, back }) => `edge ${state === null ? "none" : edgeTone(state)} ${back ? "back" : ""}`;

function Edge({ edge }) {
  return html`
    <path
      class=${edgeClass(edge)}
      data-edge=${`${edge.source}-${edge.target}`}
      data-state=${edge.state ?? "none"}
      d=${edge.d}
    />
  `;
}

function EdgeLabel({ edge }) {
  const { x, y } = edge.middle,
    text = LABELS[edge.state] ?? edgeWords(edge.state);
  const width = text.length * 6 + 20;
  return html`
    <g class=${`edge-label ${edgeTone(edge.state)}`}>
      <rect x=${x - width / 2} y=${y - 9} width=${width} height="18" rx="9" />
      <text x=${x} y=${y + 4} text-anchor="middle">${text}</text>
    </g>
  `;
}

function Node({ node, layout: { width, down }, chosen, onChoose }) {
  const copies = node.copies.length;
  const well = node.copies.filter((copy) => copy.status === "ok").length;
  const figures =
    node.status === "down"
      ? "down"
      : node.now
        ? `${perSecond(node.now.rate)} rps${node.now.p95 === null ? "" : ` · ${milliseconds(node.now.p95)}`}`
        : "no data";
  const acting = onChoose && {
    role: "button",
    tabindex: 0,
    "aria-pressed": chosen ? "true" : "false",
    onClick: () => onChoose(node.name),
    onKeyDown: (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        onChoose(node.name);
      }
    },
  };
  const tone = (heard.value && TONES[node.status]) || "plain";
  return html`
    <g
      class=${`node ${tone} ${chosen ? "chosen" : ""}`}
      data-node=${node.name}
      data-status=${node.status}
      transform=${`translate(${node.x} ${node.y})`}
      ...${acting}
    >
      <rect width=${width} height=${HEIGHT} rx="8" />
      <circle cx="15" cy="17" r="4.500" />
      <text class="node-name" x="27" y="21.500">${node.name}</text>
      <text class="node-figures" x="14" y="37">${figures}</text>
      ${
        copies > 1 &&
        html`
        <text class="node-copies" x=${width - 8} y=${down ? -3 : 37} text-anchor="end">
          ${well < copies ? `${well}/${copies}` : `×${copies}`}
        </text>
      `
      }
    </g>
  `;
}

const LINES = [
  ["plain", "closed"],
  ["warn", "half-open"],
  ["bad", "open"],
  ["none", "no breaker"],
  ["back", "calls back"],
];
/** The meaning of the lines. */
export const Legend = () => html`
    <span class="legend">
      ${LINES.map(
        ([name, text]) => html`
        <span key=${name}>
          <svg width="26" height="8" aria-hidden="true"><path class=${`edge ${name}`} d="M1 4H25" /></svg>
          ${text}
        </span>
      `,
      )}
    </span>
  `;
