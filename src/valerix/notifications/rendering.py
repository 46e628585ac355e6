"""Texts of messages from the templates: `templates/<template>.<channel>.txt`, the first line is the subject."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError, UndefinedError, select_autoescape

from valerix.contracts.money import Money, money_text
from valerix.notifications.domain import EMAIL, TemplateNeedsMore


class Text(NamedTuple):
    """`subject` is empty where the channel has none."""

    subject: str
    body: str


def _money(amount: Any) -> str:
    return money_text(msgspec.convert(amount, Money))


def _moment(time: Any) -> str:
    """The zone of the reader is not known."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d at %H:%M} UTC"


class _Environment(Environment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """Data is JSON, so what templates ask of it is an item; Jinja would look for an attribute first."""
        return self.getitem(obj, attribute)


_NAMED = re.compile(r"'(\w+)'(?: is undefined)?\Z")


def _lacking(error: Exception) -> str:
    """What the data should have, in the terms of JSON."""
    named = _NAMED.search(str(error)) if isinstance(error, UndefinedError) else None
    return f"{named[1]} in its data" if named else "data of another form"


_templates = _Environment(
    loader=PackageLoader("valerix.notifications"),
    autoescape=select_autoescape(),  # by file name: texts stay as they are, a template in HTML would be escaped
    undefined=StrictUndefined,
    trim_blocks=False,
    auto_reload=False,
)
_templates.filters["money"] = _money
_templates.filters["moment"] = _moment
_templates.globals.clear()  # none is used, and every rendering copied them
_template = cache(_templates.get_template)


def render(channel: str, template: str, data: dict[str, Any]) -> Text:
    """The text of a message about `data`. Raises TemplateNeedsMore when `data` lacks what the template shows."""
    try:
        text = _template(f"{template}.{channel}.txt").render(data=data)
    except (TemplateError, TypeError, ValueError) as error:  # what a template meets in data of another shape
        raise TemplateNeedsMore(f"Template {template} ({channel}) needs {_lacking(error)}") from error
    if channel != EMAIL:
        return Text("", text.strip())
    subject, _, body = text.partition("\n")
    return Text(" ".join(subject.split()), body.strip())
