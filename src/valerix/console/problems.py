"""The page that the types of problems lead to: every code with its status, its title and what to do about it."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

_HEAD: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Problems · Valerix</title>
    <link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/static/problems.css">
  </head>
  <body>
    <h1>Problems</h1>
    <p>A refusal or a failure is a problem document (RFC 9457). Programs decide by <code>code</code>;
    <code>detail</code> says what happened, <code>traceId</code> finds the log lines.
    The <a href="/docs">reference</a> has the operations.</p>
"""
_TAIL: Final = "  </body>\n</html>\n"
_ADVICE: Final = {
    400: "Mend the request; errors names each bad field.",
    401: "Sign in, or refresh the access token.",
    402: "Another payment method may be accepted.",
    403: "The account may not do this.",
    404: "It does not exist, or belongs to another account.",
    405: "Allow names the methods of this path.",
    408: "Send the request again, without pauses.",
    409: "The state does not permit it now; read it again. With Retry-After, repeat the same request then.",
    412: "It was changed meanwhile; read it again and repeat the change.",
    413: "Send less.",
    415: "Send JSON, not compressed.",
    422: "The request is understood, but does not fit what there is.",
    429: "Wait as long as Retry-After says.",
    431: "Send fewer or shorter headers.",
    500: "A fault of the platform: report the trace id.",
    502: "The outcome is unknown; repeat the request under the same idempotency key.",
    503: "Repeat the request after Retry-After, under the same idempotency key.",
    504: "The outcome is unknown; repeat the request under the same idempotency key.",
}
"""What a caller does, by status."""


def page(problems: Sequence[dict[str, Any]]) -> bytes:
    """HTML; each problem is at its code."""
    return (_HEAD + "".join(map(_entry, problems)) + _TAIL).encode()


def _entry(problem: dict[str, Any]) -> str:
    code, title, status = escape(problem["code"]), escape(problem["title"]), problem["status"]
    return (
        f'    <section id="{code}">\n      <h2>{title}</h2>\n'
        f"      <p><code>{code}</code> · {status}</p>\n      <p>{_ADVICE.get(status, '')}</p>\n    </section>\n"
    )
