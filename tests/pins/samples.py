"""Names that no single process sends: of databases, migrations, files, the gateway, RabbitMQ; and
words in the source.

A module's constant is pinned by its value only, so the constant itself may be renamed and moved.
"""

import ast
import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import msgspec
import pytest

from tests.pins.answers import MOMENT, Answers
from tests.pins.facts import Facts, Taken, settled, shape
from tests.pins.fakes import Database, Rabbit, Row, Rows
from tests.pins.places import find
from tests.pins.readings import WORD

SOURCE: Final = Path(__file__).parents[2] / "src" / "valerix"
CHECKED: Final = re.compile(r"(\w+)\s+text[^,]*?CHECK \(\w+ IN\s*\(([^)]*)\)", re.S)
FILES: Final = re.compile(r"\.(css|html|js|json|key|log|lua|md|pem|pid|sql|svg|toml|txt|yml|conf)$")
BROWSER: Final = re.compile(r"[\"'](valerix[._][a-z_.]+)[\"']")
CONSTANTS: Final = {
    "role": "roles",
    "in a header": "idempotency headers",
    "of a socket": "sockets",
    "of stock": "stock",
    "of a user": "users' words",
}
"""Kinds of values, with the places of their constants."""


def gather(folder: Path) -> Facts:
    """Returns these facts. `folder` has one folder for each observed process."""
    taken = Taken()
    own = folder / "samples"
    own.mkdir()
    _rabbit(taken)
    _databases(own, taken)
    _files(own, taken)
    _ledger(folder / "psp" / "psp" / "ledger", taken)
    _platform(own, taken)
    _states(taken)
    taken.add("formats", "id", find("id by names")(MOMENT, "a name", "another"))
    taken.add("formats", "customer", find("customer number")(7))
    taken.add("formats", "cursor", find("cursor")("a key", 7))
    for word in _words():
        taken.add("words", word)
    return taken.sorted()


# --- RabbitMQ


def _rabbit(taken: Taken) -> None:
    broker = Rabbit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aio_pika, "connect", broker.connect)
        asyncio.run(_tell_rabbit(broker))
    for line in broker.lines:
        taken.add("bus", "RabbitMQ", line)


async def _tell_rabbit(broker: Rabbit) -> None:
    async with find("amqp and redis buses")("amqp://broker", "pins") as bus:
        for source, consumers in find("consumers by source").items():
            await bus.declare([source], consumers)
            await bus.publish([find("bus message")(source, f"{source}-7", b"[]")])

        async def handle(_: Any) -> None: ...

        reading = asyncio.create_task(bus.subscribe("inventory", ["orders"], handle))
        await broker.consumed.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


# --- databases


class _Server(Answers):
    """Builds statements as PostgreSQL's `format` does, except for passwords."""

    def __call__(self, sql: str, arguments: Any) -> Rows:
        if "format(" not in sql:
            return []
        statement, names = arguments
        for name in names:
            kind = re.search("%[IL]", statement)
            assert kind is not None, f"{statement} has no place for {name}"
            statement = statement.replace(kind[0], name if kind[0] == "%I" else "…", 1)
        return [Row(text=statement)]


def _databases(folder: Path, taken: Taken) -> None:
    database = Database(_Server([]))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()):
        patch.setattr(asyncpg, "connect", database.connect)
        asyncio.run(
            find("preparing the databases")(
                find("job of the databases")(folder, 1, find("seeds")("nothing"))
            )
        )
    for url, sql, arguments in database.statements:
        place = urlsplit(url)
        name = place.path.strip("/")
        if (
            sql.startswith(("CREATE", "ALTER", "REVOKE"))
            and "schema_migrations" not in sql
            and name == "postgres"
        ):
            taken.add("databases", place.username, sql)
        elif "advisory" in sql:
            taken.add(
                "locks",
                "migrating",
                name,
                sql.removeprefix("SELECT ").partition("(")[0],
                *arguments,
            )
        elif "INSERT INTO schema_migrations" in sql:
            taken.add("databases", name, "role", place.username)
            taken.add("migrations", name, *arguments)


