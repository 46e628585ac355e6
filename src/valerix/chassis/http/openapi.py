"""The OpenAPI document of a service: Litestar's, with our errors and our authorization in it."""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from valerix import __version__
from valerix.chassis.base.problems import MEDIA_TYPE

BEARER: Mapping[str, Any] = {"bearer": []}
_REFERENCE = {"$ref": "#/components/responses/Problem"}
_RESPONSE = {
    "description": "A refusal or a failure (RFC 9457). 401 without a valid token, 403 without the role, "
    "429 and 503 with Retry-After",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_SCHEMA = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "traceId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable; programs decide by it"},
        "detail": {"type": "string"},
        "traceId": {"type": "string", "description": "finds the log lines of this request"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def config(service: str) -> OpenAPIConfig:
    """What Litestar needs to know to describe `service`."""
    return OpenAPIConfig(
        title=f"Valerix {service}",
        version=__version__,
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        use_handler_docstrings=True,
    )


def document(app: Litestar) -> dict[str, Any]:
    """The document of a running app; errors of every operation are problem documents."""
    schema: dict[str, Any] = ecma(app.openapi_schema.to_schema())
    for operation in _operations(schema["paths"]):
        _summarize(operation)
        operation["responses"] |= {"default": _REFERENCE}
        if "400" in operation["responses"]:
            operation["responses"]["400"] = _REFERENCE
    components = schema["components"]
    components.setdefault("schemas", {})["Problem"] = _SCHEMA
    components["responses"] = {"Problem": _RESPONSE}
    return schema


def ecma(value: Any) -> Any:
    r"""Patterns as JSON Schema reads them: by ECMA-262, where `$` is the end of the text and `\Z` is nothing."""
    if isinstance(value, dict):
        pattern = {"pattern": value["pattern"].replace(r"\Z", "$")} if isinstance(value.get("pattern"), str) else {}
        return {name: ecma(member) for name, member in value.items()} | pattern
    return [ecma(item) for item in value] if isinstance(value, list) else value


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    return (entry for path in paths.values() for entry in path.values() if isinstance(entry, dict))


def _summarize(operation: dict[str, Any]) -> None:
    """The first sentence of the handler's docstring says more than its name in capitals."""
    first, _, rest = " ".join(operation.pop("description", "").split()).partition(". ")
    if first:
        operation |= {"summary": first.rstrip("."), **({"description": rest} if rest else {})}
