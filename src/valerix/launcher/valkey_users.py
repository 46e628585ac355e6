"""The rights of each process in Valkey: a user with the commands, keys and channels it needs."""

from collections.abc import Iterator
from typing import Final

from valerix.contracts.events import ACT_SOURCES, ACTS, CONSUMERS, NOTIFICATIONS, SOURCES, USERS
from valerix.launcher.topology import BY_NAME, PROCESSES, PSP, Process

LAUNCHER: Final = "launcher"
"""User of the launcher for its health probe. Benchmarks count the rest of the streams with it."""
CONNECTING: Final = "+ping +client|setinfo"
IN_TRANSACTIONS: Final = "+multi +exec +discard +unwatch"
SCRIPTS: Final = "+script|load"
PUBLISHING: Final = "+xadd +xtrim +xpending +xinfo|groups +xgroup|create"
CONSUMING: Final = "+xreadgroup +xack +xautoclaim +xpending +xinfo|groups +xgroup|create"
LEASING: Final = "+evalsha +get +set +del"
LIMITING: Final = "+evalsha +get +set"
FAULTS: Final = "+get +set +watch +hset +hdel +hgetall +eval +hget +hincrby"
CHANNELS: Final = "+publish +subscribe +unsubscribe"
COUNTING: Final = "+scan (+xinfo|stream +xinfo|groups +xpending %R~bus:*)"

NAMES: Final = tuple(
    process.name for process in PROCESSES if process.is_service and process.name != PSP
)
"""Services that have a Valkey user of the same name."""


def rules(name: str, *, chaos: bool) -> str:
    """Return a user's rules, as `ACL SETUSER` takes them.

    Each parenthesis (a selector) grants its commands on its keys and on no others. `chaos`: whether
    faults may be injected. All services share the faults' keys, because each service can list and
    end all faults.
    """
    if name == LAUNCHER:
        return f"{CONNECTING} {COUNTING}"
    grants = [CONNECTING, IN_TRANSACTIONS, *_bus(BY_NAME[name])]
    if name == USERS:
        grants.append(f"{SCRIPTS} +time ({LIMITING} ~limit:*)")
    if name == NOTIFICATIONS:
        grants.append(f"({CHANNELS} &valerix:notifications:*)")
    if chaos:
        grants.append(f"({FAULTS} ~valerix:chaos ~valerix:chaos:*) ({CHANNELS} &valerix:chaos:*)")
    return " ".join(grants)


def _bus(process: Process) -> Iterator[str]:
    """Yield the grants for the bus.

    Each process with a database publishes from its outbox and consumes into its inbox.
    """
    own = process.database
    topics = [*([own] if own in SOURCES else []), *([ACTS] if own in ACT_SOURCES else [])]
    if topics:
        yield f"+waitaof ({PUBLISHING} {_keys(topics)})"
    consumed = [topic for topic, consumers in CONSUMERS.items() if own in consumers]
    if consumed:
        leases = [f"{topic}:lease:{own}" for topic in consumed]
        yield f"{SCRIPTS} ({CONSUMING} {_keys(consumed)}) ({LEASING} {_keys(leases)})"


def _keys(names: list[str]) -> str:
    return " ".join(f"~bus:{name}" for name in names)
