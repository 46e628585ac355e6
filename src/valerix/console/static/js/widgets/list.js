// Lists that are longer than a page: filters and place live in the address, so reload, back and a sent link work.
import { html, useEffect, useRef, useState } from "../lib.js";
import { get } from "../api.js";
import { params, setParams } from "../router.js";
import { useResource, useSettled } from "../resource.js";
import { Button, Field } from "../ui.js";

/** A page of `path` with these filters. {…resource, pager}; an empty filter is left out. */
export function useList(path, filters, { limit = 50 } = {}) {
  const cursor = params.value.cursor ?? "";
  const before = useRef(new Map());
  const list = useResource((signal) => get(path, { ...filters, cursor, limit }, signal), [path, JSON.stringify(filters), cursor]);
  const next = list.data?.nextCursor;
  const forward = () => { before.current.set(next, cursor); setParams({ cursor: next }); };
  const back = () => setParams({ cursor: before.current.get(cursor) ?? "" });
  return { ...list, cursor, limit, pager: { first: !cursor, next: next && forward, back: cursor && back, known: before.current.has(cursor) } };
}

/** Change filters: a list with other filters begins at its first page. */
export const filterBy = (changes, options) => setParams({ ...changes, cursor: "" }, options);

const count = (shown, noun) => `${shown} ${shown === 1 ? noun.slice(0, -1) : noun}`;

/** `noun`: what the list holds, in the plural. */
export function Pager({ of, shown, noun }) {
  const { first, next, back, known } = of.pager;
  return html`<nav class="pager" aria-label=${`Pages of ${noun}`}><p class="muted small-text" role="status">${count(shown, noun)}${!(first && !next) && " on this page"}</p>
    <div class="row"><${Button} small disabled=${!back} onClick=${back}>${back && !known ? "First page" : "Previous"}<//><${Button} small disabled=${!next} onClick=${next}>Next<//></div></nav>`;
}

/** [text, setText] of a search field: settles into the address once typing pauses. */
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
  useEffect(() => { if (given !== written.current) { written.current = given; setText(given); } }, [given]);
  return [text, setText];
}

/** Days in the reader's own zone; both are included. */
export function DateRange({ from = "", to = "" }) {
  const change = (name) => (event) => filterBy({ [name]: event.currentTarget.value });
  return html`<div class="dates"><${Field} label="From">${(field) => html`<input ...${field} type="date" value=${from} max=${to || undefined} onChange=${change("from")} />`}<//>
    <${Field} label="To">${(field) => html`<input ...${field} type="date" value=${to} min=${from || undefined} onChange=${change("to")} />`}<//></div>`;
}

/** {from, to} as the API takes them: the first moment, and the first one after. */
export function span({ from, to }) {
  return { from: moment(from, 0), to: moment(to, 1) };
}

function moment(day, later) {
  const at = new Date(`${day}T00:00`);
  if (Number.isNaN(at.getTime())) return "";
  at.setDate(at.getDate() + later);
  return at.toISOString();
}

/** Rows with what events have told since they were loaded: [rows, tell(row)]; the higher `version` stands. */
export function useTold(rows) {
  const [told, setTold] = useState(new Map());
  useEffect(() => setTold(new Map()), [rows]);
  const tell = (row) => setTold((old) => (old.get(row.id)?.version >= row.version ? old : new Map(old).set(row.id, row)));
  const current = rows?.map((row) => (told.get(row.id)?.version > row.version ? told.get(row.id) : row));
  return [current, tell];
}
