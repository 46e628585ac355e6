"""Third-party generators, compilers, linters and parsers accept the published documents, and
generated clients work.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import requests

from tests.client.server import ORDER, SIGNED_IN, Reply, problem, serving
from tests.strangers.tools import (
    HERE,
    NODE_MODULES,
    PYTHON,
    needs_node,
    needs_promtool,
    needs_python,
    node,
    run,
)
from tests.support.blocking import run_blocking
from tests.support.stack import ADA, OPERATOR, Stack, new_product, settled

EVENTS = HERE.parent / "contracts" / "events"
ROOT = HERE.parents[1]
TYPES = ROOT / "clients" / "typescript" / "valerix.d.ts"
STRICT = ("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes")
TARGET = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom")
DOCUMENTS = ("openapi.json", "asyncapi.json")
MEASURED = ("orders", "inventory", "payments", "users", "notifications", "worker", "console", "psp")


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Downloads the published documents into a folder, without signing in."""
    downloaded = tmp_path_factory.mktemp("strangers")
    for name in DOCUMENTS:
        (downloaded / name).write_bytes(requests.get(f"{stack.url}/{name}", timeout=60).content)
    return downloaded


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiles the TypeScript programs against the committed types: `order` and the one of
    docs/client.md.
    """
    folder = tmp_path_factory.mktemp("programs")
    (text,) = re.findall(
        r"^```typescript\n(.*?)^```", (ROOT / "docs" / "client.md").read_text(), re.M | re.S
    )
    (folder / "documented.ts").write_text(text)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    (folder / "node_modules").symlink_to(NODE_MODULES)
    for file in (HERE / "order.ts", TYPES):
        shutil.copy(file, folder)
    run(
        *node("typescript", "bin/tsc"), *STRICT, *TARGET, "order.ts", "documented.ts", folder=folder
    )
    return folder


def arguments(stack: Stack, product: str) -> tuple[str, ...]:
    """Returns the arguments of the programs that order `product`."""

    async def offer() -> None:
        async with stack.api(OPERATOR) as operator:
            await new_product(operator, product, 10)

    run_blocking(offer())
    return stack.url, stack.secret("demo"), ADA, OPERATOR, product


@needs_python
def test_a_client_generated_by_openapi_python_client_orders_reads_pays_refunds_and_cancels(
    stack: Stack, folder: Path
) -> None:
    run(
        *(PYTHON.parent / "openapi-python-client", "generate", "--path", "openapi.json"),
        *("--output-path", "valerix_api", "--meta", "none", "--fail-on-warning"),
        folder=folder,
    )
    program = run(
        PYTHON,
        "-W",
        "error",
        HERE / "order.py",
        *arguments(stack, "STRANGER-1"),
        folder=folder,
        PYTHONPATH=".",
    )
    assert program == "done"
    run_blocking(settled(stack))


@needs_node
def test_the_committed_types_are_those_of_the_published_document(folder: Path) -> None:
    run(
        *node("openapi-typescript", "bin/cli.js"),
        "openapi.json",
        "-o",
        "generated.d.ts",
        folder=folder,
    )
    generated = (folder / "generated.d.ts").read_text()
    assert generated == TYPES.read_text(), "Generate them again: python -m tools.client types"


@needs_node
def test_types_generated_by_openapi_typescript_compile_strictly_and_order(
    stack: Stack, programs: Path
) -> None:
    assert (
        run("node", "order.js", *arguments(stack, "STRANGER-2"), folder=programs).strip() == "done"
    )
    run_blocking(settled(stack))


@needs_node
def test_the_documented_program_compiles_strictly_and_follows_an_order(programs: Path) -> None:
    busy = problem(409, "order_busy", retry_after=0)
    with serving() as server:
        server.acts(
            Reply(200, SIGNED_IN),
            busy,
            Reply(201, ORDER),
            Reply(200, {**ORDER, "status": "completed"}),
        )
        printed = run("node", "documented.js", server.url, "a@b.c", "password", folder=programs)
    assert printed.splitlines()[-1] == "completed"
    assert len({request.headers["idempotency-key"] for request in server.received[1:3]}) == 1
    assert server.received[3].headers["authorization"] == "Bearer token-1"


@needs_node
def test_redocly_finds_nothing_to_warn_of(folder: Path) -> None:
    lint = (
        *node("@redocly/cli", "bin/cli.js"),
        "lint",
        "openapi.json",
        "--config",
        HERE / "redocly.yaml",
    )
    found = run(
        *lint,
        "--format",
        "json",
        folder=folder,
        REDOCLY_TELEMETRY="off",
        REDOCLY_SUPPRESS_UPDATE_NOTICE="true",
    )
    assert json.loads(found[found.index("{") :])["totals"] == {
        "errors": 0,
        "warnings": 0,
        "ignored": 0,
    }


@needs_node
def test_the_asyncapi_parser_reads_what_is_told(folder: Path) -> None:
    run("node", HERE / "events.mjs", "asyncapi.json", folder=folder, NODE_PATH=str(NODE_MODULES))


@needs_promtool
@pytest.mark.parametrize("name", MEASURED)
def test_promtool_has_nothing_against_the_metrics_of_any_process(
    stack: Stack, tmp_path: Path, name: str
) -> None:
    metrics = requests.get(f"{stack.service_url(name)}/metrics", timeout=60).text
    assert metrics.startswith("# HELP")
    run("promtool", "check", "metrics", folder=tmp_path, given=metrics)


@needs_python
def test_cloudevents_reads_every_event(tmp_path: Path) -> None:
    files = sorted(EVENTS.glob("*.json"))
    assert files
    run(PYTHON, "-W", "error", HERE / "events.py", *files, folder=tmp_path)
