"""Turns the topology into command lines: what exactly runs for each instance of a stack."""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from valerix.chassis.base.settings import inherited
from valerix.launcher import certificates, health, postgres, summary, topology, valkey, valkey_users
from valerix.launcher.certificates import Certificate
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.gateways import GATEWAYS
from valerix.launcher.gateways.contract import Gateway, Listening
from valerix.launcher.postgres import Cluster
from valerix.launcher.settings import GatewaySettings, bus_url, chaos, public_url, request_limits
from valerix.launcher.supervisor import Program
from valerix.launcher.topology import (
    GATEWAY,
    GATEWAY_METRICS,
    POSTGRES,
    PSP,
    VALKEY,
    Instance,
    instances,
)

CLUSTER = "cluster"
"""Name of a milestone: PostgreSQL's data directory exists."""
CONNECTIONS_PER_SERVICE = 16
CONNECTIONS_BESIDE = 40


class Plan(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The options of one `up`."""

    data_dir: Path
    ports: dict[str, int]
    """By process name; with `free_ports`, only the ports that are fixed."""
    free_ports: tuple[int, int] | None = None
    """First and last port of the range to choose from when the launcher starts.

    None: `ports` is complete.
    """
    replicas: dict[str, int] = {}
    demo: bool = True
    gateway: GatewaySettings
    settings: dict[str, str] = {}
    """Settings of all services, by field name; a VALERIX_ variable takes precedence."""

    @property
    def instances(self) -> list[Instance]:
        return instances(self.ports, self.replicas)

    @property
    def chaos(self) -> str:
        """`enabled` or `disabled`: whether faults may be injected into this stack."""
        return chaos(self.gateway.gateway_host, demo=self.demo)


def cluster_of(plan: Plan) -> tuple[Cluster, str | None]:
    """Return the stack's cluster, sized for its services, and a notice if it is elsewhere."""
    clients = sum(bool(topology.BY_NAME[instance.process].database) for instance in plan.instances)
    limit = str(CONNECTIONS_PER_SERVICE * clients + CONNECTIONS_BESIDE)
    settings = {**postgres.DURABLE, "max_connections": limit}
    return postgres.cluster_for(plan.data_dir, plan.ports[POSTGRES], settings)


def certificate_of(plan: Plan) -> Certificate | None:
    """Return the gateway's certificate; None without TLS.

    Raises LauncherError if the configured certificate cannot be used.
    """
    settings = plan.gateway
    if not settings.gateway_tls:
        return None
    if settings.gateway_certificate and settings.gateway_key:
        return certificates.configured(settings.gateway_certificate, settings.gateway_key)
    if settings.gateway_certificate or settings.gateway_key:
        raise LauncherError(
            "Set both VALERIX_GATEWAY_CERTIFICATE and VALERIX_GATEWAY_KEY, or neither"
        )
    return certificates.generated(plan.data_dir / "tls")


def programs(
    plan: Plan, credentials: Credentials, cluster: Cluster, gateway: Gateway
) -> list[Program]:
    """Return the programs to run, one per instance. The launcher starts nothing else."""
    services = [one for one in plan.instances if topology.BY_NAME[one.process].is_service]
    return [
        database_server(plan, cluster),
        _valkey(plan, credentials),
        *(_service(instance, plan, credentials) for instance in services),
        _gateway(plan, gateway),
    ]


def database_server(plan: Plan, cluster: Cluster) -> Program:
    """Return the program that runs PostgreSQL on the cluster."""

    async def probe(pid: int) -> bool:
        return cluster.is_ready(pid)

    return Program(
        POSTGRES,
        plan.ports[POSTGRES],
        cluster.command(),
        probe,
        spawn_options=cluster.spawn_options,
        needs=frozenset({CLUSTER}),
        prepare=cluster.prepare_start,
        stop_signal=postgres.STOP_SIGNAL,
        stop_seconds=60,  # enough for a checkpoint of everything in memory
    )


def _valkey(plan: Plan, credentials: Credentials) -> Program:
    folder, port = plan.data_dir / "valkey", plan.ports[VALKEY]
    return Program(
        VALKEY,
        port,
        valkey.command(folder, port, users_of_valkey(plan, credentials)),
        health.valkey(port, valkey_users.LAUNCHER, credentials.valkey_password),
        spawn_options={"cwd": folder},
    )


def users_of_valkey(plan: Plan, credentials: Credentials) -> list[valkey.ValkeyUser]:
    """Return Valkey's users: the launcher's and one for each service.

    The payment provider has none.
    """
    passwords = {name: credentials.valkey_password_of(name) for name in valkey_users.NAMES}
    passwords[valkey_users.LAUNCHER] = credentials.valkey_password
    chaos = plan.chaos == "enabled"
    return [
        valkey.ValkeyUser(name, secret, valkey_users.rules(name, chaos=chaos))
        for name, secret in passwords.items()
    ]


def gateway_of(plan: Plan, certificate: Certificate | None) -> Gateway:
    """Return the configured gateway, listening as the plan says."""
    folder, log = plan.data_dir / "gateway", access_log(plan.data_dir)
    return GATEWAYS[plan.gateway.gateway](
        Listening(folder, log, plan.ports, plan.gateway, certificate)
    )


def _gateway(plan: Plan, gateway: Gateway) -> Program:
    public = {process.name for process in topology.PUBLIC}
    return Program(
        GATEWAY,
        plan.ports[GATEWAY],
        gateway.command(plan.instances),
        health.http(plan.ports[GATEWAY_METRICS], topology.BY_NAME[GATEWAY].health),
        spawn_options={"env": {**inherited(), **gateway.environment}, **gateway.spawn_options},
        uses=frozenset(instance.name for instance in plan.instances if instance.process in public),
    )


def access_log(data_dir: Path) -> Path:
    return data_dir / "logs" / "access.log"


def _service(instance: Instance, plan: Plan, credentials: Credentials) -> Program:
    process = topology.BY_NAME[instance.process]
    peers = [one.name for one in plan.instances if one.process in process.peers]
    return Program(
        instance.name,
        instance.port,
        [sys.executable, "-P", "-m", "valerix.cli.serve", process.name],
        health.http(instance.port, process.health),
        spawn_options={
            "env": _variables(plan.settings)
            | inherited()
            | environment(instance, plan, credentials)
        },
        needs=frozenset(process.needs),
        uses=frozenset({*peers, *process.needs}),
        # The gateway has stopped before, so no caller is left that would need time to notice a
        # drain.
        stop_signal=signal.SIGUSR1,
    )


def environment(instance: Instance, plan: Plan, credentials: Credentials) -> dict[str, str]:
    """Return the settings of one service instance as variables.

    Each gets only the settings it needs.
    """
    process = topology.BY_NAME[instance.process]
    settings = {
        "port": str(instance.port),
        "instance": instance.name,
        "chaos": plan.chaos,
        "keys_file": str(credentials.keys_file),
        **{
            f"{peer}_url": ",".join(_urls(peer, plan.instances))
            for peer in (*process.peers, *process.asks)
        },
    }
    if process.name != PSP:
        own = valkey.url(
            plan.ports[VALKEY], credentials.valkey_password_of(process.name), process.name
        )
        settings |= {"valkey_url": own, "bus_url": bus_url() or own}
        settings |= {
            name: str(limit) for name, limit in request_limits(plan.gateway.gateway_host).items()
        }
    if process.issuer:
        settings["users_url"] = ",".join(_urls("users", plan.instances))  # users keeps the sessions
        settings["signing_key_file"] = str(credentials.signing_key_file(process.issuer))
    if process.database:
        password = credentials.database_passwords[process.database]
        settings["database_url"] = postgres.url(
            plan.ports[POSTGRES], process.database, password, process.database
        )
    if PSP in (process.name, *process.peers):
        settings["psp_secret"] = credentials.psp_secret
    if process.name in ("users", "notifications"):
        settings["mail_secret"] = credentials.mail_secret
    if process.name == "notifications":
        scheme = "https" if plan.gateway.gateway_tls else "http"
        settings["public_url"] = public_url() or f"{scheme}://127.0.0.1:{plan.ports[GATEWAY]}"
    if process.name == PSP:
        settings["ledger_file"] = str(plan.data_dir / "psp" / "ledger")
        settings["faults_file"] = str(plan.data_dir / "psp" / "faults.json")
    if process.name == "console":
        settings |= _console_settings(plan, credentials)
    return _variables(settings)


def _variables(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"VALERIX_{name.upper()}": value for name, value in settings.items()}


def _console_settings(plan: Plan, credentials: Credentials) -> dict[str, str]:
    """Return the console's further settings: it watches every process and shows the demo logins."""
    watched = ("worker", "notifications", "psp", "console")
    settings = {
        **{f"{name}_url": ",".join(_urls(name, plan.instances)) for name in watched},
        "gateway_metrics_url": f"http://127.0.0.1:{plan.ports[GATEWAY_METRICS]}",
        "call_pairs": ",".join(f"{source}>{target}" for source, target in topology.CALLS),
        "logs_folder": str(plan.data_dir / "logs"),
    }
    if plan.demo:
        settings["demo_password"] = credentials.demo_password
        settings["demo_logins"] = ",".join(
            f"{login.email}={login.about}" for login in summary.DEMO_LOGINS
        )
    return settings


def _urls(name: str, all_instances: Sequence[Instance]) -> list[str]:
    return [instance.url for instance in all_instances if instance.process == name]
