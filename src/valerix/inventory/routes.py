"""HTTP routes of the inventory service: request in, use case, response out."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from litestar import Response, delete, get, post, put
from litestar.params import Parameter

from valerix.chassis.base import pagination, versioning
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from valerix.chassis.base.problems import FieldError, Invalid
from valerix.chassis.description.openapi import ETAG, LOCATION, in_path
from valerix.chassis.http.raw import RawRoute, command_route
from valerix.contracts import commands, text
from valerix.contracts.acts import Actor
from valerix.contracts.commands import (
    Line,
    NamedProducts,
    OrderRefs,
    PriceProducts,
    ProductPrices,
    ProductsUnknown,
    ReservationState,
    ReservationStates,
    ReserveOutcome,
    ReserveOutcomes,
    ReserveStocks,
    StockReserved,
    StockShort,
)
from valerix.contracts.errors import OrderNotFound
from valerix.contracts.roles import ANYONE, PUBLIC, STAFF, ServiceName, calls_from
from valerix.contracts.states import ReservationStatus
from valerix.inventory import domain, schemas
from valerix.inventory.by_hand import StockByHand
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.permitted import (
    OrderNotCommittable,
    OrderNotReleasable,
    OrderNotReservable,
    OtherLines,
)
from valerix.inventory.reserving import Reserving
from valerix.inventory.schemas import (
    InventoryFilter,
    InventoryItem,
    MovementView,
    Product,
    ProductFilter,
    Warehouse,
)
from valerix.inventory.use_cases import Stock

INVENTORY, PRODUCTS, WAREHOUSES = "/api/v1/inventory", "/api/v1/products", "/api/v1/warehouses"
T = TypeVar("T")
ORDER: Final = "01a22881-c76a-70a2-a1a8-104e83d90c62"
PRODUCT: Final = {
    "name": "A lamp",
    "price": {"amountMinor": 4900, "currency": "USD"},
    "lowStockThreshold": 5,
}
"""Used in the examples, as ORDER."""
UNKNOWN: Final = (domain.ProductNotFound,)
RESERVE_REFUSALS: Final = (domain.OutOfStock, domain.ReservationOver, domain.UnknownProducts)
ORDERS = "valerix:orders"
"""The actor of stock movements through the internal commands."""
Search = Annotated[
    str | None,
    Parameter(min_length=1, max_length=100, description="Part of the product id or name."),
]
Sku = Annotated[str, in_path(text.SKU)]


# --- internal commands: the hot path


def command_routes(reserving: Reserving, catalogue: Catalogue) -> list[RawRoute]:
    """The internal commands of the orders service, all with lists."""

    async def reserve(command: ReserveStocks, deadline: Deadline) -> ReserveOutcomes:
        return ReserveOutcomes(await reserving.reserve(command.commands, ORDERS, deadline))

    async def release(command: OrderRefs, deadline: Deadline) -> ReservationStates:
        endings = domain.endings(command.order_ids, ReservationStatus.RELEASED)
        return ReservationStates(await reserving.end(endings, ORDERS, deadline))

    async def commit(command: OrderRefs, deadline: Deadline) -> ReservationStates:
        endings = domain.endings(command.order_ids, ReservationStatus.COMMITTED)
        return ReservationStates(await reserving.end(endings, ORDERS, deadline))

    async def find(command: NamedProducts, _: Deadline) -> ProductPrices:
        return ProductPrices(await catalogue.find(command.names))

    async def price(command: PriceProducts, _: Deadline) -> ProductPrices:
        return ProductPrices(await catalogue.prices(command.product_ids))

    orders = calls_from(ServiceName.ORDERS)
    return [
        command_route(commands.RESERVE_STOCK, orders, ReserveStocks, reserve),
        command_route(commands.RELEASE_STOCK, orders, OrderRefs, release),
        command_route(commands.COMMIT_STOCK, orders, OrderRefs, commit),
        command_route(commands.FIND_PRODUCTS, orders, NamedProducts, find),
        command_route(commands.PRICE_PRODUCTS, orders, PriceProducts, price),
    ]


# --- stock


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
        q=q, warehouse_id=warehouse, low_stock=low_stock, after=_after(cursor), limit=limit + 1
    )
    return _page_by_id(await stock.list_inventory(wanted), limit, lambda item: item.product_id)


@get(INVENTORY + "/alerts", access=STAFF, tags=["inventory"], operation_id="listLowStock")
async def list_alerts(
    stock: Stock, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[InventoryItem]:
    """List products low in stock: their available units are at or under their threshold."""
    wanted = InventoryFilter(
        q=None, warehouse_id=None, low_stock=True, after=_after(cursor), limit=limit + 1
    )
    return _page_by_id(await stock.list_inventory(wanted), limit, lambda item: item.product_id)


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


# --- catalogue


@get(PRODUCTS, access=PUBLIC, tags=["products"], operation_id="listProducts")
async def list_products(
    catalogue: Catalogue,
    q: Search = None,
    active: Annotated[
        bool | None, Parameter(description="true: on sale; false: no longer sold.")
    ] = True,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Product]:
    """List the products of the catalogue, sorted by product id."""
    wanted = ProductFilter(q=q, active=active, after=_after(cursor), limit=limit + 1)
    return _page_by_id(
        await catalogue.list_products(wanted), limit, lambda product: product.product_id
    )


@post(
    PRODUCTS,
    access=STAFF,
    tags=["products"],
    operation_id="createProduct",
    example={
        "productId": "PROD-900",
        **PRODUCT,
        "initialStock": [{"warehouseId": "WH-EAST", "quantity": 10}],
    },
    response_headers=[LOCATION, ETAG],
    refuses=[domain.ProductExists, domain.UnknownWarehouse],
)
async def create_product(
    catalogue: Catalogue, actor: Actor, data: schemas.NewProduct
) -> Response[Product]:
    """Create a product, with its initial stock, if any."""
    product = await catalogue.create_product(data, actor.id, actor)
    location = {"Location": f"{PRODUCTS}/{product.product_id}"}
    return Response(product, headers=versioning.etag(product.version) | location)


@get(
    PRODUCTS + "/{sku:str}",
    access=PUBLIC,
    tags=["products"],
    operation_id="getProduct",
    response_headers=[ETAG],
    refuses=UNKNOWN,
)
async def get_product(catalogue: Catalogue, sku: Sku) -> Response[Product]:
    """Get one product of the catalogue."""
    return _product_response(await catalogue.get_product(sku))


@put(
    PRODUCTS + "/{sku:str}",
    access=STAFF,
    tags=["products"],
    operation_id="replaceProduct",
    example=PRODUCT,
    response_headers=[ETAG],
    refuses=UNKNOWN,
)
async def replace_product(
    catalogue: Catalogue,
    actor: Actor,
    sku: Sku,
    data: schemas.ProductBody,
    if_match: Annotated[str | None, Parameter(header="If-Match", max_length=40)] = None,
) -> Response[Product]:
    """Replace a product. Its stock does not change: see `adjustStock`. With the ETag in `If-Match`,
    a change made in the meantime is not overwritten.
    """
    return _product_response(
        await catalogue.replace_product(sku, data, versioning.expected_version(if_match), actor)
    )


@delete(
    PRODUCTS + "/{sku:str}",
    access=STAFF,
    tags=["products"],
    operation_id="deleteProduct",
    refuses=UNKNOWN,
)
async def delete_product(catalogue: Catalogue, actor: Actor, sku: Sku) -> None:
    """Remove a product. If it was ever in stock, it is only taken off sale: its history stays."""
    await catalogue.delete_product(sku, actor)


@get(WAREHOUSES, access=ANYONE, tags=["warehouses"], operation_id="listWarehouses")
async def list_warehouses(
    catalogue: Catalogue, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Warehouse]:
    """List warehouses by id. Stock is taken from the one with the lowest `priority` first."""
    rows = await catalogue.list_warehouses(after=_after(cursor), limit=limit + 1)
    return _page_by_id(rows, limit, lambda warehouse: warehouse.warehouse_id)


@post(
    WAREHOUSES,
    access=STAFF,
    tags=["warehouses"],
    operation_id="createWarehouse",
    example={"warehouseId": "WH-NORTH", "name": "North", "priority": 3},
    response_headers=[LOCATION],
    refuses=[domain.WarehouseExists],
)
async def create_warehouse(
    catalogue: Catalogue, actor: Actor, data: schemas.NewWarehouse
) -> Response[Warehouse]:
    """Create a warehouse without stock."""
    warehouse = await catalogue.create_warehouse(data, actor)
    return Response(warehouse, headers={"Location": f"{WAREHOUSES}/{warehouse.warehouse_id}"})


@get(
    WAREHOUSES + "/{warehouse_id:str}",
    access=ANYONE,
    tags=["warehouses"],
    operation_id="getWarehouse",
    refuses=[domain.WarehouseNotFound],
)
async def get_warehouse(catalogue: Catalogue, warehouse_id: str) -> Warehouse:
    """Get one warehouse."""
    return await catalogue.get_warehouse(warehouse_id)


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
    list_products,
    create_product,
    get_product,
    replace_product,
    delete_product,
    list_warehouses,
    create_warehouse,
    get_warehouse,
]


# --- pieces


def _after(cursor: str | None) -> str:
    return "" if cursor is None else pagination.decode_cursor(cursor, tuple[str])[0]


def _page_by_id(rows: Sequence[T], limit: int, id_of: Callable[[T], str]) -> Page[T]:
    return pagination.page(list(rows), limit, lambda row: pagination.encode_cursor(id_of(row)))


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


def _product_response(product: Product) -> Response[Product]:
    return Response(product, headers=versioning.etag(product.version))
