// Lists that are longer than a page: filters and cursor are in the address, so reload, back and shared links work.
import { html, useEffect, useRef, useState } from "../lib.js";
import { get } from "../api.js";
import { params, setParams } from "../router.js";
import { useResource, useSettled } from "../resource.js";
import { dateTime, day } from "../format.js";
import { Button, Field } from "../ui.js";

/**
 * A page of the list at `path` with these filters: {…resource, pager}; an empty filter is left out.
 */
export function useList(path, filters, { limit = 50 } = {}) {
  const cursor = params.value.cursor ?? "";
  const before = useRef(new Map());
  const list = useResource(
    (signal) => get(path, { ...filters, cursor, limit }, signal),
    [path, JSON.stringify(filters), cursor],
  );
  const next = list.data?.nextCursor;
  const forward = () => {
    before.current.set(next, cursor);
    setParams({ cursor: next });
  };
  const back = () => setParams({ cursor: before.current.get(cursor) ?? "" });
  return {
    ...list,
    cursor,
    limit,
    pager: { first: !cursor, next: next && forward, back: cursor && back, known: before.current.has(cursor) },
  };
}

/** Change filters: a list with other filters begins at its first page. */
export const filterBy = (changes, options) => setParams({ ...changes, cursor: "" }, options);

const count = (shown, noun) => `${shown} ${shown === 1 ? noun.slice(0, -1) : noun}`;

/** The buttons below a list. `noun`: the things in the list, in the plural. */
export function Pager({ of, shown, noun }) {
  const { first, next, back, known } = of.pager;
  return html`
    <nav class="pager" aria-label=${`Pages of ${noun}`}>
      <p class="muted small-text" role="status">${count(shown, noun)}${!(first && !next) && " on this page"}</p>
      <div class="row">
        <${Button} small disabled=${!back} onClick=${back}>${back && !known ? "First page" : "Previous"}<//>
        <${Button} small disabled=${!next} onClick=${next}>Next<//>
      </div>
    </nav>
  `;
}

/** [text, setText] of a search field; the text is written into the address once typing pauses. */
export function useQueryText(name = "q") {
  const given = params.value[name] ?? "";
  const [text, setText] = useState(given);
  const written = useRef(given);
  const settled = useSettled(text);
  useEffect(() => {
    if (settled.trim() === written.current) return;
    written.current = settled.trim();
    filterBy({ [name]: written.current }, { replace: true });
  }, [settled]);
  useEffect(() => {
    if (given !== written.current) {
      written.current = given;
      setText(given);
    }
  }, [given]);
  return [text, setText];
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/**
 * A range of days in the reader's own zone; both are included. The browser's own control has its
 * own format, so days are typed in the format used everywhere. Links may contain exact times
 * instead: they are shown, and can be removed.
 */
export function DateRange({ from = "", to = "" }) {
  const exact = [from, to].some(isMoment);
  return html`
    <div class="dates">
      <${Day} name="from" label="From" value=${from} />
      <${Day} name="to" label="To" value=${to} />
      ${
        exact &&
        html`
        <${Button} small icon="close" onClick=${() => filterBy({ from: "", to: "" })}>
          ${dateTime(from)} to ${to ? dateTime(to) : "now"}
        <//>
      `
      }
    </div>
  `;
}

const isMoment = (text) => text.includes("T");

function Day({ name, label, value }) {
  const [text, setText] = useState("");
  useEffect(() => setText(isMoment(value) ? day(new Date(value)) : value), [value]);
  const change = (event) => {
    const typed = event.currentTarget.value.trim();
    if (typed === "" || (DAY.test(typed) && !Number.isNaN(Date.parse(typed)))) filterBy({ [name]: typed });
  };
  const wrong = text && !DAY.test(text.trim()) && "Use the format 2026-11-30";
  return html`
    <${Field} label=${label}>
      ${(field) => html`
        <input
          ...${field}
          inputmode="numeric"
          placeholder="YYYY-MM-DD"
          maxlength="10"
          autocomplete="off"
          value=${text}
          aria-invalid=${wrong ? "true" : undefined}
          title=${wrong || undefined}
          onInput=${(event) => setText(event.currentTarget.value)}
          onChange=${change}
        />
      `}
    <//>
  `;
}

/**
 * {from, to} as the API expects them: the first moment of the range, and the first moment after it.
 */
export function span({ from, to }) {
  return { from: moment(from, 0), to: moment(to, 1) };
}

function moment(text = "", later) {
  const at = new Date(isMoment(text) ? text : `${text}T00:00`);
  if (Number.isNaN(at.getTime())) return "";
  if (!isMoment(text)) at.setDate(at.getDate() + later);
  return at.toISOString();
}

/**
 * Updates of the entries of a list by live events since the list was requested, by key: [Map of
 * {at, value}, update(key, value)]. An event may overtake the answer to a load, so an answer
 * removes only updates from before its request was sent.
 */
export function useUpdates(of, supersedes = () => true) {
  const [updates, setUpdates] = useState(new Map());
  useEffect(() => setUpdates((old) => new Map([...old].filter(([, update]) => update.at >= of.askedAt))), [of.data]);
  const update = (key, value) =>
    setUpdates((old) =>
      supersedes(value, old.get(key)?.value) ? new Map(old).set(key, { at: Date.now(), value }) : old,
    );
  return [updates, update];
}

const isNewer = (row, other) => !(other?.version >= row.version);

/**
 * Rows of a list with the updates of live events: [rows, update(row)]; the higher `version` is
 * shown.
 */
export function useUpdatedRows(of) {
  const [updates, update] = useUpdates(of, isNewer);
  const latest = (row) => {
    const to = updates.get(row.id)?.value;
    return to?.version > row.version ? to : row;
  };
  const rows = of.data?.items.map(latest);
  // A load in progress may return any row; otherwise only shown rows are worth keeping.
  return [
    rows,
    (row) => {
      if (of.refreshing || rows?.some((shown) => shown.id === row.id)) update(row.id, row);
    },
  ];
}
