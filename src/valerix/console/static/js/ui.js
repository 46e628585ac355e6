// Building blocks of pages. Colour never carries meaning alone: there is always a word, too.
import { html, useEffect, useId, useRef, useState } from "./lib.js";
import { clock, dismiss, toasts, toast } from "./store.js";
import { connection, staleness } from "./live.js";
import { age, dateTime, when, shortId, words } from "./format.js";
import { Icon } from "./icons.js";
import { navigate } from "./router.js";
import { meanings } from "./states.js";

// --- coloured words

/** Tones of a user's status and role; the tones of orders, payments and so on are in states.js. */
const TONES = { active: "ok", suspended: "bad", operator: "info", admin: "info" };

/**
 * A status as a coloured word. `of`: the kind of thing that has it ("order", "payment", …; see
 * states.js), which decides label and tone.
 */
export function Badge({ of, status, tone, children }) {
  const meaning = meanings[of]?.[status]; // undefined: a state that this page does not know yet
  return html`
    <span class=${`badge ${tone ?? meaning?.tone ?? TONES[status] ?? "plain"}`}>
      ${children ?? meaning?.label ?? words(String(status))}
    </span>
  `;
}
/** A coloured dot in front of its word. */
export const Dot = ({ tone = "plain" }) => html`<span class=${`dot ${tone}`} aria-hidden="true"></span>`;

/** One of several choices as a pill: chosen or not. */
export const Chip = ({ on, onClick, children }) => html`
    <button type="button" class="chip" aria-pressed=${on ? "true" : "false"} onClick=${onClick}>${children}</button>
  `;
export const Chips = ({ label, options, value, onChange }) => html`
    <div class="chips" role="group" aria-label=${label}>
      ${options.map(
        ([key, text]) => html`
        <${Chip} key=${key} on=${key === value} onClick=${() => onChange(key)}>${text}<//>
      `,
      )}
    </div>
  `;

// --- controls

/**
 * A button. `kind`: "primary", "danger", "ghost" or nothing; `busy`: shows a spinner and ignores
 * clicks.
 */
export function Button({ kind = "", busy = false, icon, small, type = "button", disabled, children, ...rest }) {
  return html`
    <button
      type=${type}
      class=${`button ${kind} ${small ? "small" : ""}`}
      disabled=${disabled || busy}
      aria-busy=${busy ? "true" : undefined}
      ...${rest}
    >
      ${
        busy
          ? html`<span class="spinner" aria-hidden="true"></span>`
          : icon &&
            html`
        <${Icon} name=${icon} size=${small ? 15 : 17} />
      `
      }
      <span>${children}</span>
    </button>
  `;
}

/**
 * A labelled control with hint and error: <Field label="Quantity" error=…>${(props) => html`<input
 * ...${props} />`}<//>
 */
