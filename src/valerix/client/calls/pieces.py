"""Building blocks of calls: pages of a list, requests, keys and queries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from valerix.client.errors import ValerixError
from valerix.client.models import Page
from valerix.client.reading import read_as
from valerix.client.session import Session
from valerix.client.steps import Flow, Request

T = TypeVar("T")
PAGE_SIZE: Final = 100


class Pages(Generic[T]):
    """A list of the API, read page by page."""

    def __init__(self, session: Session, path: str, kind: type[T], **query: object) -> None:
        self._session = session
        self._path = path
        self._query = query
        self._read = read_as(Page[kind])  # type: ignore[valid-type]  # the page of this list's kind

    def page(self, cursor: str | None) -> Flow[Page[T]]:
        """The page after `cursor`; the first page without a cursor."""
        path = self._path + query(limit=PAGE_SIZE, cursor=cursor, **self._query)
        return self._session.call(Request("GET", path), self._read, repeatable=True)


class Calls:
    """Base of the calls of one resource: they return flows, and perform no I/O."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _get(self, path: str, kind: type[T]) -> Flow[T]:
        return self._session.call(Request("GET", path), read_as(kind), repeatable=True)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object],
        kind: type[T],
        *,
        repeatable: bool,
        if_match: int | None = None,
    ) -> Flow[T]:
        headers = {} if if_match is None else {"if-match": f'"{if_match}"'}
        request = Request(method, path, encode(body), headers)
        return self._session.call(request, read_as(kind), repeatable=repeatable)


def keyed(key: str, flow: Flow[T]) -> Flow[T]:
    """Runs `flow`; its errors carry `key`, under which the change can be repeated."""
    try:
        return (yield from flow)
    except ValerixError as error:
        error.idempotency_key = key
        raise


def encode(body: Mapping[str, object]) -> bytes:
    """A body as JSON, without the fields that are None."""
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def part(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")


def query(**parameters: Any) -> str:
    """A query string with its `?`, without parameters that are None; empty without any."""
    given = {name: _text(value) for name, value in parameters.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _text(value: Any) -> str:
    """The text of a query value.

    The API refuses times without a zone, so such a time is taken as local time of this machine.
    """
    if not isinstance(value, datetime):
        return str(value)
    return (value if value.tzinfo else value.astimezone()).isoformat()
