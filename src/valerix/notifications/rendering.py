"""Renders messages from `templates/<template>.<channel>.txt`.

The first line of an e-mail is its subject.
"""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from jinja2 import (
    Environment,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    UndefinedError,
    select_autoescape,
)

from valerix.contracts.money import Money, money_text
from valerix.notifications.domain import EMAIL, TemplateNeedsMore


class Text(NamedTuple):
    """A rendered message. `subject` is empty where the channel has none."""

    subject: str
    body: str


def _money(amount: Any) -> str:
    return money_text(msgspec.convert(amount, Money))


def _moment(time: Any) -> str:
    """A time in UTC, because the reader's time zone is not known."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d at %H:%M} UTC"


class _Environment(Environment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """Reads an item, because data is JSON; Jinja would look for an attribute first."""
        return self.getitem(obj, attribute)


_NAMED = re.compile(r"'(\w+)'(?: is undefined)?\Z")


def _lacking(error: Exception) -> str:
    """What the data lacks, in the terms of JSON."""
    named = _NAMED.search(str(error)) if isinstance(error, UndefinedError) else None
    return f"{named[1]} in its data" if named else "data of another form"


_templates = _Environment(
    loader=PackageLoader("valerix.notifications"),
    autoescape=select_autoescape(),  # by file name: text stays as it is, HTML would be escaped
    undefined=StrictUndefined,
    trim_blocks=False,
    auto_reload=False,
)
_templates.filters["money"] = _money
_templates.filters["moment"] = _moment
_templates.globals.clear()  # none is used, and every rendering would copy them
_template = cache(_templates.get_template)


def render(channel: str, template: str, data: dict[str, Any]) -> Text:
    """The text of a message about `data`.

    Raises TemplateNeedsMore when `data` lacks a value that the template shows.
    """
    try:
        text = _template(f"{template}.{channel}.txt").render(data=data)
    except (TemplateError, TypeError, ValueError) as error:  # data of another shape
        raise TemplateNeedsMore(
            f"Template {template} ({channel}) needs {_lacking(error)}"
        ) from error
    if channel != EMAIL:
        return Text("", text.strip())
    subject, _, body = text.partition("\n")
    return Text(" ".join(subject.split()), body.strip())
