// Line drawings on a 24 x 24 grid. They are decoration, so they are hidden from screen readers.
import { html } from "./lib.js";

const PATHS = {
  cart: "M3 4h2l2.4 11h10.2L20 7H6M9 20h.01M17 20h.01",
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  orders: "M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6",
  inventory: "M3 7l9-4 9 4-9 4zM3 7v10l9 4 9-4V7M12 11v10",
  payments: "M3 6h18v12H3zM3 10h18M7 15h3",
  customers: "M9 11a4 4 0 100-8 4 4 0 000 8zM2 21c0-4 3-6 7-6s7 2 7 6M16 3.5a4 4 0 010 7M18 15c2.500 .6 4 2.500 4 6",
  map:
    "M5 8a2 2 0 100-4 2 2 0 000 4zM19 8a2 2 0 100-4 2 2 0 000 4z" +
    "M12 20a2 2 0 100-4 2 2 0 000 4zM7 6h10M6 8l5 8M18 8l-5 8",
  metrics: "M4 4v16h16M8 16v-4M12 16V8M16 16v-6",
  logs: "M4 6h16M4 10h10M4 14h16M4 18h7",
  chaos: "M13 2L4 14h7l-1 8 9-12h-7z",
  book: "M4 5a2 2 0 012-2h14v16H6a2 2 0 00-2 2zM4 19V5",
  sun:
    "M12 16a4 4 0 100-8 4 4 0 000 8zM12 2v2M12 20v2M2 12h2M20 12h2" +
    "M5 5l1.500 1.500M17.500 17.500L19 19M19 5l-1.500 1.500M6.500 17.500L5 19",
  moon: "M20 14.500A8.500 8.500 0 019.500 4 8.500 8.500 0 1020 14.500z",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.500l4.500 4.500L19 7",
  alert: "M12 4l9 16H3zM12 10v4M12 17h.01",
  info: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5M12 8h.01",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM16 16l5 5",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 018 0v3",
  offline: "M3 3l18 18M8.500 16a5 5 0 017 0M5 12.500a10 10 0 013-2M19 12.500a10 10 0 00-5-2.700M12 20h.01",
  empty: "M4 13l3-8h10l3 8v6H4zM4 13h5l1 2h4l1-2h5",
  refresh: "M20 11a8 8 0 10-2 6M20 5v6h-6",
  chevron: "M9 6l6 6-6 6",
  user: "M12 12a4 4 0 100-8 4 4 0 000 8zM4 21c0-4 3.500-6 8-6s8 2 8 6",
  stop: "M6 6h12v12H6z",
  play: "M7 5l12 7-12 7z",
  pause: "M8 5v14M16 5v14",
};

export function Icon({ name, size = 18 }) {
  return html`
    <svg
      class="icon"
      width=${size}
      height=${size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.800"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d=${PATHS[name]} />
    </svg>
  `;
}
