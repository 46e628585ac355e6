"""The generated models match the documents of the services, and read answers of later servers."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tools.client.python import MODELS, models

from tests.client.server import AT, ORDER
from valerix.client.models import Fault, Order

ROOT = Path(__file__).parents[2]
ADVICE = "Generate it again: python -m tools.client models"


def test_generating_again_gives_the_committed_models() -> None:
    """Runs in a separate interpreter: a service describes the problems of all loaded modules, and
    configures logging.
    """
    program = (
        "import sys; from tools.client import documents, python;"
        "sys.stdout.write(python.models(documents.complete(documents.documents())))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (ROOT / MODELS).read_text(), ADVICE


def test_values_and_fields_of_a_newer_server_are_read() -> None:
    answer = {**ORDER, "giftWrapped": True, "status": "gift_wrapping", "onShortage": "substitute"}
    order = msgspec.json.decode(msgspec.json.encode(answer), type=Order)
    assert (order.status, order.on_shortage) == ("gift_wrapping", "substitute")


def test_an_object_of_a_kind_that_is_not_known_is_read() -> None:
    fault = {"kind": "flood", "depthMetres": 2}
    times = {"since": AT, "until": AT, "stoppedAt": None}
    answer = {
        "id": "f-1",
        "state": "active",
        "by": "root",
        "strikes": 0,
        "strikesByCopy": {},
        "fault": fault,
        **times,
    }
    assert msgspec.convert(answer, Fault).fault == fault


def test_a_field_that_may_be_absent_or_null_is_none() -> None:
    order = msgspec.convert(
        {name: value for name, value in ORDER.items() if value is not None}, Order
    )
    assert (order.shipping_address, order.held_until, order.error_code) == (None, None, None)


@pytest.mark.parametrize("name", ["class", "URL", "two__words"])
def test_a_field_that_cannot_be_written_back_is_refused(name: str) -> None:
    field = {"type": "string"}
    schema = {"type": "object", "properties": {name: field}, "required": [name]}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
    paths = {"/things": {"get": {"responses": {"200": {"content": content}}}}}
    with pytest.raises(ValueError, match="cannot be the name of a field"):
        models({"paths": paths, "components": {"schemas": {"Thing": schema}}})
