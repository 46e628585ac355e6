"""Stock, catalogue and warehouses."""

from collections.abc import Mapping

from valerix.client import models
from valerix.client.calls.pieces import Calls, Pages, keyed, part
from valerix.client.reading import read_nothing
from valerix.client.steps import Flow, Request
from valerix.contracts.ids import new_id
from valerix.contracts.money import Money


class Inventory(Calls):
    """Stock in total and by warehouse, and its ledger of movements."""

    _PATH = "/api/v1/inventory"

    def get(self, product_id: str) -> Flow[models.InventoryItem]:
        """The stock of one product. Raises NotFound."""
        return self._get(f"{self._PATH}/{part(product_id)}", models.InventoryItem)

    def list(
        self, *, search: str | None = None, warehouse_id: str | None = None, low_stock: bool = False
    ) -> Pages[models.InventoryItem]:
        """Stock by product; `low_stock`: only products at or under their threshold."""
        return Pages(
            self._session,
            self._PATH,
            models.InventoryItem,
            q=search,
            warehouse=warehouse_id,
            lowStock="true" if low_stock else None,
        )

    def movements(self, product_id: str) -> Pages[models.Movement]:
        """All movements of the stock of one product, latest first. For staff."""
        return Pages(self._session, f"{self._PATH}/{part(product_id)}/movements", models.Movement)

    def adjust(
        self,
        product_id: str,
        warehouse_id: str,
        delta: int,
        *,
        reason: str,
        idempotency_key: str | None = None,
    ) -> Flow[models.Adjusted]:
        """Correct the stock in one warehouse by `delta` units, once per key.

        Raises Conflict when the result would be below zero, or below the units reserved.
        """
        key = idempotency_key or new_id()
        body = {
            "productId": product_id,
            "warehouseId": warehouse_id,
            "delta": delta,
            "reason": reason,
            "idempotencyKey": key,
        }
        sending = self._send("POST", f"{self._PATH}/adjust", body, models.Adjusted, repeatable=True)
        return keyed(key, sending)

    def update(
        self,
        product_id: str,
        quantity: int,
        *,
        order_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[models.StockUpdated]:
        """Remove units (`quantity` < 0) or add them, in whichever warehouse fits, once per key."""
        key = idempotency_key or new_id()
        body = {
            "productId": product_id,
            "quantity": quantity,
            "orderId": order_id,
            "idempotencyKey": key,
        }
        return keyed(
            key,
            self._send("POST", f"{self._PATH}/update", body, models.StockUpdated, repeatable=True),
        )


class Products(Calls):
    """The catalogue."""

    _PATH = "/api/v1/products"

    def get(self, product_id: str) -> Flow[models.Product]:
        """One product. Raises NotFound."""
        return self._get(f"{self._PATH}/{part(product_id)}", models.Product)

    def list(self, *, search: str | None = None, active: bool = True) -> Pages[models.Product]:
        """Products by id; `active=False`: products that are no longer sold."""
        return Pages(
            self._session, self._PATH, models.Product, q=search, active=str(active).lower()
        )

    def create(
        self,
        product_id: str,
        name: str,
        price: Money,
        *,
        description: str | None = None,
        low_stock_threshold: int | None = None,
        initial_stock: Mapping[str, int] | None = None,
    ) -> Flow[models.Product]:
        """Create a product; `initial_stock`: units by warehouse.

        Raises Conflict when the id is taken.
        """
        stock = [
            {"warehouseId": id_, "quantity": units} for id_, units in (initial_stock or {}).items()
        ]
        body = {
            "productId": product_id,
            "name": name,
            "price": price,
            "description": description,
            "lowStockThreshold": low_stock_threshold,
            "initialStock": stock,
        }
        return self._send("POST", self._PATH, body, models.Product, repeatable=False)

    def update(
        self,
        product_id: str,
        *,
        name: str,
        price: Money,
        description: str | None = None,
        active: bool | None = None,
        low_stock_threshold: int | None = None,
        version: int | None = None,
    ) -> Flow[models.Product]:
        """Replace everything except id and stock; arguments left at None get their default.

        `version`: the version of the product that this change is based on. Raises VersionMismatch
        when the product has changed since.
        """
        body = {
            "name": name,
            "price": price,
            "description": description,
            "active": active,
            "lowStockThreshold": low_stock_threshold,
        }
        path = f"{self._PATH}/{part(product_id)}"
        return self._send(
            "PUT", path, body, models.Product, repeatable=version is None, if_match=version
        )

    def delete(self, product_id: str) -> Flow[None]:
        """Delete a product; a product that was ever in stock is only withdrawn from sale."""
        request = Request("DELETE", f"{self._PATH}/{part(product_id)}")
        return self._session.call(request, read_nothing, repeatable=False)


class Warehouses(Calls):
    """The warehouses that hold stock."""

    _PATH = "/api/v1/warehouses"

    def list(self) -> Pages[models.Warehouse]:
        """Warehouses, sorted by id."""
        return Pages(self._session, self._PATH, models.Warehouse)

    def create(self, warehouse_id: str, name: str, *, priority: int) -> Flow[models.Warehouse]:
        """Create an empty warehouse; stock is taken from the lowest `priority` first."""
        body = {"warehouseId": warehouse_id, "name": name, "priority": priority}
        return self._send("POST", self._PATH, body, models.Warehouse, repeatable=False)
