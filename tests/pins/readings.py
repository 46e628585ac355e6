"""Reads names from the output of an observed process: its statements, commands, calls, documents,
metrics and problems.
"""

import gc
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import jwt
import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from tests.pins.answers import BROKEN, ID
from tests.pins.facts import Taken, settled, shape
from tests.pins.fakes import Statement
from tests.pins.places import find
from tests.pins.requests import Asked

BY_ITSELF: Final = (
    "bus",
    "calls",
    "events",
    "inboxes",
    "locks",
    "notifications",
    "stored",
    "valkey",
)
"""Sections of facts that occur in the background of a process."""
WORD: Final = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
REFERENCE: Final = re.compile(r"(order|refund)-.+")
HASH_BYTES: Final = 32


# --- metrics and problems


def metrics() -> set[str]:
    """Returns `name type labels` of all registries, without the library's own metrics of the
    process.
    """
    registries = [one for one in gc.get_objects() if isinstance(one, CollectorRegistry)]
    collectors = [collector for one in registries for collector in list(one._collector_to_names)]
    return {
        line
        for collector in collectors
        if isinstance(collector, MetricWrapperBase)
        or not type(collector).__module__.startswith("prometheus_client")
        for line in _families(collector)
    }


def _families(collector: Any) -> Iterator[str]:
    for family in collector.collect():
        labels = getattr(collector, "_labelnames", None) or getattr(family, "_labelnames", None)
        if labels is None:  # a family that consists of samples only
            labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield " ".join((name, family.type, ",".join(sorted(labels)))).strip()


def problems() -> set[str]:
    """Returns `status code` of every problem that this process can answer with."""
    found = {f"{kind.status} {error.code}" for error, kind in find("problem types").items()}
    return found | {f"{one.status} {one.code}" for one in _subclasses(find("problem"))}


def _subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for one in kind.__subclasses__():
        yield from _subclasses(one)


# --- tokens


def tokens(name: str, credentials: Any, taken: Taken) -> dict[str, str]:
    """Returns tokens by the values of `requests.Asked.by`."""
    people = find("token issuer")(credentials.signing_key_file("users"))
    services = find("token issuer")(credentials.signing_key_file("orders"))
    who = {"subject": ID, "role": "admin", "audience": "valerix", "ttl_seconds": 600}
    made = {
        "admin": people.issue(**who, owner_id="CUST-001"),
        "cookie": people.issue(**who, session_id=ID, csrf="csrf"),
        "service": services.for_service(name),
        "merchant": credentials.psp_secret,
    }
    for kind in ("admin", "cookie", "service"):
        claims = jwt.decode(made[kind], options={"verify_signature": False})
        for claim, value in claims.items():
            shown = value if claim in ("iss", "aud", "role", "own") else ""
            taken.add(
                "tokens",
                kind,
                f"for {name}" if (kind, claim) == ("service", "aud") else "",
                "claim",
                claim,
                shown,
            )
        header = jwt.get_unverified_header(made[kind])
        taken.add(
            "tokens",
            kind,
            *(f"{key}={_without_chance(value)}" for key, value in sorted(header.items())),
        )
    return made


def _without_chance(text: str) -> str:
    return re.sub(r":[0-9a-f]{8}$", ":<8 hex digits>", text)


# --- statements


def of_statements(name: str, statements: Sequence[Statement], taken: Taken) -> None:
    """Reads locks, marks of inboxes, notifications and stored words."""
    for statement in statements:
        if found := re.search(r"pg_\w*advisory\w*", statement.sql):
            taken.add("locks", name, found[0], *statement.arguments)
        elif "INSERT INTO inbox" in statement.sql:
            consumer, ids = statement.arguments[:2]
            for one in ids:
                if one.startswith(BROKEN) or "#" not in one:  # the other messages of a batch vary
                    taken.add("inboxes", name, f"consumer={consumer}", f"message={one}")
        elif "INSERT INTO notifications" in statement.sql and isinstance(
            statement.arguments[0], list | tuple
        ):
            for columns in zip(*statement.arguments[:5], strict=True):
                taken.add("notifications", name, *columns)
        for value in _flat(statement.arguments):
            _of_value(name, value, taken)


