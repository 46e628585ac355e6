"""Settings of the console."""

from pathlib import Path

from valerix.chassis.base.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Addresses of all processes, for the reference and for reading their state."""

    orders_url: tuple[str, ...]
    inventory_url: tuple[str, ...]
    payments_url: tuple[str, ...]
    users_url: tuple[str, ...]
    notifications_url: tuple[str, ...]
    worker_url: tuple[str, ...] = ()
    psp_url: tuple[str, ...] = ()
    console_url: tuple[str, ...] = ()
    gateway_metrics_url: tuple[str, ...] = ()
    """Address of the gateway's internal port, with `/health` and `/metrics`."""
    call_pairs: tuple[str, ...] = ()
    """`orders>inventory`: the edges of the system map."""
    logs_folder: Path | None = None
    """Folder of the processes' log files, if this process can read them."""
    reference_ttl_seconds: float = 5.0
    demo_password: str = ""
    demo_logins: tuple[str, ...] = ()
    """`e-mail=description` of the accounts open to every visitor: demo stacks only."""
    max_sockets: int = 2_000
    call_retries: int = 0
    """No retries: a service that is down is left out of the reference until it is back."""

    @property
    def documented(self) -> dict[str, tuple[str, ...]]:
        """Services whose descriptions make up the reference."""
        return {
            "orders": self.orders_url,
            "inventory": self.inventory_url,
            "payments": self.payments_url,
            "users": self.users_url,
            "notifications": self.notifications_url,
        }

    @property
    def watched(self) -> dict[str, tuple[str, ...]]:
        """Processes whose state is shown."""
        others = {
            "worker": self.worker_url,
            "psp": self.psp_url,
            "console": self.console_url,
        }
        return {name: urls for name, urls in (self.documented | others).items() if urls}

    @property
    def call_graph(self) -> list[tuple[str, str]]:
        """Caller and called of each edge of the system map."""
        pairs = (pair.partition(">") for pair in self.call_pairs)
        return [(source, target) for source, _, target in pairs]
