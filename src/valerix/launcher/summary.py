"""The summary printed after `up`: addresses, logins, and a first order to paste."""

import shlex
from typing import NamedTuple

from valerix.launcher.credentials import Credentials
from valerix.launcher.state import StackState
from valerix.launcher.terminal import say
from valerix.launcher.topology import GATEWAY, GATEWAY_METRICS

CUSTOMER, CUSTOMER_NUMBER = "ada@demo.valerix.example", "CUST-001"
OPERATOR = "operator@demo.valerix.example"
DEMO_ADMINISTRATOR = "admin@demo.valerix.example"
ADMINISTRATOR = "admin@valerix.example"


class DemoLogin(NamedTuple):
    """An account of the demo data."""

    email: str
    about: str


DEMO_LOGINS = (
    DemoLogin(CUSTOMER, f"Customer {CUSTOMER_NUMBER}"),
    DemoLogin(OPERATOR, "Operator"),
    DemoLogin(DEMO_ADMINISTRATOR, "Administrator"),
)
"""Logins that the console's login page offers with one click."""


def gateway_url(state: StackState) -> str:
    return f"{'https' if state.tls else 'http'}://127.0.0.1:{state.ports[GATEWAY]}"


def print_summary(state: StackState) -> None:
    for line in summary(state):
        say(line, flush=True)


def summary(state: StackState) -> list[str]:
    """Return plain lines, never wrapped: the last one is a command to paste."""
    credentials, url = Credentials(state.data_dir), gateway_url(state)
    metrics = f"http://127.0.0.1:{state.ports[GATEWAY_METRICS]}"
    ready = f"Ready after {state.ready_seconds:.1f} s." if state.ready_seconds else "Starting."
    lines = [
        *state.notices,
        "",
        ready,
        f"  console    {url}",
        f"  API        {url}/api/v1",
        f"  reference  {url}/docs",
        f"  gateway    {metrics}/dashboard/  {metrics}/metrics",
        *([f"  trust      {state.ca_file}"] if state.ca_file else []),
    ]
    if not state.demo:
        return [*lines, f"  admin      {ADMINISTRATOR}  password {credentials.admin_password}"]
    return [
        *lines,
        f"  customer   {CUSTOMER} ({CUSTOMER_NUMBER})",
        f"  operator   {OPERATOR}",
        f"  admin      {DEMO_ADMINISTRATOR}",
        f"  password   {credentials.demo_password}  (all three)",
        "",
        "Place an order:",
        "",
        first_order(url, credentials.demo_password, state.ca_file),
    ]


def first_order(url: str, password: str, ca_file: str = "") -> str:
    """Return one command for any POSIX shell with curl and sed.

    It logs in, takes the token from the answer and places an order.
    """
    curl = f"curl -sS --cacert {shlex.quote(ca_file)}" if ca_file else "curl -sS"
    login = (
        f"{curl} {url}/api/v1/users/login -H 'Content-Type: application/json'"
        f""" -d '{{"email":"{CUSTOMER}","password":"{password}"}}'"""
        r""" | sed 's/.*"accessToken":"\([^"]*\)".*/\1/'"""
    )
    return (
        f"{curl} {url}/api/v1/orders -H 'Content-Type: application/json'"
        f' -H "Authorization: Bearer $({login})"'
        ' -H "Idempotency-Key: $(date +%s)-$$"'
        f""" -d '{{"customerId":"{CUSTOMER_NUMBER}","""
        """"items":[{"productId":"PROD-001","quantity":2}]}'"""
    )
