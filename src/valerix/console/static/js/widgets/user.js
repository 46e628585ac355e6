// One account beside the list: data, latest orders, role, status and sessions.
import { html, useState } from "../lib.js";
import { get, put } from "../api.js";
import { Link } from "../router.js";
import { useResource } from "../resource.js";
import { toast, user as me } from "../store.js";
import { money, shortId } from "../format.js";
import { Sessions } from "./sessions.js";
import { Actions, Badge, Button, CopyId, Dialog, Drawer, Failure, Field, Skeleton, Time, View } from "../ui.js";

const ROLES = { customer: "their own orders", operator: "all orders, stock, refunds", admin: "also users and chaos" };
const LATEST = 5;

export function UserDrawer({ id, onClose, onChange }) {
  const path = `/api/v1/users/${encodeURIComponent(id)}`;
  const found = useResource((signal) => get(path, {}, signal), [id]);
  const changed = (now) => {
    onChange(now);
    found.reload();
  };
  return html`
    <${Drawer} title=${found.data?.name ?? "Account"} onClose=${onClose}>
      <${View} of=${found} skeleton=${html`<${Skeleton} lines=${9} />`}>
        ${(user) => html`
          <div class="stack">
            <dl class="facts">
              <dt>Status</dt>
              <dd><${Badge} status=${user.status} /></dd>
              <dt>E-mail</dt>
              <dd>${user.email}</dd>
              ${user.customerId && html`<dt>Customer number</dt><dd>${user.customerId}</dd>`}
              <dt>Since</dt>
              <dd><${Time} at=${user.createdAt} /></dd>
              <dt>User id</dt>
              <dd><${CopyId} id=${user.id} label="user id" /></dd>
            </dl>
            <${Standing} user=${user} path=${path} onChange=${changed} />
            <${Role} user=${user} path=${path} onChange=${changed} />
            ${user.customerId && html`<${LatestOrders} number=${user.customerId} />`}
            <section>
              <h3 class="sub-head">Signed in on</h3>
              <${Sessions} path=${path} everywhere=${!isMe(user) && `${user.name} is signed out everywhere`} />
            </section>
          </div>
        `}
      <//>
    <//>
  `;
}

const isMe = (user) => user.id === me.value?.id;

function Standing({ user, path, onChange }) {
  const [asking, setAsking] = useState(false);
  const suspended = user.status === "suspended";
  const change = async () => {
    const now = await put(`${path}/status`, { status: suspended ? "active" : "suspended" });
    toast("ok", `${user.name} is ${now.status}`);
    onChange(now);
  };
  return html`
    <div class="row">
      <${Button} kind=${suspended ? "" : "danger"} disabled=${isMe(user)} onClick=${() => setAsking(true)}>
        ${suspended ? "Reinstate" : "Suspend"}
      <//>
      <span class="muted small-text">
        ${
          isMe(user)
            ? "This is you."
            : suspended
              ? "Cannot order now."
              : "A suspended customer can sign in, but not order; suspended staff can do neither."
        }
      </span>
    </div>
    ${
      asking &&
      html`
      <${Confirm}
        title=${suspended ? `Reinstate ${user.name}?` : `Suspend ${user.name}?`}
        action=${suspended ? "Reinstate" : "Suspend"}
        danger=${!suspended}
        run=${change}
        onClose=${() => setAsking(false)}
      >
        ${suspended ? "They can order again at once." : "New orders are refused at once; those already placed go on."}
      <//>
    `
    }
  `;
}

function Role({ user, path, onChange }) {
  const [wanted, setWanted] = useState("");
  const change = async () => {
    const now = await put(`${path}/role`, { role: wanted });
    toast("ok", `${user.name} is now ${now.role}`, { detail: "It takes effect within seconds on all their devices." });
    onChange(now);
  };
  return html`
    <${Field} label="Role" hint=${isMe(user) && "Another administrator has to change your own role."}>
      ${(field) => html`
        <select
          ...${field}
          disabled=${isMe(user)}
          value=${user.role}
          onChange=${(event) => {
            setWanted(event.currentTarget.value);
            event.currentTarget.value = user.role;
          }}
        >
          ${Object.entries(ROLES).map(
            ([name, about]) => html`
            <option key=${name} value=${name}>${name} – ${about}</option>
          `,
          )}
        </select>
      `}
    <//>
    ${
      wanted &&
      wanted !== user.role &&
      html`
      <${Confirm}
        title=${`Make ${user.name} ${wanted === "admin" || wanted === "operator" ? "an" : "a"} ${wanted}?`}
        action="Change the role"
        run=${change}
        onClose=${() => setWanted("")}
      >
        ${user.name} will have access to: ${ROLES[wanted]}.
      <//>
    `
    }
  `;
}

/** A dialog that asks for confirmation; on failure it stays open and shows the reason. */
function Confirm({ title, action, danger, run, onClose, children }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const go = async () => {
    setBusy(true);
    try {
      await run();
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <p>${children}</p>
      ${error && html`<${Failure} error=${error} stale />`}
      <${Actions}>
        <${Button} onClick=${onClose}>Cancel<//>
        <${Button} kind=${danger ? "danger solid" : "primary"} busy=${busy} onClick=${go}>${action}<//>
      <//>
    <//>
  `;
}

function LatestOrders({ number }) {
  const orders = useResource(
    (signal) => get("/api/v1/orders", { customerId: number, limit: LATEST }, signal),
    [number],
  );
  return html`
    <section>
      <h3 class="sub-head">Latest orders</h3>
      <${View} of=${orders} isEmpty=${(data) => !data.items.length} empty=${html`<p class="muted">No orders yet.</p>`}>
        ${(data) => html`
          <ul class="plain-list">
            ${data.items.map(
              (order) => html`
              <li key=${order.id} class="spread">
                <span>
                  <${Link} to=${`/orders/${order.id}`} class="mono">${shortId(order.id)}<//> <span
                    class="muted small-text"
                    ><${Time} at=${order.createdAt}
                  /></span>
                </span>
                <span>${money(order.total)} <${Badge} of="order" status=${order.status} /></span>
              </li>
            `,
            )}
          </ul>
          <p><${Link} to="/orders" query=${{ q: number }}>All orders of ${number}<//></p>
        `}
      <//>
    </section>
  `;
}