export function Field({ label, hint, error, children, id: given, class: name = "" }) {
  const made = useId(),
    id = given ?? made;
  const described = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || undefined;
  return html`<div class=${`field ${name}`}><label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id=${`${id}h`}>${hint}</p>`}
    ${error && html`<p class="field-error" id=${`${id}e`} role="alert">${error}</p>`}</div>`;
}

export function Search({ value, onInput, label, placeholder }) {
  return html`
    <div class="search">
      <${Icon} name="search" size=${16} />
      <input
        type="search"
        aria-label=${label}
        placeholder=${placeholder ?? label}
        value=${value}
        maxlength="100"
        onInput=${(event) => onInput(event.currentTarget.value)}
      />
    </div>
  `;
}

/** An id with a button that copies it. */
export function CopyId({ id, full = false, label = "id" }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(id);
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    } catch {
      toast("info", "The browser does not allow copying", { detail: id });
    }
  };
  return html`
    <span class="copy">
      <code title=${id}>${full ? id : shortId(id)}</code>
      <button type="button" class="icon-button" onClick=${copy} aria-label=${copied ? "Copied" : `Copy ${label}`}>
        <${Icon} name=${copied ? "check" : "copy"} size=${15} />
      </button>
    </span>
  `;
}

export const Time = ({ at }) => html`<time datetime=${at} title=${dateTime(at)}>${when(at)}</time>`;

// --- structure

export function Card({ title, aside, children, class: name = "", level = 2 }) {
  const Heading = `h${level}`;
  return html`<section class=${`card ${name}`}>${
    (title || aside) &&
    html`<header class="card-head">
    ${title && html`<${Heading}>${title}<//>`}${aside && html`<div class="card-aside">${aside}</div>`}</header>`
  }${children}</section>`;
}

/** The page's heading, focused by the router when the page has changed; `children`: its actions. */
export const PageHead = ({ title, children, sub }) =>
  html`<div class="page-head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<p class="muted">${sub}</p>`}</div>
  ${children && html`<div class="page-actions">${children}</div>`}</div>`;

/**
 * A table. columns: [{title, align: "right", class}]; children: the rows. Scrolls sideways in
 * narrow windows.
 */
export function Table({ caption, columns, busy = false, children, class: name = "" }) {
  return html`
    <div class="table-wrap" role="region" aria-label=${caption} tabindex="0">
      <table class=${name} aria-busy=${busy ? "true" : undefined}>
        <caption class="sr-only">${caption}</caption>
        <thead>
          <tr>
            ${columns.map(
              (column) => html`
              <th scope="col" class=${`${column.align === "right" ? "num" : ""} ${column.class ?? ""}`}>
                ${column.hidden ? html`<span class="sr-only">${column.title}</span>` : column.title}
              </th>
            `,
            )}
          </tr>
        </thead>
        <tbody>${children}</tbody>
      </table>
    </div>
  `;
}

/** A row of tabs: [[key, label]]. The panel is the content below. */
export function Tabs({ label, tabs, value, onChange }) {
  const list = useRef(null);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (tabs.findIndex(([key]) => key === value) + step + tabs.length) % tabs.length;
    onChange(tabs[next][0]);
    list.current.querySelectorAll("[role=tab]")[next].focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>
      ${tabs.map(
        ([key, text]) => html`
        <button
          type="button"
          role="tab"
          key=${key}
          aria-selected=${key === value ? "true" : "false"}
          tabindex=${key === value ? 0 : -1}
          onClick=${() => onChange(key)}
        >
          ${text}
        </button>
      `,
      )}
    </div>
  `;
}

// --- dialogs: the browser's own dialog keeps the focus inside, closes on Escape and returns the focus

