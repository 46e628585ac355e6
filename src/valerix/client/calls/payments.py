"""Payments and refunds."""

from datetime import datetime

from valerix.client import models
from valerix.client.calls.pieces import Calls, Pages, encode, keyed, part
from valerix.client.reading import read_as
from valerix.client.steps import Flow, Request
from valerix.contracts.ids import new_id


class Payments(Calls):
    """Charges and refunds."""

    _PATH = "/api/v1/payments"

    def get(self, payment_id: str) -> Flow[models.PaymentDetail]:
        """One payment with its first refunds and the beginning of its history. Raises NotFound."""
        return self._get(f"{self._PATH}/{part(payment_id)}", models.PaymentDetail)

    def of_order(self, order_id: str) -> Flow[models.PaymentDetail]:
        """The payment of an order. Raises NotFound."""
        return self._get(f"{self._PATH}/order/{part(order_id)}", models.PaymentDetail)

    def refunds(self, payment_id: str) -> Pages[models.ListedRefund]:
        """All refunds of a payment, oldest first. Raises NotFound."""
        return Pages(self._session, f"{self._PATH}/{part(payment_id)}/refunds", models.ListedRefund)

    def events(self, payment_id: str) -> Pages[models.PaymentEvent]:
        """The history of a payment: all its events, oldest first. Raises NotFound."""
        return Pages(self._session, f"{self._PATH}/{part(payment_id)}/events", models.PaymentEvent)

    def list(
        self,
        *,
        status: str | None = None,
        customer_id: str | None = None,
        order_id: str | None = None,
        method: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
    ) -> Pages[models.Payment]:
        """Payments, newest first; `created_to` is exclusive. For staff."""
        return Pages(
            self._session,
            self._PATH,
            models.Payment,
            status=status,
            customerId=customer_id,
            orderId=order_id,
            method=method,
            **{"from": created_from, "to": created_to},
        )

    def refund(
        self,
        payment_id: str,
        *,
        amount_minor: int | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[models.Refund]:
        """Refund `amount_minor`, or all that is left, once per key.

        A refund returned as `pending` is completed later. Raises Conflict, or Unprocessable for
        more than is left.
        """
        key = idempotency_key or new_id()
        body = encode({"amountMinor": amount_minor, "reason": reason})
        path = f"{self._PATH}/{part(payment_id)}/refund"
        request = Request("POST", path, body, {"idempotency-key": key})
        return keyed(key, self._session.call(request, read_as(models.Refund), repeatable=True))
