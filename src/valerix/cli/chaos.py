"""`chaos`: injects faults on purpose, shows them, and ends them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from valerix.cli.default_command import DefaultCommand
from valerix.cli.installation import Installation
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, moment, print_json, table
from valerix.cli.session import Token, Url, find, talk
from valerix.client import Valerix
from valerix.client.models import Fault, ServiceChaos
from valerix.launcher.terminal import say
from valerix.launcher.topology import SERVICES

PROVIDER: Final = "psp"
NAMES: Final = tuple(sorted(process.name for process in SERVICES))
UNITS: Final = {"s": 1, "m": 60, "h": 3600}


class StatusByDefault(DefaultCommand):
    """Makes `chaos` alone mean `chaos status`."""

    default = "status"


app = typer.Typer(
    help="Break a service on purpose: every fault ends by itself.", cls=StatusByDefault
)


class Action(StrEnum):
    """What happens at a failpoint."""

    KILL = "kill"
    HANG = "hang"
    DROP = "drop"
    ERROR = "error"


def _known(service: str | None) -> str | None:
    if service is not None and service not in NAMES:
        raise typer.BadParameter(f"{service!r} is none of {', '.join(NAMES)}")
    return service


def _seconds(given: str | int) -> int:
    text = str(given)  # typer passes the default as a number
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    if not number.isdecimal() or not 1 <= int(number) * UNITS[unit] <= 3600:
        raise typer.BadParameter("Give 1 to 3600 seconds, or 1m to 60m")
    return int(number) * UNITS[unit]


Service = Annotated[str, typer.Argument(callback=_known, help=f"One of {', '.join(NAMES)}.")]
AnyService = Annotated[
    str | None,
    typer.Argument(metavar="[SERVICE]", callback=_known, help="One service; all if left out."),
]
Duration = Annotated[
    int,
    typer.Option(
        "--for", metavar="SECONDS", parser=_seconds, help="How long the fault lasts; also 5m, 1h."
    ),
]
Match = Annotated[
    str | None,
    typer.Option(
        "--match",
        metavar="PATH",
        help="Only requests to paths of the service that begin with this.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--next", min=1, max=1000, help="How often it strikes; by default until it ends."),
]
Next = Annotated[
    int, typer.Option("--next", min=1, max=1000, help="How often it strikes, over all copies.")
]


@contextmanager
def _admin(
    context: typer.Context, data_dir: Any, url: str | None, token: str | None, *, as_json: bool
) -> Iterator[tuple[Valerix, Installation]]:
    installation = find(context, data_dir, url, token, administrator=True)
    with talk(installation, as_json=as_json) as valerix:
        yield valerix, installation


@app.command()
def status(
    context: typer.Context,
    data_dir: DataDir,
    service: AnyService = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show the faults that are injected now. `chaos` alone means this."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        services = _get_services(valerix, service)
    if as_json:
        print_json({"items": services})
        return
    rows = [(one.service, fault) for one in services for fault in one.active]
    if not rows:
        say("Nothing is injected.")
        say(f"Next: {installation.command('chaos gremlin inventory --every 1 --delay-ms 3000')}")
        return
    _print_table("left", rows, lambda fault: f"{_left(fault)} s")
    say(f"Next: {installation.command('chaos stop')}")


@app.command()
def history(
    context: typer.Context,
    data_dir: DataDir,
    service: AnyService = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show the faults that have ended, the latest last."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, _):
        services = _get_services(valerix, service)
    rows = sorted(
        ((one.service, fault) for one in services for fault in one.history),
        key=lambda row: row[1].since,
    )
    if as_json:
        print_json({"items": [{"service": name, "fault": fault} for name, fault in rows]})
    elif rows:
        _print_table("ended", rows, lambda fault: fault.state)
    else:
        say("Nothing was injected before.")


@app.command()
def points(
    context: typer.Context,
    data_dir: DataDir,
    service: AnyService = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """List the failpoints, dependencies and behaviours that the other commands take."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        services = _get_services(valerix, service)
    if as_json:
        print_json({"items": services})
        return
    made = table("service", "what", "name")
    for one in services:
        for what, names in (
            ("cut", one.dependencies),
            ("provider", one.behaviours),
            ("failpoint", one.failpoints),
        ):
            for name in names:
                made.add_row(one.service, what, name)
    console().print(made)
    say(f"Next: {installation.command('chaos failpoint orders orders.accepted --action kill')}")


