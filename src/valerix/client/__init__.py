"""Typed client of the public API.

    with Valerix("http://127.0.0.1:8080", email="…", password="…") as valerix:
        order = valerix.orders.place("CUST-001", {"PROD-001": 2})
        valerix.orders.wait_until(order.id, {OrderStatus.COMPLETED})

`AsyncValerix` has the same calls, awaitable. Models are in `client.models`, exceptions in
`client.errors`.
"""

from valerix.client.asynchronous import AsyncValerix as AsyncValerix
from valerix.client.blocking import Valerix as Valerix
from valerix.client.errors import Refused as Refused
from valerix.client.errors import ValerixError as ValerixError
from valerix.contracts.states import FulfilmentStatus as FulfilmentStatus
from valerix.contracts.states import NotificationStatus as NotificationStatus
from valerix.contracts.states import OrderStatus as OrderStatus
from valerix.contracts.states import PaymentStatus as PaymentStatus
from valerix.contracts.states import RefundStatus as RefundStatus
