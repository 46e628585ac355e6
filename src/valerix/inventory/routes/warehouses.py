"""The routes of warehouses."""

from typing import Final

from litestar import Response, get, post

from valerix.chassis.base.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from valerix.chassis.description.openapi import LOCATION
from valerix.contracts.acts import Actor
from valerix.contracts.roles import ANYONE, STAFF
from valerix.inventory import domain, schemas
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.routes.pieces import after, page_by_id
from valerix.inventory.schemas import Warehouse

WAREHOUSES: Final = "/api/v1/warehouses"


@get(WAREHOUSES, access=ANYONE, tags=["warehouses"], operation_id="listWarehouses")
async def list_warehouses(
    catalogue: Catalogue, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Warehouse]:
    """List warehouses by id. Stock is taken from the one with the lowest `priority` first."""
    rows = await catalogue.list_warehouses(after=after(cursor), limit=limit + 1)
    return page_by_id(rows, limit, lambda warehouse: warehouse.warehouse_id)


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


ROUTES = [list_warehouses, create_warehouse, get_warehouse]