function Modal({ class: name, title, onClose, children }) {
  const box = useRef(null);
  const id = useId();
  useEffect(() => {
    const dialog = box.current,
      before = document.activeElement;
    dialog.showModal();
    // The browser returns the focus only while the dialog is still in the page.
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const outside = (event) => {
    if (event.target === box.current) onClose();
  };
  return html`
    <dialog
      ref=${box}
      class=${name}
      aria-labelledby=${id}
      onCancel=${(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown=${outside}
    >
      <div class="modal">
        <header class="modal-head">
          <h2 id=${id}>${title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}>
            <${Icon} name="close" />
          </button>
        </header>
        ${children}
      </div>
    </dialog>
  `;
}
export const Dialog = (props) => html`<${Modal} class="dialog" ...${props} />`;
export const Drawer = (props) => html`<${Modal} class="drawer" ...${props} />`;
/** The buttons at the foot of a dialog. */
export const Actions = ({ children }) => html`<footer class="actions">${children}</footer>`;

// --- without data (yet)

export const Skeleton = ({ lines = 3, height }) => html`
  <div class="skeleton-box" aria-hidden="true">
    ${Array.from(
      { length: lines },
      (_, i) => html`
      <div
        class="skeleton"
        style=${{ height: height ? `${height}px` : undefined, width: height ? undefined : `${92 - ((i * 17) % 40)}%` }}
      ></div>
    `,
    )}
  </div>
`;
export const SkeletonRows = ({ rows = 6, columns }) =>
  Array.from(
    { length: rows },
    (_, row) => html`
        <tr class="skeleton-row" aria-hidden="true">
          ${Array.from(
            { length: columns },
            (_, column) => html`
            <td><div class="skeleton" style=${{ width: `${50 + ((row * 31 + column * 17) % 45)}%` }}></div></td>
          `,
          )}
        </tr>
      `,
  );

/** An empty state. `title`: why there is nothing; children: what to do next. */
export const Empty = ({ title, icon = "empty", children }) => html`
    <div class="state empty">
      <${Icon} name=${icon} size=${32} />
      <p class="state-title">${title}</p>
      ${children && html`<div>${children}</div>`}
    </div>
  `;

/**
 * A failed call. Forbidden names the role needed; offline and away are retried automatically; the
 * rest can be tried again by hand.
 */
export function Failure({ error, retry, stale = false }) {
  if (error.forbidden) return html`<${Forbidden} detail=${error.message} />`;
  if (error.offline) {
    return html`
      <div class="state offline" role="status">
        <${Icon} name="offline" size=${stale ? 20 : 32} />
        <p class="state-title">Reconnecting</p>
        <p>${error.message}.${(retry || error.again) && " Trying again automatically."}</p>
      </div>
    `;
  }
  return html`
    <div class="state error" role="alert">
      <${Icon} name="alert" size=${stale ? 20 : 32} />
      <p class="state-title">${error.title || "Something went wrong"}</p>
      <p>${error.message}</p>
      ${error.traceId && html`<p class="trace">Trace <${CopyId} id=${error.traceId} full label="trace id" /></p>`}
      ${
        retry &&
        html`
        ${error.away && html`<p>Trying again automatically.</p>`}
        <${Button} icon="refresh" onClick=${retry}>Try again<//>
      `
      }
    </div>
  `;
}

export const Forbidden = ({ roles, detail }) => html`
    <div class="state forbidden" role="alert">
      <${Icon} name="lock" size=${32} />
      <p class="state-title">Your role has no access</p>
      <p>${detail ?? `This page needs the role ${roles.join(" or ")}.`}</p>
    </div>
  `;

/**
 * All states of a resource: <View of=${orders} skeleton=${…} empty=${…}>${(data) => …}<//>
 * `isEmpty(data)`: whether to show `empty`. Loaded data stays when loading it again fails.
 */
export function View({ of, skeleton = html`<${Skeleton} />`, isEmpty = () => false, empty, children }) {
  if (of.data === undefined) {
    return of.error
      ? html`<${Failure} error=${of.error} retry=${of.reload} />`
      : html`<div aria-busy="true"><span class="sr-only" role="status">Loading</span>${skeleton}</div>`;
  }
  return html`
    <div aria-busy=${of.refreshing ? "true" : undefined}>
      ${of.error && html`<${Failure} error=${of.error} retry=${of.reload} stale />`}
      ${isEmpty(of.data) ? empty : children(of.data)}
    </div>
  `;
}

/** The state of the live connections, and the age of the shown data. */
export function Connection() {
  const state = connection.value;
  if (state === "live") return html`<span class="connection ok" role="status"><${Dot} tone="ok" />Live</span>`;
  if (state === "connecting")
    return html`<span class="connection" role="status"><${Dot} tone="warn" />Connecting</span>`;
  return html`
    <span class="connection bad">
      <span role="status"><${Dot} tone="bad" />Reconnecting</span>
      <span class="age"> data ${age(staleness.value)} old</span>
    </span>
  `;
}

const TOAST_ICONS = { ok: "check", info: "info", bad: "alert" };
export function Toasts() {
  return html`
    <div class="toasts" role="region" aria-label="Messages">
      ${toasts.value.map(
        (one) => html`
        <div key=${one.id} class=${`toast ${one.tone}`} role=${one.tone === "bad" ? "alert" : "status"}>
          <${Icon} name=${TOAST_ICONS[one.tone]} />
          <div class="toast-body">
            <p class="toast-title">${one.title}</p>
            ${one.detail && html`<p>${one.detail}</p>`}
            ${one.traceId && html`<p class="trace">Trace <${CopyId} id=${one.traceId} label="trace id" /></p>`}
            ${
              one.href &&
              html`
              <p>
                <a
                  href=${one.href}
                  onClick=${(event) => {
                    event.preventDefault();
                    navigate(one.href);
                    dismiss(one.id);
                  }}
                >
                  Show
                </a>
              </p>
            `
            }
          </div>
          <button type="button" class="icon-button" aria-label="Dismiss" onClick=${() => dismiss(one.id)}>
            <${Icon} name="close" size=${16} />
          </button>
        </div>
      `,
      )}
    </div>
  `;
}

/** Seconds until `at` (ISO text), updated every second. */
export const secondsUntil = (at) => Math.max(0, new Date(at).getTime() / 1000 - clock.value);
