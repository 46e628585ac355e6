"""`load`: its options, the choice of customers, and the event loop."""

import asyncio
import random
import signal
from contextlib import AsyncExitStack
from typing import Annotated, Final, NamedTuple

import typer
import uvloop
from pyreqwest.client import ClientBuilder

from valerix.cli.failures import report as report_failure
from valerix.cli.installation import Installation
from valerix.cli.load.report import LoadReport, show
from valerix.cli.load.run import LoadRun, Pace
from valerix.cli.load.schedule import Mix, visits
from valerix.cli.load.stock import Shelves
from valerix.cli.load.tally import Tally
from valerix.cli.load.visiting import Caller, Customer, Shop
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.orders import OnShortage
from valerix.cli.output import console, print_json
from valerix.cli.session import Token, Url, find
from valerix.client import AsyncValerix, ValerixError, transport
from valerix.client.asynchronous import Runner
from valerix.client.models import User
from valerix.client.session import DEFAULT_RETRY_SECONDS, Session
from valerix.contracts.ids import new_id
from valerix.contracts.payment_methods import METHODS
from valerix.launcher.summary import OPERATOR

DEFAULT_RATE: Final = 20.0
DEFAULT_SECONDS: Final = 30.0
DEMO_CUSTOMERS: Final = [f"CUST-{number:03}" for number in range(1, 11)]


class LoadOptions(NamedTuple):
    """The options of the command line."""

    pace: Pace
    seed: int
    customers: list[str]
    products: list[str]
    payments: dict[str, float]
    reads: float
    duplicates: float
    on_shortage: str
    restock: bool


def load(
    context: typer.Context,
    data_dir: DataDir,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Orders per second, whatever the answers take (open loop). "
            f"Default {DEFAULT_RATE:g}.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Instead of --rate: concurrent orders, each answer starts the next (closed loop).",
        ),
    ] = None,
    orders: Annotated[
        int | None, typer.Option(min=1, help="Stop after this number of orders.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for",
            min=0.1,
            help=f"Stop after this number of seconds. Default {DEFAULT_SECONDS:g}.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The same seed repeats the same sequence of requests.")
    ] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option(help="Number of a customer; repeatable. Default: the demo customers."),
    ] = None,
    product: Annotated[
        list[str] | None,
        typer.Option(help="Product to order, most popular first; repeatable. Default: all."),
    ] = None,
    payment: Annotated[
        list[str] | None, typer.Option(help="METHOD=SHARE, e.g. card_declined=0.05; repeatable.")
    ] = None,
    reads: Annotated[
        float, typer.Option(min=0, max=100, help="Reads after each order, on average.")
    ] = 1.0,
    duplicates: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of orders that are sent again under their key."),
    ] = 0.05,
    on_shortage: Annotated[
        OnShortage, typer.Option(help="What orders do if stock is short.")
    ] = OnShortage.REJECT,
    restock: Annotated[
        bool, typer.Option("--restock/--no-restock", help="Add stock before it runs out.")
    ] = True,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the last definite answers at the end.")
    ] = 120.0,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Place orders as many customers would, and report every order that did not go smoothly.

    An order is sent again under its key until its answer is definite.

    Ctrl-C ends the sending; pressed again, it ends the waiting.

    Exit status 0 if all answers are definite and contradict no guarantee; 130 if interrupted.
    """
    if rate is not None and concurrency is not None:
        raise typer.BadParameter("Give either --rate or --concurrency")
    if rate is None and concurrency is None:
        rate = DEFAULT_RATE
    limit = seconds or (float("inf") if orders else DEFAULT_SECONDS)
    if seed is None:
        seed = random.randrange(1_000_000)  # noqa: S311 - identifies a run, guards nothing
    options = LoadOptions(
        Pace(rate, concurrency, orders, limit, settle),
        seed,
        customer or [],
        product or [],
        _shares(payment or []),
        reads,
        duplicates,
        on_shortage.value,
        restock,
    )
    installation = find(context, data_dir, url, token)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_run(installation, options))
    except ValerixError as error:
        report_failure(error, installation, as_json=as_json)
        raise typer.Exit(1) from None
    print_json(report) if as_json else show(console(), report)
    if report.interrupted or not report.ok:
        raise typer.Exit(130 if report.interrupted and report.ok else 1)


def _shares(texts: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for text in texts:
        method, _, share = text.partition("=")
        try:
            shares[method] = float(share)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is not METHOD=SHARE, e.g. card_declined=0.05"
            ) from None
        if method not in METHODS or shares[method] < 0:
            raise typer.BadParameter(
                f"{text!r}: the methods are {', '.join(METHODS)}, their shares 0 to 1"
            )
    if sum(shares.values()) > 1:
        raise typer.BadParameter("The shares of the payment methods add up to more than 1")
    return shares


async def _run(installation: Installation, options: LoadOptions) -> LoadReport:
    """Run the load against the installation. Raises ValerixError if it cannot begin."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        staff = await stack.enter_async_context(
            AsyncValerix(
                installation.url,
                email=installation.email,
                password=installation.password,
                token=installation.token,
            )
        )
        me = await staff.users.me()
        customers = await _customers(stack, staff, me, installation, options)
        products = options.products or [
            item.product_id async for item in staff.inventory.list() if item.warehouses
        ]
        if not products:
            raise typer.BadParameter(
                "The installation has no products in stock: name products with --product"
            )
        shelves = (
            Shelves(staff, tally, products, options.pace.orders)
            if options.restock and not me.customer_id
            else None
        )
        run = LoadRun(
            options.pace,
            Shop(customers, tally, new_id(), options.on_shortage),
            staff,
            shelves,
            tally,
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, run.interrupt)
        mix = Mix(products, len(customers), options.payments, options.reads, options.duplicates)
        return await run.to_the_end(visits(mix, options.seed, options.pace.rate), options.seed)


async def _customers(
    stack: AsyncExitStack,
    staff: AsyncValerix,
    me: User,
    installation: Installation,
    options: LoadOptions,
) -> list[Customer]:
    """Return the customers with their sessions.

    On a stack with demo accounts the customers sign in themselves; elsewhere staff order on their
    behalf. A customer's own login orders for that customer only.
    """
    http = transport.configured(
        ClientBuilder(), installation.url, transport.DEFAULT_TIMEOUT_SECONDS
    ).build()
    stack.push_async_callback(http.close)

    async def signed_in(email: str | None, password: str | None) -> Caller:
        session = Session(
            email=email,
            password=password,
            token=installation.token,
            retry_seconds=DEFAULT_RETRY_SECONDS,
        )
        caller = Caller(session, Runner(session, installation.url, http))
        await caller.sign_in()
        return caller

    on_behalf = await signed_in(installation.email, installation.password)
    if me.customer_id is not None:
        return [Customer(me.customer_id, on_behalf)]
    numbers = options.customers or [
        number for number in DEMO_CUSTOMERS if await _may_order(staff, number)
    ]
    if not numbers:
        raise typer.BadParameter("There are no demo customers: name customers with --customer")
    if installation.email != OPERATOR:
        return [Customer(number, on_behalf) for number in numbers]
    emails = [(await staff.customers.get(number)).email for number in numbers]
    callers = await asyncio.gather(*(signed_in(email, installation.password) for email in emails))
    return [Customer(number, caller) for number, caller in zip(numbers, callers, strict=True)]


async def _may_order(staff: AsyncValerix, customer_id: str) -> bool:
    return (await staff.customers.validate(customer_id)).valid
