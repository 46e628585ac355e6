// Refunds: all or part, never more than what is left. One idempotency key per input; changed input gets a new one.
import { html, useRef, useState } from "../lib.js";
import { newKey, post } from "../api.js";
import { digits, money } from "../format.js";
import { RefundStatus, meanings } from "../states.js";
import { toast } from "../store.js";
import { Actions, Button, Dialog, Failure, Field } from "../ui.js";

/** Money that can still be refunded; null when nothing was captured. */
export function refundable(payment) {
  if (!payment?.captured || !meanings.payment[payment.status]?.holdsMoney) return null;
  return {
    ...payment.captured,
    amountMinor: payment.captured.amountMinor - payment.refunded.amountMinor - payment.refundPending.amountMinor,
  };
}

/**
 * Minor units of "12.50"; null for text that is no amount of this currency. No arithmetic with
 * fractions.
 */
export function minorUnits(text, currency) {
  const places = digits(currency);
  const parts = /^(\d{1,12})(?:[.,](\d*))?$/.exec(text.trim());
  if (!parts || (parts[2] ?? "").length > places) return null;
  return Number(parts[1] + (parts[2] ?? "").padEnd(places, "0"));
}

export const inUnits = ({ amountMinor, currency }) => {
  const places = digits(currency),
    text = String(amountMinor).padStart(places + 1, "0");
  return places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text;
};

/**
 * The dialog for a refund. `partOnly`: the order has not shipped, so a full refund is a
 * cancellation.
 */
export function RefundDialog({ payment, partOnly = false, onClose, onDone }) {
  // Nothing is left when another refund, or the event of this one, arrived before the answer.
  const left = refundable(payment) ?? { ...payment.captured, amountMinor: 0 };
  const [text, setText] = useState(inUnits(left));
  const [reason, setReason] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const entered = minorUnits(text, left.currency);
  const wrong =
    entered === null || entered <= 0
      ? `Enter an amount like ${inUnits(left)}`
      : entered > left.amountMinor
        ? `At most ${money(left)} is left of this payment`
        : partOnly && entered === left.amountMinor
          ? "For a full refund, cancel the order instead"
          : "";
  const changed = (set) => (event) => {
    set(event.currentTarget.value);
    key.current = newKey();
    setError(null);
  };

  const submit = async (event) => {
    event.preventDefault();
    if (wrong) return;
    setBusy(true);
    try {
      const refund = await post(
        `/api/v1/payments/${payment.id}/refund`,
        { amountMinor: entered, reason: reason.trim() },
        { key: key.current },
      );
      const amount = money({ ...left, amountMinor: entered });
      if (refund.status === RefundStatus.PENDING)
        toast("info", `${amount} will be refunded`, {
          detail: "The payment provider has not answered yet. The request is repeated until it does.",
        });
      else toast("ok", `${amount} refunded`);
      onDone();
      onClose();
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title="Refund" onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <p>
           Captured ${money(payment.captured)},
            refunded so far ${money(payment.refunded)}. <strong>${money(left)} can be refunded.</strong>
        </p>
        <${Field} label=${`Amount in ${left.currency}`} error=${wrong}>
          ${(field) => html`
            <input
              ...${field}
              inputmode="decimal"
              required
              maxlength="16"
              autofocus
              value=${text}
              onInput=${changed(setText)}
            />
          `}
        <//>
        <${Field} label="Reason" hint="Shown in the history of payment and order. The customer can read it.">
          ${(field) => html`
            <input
              ...${field}
              required
              maxlength="200"
              pattern=".*\\S.*"
              value=${reason}
              onInput=${changed(setReason)}
            />
          `}
        <//>
        ${error && html`<${Failure} error=${error} stale />`}
        <${Actions}>
          <${Button} onClick=${onClose}>Cancel<//>
          <${Button} type="submit" kind="primary" busy=${busy} disabled=${Boolean(wrong)}>
            ${wrong ? "Refund" : `Refund ${money({ ...left, amountMinor: entered })}`}
          <//>
        <//>
      </form>
    <//>
  `;
}
