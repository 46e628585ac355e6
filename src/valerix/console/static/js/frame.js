// The frame of every page: header, navigation, banner, and the page inside.
import { html, useEffect, useErrorBoundary, useRef, useState } from "./lib.js";
import { health, report, useLive } from "./live.js";
import { find, navigation } from "./pages.js";
import { Link, href, navigate, path, returning } from "./router.js";
import { announce } from "./placing.js";
import { useImport } from "./resource.js";
import { failed, isStaff, narrow, role, switchTheme, theme, title, user } from "./store.js";
import { signOut } from "./session.js";
import { countdown, duration } from "./format.js";
import { Button, Connection, Empty, Failure, Forbidden, Skeleton, Toasts, secondsUntil } from "./ui.js";
import { Icon } from "./icons.js";

export function Frame() {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path.value]);
  // Customers are notified of their orders on every page; for staff these would be too many.
  useLive(["order."], ({ data }) => {
    if (!isStaff.value) announce(data);
  });
  const bad = isStaff.value && health.value.level === "bad";
  return html`
    <div class=${`frame ${bad ? "is-bad" : ""} ${open ? "nav-open" : ""}`}>
      <a class="skip" href="#main">Skip to main content</a>
      <header class="top">
        <button
          type="button"
          class="icon-button menu"
          aria-label=${open ? "Close navigation" : "Open navigation"}
          aria-expanded=${open ? "true" : "false"}
          aria-controls="nav"
          onClick=${() => setOpen(!open)}
        >
          <${Icon} name=${open ? "close" : "menu"} />
        </button>
        <a
          class="brand"
          href=${href("/")}
          onClick=${(event) => {
            event.preventDefault();
            navigate(href(role.value === "customer" ? "/" : "/overview"));
          }}
        >
          <span class="mark" aria-hidden="true"></span>Valerix
        </a>
        <${Health} />
        <div class="top-end"><${Connection} />${!narrow.value && html`<${ThemeSwitch} /><${Account} />`}</div>
      </header>
      <${ChaosBanner} />
      <nav id="nav" class="side" aria-label="Pages">
        ${navigation.value.map(
          ([group, pages]) => html`
          <div class="nav-group" key=${group}>
            <h2>${group}</h2>
            <ul>
              ${pages.map(
                (page) => html`
                <li key=${page.path}>
                  <${Link} to=${page.path} aria-current=${isHere(page.path) ? "page" : undefined}>
                    <${Icon} name=${page.icon} />
                    ${page.title}
                  <//>
                </li>
              `,
              )}
            </ul>
          </div>
        `,
        )}
        <div class="nav-group">
          <h2>Developers</h2>
          <ul><li><a href="/docs"><${Icon} name="book" />API reference</a></li></ul>
        </div>
        ${narrow.value && html`<div class="nav-group nav-account"><${Account} /><${ThemeSwitch} /></div>`}
      </nav>
      <main id="main" tabindex="-1"><${Page} key=${current()} /></main>
      <${Toasts} />
    </div>
  `;
}

const isHere = (page) => (page === "/" ? path.value === "/" : path.value === page || path.value.startsWith(`${page}/`));
/** The key of a page: the same page with other arguments is another page to the reader. */
const current = () => path.value;

const HEALTH_ICONS = { ok: "check", warn: "alert", bad: "alert", unknown: "info" };

/** The health of ordering, shown on every page; it links to the map. */
function Health() {
  if (!isStaff.value) return null;
  const { level, title: said, symptoms } = health.value;
  return html`<p class=${`health ${level}`} role="status"><${Icon} name=${HEALTH_ICONS[level]} size=${16} />
    <${Link} to="/map"><strong>${said}</strong><span class="health-why">${why(symptoms)}</span><//></p>`;
}

function why([first, ...more]) {
  const average = report.value?.orders.averageMs;
  if (!first) return average != null ? `${duration(average)} average order response, last 30 s` : "";
  return `${first.about && `${first.about}: `}${first.text}${more.length ? `, and ${more.length} more` : ""}`;
}

function ChaosBanner() {
  const active = report.value?.chaos.active ?? [];
  if (!isStaff.value || !active.length) return null;
  const [first] = active;
  const left = first.until ? ` · ${countdown(secondsUntil(first.until))} left` : "";
  return html`
    <div class="banner" role="alert">
      <${Icon} name="chaos" />
      <p>
        <strong>Chaos is on</strong> ${active.map((fault) => `${fault.service}: ${fault.label}`).join(" · ")}
        <span aria-hidden="true">${left}</span>
      </p>
      ${role.value === "admin" && html`<${Link} to="/chaos" class="button small">Manage<//>`}
    </div>
  `;
}

function ThemeSwitch() {
  const next = theme.value === "dark" ? "light" : "dark";
  return html`
    <button
      type="button"
      class="button icon-only"
      aria-label=${`Switch to the ${next} theme`}
      title=${`Switch to the ${next} theme`}
      onClick=${switchTheme}
    >
      <${Icon} name=${next === "dark" ? "moon" : "sun"} />
    </button>
  `;
}

function Account() {
  const [leaving, setLeaving] = useState(false);
  const leave = async () => {
    setLeaving(true);
    try {
      await signOut();
      navigate(href("/"));
    } catch (problem) {
      failed("Signing out failed", problem);
    }
    setLeaving(false);
  };
  return html`
    <div class="account">
      <${Link} to="/account" class="who">
        <span class="who-name">${user.value.email}</span>
        <span class="who-role">${role.value}</span>
      <//>
      <${Button} small busy=${leaving} onClick=${leave}>Sign out<//>
    </div>
  `;
}

/** The page of the address: loading, loaded, not for this role, or unknown. */
function Page() {
  const found = find(path.value);
  const allowed = found?.page.roles.includes(role.value);
  const [Content, error] = useImport(found && allowed ? found.page.load : null);
  const [broken, repair] = useErrorBoundary((cause) => console.error(cause));
  const place = useRef(null);
  useEffect(() => {
    title.value = found ? (found.page.named?.(found.args) ?? found.page.title) : "Not found";
  }, []);
  useEffect(() => {
    if (!Content || !turned) return;
    place.current?.querySelector("h1")?.focus({ preventScroll: true });
    if (!returning()) scrollTo(0, 0);
  }, [Content]);
  useEffect(
    () => () => {
      turned = true;
    },
    [],
  );
  if (!found)
    return html`
      <h1 tabindex="-1">Not found</h1>
      <${Empty} title="There is no such page"><${Link} to="/" class="button">Go to the shop<//><//>
    `;
  if (!allowed) return html`<h1 tabindex="-1">${found.page.title}</h1><${Forbidden} roles=${found.page.roles} />`;
  if (broken)
    return html`
      <h1 tabindex="-1">${found.page.title}</h1>
      <${Failure}
        error=${{ title: "This page could not be shown", message: String(broken.message ?? broken) }}
        retry=${repair}
      />
    `;
  if (error) return html`<h1 tabindex="-1">${found.page.title}</h1><${Failure} error=${error} />`;
  if (!Content)
    return html`<div aria-busy="true"><h1 tabindex="-1">${found.page.title}</h1><${Skeleton} lines=${6} /></div>`;
  return html`<div ref=${place}><${Content} ...${found.args} /></div>`;
}
/**
 * Whether another page was shown before: only then the focus moves to the heading, so that screen
 * readers read it.
 */
let turned = false;
