"""GET and HEAD: conditional requests by ETag, and no body for HEAD.

See RFC 9110, sections 9.3.2 and 13.1.2.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from litestar.types import Send

_DIGEST_BYTES: Final = 6
_NOT_MODIFIED: Final = 304
_OF_THE_BODY: Final = frozenset({b"content-length", b"content-type"})


class Reading:
    """The conditions of one request that reads."""

    def __init__(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        self._bodiless = method == "HEAD"
        self._known = headers.get(b"if-none-match")

    def of(self, send: Send) -> Send:
        """Wraps `send` so that it applies the conditions.

        The tag of a complete answer becomes its version with a digest of its body. Staff read more
        of an order than its customer does, and each of the two representations changes without the
        other.
        """
        held: Any = None

        async def conditional(message: Any) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = message if message["status"] == 200 and _tag(message) else None
                if held is not None:
                    return
            elif held is not None:
                start, held = held, None
                if not message.get("more_body"):
                    self._tagged(start, message)
                await send(start)
            if message["type"] == "http.response.body" and self._bodiless:
                message["body"] = b""
            await send(message)

        return conditional

    def _tagged(self, start: Any, message: Any) -> None:
        """Completes the tag of the answer, and removes the body when the client has it already."""
        body = message.get("body", b"")
        tag = _tag(start) or b""
        if tag[1:-1].isdigit():  # the tag is a version
            digest = hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
            tag = f'{tag.decode()[:-1]}-{digest}"'.encode()
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"etag"]
        start["headers"] = [*headers, (b"etag", tag)]
        if self._knows(tag):
            start["status"] = _NOT_MODIFIED
            start["headers"] = [
                pair for pair in start["headers"] if pair[0].lower() not in _OF_THE_BODY
            ]
            message["body"] = b""

    def _knows(self, tag: bytes) -> bool:
        known = [each.strip().removeprefix(b"W/") for each in (self._known or b"").split(b",")]
        return tag in known or b"*" in known


def _tag(start: Any) -> bytes | None:
    return next((value for name, value in start["headers"] if name.lower() == b"etag"), None)
