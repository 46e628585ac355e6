"""Demo catalogue: two warehouses and some products of an electronics shop.

Seeding adds the rows that are missing, and changes none.
"""

from contextlib import suppress

from valerix.chassis.postgres.database import Database
from valerix.chassis.postgres.migrations import code_of
from valerix.contracts.money import Money
from valerix.inventory.composition import connect
from valerix.inventory.domain import ProductExists, WarehouseExists
from valerix.inventory.schemas import InitialStock, NewProduct, NewWarehouse

EAST, WEST = "WH-EAST", "WH-WEST"
WAREHOUSES = [
    NewWarehouse(EAST, "East Coast, Newark", 1),
    NewWarehouse(WEST, "West Coast, Oakland", 2),
]

# name, price in cents, description, in the east, in the west, low-stock threshold
_PRODUCTS = [
    ("Dell XPS 15", 129_900, "15.6-inch laptop, 32 GB, 1 TB SSD", 60, 40, 10),
    ("Apple MacBook Air 13", 109_900, "13.6-inch laptop, 16 GB, 512 GB SSD", 45, 30, 10),
    ("Lenovo ThinkPad X1 Carbon", 164_900, "14-inch business laptop, 32 GB, 1 TB SSD", 25, 15, 8),
    ("Framework Laptop 13", 104_900, "13.5-inch repairable laptop, 16 GB, 512 GB SSD", 12, 8, 5),
    ("Dell UltraSharp U2724D", 37_900, "27-inch QHD monitor, 120 Hz, IPS Black", 80, 70, 20),
    ("LG UltraGear 34GP83A", 79_900, "34-inch curved gaming monitor, 144 Hz", 18, 4, 10),
    ("Logitech MX Master 3S", 9_900, "Wireless mouse, 8000 dpi, quiet clicks", 250, 180, 50),
    ("Keychron K2 Pro", 10_900, "Wireless mechanical keyboard, 75 %, hot-swappable", 120, 95, 30),
    ("Apple Magic Keyboard", 12_900, "Wireless keyboard with Touch ID", 90, 60, 25),
    ("Sony WH-1000XM5", 39_900, "Noise-cancelling over-ear headphones", 75, 55, 20),
    (
        "Bose QuietComfort Ultra",
        42_900,
        "Noise-cancelling over-ear headphones, spatial audio",
        30,
        26,
        15,
    ),
    ("Jabra Evolve2 65", 26_900, "Wireless headset with boom microphone", 3, 2, 15),
    ("Logitech Brio 4K", 16_900, "4K webcam with privacy shutter", 64, 48, 20),
    ("Elgato Stream Deck MK.2", 14_900, "15 programmable LCD keys", 40, 22, 10),
    ("Anker 737 Power Bank", 14_900, "24 000 mAh, 140 W USB-C", 110, 130, 40),
    ("CalDigit TS4", 39_900, "Thunderbolt 4 dock, 18 ports, 98 W", 0, 9, 10),
    ("Samsung T7 Shield 2 TB", 17_900, "Portable SSD, 1050 MB/s, IP65", 140, 160, 40),
    ("SanDisk Extreme Pro 256 GB", 5_900, "SDXC card, 200 MB/s", 300, 220, 60),
    ("Ubiquiti UniFi U6 Pro", 15_900, "Wi-Fi 6 access point", 55, 35, 15),
    ("Raspberry Pi 5 8 GB", 8_000, "Single-board computer, 2.4 GHz quad core", 85, 65, 30),
    ("APC Back-UPS 1500", 22_900, "Uninterruptible power supply, 900 W", 20, 16, 8),
    ("Herman Miller Embody", 189_500, "Ergonomic office chair", 6, 5, 3),
]
PRODUCTS = [
    NewProduct(
        product_id=f"PROD-{number:03}",
        name=name,
        description=description,
        price=Money(cents, "USD"),
        low_stock_threshold=threshold,
        initial_stock=[
            InitialStock(where, units) for where, units in ((EAST, east), (WEST, west)) if units
        ],
    )
    for number, (name, cents, description, east, west, threshold) in enumerate(_PRODUCTS, 1)
]


async def seed(database_url: str) -> None:
    """Add the missing warehouses and products. Safe to run on every start.

    Existing products keep their stock, price and name.
    """
    async with Database.open(database_url, size=1, code=code_of("inventory")) as database:
        catalogue = connect(database).catalogue
        for warehouse in WAREHOUSES:
            with suppress(WarehouseExists):
                await catalogue.create_warehouse(warehouse)
        for product in PRODUCTS:
            with suppress(ProductExists):
                await catalogue.create_product(product, actor="demo")
