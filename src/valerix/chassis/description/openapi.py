"""The OpenAPI document of a service.

It has Litestar's paths with the schemas, refusals, headers and authorization of this platform.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPMethod
from typing import Any, Final, NamedTuple

from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import Parameter

from valerix import __version__
from valerix.chassis.base.idempotency import KeyReused
from valerix.chassis.base.problems import (
    MEDIA_TYPE,
    DomainProblem,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    ProblemDocument,
    Problems,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.description import components
from valerix.chassis.description.references import PREFIX
from valerix.contracts import text
from valerix.contracts.errors import DomainError

BEARER: Mapping[str, Any] = {"bearer": []}
Refusal = type[Problem] | type[DomainError]
ETAG: Final = ResponseHeader(
    "ETag",
    documentation_only=True,
    description="The version of the representation; a change names it in `If-Match`",
)
LOCATION: Final = ResponseHeader(
    "Location", documentation_only=True, description="The path of the created resource"
)
_KEY: Final = "Idempotency-Key"
_HEADERS: Final = {
    "Trace-Id": ("string", "Finds the log lines of this request"),
    "Retry-After": ("integer", "Seconds after which the request may be repeated"),
    "WWW-Authenticate": ("string", "How to authenticate: with a bearer token"),
    "Idempotent-Replayed": (
        "string",
        "`true` when this is the stored answer to an earlier request with the same key",
    ),
}
_LATER: Final = {"202", "429", "503"}
"""Statuses with a Retry-After header."""
_ALWAYS: Final[tuple[Refusal, ...]] = (Invalid, TooMany, Unavailable)
_WITH_TOKEN: Final[tuple[Refusal, ...]] = (Unauthenticated, Forbidden)
_WITH_BODY: Final[tuple[Refusal, ...]] = (TooLarge, UnsupportedMedia)
_DEFAULT: Final = "Any other refusal or failure (RFC 9457)"


class _Code(NamedTuple):
    status: int
    code: str
    title: str


def config(service: str) -> OpenAPIConfig:
    """The configuration with which Litestar describes `service`."""
    return OpenAPIConfig(
        title=f"Valerix {service}",
        version=__version__,
        path="/schema",
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
            }
        ),
        use_handler_docstrings=True,
    )


def answer(description: str, body: Any, media_type: str = "application/json") -> ResponseSpec:
    """A further answer of a route, for its `responses`."""
    return ResponseSpec(
        body, description=description, media_type=media_type, generate_examples=False
    )


def in_path(form: str) -> Any:
    """Documents the form of a path parameter. A value of another form leads to 404."""
    return Parameter(schema_extra={"pattern": form})


def document(app: Litestar, problems: Problems) -> dict[str, Any]:
    """The document of a running app. `problems`: the problems of its domain errors.

    A route declares its own refusals as `refuses=`, and an example of its body as `example=`.
    """
    schema: dict[str, Any] = components.named_alike(app.openapi_schema.to_schema())
    annotations: list[Any] = [ProblemDocument]
    for handler, operation in _operations(app, schema["paths"]):
        annotations += _annotations(handler)
        _summarize(operation)
        _simplify_parameters(operation)
        operation.setdefault("security", [])
        if "example" in handler.opt:
            operation["requestBody"]["content"]["application/json"]["example"] = handler.opt[
                "example"
            ]
        _add_refusals(operation, [_code(each, problems) for each in handler.opt.get("refuses", ())])
        _add_headers(operation)
    schema["components"]["schemas"] = components.schemas(annotations)
    schema["components"]["headers"] = {
        name: {"description": description, "schema": {"type": kind}}
        for name, (kind, description) in _HEADERS.items()
    }
    schema["x-problems"] = problem_kinds(problems)
    described: dict[str, Any] = ecma(schema)
    return described


def ecma(value: Any) -> Any:
    r"""Converts patterns to ECMA-262, which JSON Schema requires.

    There, `$` is the end of the text and `\Z` does not exist.
    """
    if isinstance(value, dict):
        pattern = (
            {"pattern": value["pattern"].replace(r"\Z", "$")}
            if isinstance(value.get("pattern"), str)
            else {}
        )
        return {name: ecma(member) for name, member in value.items()} | pattern
    return [ecma(item) for item in value] if isinstance(value, list) else value


def problem_kinds(problems: Problems) -> list[dict[str, Any]]:
    """Every kind of problem that this process knows, sorted by code."""
    classes = {*problems, Problem, *components.subclasses(Problem)} - {DomainProblem}
    kinds = {_code(each, problems) for each in classes}
    return [kind._asdict() for kind in sorted(kinds, key=lambda kind: kind.code)]


def _operations(
    app: Litestar, paths: Mapping[str, Any]
) -> Iterator[tuple[HTTPRouteHandler, dict[str, Any]]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods - {HTTPMethod.OPTIONS}:
                operation = paths.get(route.path_format, {}).get(method.lower())
                if operation is not None and handler.include_in_schema:
                    yield handler, operation


def _annotations(handler: HTTPRouteHandler) -> list[Any]:
    signature = handler.parsed_fn_signature
    body = [signature.parameters["data"].annotation] if "data" in signature.parameters else []
    further = [spec.data_container for spec in (handler.responses or {}).values()]
    return [signature.return_type.annotation, *body, *further]


def _summarize(operation: dict[str, Any]) -> None:
    """Uses the first sentence of the handler's docstring as summary.

    It says more than the handler's name in capitals.
    """
    first, _, rest = " ".join(operation.pop("description", "").split()).partition(". ")
    if first:
        operation |= {"summary": first.rstrip("."), **({"description": rest} if rest else {})}


def _simplify_parameters(operation: dict[str, Any]) -> None:
    """Simplifies the parameters of an operation.

    A parameter is absent or has a value; it is never null. In a path it is text with a restricted
    form.
    """
    for parameter in operation.get("parameters", ()):
        for name in ("deprecated", "allowEmptyValue", "allowReserved"):
            if not parameter.get(name):
                parameter.pop(name, None)
        schema = parameter["schema"]
        schema.pop("description", None)
        values = [each for each in schema.pop("oneOf", ()) if each != {"type": "null"}]
        if len(values) == 1:
            parameter["schema"] = values[0] | schema
        if parameter["in"] == "path" and schema == {"type": "string"}:
            schema["pattern"] = text.SEGMENT


# --- answers


def _code(refusal: Refusal, problems: Problems) -> _Code:
    if issubclass(refusal, Problem):
        return _Code(refusal.status, refusal.code, refusal.title)
    return _Code(problems[refusal].status, refusal.code, problems[refusal].title)


def _add_refusals(operation: dict[str, Any], own: list[_Code]) -> None:
    """Adds the refusals of the edge and of the route, and a default for all others."""
    parameters = operation.get("parameters", ())
    parts: tuple[tuple[object, tuple[Refusal, ...]], ...] = (
        (True, _ALWAYS),
        (operation["security"], _WITH_TOKEN),
        ("requestBody" in operation, _WITH_BODY),
        (any(each["in"] == "path" for each in parameters), (NotFound,)),
        (any(each["name"] == "If-Match" for each in parameters), (VersionConflict,)),
        (any(each["name"] == _KEY for each in parameters), (KeyReused,)),
    )
    edge = [_code(refusal, {}) for applies, refusals in parts if applies for refusal in refusals]
    responses = operation["responses"]
    if "400" in responses:  # generated by Litestar, with the format of its own errors
        del responses["400"]
    for status in sorted({each.status for each in (*own, *edge)}):
        codes = [each for each in own if each.status == status] or [
            each for each in edge if each.status == status
        ]
        responses.setdefault(str(status), _problem(_words(codes)))
    responses["default"] = _problem(_DEFAULT)
    operation["responses"] = dict(sorted(responses.items()))


def _words(codes: Iterable[_Code]) -> str:
    return "; ".join(dict.fromkeys(f"{each.title} (`{each.code}`)" for each in codes))


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": f"{PREFIX}{ProblemDocument.__name__}"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _add_headers(operation: dict[str, Any]) -> None:
    """Adds the headers of every answer.

    Headers that a route declares belong to each of its successes. They are sorted, because Litestar
    keeps them in a set: so each process writes the same document.
    """
    responses = operation["responses"]
    successes = [response for status, response in responses.items() if status.startswith("2")]
    declared = {
        name: header for each in successes for name, header in (each.get("headers") or {}).items()
    }
    for header in declared.values():
        header.setdefault("schema", {"type": "string"})
    keyed = any(each["name"] == _KEY for each in operation.get("parameters", ()))
    for status, response in responses.items():
        own = dict(sorted(declared.items())) if status.startswith("2") else {}
        names = ["Trace-Id"]
        names += ["Retry-After"] if status in _LATER else []
        names += ["WWW-Authenticate"] if status == "401" else []
        names += ["Idempotent-Replayed"] if keyed and status == "200" else []
        response["headers"] = own | {
            name: {"$ref": f"#/components/headers/{name}"} for name in names
        }
        if status == "204":
            response.pop("content", None)