def checksums() -> set[str]:
    """Returns the checksums of the migration files."""
    files = list(SOURCE.rglob("migrations/*.sql"))
    assert files, "there are migrations"
    return {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- files below the data directory


def _files(folder: Path, taken: Taken) -> None:
    credentials = find("credentials")(folder)
    for name in [
        name for name, value in vars(type(credentials)).items() if isinstance(value, property)
    ]:
        getattr(credentials, name)
    find("making keys")(credentials)
    _write_state(folder)
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # whether PostgreSQL needs another account depends on the machine
        patch.setattr(find("PostgreSQL"), "unprivileged_account", lambda: None)
        cluster, _ = find("cluster of a plan")(_plan(folder))
    taken.add("disk", "cluster", cluster.folder.relative_to(folder))
    for name in find("gateways"):
        plan = msgspec.structs.replace(
            _plan(folder), gateway=find("gateway's settings")(gateway=name)
        )
        find("running programs")(plan, credentials, cluster, find("gateway of a plan")(plan, None))
    find("making certificates")(folder / "tls")
    with find("holding a data directory")(folder):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                taken.add("disk", "file", file.relative_to(folder))
    taken.add("disk", "file", find("log file")(folder, "orders").relative_to(folder))
    for name in ("secrets/users.jwk", "secrets/jwks.json", "run/state.json"):
        document = json.loads((folder / name).read_bytes())
        for way in shape(document):
            taken.add("disk", name, "has", way)
    for kind in ("state phases", "state of a process"):
        for one in find(kind):
            taken.add("disk", "run/state.json", "says", one.value)
    key = json.loads((folder / "secrets" / "users.jwk").read_bytes())
    taken.add("disk", "key", *(f"{name}={key[name]}" for name in ("alg", "crv", "kty", "use")))


def _write_state(folder: Path) -> None:
    (folder / "run").mkdir()
    identity = find("identity of a process")(1, "1")
    state = find("stack state")(
        identity, folder, find("state phases")("ready"), {"orders": 1}, {"orders": 1}, True
    )
    state.processes["orders"] = find("process state")(
        "orders", 1, identity=identity, started_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    find("writing state")(state)


def _ledger(file: Path, taken: Taken) -> None:
    for line in file.read_text().splitlines():
        taken.add("disk", "psp/ledger", settled(line))


# --- the platform


def _platform(folder: Path, taken: Taken) -> None:
    topology, settings = find("table of processes"), find("gateway's settings")()
    for process in topology.PROCESSES:
        facts = {
            name: getattr(process, name)
            for name in ("port", "database", "issuer", "resources", "paths", "health")
        }
        for name, value in facts.items():
            for one in value if isinstance(value, tuple) else (value,):
                taken.add("processes", process.name, name, one)
    for name in type(settings).__struct_fields__:
        taken.add("settings", "gateway", f"VALERIX_{name.upper()}")
    contract = find("gateway's contract")
    for route in contract.routes(_plan(folder).instances):
        to = f"only {route.target}" if route.single else route.target
        as_path = [] if route.rewrite == contract.Rewrite.NONE else ["as", route.rewrite]
        for path in route.exact:
            taken.add("gateway", path, "to", to, *as_path)
        for path in route.beneath:
            taken.add("gateway", f"{path}…", "to", to, *as_path)
    for header in contract.IDENTITY_HEADERS:
        taken.add("gateway", "header taken over:", header)
    for source, names in find("events by source").items():
        for name in names:
            taken.add("events", "of", source, name)
    for source, consumers in find("consumers by source").items():
        for consumer in consumers:
            taken.add("events", "of", source, "go to", consumer)


def _plan(folder: Path) -> Any:
    ports, settings = dict(find("table of processes").DEFAULT_PORTS), find("gateway's settings")()
    return find("plan of a stack")(data_dir=folder, ports=ports, gateway=settings)


# --- states and words


def _states(taken: Taken) -> None:
    for name in ("order transitions", "payment transitions"):
        for state, following in find(name).items():
            taken.add(
                "states", name.split(" ")[0], state, "to", ",".join(sorted(following)) or "nothing"
            )
    for state in find("sending states"):
        taken.add("states", "notification", state)
    for state in find("reservation states"):
        taken.add("states", "word", "of stock", state)
    for method in find("payment methods"):
        taken.add("states", "payment method", method)
    for what, place in CONSTANTS.items():
        for value in _constants(find(place)):
            taken.add("states", "word", what, value)
    for file in SOURCE.rglob("migrations/*.sql"):
        for column, values in CHECKED.findall(file.read_text()):
            for value in re.findall(r"'(\w+)'", values):
                taken.add("states", "in the database", file.parent.parent.name, column, value)


def _constants(module: Any) -> Iterator[str]:
    for name, value in vars(module).items():
        if name.isupper():
            yield from (
                str(one)
                for one in (value if isinstance(value, tuple) else (value,))
                if type(one) in (str, int)
            )


def _words() -> set[str]:
    """Returns words of the form `order.delayed` in the source; `{}` stands for an inserted part."""
    found = {word for file in SOURCE.rglob("*.py") for word in _dotted(ast.parse(file.read_text()))}
    found |= {
        word
        for file in (SOURCE / "console").rglob("js/**/*.js")
        for word in BROWSER.findall(file.read_text())
    }
    return {word for word in found if not FILES.search(word)}


def _dotted(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(
                str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values
            )
        if WORD.fullmatch(text.replace("{}", "x")) and not text.startswith(
            ("valerix.", "http.", "websocket.", "{}")
        ):
            yield text
