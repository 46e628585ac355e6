// Client of the public API: same-origin cookies, problem documents, one refresh when the access token has expired.
import { user, expired } from "./store.js";

/**
 * A failed call, for people: `message` explains it, `traceId` finds its log lines, `errors` names
 * the fields.
 */
export class Problem extends Error {
  constructor(status, document = {}, retryAfter = null) {
    super(
      document.detail || document.title || (status ? `The server answered ${status}` : "The server cannot be reached"),
    );
    this.status = status;
    this.code = document.code ?? (status ? `http_${status}` : "offline");
    this.title = document.title ?? "";
    this.traceId = document.traceId ?? "";
    this.errors = document.errors ?? [];
    this.document = document;
    /** Seconds to wait before trying again, if the server said. */
    this.retryAfter = Number(retryAfter) || 0;
  }
  /** The network or the gateway cannot be reached. */
  get offline() {
    return this.status === 0;
  }
  /** The gateway answers, but the service behind it does not, or is too busy. */
  get away() {
    return this.status === 502 || this.status === 503 || this.status === 504;
  }
  /** Whether the call is worth repeating automatically. */
  get passing() {
    return this.offline || this.away;
  }
  get forbidden() {
    return this.status === 403;
  }
  /** Message for the field with this name, if the server refused it. */
  field(name) {
    return this.errors.find((error) => error.pointer === `/${name}`)?.message ?? "";
  }
}

const SAFE = new Set(["GET", "HEAD"]);
export const cookie = (name) =>
  document.cookie
    .split("; ")
    .find((one) => one.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? "";

/** A new idempotency key: one per submission, kept while the submission is repeated. */
export function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Send one call. `params` go into the query (empty ones are left out), `body` is sent as JSON.
 * Returns {status, data, headers}; throws Problem, or AbortError when `signal` is aborted.
 * `patience`: timeout, seconds.
 */
export async function call(method, path, { params, body, key, ifMatch, signal, patience = 30, renewing = true } = {}) {
  const answer = await send(method, path, { params, body, key, ifMatch, signal, patience });
  if (answer.status === 401 && renewing && user.value) {
    if (await renew()) return call(method, path, { params, body, key, ifMatch, signal, patience, renewing: false });
    endSession();
  }
  const data = await read(answer, signal);
  if (!answer.ok)
    throw new Problem(
      answer.status,
      { traceId: answer.headers.get("trace-id") ?? "", ...data },
      answer.headers.get("retry-after"),
    );
  return { status: answer.status, data, headers: answer.headers };
}

async function send(method, path, { params, body, key, ifMatch, signal, patience, keepalive = false }) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (ifMatch) headers["If-Match"] = ifMatch;
  if (!SAFE.has(method)) headers["X-CSRF-Token"] = cookie("valerix_csrf");
  const tooLong = AbortSignal.timeout(patience * 1000);
  try {
    return await fetch(path + query(params), {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      keepalive,
      // oxlint-disable-next-line unicorn/no-invalid-fetch-options -- only other methods come with one
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, tooLong]) : tooLong,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, {
      detail: tooLong.aborted ? "The server did not answer in time" : "The server cannot be reached",
    });
  }
}

/** The body of an answer as JSON. An answer that breaks off counts as no answer. */
async function read(answer, signal) {
  const text = await answer.text().catch((error) => {
    if (signal?.aborted) throw error;
    throw new Problem(0, { detail: "The connection was lost before the answer was complete" });
  });
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return {};
  }
}

/** "?a=1&b=2" from an object; empty values are left out, a list is repeated. */
export function query(params = {}) {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, one]),
  );
  const kept = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}

const data = async (answer) => (await answer).data;
export const get = (path, params, signal) => data(call("GET", path, { params, signal }));
export const post = (path, body, options = {}) => data(call("POST", path, { body, ...options }));
export const put = (path, body, options = {}) => data(call("PUT", path, { body, ...options }));
export const del = (path, options = {}) => data(call("DELETE", path, options));

// --- the session

let renewal = null;

/**
 * Fetch a new access token; false when the session has ended. A refresh token works once, so tabs
 * take turns, and a page that is left lets its request finish. A request that still comes second
 * (409) waits for the cookies of the first.
 */
export function renew() {
  renewal ??= inTurn(async () => {
    const answer = await send("POST", "/api/v1/users/refresh", { patience: 15, keepalive: true });
    if (answer.ok) return true;
    if (answer.status === 409) return renewedElsewhere();
    if (answer.status === 401 || answer.status === 403) return false;
    throw new Problem(answer.status, await read(answer));
  }).finally(() => {
    renewal = null;
  });
  return renewal;
}

const LOOK_AGAIN_SECONDS = [0.1, 0.3, 1, 3];

async function renewedElsewhere() {
  for (const seconds of LOOK_AGAIN_SECONDS) {
    await new Promise((done) => setTimeout(done, seconds * 1000));
    if ((await send("GET", "/api/v1/users/me", { patience: 15 })).ok) return true;
  }
  return false;
}

const inTurn = (work) => (navigator.locks ? navigator.locks.request("valerix.refresh", work) : work());

function endSession() {
  expired.value = true;
  user.value = null;
}
