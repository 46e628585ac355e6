"""HTTP routes of the inventory service: request in, use case, response out."""

from valerix.inventory.routes import products, stock, warehouses

ROUTES = [*stock.ROUTES, *products.ROUTES, *warehouses.ROUTES]
