"""The routes of stock: levels, movements, reservations and changes by hand."""

from typing import Annotated, Final

from litestar import get, post
from litestar.params import Parameter

from valerix.chassis.base import pagination
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.contracts.acts import Actor
from valerix.contracts.commands import (
    Line,
    ProductsUnknown,
    ReservationState,
    ReserveOutcome,
    StockReserved,
    StockShort,
)
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.roles import ANYONE, STAFF
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, schemas
from valerix.inventory.by_hand import StockByHand
from valerix.inventory.permitted import (
    OrderNotCommittable,
    OrderNotReleasable,
    OrderNotReservable,
    OtherLines,
)
from valerix.inventory.routes.pieces import UNKNOWN, Search, Sku, after, page_by_id
from valerix.inventory.schemas import InventoryFilter, InventoryItem, MovementView
from valerix.inventory.use_cases import Stock

INVENTORY: Final = "/api/v1/inventory"
ORDER: Final = "01a22881-c76a-70a2-a1a8-104e83d90c62"
"""Used in the examples."""
RESERVE_REFUSALS: Final = (domain.OutOfStock, domain.ReservationOver, domain.UnknownProducts)


@get(INVENTORY, access=ANYONE, tags=["inventory"], operation_id="listInventory")
async def list_inventory(
    stock: Stock,
    q: Search = None,
    warehouse: Annotated[
        str | None, Parameter(max_length=50, description="Only products with stock there.")
    ] = None,
    low_stock: Annotated[
        bool, Parameter(query="lowStock", description="Only products low in stock.")
    ] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[InventoryItem]:
    """List stock by product id: on hand, reserved and available, in total and per warehouse."""
    wanted = InventoryFilter(
        q=q, warehouse_id=warehouse, low_stock=low_stock, after=after(cursor), limit=limit + 1
    )
    return page_by_id(await stock.list_inventory(wanted), limit, lambda item: item.product_id)


@get(INVENTORY + "/alerts", access=STAFF, tags=["inventory"], operation_id="listLowStock")
async def list_alerts(
    stock: Stock, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[InventoryItem]:
    """List products low in stock: their available units are at or under their threshold."""
    wanted = InventoryFilter(
        q=None, warehouse_id=None, low_stock=True, after=after(cursor), limit=limit + 1
    )
    return page_by_id(await stock.list_inventory(wanted), limit, lambda item: item.product_id)


@get(
    INVENTORY + "/{sku:str}",
    access=ANYONE,
    tags=["inventory"],
    operation_id="getInventory",
    refuses=UNKNOWN,
)
async def get_inventory(stock: Stock, sku: Sku) -> InventoryItem:
    """Get the stock of one product, in total and per warehouse."""
    return await stock.get_inventory(sku)


@get(
    INVENTORY + "/{sku:str}/movements",
    access=STAFF,
    tags=["inventory"],
    operation_id="listMovements",
    refuses=UNKNOWN,
)
async def list_movements(
    stock: Stock, sku: Sku, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[MovementView]:
    """List all movements of the stock of one product, latest first."""
    before = None if cursor is None else pagination.decode_cursor(cursor, schemas.Position)
    rows = await stock.list_movements(sku, before, limit + 1)
    return pagination.page(
        rows, limit, lambda m: pagination.encode_cursor(m.occurred_at, m.warehouse_id, m.seq)
    )


@post(
    INVENTORY + "/reserve",
    access=STAFF,
    tags=["inventory"],
    operation_id="reserveStock",
    example={"orderId": ORDER, "items": [{"productId": "PROD-001", "quantity": 2}]},
    status_code=200,
    refuses=[OrderNotFound, OrderNotReservable, OtherLines, *RESERVE_REFUSALS],
)
async def reserve(
    by_hand: StockByHand, actor: Actor, deadline: Deadline, data: schemas.ReserveBody
) -> schemas.ReservationView:
    """Reserve the items of a pending order, all or nothing. Repeating it changes nothing.

    404: no such order. 409: another state, under cancellation, or not enough stock. 422: other
    items.
    """
    lines = [Line(item.product_id, item.quantity) for item in data.items]
    reserved = _reserved(await by_hand.reserve(data.order_id, lines, actor, deadline))
    return schemas.ReservationView(
        reserved.order_id,
        ReservationStatus.RESERVED,
        reserved.allocations,
        reserved.products,
        reserved.idempotent,
    )


@post(
    INVENTORY + "/release",
    access=STAFF,
    tags=["inventory"],
    operation_id="releaseStock",
    example={"orderId": ORDER},
    status_code=200,
    refuses=[OrderNotFound, OrderNotReleasable, domain.ReservationNotFound, domain.ReservationOver],
)
async def release(
    by_hand: StockByHand, actor: Actor, deadline: Deadline, data: schemas.OrderBody
) -> ReservationState:
    """Release the stock of a failed or cancelled order. Later reservations for it are refused.

    404: no such order. 409: the order has not ended; cancel it to return its stock.
    """
    state = await by_hand.release(data.order_id, actor, deadline)
    return _ended(state, ReservationStatus.RELEASED)


@post(
    INVENTORY + "/commit",
    access=STAFF,
    tags=["inventory"],
    operation_id="commitStock",
    example={"orderId": ORDER},
    status_code=200,
    refuses=[
        OrderNotFound,
        OrderNotCommittable,
        domain.ReservationNotFound,
        domain.ReservationOver,
    ],
)
async def commit(
    by_hand: StockByHand, actor: Actor, deadline: Deadline, data: schemas.OrderBody
) -> ReservationState:
    """Commit the stock of an order in `processing`: its goods leave the warehouse. The worker then
    moves the order to `shipped`.

    404: no such order. 409: the order is in another state or is being cancelled.
    """
    state = await by_hand.commit(data.order_id, actor, deadline)
    return _ended(state, ReservationStatus.COMMITTED)


@post(
    INVENTORY + "/adjust",
    access=STAFF,
    tags=["inventory"],
    operation_id="adjustStock",
    example={"productId": "PROD-001", "warehouseId": "WH-EAST", "delta": -1, "reason": "broken"},
    status_code=200,
    refuses=[
        domain.UnknownProducts,
        domain.UnknownWarehouse,
        domain.OutOfStock,
        KeyInFlight,
        KeyReused,
    ],
)
async def adjust(
    stock: Stock, actor: Actor, data: schemas.AdjustBody, refusal: Invalid | None
) -> schemas.Adjusted:
    """Correct the stock of a product in one warehouse. It never falls below the reserved units."""
    _not_zero("delta", data.delta)
    return await stock.adjust(data, actor.id, actor, refusal)


@post(
    INVENTORY + "/update",
    access=STAFF,
    tags=["inventory"],
    operation_id="updateStock",
    example={"productId": "PROD-001", "quantity": -2, "idempotencyKey": "till-7-receipt-4711"},
    status_code=200,
    refuses=[domain.UnknownProducts, domain.NoWarehouse, domain.OutOfStock, KeyInFlight, KeyReused],
)
async def update(
    stock: Stock, actor: Actor, data: schemas.UpdateBody, refusal: Invalid | None
) -> schemas.StockUpdated:
    """Take out (`quantity` below 0) or bring in units, in the order of warehouse priority. A
    request with a repeated key has no second effect.
    """
    _not_zero("quantity", data.quantity)
    return await stock.update(data, actor.id, actor, refusal)


ROUTES = [
    list_inventory,
    list_alerts,
    get_inventory,
    list_movements,
    reserve,
    release,
    commit,
    adjust,
    update,
]


def _not_zero(name: str, value: int) -> None:
    if value == 0:
        raise Invalid(
            f"Check {name}: it must not be zero", [FieldError(f"/{name}", "It must not be zero")]
        )


def _reserved(outcome: ReserveOutcome) -> StockReserved:
    """The reservation. Raises the error for a refused single order."""
    match outcome:
        case StockReserved():
            return outcome
        case StockShort():
            raise domain.OutOfStock(outcome.shortages)
        case ProductsUnknown():
            raise domain.UnknownProducts(outcome.product_ids)
        case _:
            raise domain.ReservationOver(outcome.order_id, outcome.state)


def _ended(outcome: ReservationState, wanted: ReservationStatus) -> ReservationState:
    if outcome.state is ReservationStatus.ABSENT:
        raise domain.ReservationNotFound(outcome.order_id)
    if outcome.state is not wanted:
        raise domain.ReservationOver(outcome.order_id, outcome.state)
    return outcome
