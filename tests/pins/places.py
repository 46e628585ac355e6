"""The one table of module paths that the gatherers need for names that they cannot observe from
outside.

A process is observed in a separate interpreter, and the imported modules determine its metrics and
its failpoints. So a place is imported on request, not before. A path is a module, or an attribute
of a module after a colon.
"""

import importlib
from typing import Any, Final

PLACES: Final = {
    "amqp and redis buses": "valerix.chassis.messaging.bus.connect:open_bus",
    "bus message": "valerix.chassis.messaging.bus.base:Message",
    "cluster of a plan": "valerix.launcher.programs:cluster_of",
    "consumers by source": "valerix.contracts.events:CONSUMERS",
    "credentials": "valerix.launcher.credentials:Credentials",
    "cursor": "valerix.chassis.base.pagination:encode_cursor",
    "customer number": "valerix.users.domain:customer_number",
    "environment of a process": "valerix.launcher.programs:environment",
    "events by source": "valerix.contracts.events:BY_SOURCE",
    "gateway of a plan": "valerix.launcher.programs:gateway_of",
    "gateway's contract": "valerix.launcher.gateways.contract",
    "gateway's settings": "valerix.launcher.settings:GatewaySettings",
    "gateways": "valerix.launcher.gateways:GATEWAYS",
    "holding a data directory": "valerix.launcher.state:only_launcher",
    "id by names": "valerix.contracts.ids:id_of",
    "idempotency headers": "valerix.chassis.base.idempotency",
    "identity of a process": "valerix.launcher.processes:Identity",
    "job of the databases": "valerix.launcher.job:Job",
    "log file": "valerix.launcher.logs:file_of",
    "making certificates": "valerix.launcher.certificates:generated",
    "making keys": "valerix.launcher.keys:make_keys",
    "making settings": "valerix.chassis.base.settings:load",
    "order transitions": "valerix.orders.transitions:TRANSITIONS",
    "payment methods": "valerix.contracts.payment_methods:METHODS",
    "payment transitions": "valerix.payments.domain:TRANSITIONS",
    "plan of a stack": "valerix.launcher.programs:Plan",
    "PostgreSQL": "valerix.launcher.postgres",
    "preparing the databases": "valerix.launcher.databases:prepare",
    "problem types": "valerix.chassis.http.edge:problem_types",
    "problem": "valerix.chassis.base.problems:Problem",
    "process state": "valerix.launcher.state:ProcessState",
    "reservation states": "valerix.contracts.states:ReservationStatus",
    "roles": "valerix.contracts.roles",
    "running programs": "valerix.launcher.programs:programs",
    "seeds": "valerix.launcher.job:Seed",
    "sending states": "valerix.contracts.states:NotificationStatus",
    "stock": "valerix.inventory.domain",
    "sockets": "valerix.chassis.http.sockets",
    "stack state": "valerix.launcher.state:StackState",
    "state of a process": "valerix.launcher.state:Status",
    "state phases": "valerix.launcher.state:Phase",
    "table of processes": "valerix.launcher.topology",
    "token issuer": "valerix.chassis.identity.tokens:TokenIssuer",
    "users' words": "valerix.users.domain",
    "writing state": "valerix.launcher.state:write_state",
}


def find(place: str) -> Any:
    """Returns the module, or its attribute named after the colon."""
    module, _, name = PLACES[place].partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found
