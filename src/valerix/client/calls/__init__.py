"""Every call of the API, written once: `blocking` and `asynchronous` only run the flows built here.

Arguments left at None are not sent, so the server's defaults apply.
"""

from valerix.client.calls.bus import CONSUMERS as CONSUMERS
from valerix.client.calls.bus import DeadLetters as DeadLetters
from valerix.client.calls.chaos import Chaos as Chaos
from valerix.client.calls.inventory import Inventory as Inventory
from valerix.client.calls.inventory import Products as Products
from valerix.client.calls.inventory import Warehouses as Warehouses
from valerix.client.calls.orders import Orders as Orders
from valerix.client.calls.payments import Payments as Payments
from valerix.client.calls.pieces import Pages as Pages
from valerix.client.calls.users import Customers as Customers
from valerix.client.calls.users import Users as Users
