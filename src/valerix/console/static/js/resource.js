// Data of a page: loaded, kept while it is refreshed, and refreshed after events.
import { useEffect, useRef, useState } from "./lib.js";
import { resync } from "./live.js";

const RETRY_SECONDS = 3;

/**
 * What `load(signal)` returns, loaded again whenever a value in `inputs` changes.
 * {data, error, loading, refreshing, askedAt, reload}; old data stays while `refreshing`, and when that fails.
 * `askedAt`: when the request that returned `data` was sent, in ms; events since then may be newer than `data`.
 * `every`: seconds after which the data is refreshed automatically.
 */
export function useResource(load, inputs = [], { every = 0, keep = true } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, refreshing: true, askedAt: 0 });
  const [round, setRound] = useState(0);
  const latest = useRef(load);
  const first = useRef(true);
  const work = useRef({ busy: false, again: false });
  latest.current = load;
  useEffect(() => {
    const going = new AbortController();
    const askedAt = Date.now();
    let timer = 0;
    const next = (seconds) => {
      timer = setTimeout(() => setRound((n) => n + 1), seconds * 1000);
    };
    // Requested again meanwhile: the answer in flight may be too old. It is shown, and the data is loaded once more.
    const ended = (seconds) => {
      work.current.busy = false;
      if (work.current.again) next(0);
      else if (seconds) next(seconds);
    };
    work.current = { busy: true, again: false };
    setState((old) => ({ ...old, data: keep || first.current ? old.data : undefined, refreshing: true }));
    first.current = false;
    latest.current(going.signal).then(
      (data) => {
        if (going.signal.aborted) return;
        setState({ data, error: null, refreshing: false, askedAt });
        ended(every);
      },
      (error) => {
        if (going.signal.aborted) return;
        setState((old) => ({ ...old, error, refreshing: false }));
        ended(error.passing ? Math.max(RETRY_SECONDS, error.retryAfter) : every);
      },
    );
    return () => {
      going.abort();
      clearTimeout(timer);
    };
  }, [...inputs, round, resync.value]);
  const reload = useRef(() => {
    if (work.current.busy) work.current.again = true;
    else setRound((n) => n + 1);
  }).current;
  return { ...state, loading: state.data === undefined && !state.error, reload };
}

/**
 * The default export of a module once it is loaded: [content, error]. The import is repeated until it succeeds.
 * `load`: null while the module is not needed.
 */
export function useImport(load) {
  const [state, setState] = useState([null, null]);
  const wanted = Boolean(load);
  useEffect(() => {
    if (!wanted) return;
    let timer = 0,
      left = false;
    const again = () => {
      clearTimeout(timer);
      begin();
    };
    const begin = () =>
      load().then(
        (module) => {
          if (!left) setState([module.default, null]);
        },
        () => {
          if (left) return;
          setState([null, UNLOADED]);
          timer = setTimeout(begin, RETRY_SECONDS * 1000);
        },
      );
    begin();
    window.addEventListener("online", again);
    return () => {
      left = true;
      clearTimeout(timer);
      window.removeEventListener("online", again);
    };
  }, [wanted]);
  return state;
}

const UNLOADED = { offline: true, again: true, message: "The page could not be loaded" };

/** `value`, once it has not changed for `ms`; for typed text. */
export function useSettled(value, ms = 250) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
