// The last minutes as columns, read once and then continued by the reports of the feed, one per tick.
import { useEffect, useState } from "../lib.js";
import { get } from "../api.js";
import { report } from "../live.js";
import { useResource } from "../resource.js";

/**
 * Resource of {minutes, times, series, chaos}; only the 5-minute span has a point per tick and is
 * continued live.
 */
export function useSpan(minutes) {
  const live = minutes === 5;
  const read = useResource((signal) => get("/console/api/history", { minutes }, signal), [minutes], {
    every: live ? 60 : minutes,
    keep: false,
  });
  const [added, setAdded] = useState([]);
  useEffect(() => setAdded([]), [read.data]);
  useEffect(() => {
    if (live && report.value) setAdded((old) => [...old, report.value].slice(-150));
  }, [report.value]);
  return { ...read, data: read.data && live ? continued(read.data, added) : read.data };
}

function continued(span, reports) {
  const fresh = reports
    .map((one) => ({
      at: Date.parse(one.time) / 1000,
      points: new Map([["placing", one.orders.tick], ...one.processes.map((process) => [process.name, process.tick])]),
    }))
    .filter(({ at }) => at > span.times.at(-1));
  if (!fresh.length) return span;
  const keep = span.times.length;
  const extend = (old, more) => [...old, ...more].slice(-keep);
  const series = Object.fromEntries(
    Object.entries(span.series).map(([name, columns]) => [
      name,
      Object.fromEntries(
        Object.entries(columns).map(([key, column]) => [
          key,
          extend(
            column,
            fresh.map(({ points }) => points.get(name)?.[key] ?? null),
          ),
        ]),
      ),
    ]),
  );
  return {
    ...span,
    times: extend(
      span.times,
      fresh.map(({ at }) => at),
    ),
    series,
  };
}