@app.command()
def breakers(
    context: typer.Context,
    data_dir: DataDir,
    copy: Annotated[str, typer.Argument(help="One copy of a service, e.g. orders-2.")] = "orders",
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show how a service copes: circuit breakers, retries, load, answers of the last 30 s."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, _):
        found = valerix.chaos.resilience(copy)
    if as_json:
        print_json(found)
        return
    made = table(
        "calls to",
        "breaker",
        "last 10 s",
        "failed",
        "repeated",
        right=("last 10 s", "failed", "repeated"),
    )
    for one in found.dependencies:
        trial = f", one may try in {one.trial_in_seconds:.0f} s" if one.state == "open" else ""
        made.add_row(
            one.name,
            one.state + trial,
            str(one.window.calls),
            str(one.window.failures),
            str(one.retries),
        )
    console().print(made)
    door = found.door
    say(f"arriving requests: {door.in_flight} of {door.limit}, {door.shed} turned away so far")
    if found.responses is not None and found.responses.average_seconds is not None:
        answers = found.responses
        say(
            f"average answer to an order, last {answers.window_seconds:.0f} s: "
            f"{answers.average_seconds:.2f} s ({answers.count} orders)"
        )


@app.command()
def gremlin(
    context: typer.Context,
    service: Service,
    data_dir: DataDir,
    every: Annotated[
        int, typer.Option(min=1, help="Delay every Nth request, counted by each copy.")
    ] = 5,
    delay_ms: Annotated[
        int, typer.Option(min=1, max=600_000, help="Delay of each such request.")
    ] = 3000,
    times: Limit = None,
    match: Match = None,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Delay every Nth request."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        done = valerix.chaos.gremlin(
            service, every=every, delay_ms=delay_ms, times=times, path=match, seconds=seconds
        )
        _print_injected(done, installation, as_json=as_json)


@app.command()
def crash(
    context: typer.Context,
    service: Service,
    data_dir: DataDir,
    kill: Annotated[
        bool, typer.Option("--kill/--drop", help="Kill the process, or only drop the connection.")
    ] = False,
    times: Next = 1,
    match: Match = None,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Drop the connection or kill the process between commit and reply, for the next changes."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        done = valerix.chaos.crash(
            service, how="kill" if kill else "drop", times=times, path=match, seconds=seconds
        )
        _print_injected(done, installation, as_json=as_json)


@app.command()
def errors(
    context: typer.Context,
    service: Service,
    data_dir: DataDir,
    fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the requests.")] = 0.5,
    match: Match = None,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Answer a share of the requests with 503."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        done = valerix.chaos.errors(service, fraction=fraction, path=match, seconds=seconds)
        _print_injected(done, installation, as_json=as_json)


@app.command()
def cut(
    context: typer.Context,
    service: Service,
    dependency: Annotated[str, typer.Argument(help="Service that it can no longer reach.")],
    data_dir: DataDir,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Cut a service off from another, as if the network between them were gone."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        _print_injected(
            valerix.chaos.cut(service, dependency, seconds=seconds), installation, as_json=as_json
        )


@app.command()
def provider(
    context: typer.Context,
    behaviour: Annotated[
        str, typer.Argument(help="decline, timeout-before, timeout-after, error-after, …")
    ],
    data_dir: DataDir,
    fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the requests.")] = 1.0,
    times: Limit = None,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Make the payment provider misbehave.

    It can decline, time out before or after the effect, answer 500 after it, answer 429, or stall.
    """
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        done = valerix.chaos.behaviour(
            PROVIDER, behaviour, fraction=fraction, times=times, seconds=seconds
        )
        _print_injected(done, installation, as_json=as_json)


@app.command()
def failpoint(
    context: typer.Context,
    service: Service,
    point: Annotated[str, typer.Argument(help="Name of the failpoint; see `chaos points`.")],
    data_dir: DataDir,
    action: Annotated[Action, typer.Option(help="What happens at the failpoint.")] = Action.KILL,
    delay_ms: Annotated[
        int, typer.Option(min=1, max=600_000, help="How long `hang` takes.")
    ] = 3000,
    times: Next = 1,
    seconds: Duration = 60,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Inject a fault at a named point between two durable steps."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        done = valerix.chaos.failpoint(
            service, point, action=action.value, delay_ms=delay_ms, times=times, seconds=seconds
        )
        _print_injected(done, installation, as_json=as_json)


@app.command()
def stop(
    context: typer.Context,
    data_dir: DataDir,
    service: AnyService = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """End every fault at once, of one service or of all."""
    with _admin(context, data_dir, url, token, as_json=as_json) as (valerix, installation):
        before = sum(len(one.active) for one in _get_services(valerix, service))
        after = valerix.chaos.stop_all().items if service is None else [valerix.chaos.stop(service)]
    if as_json:
        print_json({"items": after})
        return
    say(
        "Nothing was injected."
        if not before
        else f"Ended {before} fault{'s' if before > 1 else ''}."
    )
    say(f"Next: {installation.command('chaos history')}")


# --- output


def _get_services(valerix: Valerix, service: str | None) -> list[ServiceChaos]:
    return valerix.chaos.overview().items if service is None else [valerix.chaos.get(service)]


def _print_injected(state: ServiceChaos, installation: Installation, *, as_json: bool) -> None:
    """Print the latest fault of `state`, which was read right after its injection."""
    if as_json:
        print_json(state)
        return
    latest = state.active[0]
    say(f"{state.service}: {describe(latest.fault)}")
    say(f"until {moment(latest.until)} ({_left(latest)} s), in force in {', '.join(state.copies)}")
    say(f"Next: {', '.join(map(installation.command, ('load', 'chaos', 'chaos stop')))}")


def describe(fault: dict[str, Any]) -> str:
    """Return a fault in words."""
    where = f" of {fault['path']}" if fault.get("path") else ""
    count = fault.get("times")
    times = "" if count is None else ", once" if count == 1 else f", {count} times"
    match fault["kind"]:
        case "gremlin":
            which = "every request" if fault["every"] == 1 else f"one request in {fault['every']}"
            return f"{which}{where} waits {fault['delayMs']} ms{times}"
        case "crash":
            what = (
                "the process is killed" if fault["how"] == "kill" else "the connection is dropped"
            )
            return f"after a change{where} is committed and before its reply, {what}{times}"
        case "errors":
            return f"{fault['fraction']:.0%} of the requests{where} are answered 503"
        case "cut":
            return f"calls to {fault['dependency']} fail as if the network were gone"
        case "failpoint":
            action = f"hang {fault['delayMs']} ms" if fault["action"] == "hang" else fault["action"]
            return f"at {fault['point']}: {action}{times}"
        case _:
            share = (
                "" if fault["fraction"] == 1 else f" for {fault['fraction']:.0%} of the requests"
            )
            return f"behaviour {fault['name']}{share}{times}"


def _print_table(last: str, rows: list[tuple[str, Fault]], cell: Callable[[Fault], str]) -> None:
    made = table("service", "what", "struck", "since", last, right=("struck",))
    for service, fault in rows:
        struck = f"{fault.strikes}{_by_copy(fault)}"
        made.add_row(service, describe(fault.fault), struck, moment(fault.since), cell(fault))
    console().print(made)


def _by_copy(fault: Fault) -> str:
    if len(fault.strikes_by_copy) < 2:
        return ""
    strikes = (f"{name} {count}" for name, count in sorted(fault.strikes_by_copy.items()))
    return f" ({', '.join(strikes)})"


def _left(fault: Fault) -> int:
    return max(0, round((fault.until - datetime.now(UTC)).total_seconds()))
