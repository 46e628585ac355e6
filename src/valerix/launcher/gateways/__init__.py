"""The programs that can serve as the gateway, behind one contract (`contract.py`)."""

from collections.abc import Callable, Mapping
from typing import Final

from valerix.launcher.gateways.contract import Gateway, Listening
from valerix.launcher.gateways.haproxy import HaproxyGateway
from valerix.launcher.gateways.traefik import TraefikGateway
from valerix.launcher.settings import GatewayName

GATEWAYS: Final[Mapping[GatewayName, Callable[[Listening], Gateway]]] = {
    GatewayName.HAPROXY: HaproxyGateway,
    GatewayName.TRAEFIK: TraefikGateway,
}
