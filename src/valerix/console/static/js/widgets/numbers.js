// Formats of measurements, on axes and elsewhere.
export const milliseconds = (ms) =>
  ms === null || ms === undefined
    ? "–"
    : ms >= 1000
      ? `${+(ms / 1000).toFixed(1)} s`
      : `${ms < 10 ? +ms.toFixed(1) : Math.round(ms)} ms`;
export const perSecond = (value) =>
  value === null || value === undefined ? "–" : String(value < 10 ? +value.toFixed(1) : Math.round(value));
export const share = (value) =>
  value === null || value === undefined ? "–" : `${+(value * 100).toFixed(value < 0.1 ? 2 : 0)} %`;
export const megabytes = (bytes) => ((bytes ?? null) === null ? "–" : `${Math.round(bytes / 1048576)} MB`);
