"""Third-party generators, compilers, linters and parsers accept the published documents, and
generated clients work.
"""

import json
import shutil
from pathlib import Path

import pytest
import requests

from tests.strangers.tools import HERE, NODE_MODULES, PYTHON, needs_node, needs_promtool, needs_python, node, run
from tests.support.blocking import run_blocking
from tests.support.stack import ADA, OPERATOR, Stack, new_product, settled

EVENTS = HERE.parent / "contracts" / "events"
DOCUMENTS = ("openapi.json", "asyncapi.json")
MEASURED = ("orders", "inventory", "payments", "users", "notifications", "worker", "console", "psp")


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Downloads the published documents into a folder, without signing in."""
    downloaded = tmp_path_factory.mktemp("strangers")
    for name in DOCUMENTS:
        (downloaded / name).write_bytes(requests.get(f"{stack.url}/{name}", timeout=60).content)
    return downloaded


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
        PYTHON, "-W", "error", HERE / "order.py", *arguments(stack, "STRANGER-1"), folder=folder, PYTHONPATH="."
    )
    assert program == "done"
    run_blocking(settled(stack))


@needs_node
def test_types_generated_by_openapi_typescript_compile_strictly_and_order(stack: Stack, folder: Path) -> None:
    shutil.copy(HERE / "order.ts", folder)
    (folder / "package.json").write_text(json.dumps({"type": "module"}))
    run(*node("openapi-typescript", "bin/cli.js"), "openapi.json", "-o", "api.ts", folder=folder)
    strict = ("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes")
    target = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom")
    run(*node("typescript", "bin/tsc"), *strict, *target, "order.ts", folder=folder)
    assert run("node", "order.js", *arguments(stack, "STRANGER-2"), folder=folder).strip() == "done"
    run_blocking(settled(stack))


@needs_node
def test_redocly_finds_nothing_to_warn_of(folder: Path) -> None:
    lint = (*node("@redocly/cli", "bin/cli.js"), "lint", "openapi.json", "--config", HERE / "redocly.yaml")
    found = run(
        *lint, "--format", "json", folder=folder, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true"
    )
    assert json.loads(found[found.index("{") :])["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


@needs_node
def test_the_asyncapi_parser_reads_what_is_told(folder: Path) -> None:
    run("node", HERE / "events.mjs", "asyncapi.json", folder=folder, NODE_PATH=str(NODE_MODULES))


@needs_promtool
@pytest.mark.parametrize("name", MEASURED)
def test_promtool_has_nothing_against_the_metrics_of_any_process(stack: Stack, tmp_path: Path, name: str) -> None:
    metrics = requests.get(f"{stack.service_url(name)}/metrics", timeout=60).text
    assert metrics.startswith("# HELP")
    run("promtool", "check", "metrics", folder=tmp_path, given=metrics)


@needs_python
def test_cloudevents_reads_every_event(tmp_path: Path) -> None:
    files = sorted(EVENTS.glob("*.json"))
    assert files
    run(PYTHON, "-W", "error", HERE / "events.py", *files, folder=tmp_path)