def _of_value(name: str, value: Any, taken: Taken) -> None:
    if isinstance(value, msgspec.Struct):
        value = msgspec.json.encode(value).decode()
    if not isinstance(value, str):
        return
    if WORD.fullmatch(value):
        taken.add("stored", name, "word", value)
    elif REFERENCE.fullmatch(value):
        taken.add("stored", name, "reference", settled(value))
    elif value.startswith("$argon2"):
        taken.add("stored", name, "hash of a password", "$".join(value.split("$")[:3]))
    elif value.startswith("[["):
        taken.add("stored", name, "compact", value)
    elif value.startswith(('{"', "[{")):
        document = json.loads(value)
        for way in shape(document):
            taken.add("stored", name, "document", way)
        for step in document if isinstance(document, list) and "attempt" in value else ():
            taken.add("stored", name, "step", step["name"], step["outcome"])


def of_request(name: str, asked: Asked, statements: Sequence[Statement], taken: Taken) -> None:
    """Reads the hashes that it looks up and stores for one request: keys, fingerprints, tokens."""
    values = [value for statement in statements for value in _flat(statement.arguments)]
    hashes = [value for value in values if isinstance(value, bytes) and len(value) == HASH_BYTES]
    for place, value in enumerate(dict.fromkeys(hashes), 1):
        taken.add("hashes", name, asked.name, f"#{place}", value.hex())


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        else:
            yield value


# --- commands to Valkey

PASSED_OVER: Final = re.compile(
    "AUTH|CLIENT|DEL|EVAL|EVALSHA|EXEC|GET|HDEL|HELLO|HGET|HGETALL|MONITOR|MULTI|PING|SCRIPT|"
    "SELECT|TIME|UNSUBSCRIBE|UNWATCH|WAITAOF|WATCH|XACK|XAUTOCLAIM|XINFO|XPENDING|XTRIM"
)
"""Commands that write nothing, or whose names occur in another command."""


def of_command(name: str, command: str, taken: Taken) -> None:
    words = command.split(" ")
    verb = words[0].upper()
    if verb == "XADD":
        if not words[4].startswith("pins:"):  # those are published by the observer
            taken.add("bus", name, "Valkey stream", words[1], "fields", words[3], words[5])
            for event in json.loads(command.partition(" body ")[2]):
                _of_event(name, words[4], event, taken)
    elif verb == "XGROUP":
        taken.add("bus", name, "Valkey group", words[2], words[3])
    elif verb == "XREADGROUP":
        taken.add(
            "bus", name, "Valkey consumer", words[words.index("STREAMS") + 1], words[2], words[3]
        )
    elif verb == "HINCRBY":
        taken.add("valkey", name, verb, words[1], settled(" ".join(words[2:-1])))
    elif not PASSED_OVER.fullmatch(verb):
        taken.add("valkey", name, verb, settled(" ".join(words[1 : 3 if verb == "HSET" else 2])))


def _of_event(name: str, message: str, event: dict[str, Any], taken: Taken) -> None:
    shown = " ".join(
        f"{key}={event[key]}" for key in ("type", "source", "id", "subject", "specversion")
    )
    taken.add("events", name, f"message={message}", shown, f"attributes={','.join(sorted(event))}")


# --- calls of other services, and the process's own document


def of_calls(name: str, calls: Sequence[tuple[str, str, list[str], Any]], taken: Taken) -> None:
    for method, path, headers, body in calls:
        if path in ("/metrics", "/health"):
            continue
        taken.add("calls", name, method, path)
        for way in shape(body) if isinstance(body, dict) else ():
            taken.add("calls", name, method, path, "field", way)
        for header in headers:
            taken.add("headers", name, "sends", header)


def of_openapi(name: str, document: dict[str, Any], taken: Taken) -> None:
    """Reads operations with their parameters, names of schemas, and values of enumerations."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            taken.add("operations", name, operation["operationId"], method.upper(), path)
            for one in operation.get("parameters", ()):
                taken.add("operations", name, operation["operationId"], one["in"], one["name"])
    schemas = document["components"]["schemas"]
    for component in schemas:  # generated clients name their classes after these
        taken.add("operations", name, "schema", component)
    for schema in schemas.values():
        for field, inner in schema.get("properties", {}).items():
            for one in (inner, *inner.get("anyOf", ()), *inner.get("oneOf", ())):
                named = schemas.get(one.get("$ref", "").rpartition("/")[2], {})
                for word in [*one.get("enum", ()), *named.get("enum", ()), one.get("const")]:
                    if word is not None:
                        taken.add("choices", field, word)
