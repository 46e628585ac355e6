"""The page that the `type` of a problem links to: every code with its status, title and advice."""

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
    <p>Every error is a problem document (RFC 9457). Programs decide by <code>code</code>,
    <code>detail</code> explains what happened, and <code>traceId</code> finds the log lines.
    See the <a href="/docs">API reference</a> for the operations.</p>
"""
_TAIL: Final = "  </body>\n</html>\n"
_ADVICE: Final = {
    400: "Correct the request; errors names each invalid field.",
    401: "Sign in, or refresh the access token.",
    402: "Try another payment method.",
    403: "The account lacks the permission for this.",
    404: "The resource does not exist, or belongs to another account.",
    405: "The Allow header names the methods of this path.",
    408: "Send the request again, without pauses.",
    409: (
        "The state does not permit this now; read it again. "
        "With Retry-After, repeat the request then."
    ),
    412: "The resource has changed since it was read; read it again and repeat the change.",
    413: "Send a smaller request.",
    415: "Send JSON, not compressed.",
    422: "The request is well formed, but refers to something that does not exist or does not fit.",
    429: "Wait as long as the Retry-After header says, then repeat the request.",
    431: "Send fewer or shorter headers.",
    500: "An error of the platform: report the traceId.",
    502: "The outcome is unknown; repeat the request under the same idempotency key.",
    503: "Repeat the request after Retry-After, under the same idempotency key.",
    504: "The outcome is unknown; repeat the request under the same idempotency key.",
}
"""Advice to the caller, by status."""


def page(problems: Sequence[dict[str, Any]]) -> bytes:
    """The page as HTML; the anchor of each problem is its code."""
    return (_HEAD + "".join(map(_entry, problems)) + _TAIL).encode()


def _entry(problem: dict[str, Any]) -> str:
    code, title, status = escape(problem["code"]), escape(problem["title"]), problem["status"]
    return (
        f'    <section id="{code}">\n      <h2>{title}</h2>\n'
        f"      <p><code>{code}</code> · {status}</p>\n"
        f"      <p>{_ADVICE.get(status, '')}</p>\n    </section>\n"
    )
