"""Static files, each with its own route.

Paths that did not exist at start are not served, so `..` in a path leads nowhere.
"""

import hashlib
from importlib.resources.abc import Traversable

from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.contracts.roles import PUBLIC

MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
TEXT = b"text/plain; charset=utf-8"
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
REVALIDATE = b"no-cache"
FOREVER = b"public, max-age=31536000, immutable"
"""For vendored files: the name of their folder has their version."""


def file_routes(folder: Traversable, prefix: str, caching: bytes = REVALIDATE) -> list[RawRoute]:
    """A route for each file below `folder`."""
    routes: list[RawRoute] = []
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.is_dir():
            routes += file_routes(entry, path, FOREVER if entry.name == "vendor" else caching)
        else:
            routes += file_route(entry, path, caching)
    return routes


def file_route(file: Traversable, path: str, caching: bytes = REVALIDATE) -> list[RawRoute]:
    """`file` at `path`."""
    return content_route(file.read_bytes(), file.name.rpartition(".")[2], path, caching)


def content_route(
    content: bytes, kind: str, path: str, caching: bytes = REVALIDATE
) -> list[RawRoute]:
    """`content` at `path`; `kind`: see MEDIA_TYPES."""
    media_type = MEDIA_TYPES.get(kind, TEXT)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = [
        (b"etag", etag.encode()),
        (b"cache-control", caching),
        (b"content-security-policy", POLICY),
        (b"x-content-type-options", b"nosniff"),
    ]

    async def serve(_: RawRequest) -> RawResponse:
        return RawResponse(200, content, headers, media_type)

    return [RawRoute("GET", path, PUBLIC, serve)]
