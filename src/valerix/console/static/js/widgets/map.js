// Every process and who calls whom. The state of a circuit breaker is on the edge of the two it stands between.
import { html } from "../lib.js";
import { milliseconds, perSecond } from "./numbers.js";
import { words } from "../format.js";

const WIDTH = 128, HEIGHT = 46, COLUMN = 166, ROW = 104;
/** Column and row of those one knows; others line up in the last column. */
const PLACES = {
  gateway: [0, 1.5], console: [1, 0], orders: [1, 1], worker: [1, 2], notifications: [1, 3],
  users: [2, 0.5], inventory: [2, 1.5], payments: [2, 2.5], psp: [3, 2.5],
};

export const STATUS_WORDS = { ok: "healthy", degraded: "some copies down", down: "down", unknown: "not heard of yet" };
const tone = (status) => ({ ok: "ok", degraded: "warn", down: "bad" })[status] ?? "plain";
export const edgeTone = (state) => (state === "open" ? "bad" : state === "half_open" ? "warn" : "plain");
export const edgeWords = (state) => (state === null ? "no breaker" : words(state).replace(" ", "-"));

function place(name, index) {
  const [column, row] = PLACES[name] ?? [3, index * 0.6];
  return { x: 6 + column * COLUMN, y: 8 + row * ROW };
}

/** `onChoose(name)`: nodes become buttons. */
export function ServiceMap({ report, chosen, onChoose }) {
  const nodes = report.processes.map((process, index) => ({ ...process, ...place(process.name, index) }));
  const at = new Map(nodes.map((node) => [node.name, node]));
  const edges = report.edges.filter((edge) => at.has(edge.source) && at.has(edge.target) && edge.source !== "console");
  const width = Math.max(...nodes.map((node) => node.x)) + WIDTH + 6, height = Math.max(...nodes.map((node) => node.y)) + HEIGHT + 8;
  return html`<svg class="map" viewBox=${`0 0 ${width} ${height}`} role=${onChoose ? "group" : "img"} aria-label=${sentence(report, edges)}>
    ${[...edges].sort(byGravity).map((edge) => html`<${Edge} key=${`${edge.source} ${edge.target}`} edge=${edge} from=${at.get(edge.source)} to=${at.get(edge.target)} />`)}
    ${nodes.map((node) => html`<${Node} key=${node.name} node=${node} chosen=${node.name === chosen} onChoose=${onChoose} />`)}
    ${edges.filter((edge) => edgeTone(edge.state) !== "plain").map((edge) => html`<${EdgeLabel} key=${`${edge.source} ${edge.target}`} edge=${edge} from=${at.get(edge.source)} to=${at.get(edge.target)} />`)}</svg>`;
}

const GRAVITY = { plain: 0, warn: 1, bad: 2 };
const byGravity = (a, b) => GRAVITY[edgeTone(a.state)] - GRAVITY[edgeTone(b.state)];

function sentence(report, edges) {
  const unwell = report.processes.filter((process) => process.status !== "ok").map((process) => `${process.name} is ${STATUS_WORDS[process.status]}`);
  const broken = edges.filter((edge) => edgeTone(edge.state) !== "plain").map((edge) => `the circuit breaker from ${edge.source} to ${edge.target} is ${edgeWords(edge.state)}`);
  return `Service map: ${report.processes.length} processes. ${[...unwell, ...broken].join("; ") || "All healthy, all circuit breakers closed"}.`;
}

const ends = (from, to) => ({ x1: from.x + WIDTH, y1: from.y + HEIGHT / 2, x2: to.x, y2: to.y + HEIGHT / 2 });

function Edge({ edge, from, to }) {
  const { x1, y1, x2, y2 } = ends(from, to);
  const bend = Math.min(90, (x2 - x1) / 2);
  return html`<path class=${`edge ${edgeTone(edge.state)} ${x2 - x1 > COLUMN ? "far" : ""}`} data-edge=${`${edge.source}-${edge.target}`} data-state=${edge.state ?? "none"}
    d=${`M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />`;
}

function EdgeLabel({ edge, from, to }) {
  const { x1, y1, x2, y2 } = ends(from, to);
  const x = x1 + (x2 - x1) * 0.5, y = y1 + (y2 - y1) * 0.5;
  return html`<g class=${`edge-label ${edgeTone(edge.state)}`}><rect x=${x - 31} y=${y - 9} width="62" height="18" rx="9" /><text x=${x} y=${y + 4} text-anchor="middle">${edgeWords(edge.state)}</text></g>`;
}

function Node({ node, chosen, onChoose }) {
  const copies = node.copies.length;
  const well = node.copies.filter((copy) => copy.status === "ok").length;
  const figures = node.status === "down" ? "down" : node.now ? `${perSecond(node.now.rate)} rps${node.now.p95 === null ? "" : ` · ${milliseconds(node.now.p95)}`}` : "no data";
  const acting = onChoose && { role: "button", tabindex: 0, "aria-pressed": chosen ? "true" : "false", onClick: () => onChoose(node.name),
    onKeyDown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onChoose(node.name); } } };
  return html`<g class=${`node ${tone(node.status)} ${chosen ? "chosen" : ""}`} data-node=${node.name} data-status=${node.status} transform=${`translate(${node.x} ${node.y})`} ...${acting}>
    <rect width=${WIDTH} height=${HEIGHT} rx="8" /><circle cx="15" cy="17" r="4.500" />
    <text class="node-name" x="27" y="21.500">${node.name}</text><text class="node-figures" x="14" y="37">${figures}</text>
    ${copies > 1 && html`<text class="node-copies" x=${WIDTH - 10} y="37" text-anchor="end">${well < copies ? `${well}/${copies}` : `×${copies}`}</text>`}</g>`;
}
