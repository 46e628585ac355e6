"""The routes of products."""

from typing import Annotated, Final

from litestar import Response, delete, get, post, put
from litestar.params import Parameter

from valerix.chassis.base import versioning
from valerix.chassis.base.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from valerix.chassis.description.openapi import ETAG, LOCATION
from valerix.contracts.acts import Actor
from valerix.contracts.roles import PUBLIC, STAFF
from valerix.inventory import domain, schemas
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.routes.pieces import UNKNOWN, Search, Sku, after, page_by_id
from valerix.inventory.schemas import Product, ProductFilter

PRODUCTS: Final = "/api/v1/products"
PRODUCT: Final = {
    "name": "A lamp",
    "price": {"amountMinor": 4900, "currency": "USD"},
    "lowStockThreshold": 5,
}
"""Used in the examples."""


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
    wanted = ProductFilter(q=q, active=active, after=after(cursor), limit=limit + 1)
    return page_by_id(
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


ROUTES = [list_products, create_product, get_product, replace_product, delete_product]


def _product_response(product: Product) -> Response[Product]:
    return Response(product, headers=versioning.etag(product.version))
