// Sessions of an account, each with a button that ends it.
import { html, useState } from "../lib.js";
import { del, get } from "../api.js";
import { useResource } from "../resource.js";
import { failed, toast } from "../store.js";
import { Badge, Button, Time, View } from "../ui.js";

/**
 * `path`: address of the account. `everywhere`: the message once all sessions have ended, false where ending all is not
 * offered; `action`: the label of that button.
 */
export function Sessions({ path, everywhere, action = "Sign out everywhere" }) {
  const sessions = useResource((signal) => get(`${path}/sessions`, {}, signal), [path]);
  const [ending, setEnding] = useState("");
  const end = async (which, below) => {
    setEnding(which);
    try {
      await del(`${path}/sessions${below}`);
      toast("ok", below ? "Signed out on that device" : everywhere);
    } catch (problem) {
      failed("Signing out failed", problem);
    }
    setEnding("");
    sessions.reload();
  };
  return html`
    <${View}
      of=${sessions}
      isEmpty=${(data) => !data.items.length}
      empty=${html`<p class="muted">Nowhere at the moment.</p>`}
    >
      ${(data) => html`
        <ul class="plain-list">
          ${data.items.map(
            (one) => html`
            <li key=${one.id}>
              <div class="spread">
                <span class="break">
                  <strong>${device(one)}</strong>
                  ${one.current && html` <${Badge} tone="info">this one<//>`}
                </span>
                ${
                  !one.current &&
                  html`
                  <${Button}
                    small
                    busy=${ending === one.id}
                    aria-label=${`Sign out ${device(one)}`}
                    onClick=${() => end(one.id, `/${one.id}`)}
                  >
                    Sign out
                  <//>
                `
                }
              </div>
              <p class="small-text muted break">
                ${one.address} · last used <${Time} at=${one.lastUsedAt} /> · <span title=${one.userAgent}
                  >${one.kind}</span
                >
              </p>
            </li>
          `,
          )}
        </ul>
        ${
          data.items.length > 1 &&
          everywhere &&
          html`
          <p><${Button} small kind="danger" busy=${ending === "all"} onClick=${() => end("all", "")}>${action}<//></p>
        `
        }
      `}
    <//>
  `;
}

/** "Firefox on Linux", as far as the user agent says. */
function device({ userAgent }) {
  const browser = [
    ["Edg/", "Edge"],
    ["OPR/", "Opera"],
    ["Firefox/", "Firefox"],
    ["Chrome/", "Chrome"],
    ["Safari/", "Safari"],
  ].find(([mark]) => userAgent.includes(mark))?.[1];
  const system = [
    ["Android", "Android"],
    ["iPhone", "iOS"],
    ["Windows", "Windows"],
    ["Mac OS", "macOS"],
    ["Linux", "Linux"],
  ].find(([mark]) => userAgent.includes(mark))?.[1];
  return browser && system ? `${browser} on ${system}` : userAgent || "Unknown device";
}
