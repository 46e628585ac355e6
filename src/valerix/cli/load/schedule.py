"""The schedule of a run: what is requested and when.

It depends on the seed alone, so a run can be repeated.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

LINES: Final = ((1, 2, 3), (70, 20, 10))
"""Numbers of different products in an order, and their weights."""
QUANTITIES: Final = (1, 2, 3)
READS: Final = ("order", "list", "stock")
DEFAULT_METHOD: Final = "card_ok"


class Mix(NamedTuple):
    """The mix of requests.

    Products come in order of popularity: the n-th sells 1/n as often as the first (Zipf).
    """

    products: Sequence[str]
    customers: int
    payments: Mapping[str, float] = {}
    """Share of each payment method; the rest is paid with DEFAULT_METHOD."""
    reads: float = 1.0
    """Number of reads after each order, on average."""
    duplicates: float = 0.05
    """Share of the orders that are sent once more after their answer."""


class Visit(NamedTuple):
    """The requests of one customer: an order, perhaps the same order again, reads."""

    number: int
    at: float
    """Scheduled time in seconds after the start; always 0 without a rate."""
    customer: int
    items: dict[str, int]
    payment_method: str
    duplicate: bool
    reads: list[str]


def visits(mix: Mix, seed: int, rate: float | None) -> Iterator[Visit]:
    """Yield visits without end.

    At `rate` per second customers arrive at random (a Poisson process), however long the answers
    take.
    """
    choose = random.Random(seed)  # noqa: S311 - repeatable on purpose
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(mix.products) + 1)))
    methods = [*mix.payments, DEFAULT_METHOD]
    shares = [*mix.payments.values(), max(0.0, 1 - sum(mix.payments.values()))]
    at = 0.0
    for number in itertools.count():
        yield Visit(
            number,
            at,
            choose.randrange(mix.customers),
            _items(choose, mix.products, weights),
            choose.choices(methods, shares)[0],
            choose.random() < mix.duplicates,
            choose.choices(READS, k=int(mix.reads + choose.random())),
        )
        at += choose.expovariate(rate) if rate else 0.0


def _items(
    choose: random.Random, products: Sequence[str], weights: Sequence[float]
) -> dict[str, int]:
    count = choose.choices(*LINES)[0]
    wanted = choose.choices(products, cum_weights=weights, k=count)
    return {product: choose.choice(QUANTITIES) for product in wanted}
