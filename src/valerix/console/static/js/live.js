// Messages that the server pushes. `events`: orders, stock and payments as they happen. `feed`: the
// state of the platform.
import { signal, computed, useEffect, effect, useRef } from "./lib.js";
import { query, renew, get } from "./api.js";
import { clock, isStaff, user } from "./store.js";

/** Incremented when events may have been missed: every resource on the page is loaded again. */
export const resync = signal(0);

/** Number of event ids kept, to recognise events that are published again. */
const REMEMBERED = 5000;
const FIRST_PAUSE_MS = 250,
  LONGEST_PAUSE_MS = 5000,
  EXPIRED = 4401;

/** One WebSocket, reopened whenever it is lost; it resumes after the last event received. */
class Channel {
  constructor(path, { silenceSeconds = 0, resumes = false } = {}) {
    this.path = path;
    this.resumes = resumes;
    this.silenceSeconds = silenceSeconds;
    /** "off", "connecting", "live" or "lost" */
    this.state = signal("off");
    /** Seconds since the epoch at which the data was last complete. */
    this.aliveAt = signal(0);
    this.listeners = new Set();
    this.wanted = false;
    this.last = null;
    this.failures = 0;
    this.opened = false;
    /** Ids of received events, oldest first. */
    this.known = new Set();
  }

  start() {
    if (this.wanted) return;
    this.wanted = true;
    this.last = null;
    this.connect();
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    this.socket?.close();
    this.socket = null;
    this.opened = false;
    this.state.value = "off";
  }

  /** Connect at once, without waiting for the pause to end. */
  hurry() {
    if (this.wanted && this.state.value === "lost") {
      clearTimeout(this.timer);
      this.connect();
    }
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const from = query(this.resumes && this.last !== null ? { lastEventId: this.last } : {});
    const socket = new WebSocket(`${scheme}://${location.host}${this.path}${from}`);
    this.socket = socket;
    let heard = false;
    if (this.state.value === "off") this.state.value = "connecting";
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      heard = true;
      this.failures = 0;
      this.receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.socket) this.lost(heard, code);
    };
  }

  receive(message) {
    this.state.value = "live";
    this.aliveAt.value = Math.floor(Date.now() / 1000);
    clearTimeout(this.silence);
    if (this.silenceSeconds) this.silence = setTimeout(() => this.socket?.close(), this.silenceSeconds * 1000);
    if (this.resumes) {
      if (message.type === "valerix.live.connected.v1") {
        if (!message.data.complete || this.missed) resync.value++;
        this.missed = false;
        this.last = message.data.complete ? (this.last ?? message.id) : message.id;
        return;
      }
      if (this.last !== null && message.id <= this.last) return;
      this.last = message.id;
      if (this.isKnown(message.eventId)) return;
    }
    for (const listener of this.listeners) listener(message);
  }

  isKnown(eventId) {
    if (!eventId) return false; // from an earlier version
    if (this.known.has(eventId)) return true;
    this.known.add(eventId);
    if (this.known.size > REMEMBERED) this.known.delete(this.known.values().next().value);
    return false;
  }

  lost(heard, code) {
    clearTimeout(this.silence);
    this.socket = null;
    if (!this.wanted) return;
    if (this.state.value === "live") this.aliveAt.value = Math.floor(Date.now() / 1000);
    this.state.value = "lost";
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures++);
    this.timer = setTimeout(
      async () => {
        // A refused handshake does not say why: perhaps the access token has expired.
        if (!heard || code === EXPIRED) await this.checkSession(code === EXPIRED);
        if (this.wanted) this.connect();
      },
      ceiling * (0.5 + Math.random() / 2),
    );
  }

  async checkSession(isOver) {
    try {
      await (isOver ? renew() : get("/api/v1/users/me"));
    } catch {
      /* not reachable: keep trying */
    }
  }
}

export const events = new Channel("/ws", { resumes: true });
export const feed = new Channel("/console/api/feed", { silenceSeconds: 12 });
const channels = [events, feed];

/** The latest report of the feed; null for customers, and before the first one. */
export const report = signal(null);
feed.listeners.add((message) => {
  report.value = message;
});

const UNHEARD = { level: "unknown", title: "No data", symptoms: [] };
/** Whether the report is current. */
export const heard = computed(() => feed.state.value === "live" && report.value !== null);
/**
 * The health of ordering as the feed judges it: {level, title, symptoms}; unknown without the feed.
 */
export const health = computed(() => (heard.value ? report.value.health : UNHEARD));

// Signing in connects; a change of user opens new connections.
let connectedAs = null;
effect(() => {
  const id = user.value?.id ?? null;
  if (id === connectedAs) return;
  connectedAs = id;
  for (const channel of channels) channel.stop();
  report.value = null;
  if (id === null) return;
  events.start();
  if (isStaff.value) feed.start();
});

window.addEventListener("online", () => channels.forEach((channel) => channel.hurry()));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) channels.forEach((channel) => channel.hurry());
});

const used = computed(() => channels.filter((channel) => channel.state.value !== "off"));
/** "live", "connecting" or "lost": the worst state of this user's connections. */
export const connection = computed(() => {
  const states = used.value.map((channel) => channel.state.value);
  return states.includes("lost") ? "lost" : states.includes("connecting") || !states.length ? "connecting" : "live";
});
/** Age of the shown data in seconds, at most; 0 while connected. */
export const staleness = computed(() => {
  const behind = used.value
    .filter((channel) => channel.state.value === "lost")
    .map((channel) => clock.value - channel.aliveAt.value);
  return behind.length ? Math.max(0, ...behind.filter((seconds) => seconds < 1e9)) : 0;
});

/**
 * Call `handle(event)` for each live event whose type starts with one of `prefixes`, e.g. "order.",
 * "payment.refunded".
 */
export function useLive(prefixes, handle) {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const wanted = prefixes.map((prefix) => `valerix.${prefix}`);
    const listener = (event) => {
      if (wanted.some((prefix) => event.type.startsWith(prefix))) latest.current(event);
    };
    events.listeners.add(listener);
    return () => events.listeners.delete(listener);
  }, [prefixes.join()]);
}

/** "order.confirmed" of "valerix.order.confirmed.v1" */
export const kind = (event) => event.type.replace(/^valerix\./, "").replace(/\.v\d+$/, "");
