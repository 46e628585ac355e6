"""The methods of a path, and the pages of other sites that may use them (Fetch standard: CORS)."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

Headers = list[tuple[bytes, bytes]]
_VARIABLE: Final = re.compile(r"\\\{[^}]*\\\}")
_REQUEST_HEADERS: Final = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "traceparent",
)
_EXPOSED_HEADERS: Final = (
    "etag",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "trace-id",
    "www-authenticate",
)
_PREFLIGHT_SECONDS: Final = 600
_EXPOSE: Final = (b"access-control-expose-headers", ", ".join(_EXPOSED_HEADERS).encode())


class Methods:
    """The methods that the routes of a service support, for `Allow`."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        """`routes`: method, and path with its variables in braces."""
        found: dict[str, set[str]] = defaultdict(lambda: {"OPTIONS"})
        for method, path in routes:
            found[path] |= {"GET", "HEAD"} if method == "GET" else {method}
        self._fixed = {path: sorted(methods) for path, methods in found.items() if "{" not in path}
        # "{" sorts after all letters: of two patterns, the more specific one comes first
        self._variable = [
            (_pattern(path), sorted(found[path])) for path in sorted(found) if "{" in path
        ]

    def allowed(self, path: str) -> list[str]:
        """The methods of a path; empty when there is no such path."""
        if path in self._fixed:
            return self._fixed[path]
        return next((methods for pattern, methods in self._variable if pattern.fullmatch(path)), [])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_VARIABLE.sub("[^/]+", re.escape(path)))


class CrossOrigin:
    """CORS headers for pages of `origins`.

    The pages send bearer tokens: cookies are never allowed to them.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = {origin.encode() for origin in origins}

    def headers(self, request: Mapping[bytes, bytes]) -> Headers:
        """The headers that every answer to this request carries in addition to its own."""
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        origin = request.get(b"origin")
        if origin not in self._origins:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), _EXPOSE]

    def preflight(self, request: Mapping[bytes, bytes], allowed: Iterable[str]) -> Headers:
        """Further headers for OPTIONS when a browser checks whether it may send a request."""
        if (
            request.get(b"origin") not in self._origins
            or b"access-control-request-method" not in request
        ):
            return []
        return [
            (b"access-control-allow-methods", ", ".join(allowed).encode()),
            (b"access-control-allow-headers", ", ".join(_REQUEST_HEADERS).encode()),
            (b"access-control-max-age", b"%d" % _PREFLIGHT_SECONDS),
        ]
