// Charts over time: gaps stay gaps, cursors move together, periods with injected faults are shaded and labelled.
import { html, useEffect, useRef } from "../lib.js";
import { time } from "../format.js";
import { theme } from "../store.js";
import uPlot from "/static/vendor/uplot-1.6.32/uplot.js";

const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = "/static/vendor/uplot-1.6.32/uplot.css";
document.head.append(sheet);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const faint = (value) => (value.startsWith("#") ? `${value}26` : value);

/**
 * times: unix seconds; series: [{label, values, colour: "chart-1", fill}], bands: [{from, to,
 * label}]. `write(value)`: format for axis and legend. Charts with the same `sync` share their
 * cursor. `last`: whether the time axis has labels.
 */
export function Chart({ label, times, series, write, height = 92, sync, bands = [], last = true, floor = 0 }) {
  const place = useRef(null);
  const plot = useRef(null);
  const shaded = useRef(bands);
  shaded.current = bands;
  const data = [times, ...series.map((one) => one.values)];
  const shape = JSON.stringify([series.map((one) => [one.label, one.colour]), height, last, theme.value, sync]);
  useEffect(() => {
    const box = place.current;
    plot.current = new uPlot(options({ box, series, write, height, sync, shaded, last, floor }), data, box);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height }));
    resized.observe(box);
    return () => {
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData(data);
  }, [times, ...series.map((one) => one.values), bands]);
  return html`<div class="chart" ref=${place} role="img" aria-label=${summary(label, series, write)}></div>`;
}

function summary(label, series, write) {
  const said = series.map((one) => {
    const known = one.values.filter((value) => value !== null && value !== undefined);
    return known.length
      ? `${one.label}: now ${write(known.at(-1))}, highest ${write(Math.max(...known))}`
      : `${one.label}: nothing measured`;
  });
  return `${label}. ${said.join("; ")}`;
}

function options({ box, series, write, height, sync, shaded, last, floor }) {
  const axis = {
    stroke: colour("muted"),
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { show: false },
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
  };
  return {
    width: box.clientWidth,
    height,
    padding: [8, 6, last ? 0 : 6, 0],
    legend: { show: false },
    cursor: {
      sync: sync ? { key: sync, setSeries: false } : undefined,
      drag: { x: false, y: false },
      points: { size: 6 },
    },
    scales: { y: { range: (_, low, high) => [0, Math.max(high ?? 0, floor) * 1.15 || 1] } },
    axes: [
      { ...axis, show: last, size: 26, space: 80, values: (_, ticks) => ticks.map((at) => time(at * 1000)) },
      { ...axis, size: 58, space: 26, values: (_, ticks) => ticks.map(write) },
    ],
    series: [
      {},
      ...series.map((one) => ({
        label: one.label,
        stroke: colour(one.colour),
        width: 2,
        spanGaps: false,
        points: { show: lonely, size: 4 },
        fill: one.fill === false ? undefined : faint(colour(one.colour)),
      })),
    ],
    hooks: { drawClear: [(u) => shade(u, shaded.current)], setCursor: [(u) => tip(u, series, write)] },
  };
}

/** A value between two gaps has no line, so it is drawn as a point; other values are not. */
const lonely = (u, index, first, end) =>
  u.data[index]
    .slice(first, end + 1)
    .some((value, i, values) => value != null && values[i - 1] == null && values[i + 1] == null);

/** Draw periods with faults: all shades first, so that none covers the label of another. */
function shade(u, bands) {
  const { ctx, bbox } = u;
  const shown = bands
    .map((band) => ({
      ...band,
      left: Math.max(bbox.left, u.valToPos(band.from, "x", true)),
      right: Math.min(bbox.left + bbox.width, u.valToPos(band.to, "x", true)),
    }))
    .filter((band) => band.right > band.left);
  const written = [];
  ctx.save();
  ctx.fillStyle = colour("bad-soft");
  for (const { left, right } of shown) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.fillStyle = colour("bad");
  ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  for (const band of shown) {
    const { left, line } = placeLabel(written, band.left, ctx.measureText(band.label).width, bbox);
    ctx.fillText(band.label, left, bbox.top + (3 + line * LINE) * devicePixelRatio);
  }
  ctx.restore();
}

const LINE = 13,
  PAD = 4;
/**
 * A place where a label is completely visible: within the chart, and below labels that it would
 * cover. Adds it to `written`.
 */
function placeLabel(written, from, width, bbox) {
  const pad = PAD * devicePixelRatio;
  const left = Math.max(bbox.left, Math.min(from + pad, bbox.left + bbox.width - width - pad));
  const taken = new Set(
    written.filter((other) => left < other.right && other.left < left + width + pad).map((other) => other.line),
  );
  let line = 0;
  while (taken.has(line)) line++;
  written.push({ left, right: left + width + pad, line });
  return { left, line };
}

/** Show the values at the cursor in a box beside it. */
function tip(u, series, write) {
  let box = u.over.querySelector(".chart-tip");
  if (!box) {
    box = document.createElement("div");
    box.className = "chart-tip";
    u.over.append(box);
  }
  const { idx, left } = u.cursor;
  box.hidden = idx === null || idx === undefined || left < 0;
  if (box.hidden) return;
  const at = time(u.data[0][idx] * 1000);
  box.textContent = [
    at,
    ...series.map(
      (one, i) =>
        `${series.length > 1 ? `${one.label} ` : ""}${
          u.data[i + 1][idx] == null ? "no data" : write(u.data[i + 1][idx])
        }`,
    ),
  ].join("  ");
  box.style.left = `${Math.min(left + 8, u.over.clientWidth - box.offsetWidth - 2)}px`;
}

/** The name of a line with its current value, above its chart. */
export const ChartHead = ({ colour: name, label, value }) => html`
    <div class="chart-head">
      <span class="swatch" style=${{ background: `var(--${name})` }} aria-hidden="true"></span>
      <span class="muted">${label}</span>
      <strong>${value}</strong>
    </div>
  `;
