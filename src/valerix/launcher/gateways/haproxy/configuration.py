"""Generates the lines of HAProxy's configuration file."""

import json
import os
import resource
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import API, Listening, OwnError, Rewrite, Route
from valerix.launcher.topology import BY_NAME, Instance

CONNECTIONS: Final = 4_000
"""Limit for all addresses together.

A half-open TLS handshake takes 46 KB; 199 MB were measured with 4,000.
"""
CROWDED, FULL = 1_000, 2_000
"""Limits for incomplete requests of all addresses together, up to 85 KB each.

Above the first, a request gets less time to arrive; above the second, it is refused.
"""
HURRY_SECONDS: Final = 0.5
"""Time for a body to arrive while CROWDED is exceeded."""
FILES_BESIDE: Final = 500
"""Open files in addition to the two for each connection."""
REWRITING_BYTES: Final = 8 * 1024
BUFFER_BYTES: Final = contract.HEADER_BYTES + contract.BODY_BYTES + REWRITING_BYTES
"""Size of a complete request with space to change its headers.

HAProxy would forward a request that exceeds its buffer before it is complete.
"""
STREAMS: Final = 100
"""Concurrent streams of one HTTP/2 connection."""
TRACKED_ADDRESSES: Final = 100_000
DASHBOARD: Final = "/dashboard/"
COMPRESSED: Final = (
    *("application/json", "application/problem+json", "text/html", "text/css", "text/javascript"),
    *("application/javascript", "image/svg+xml"),
)
HOST: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]*)?$"
LOG_VARIABLE: Final = "VALERIX_ACCESS_LOG"
LOGGED_BYTES: Final = 1024
"""Bytes of a path that are logged.

Escaping may take six for each; a truncated line would be no valid JSON.
"""
LOG: Final = {
    "EndUTC": '"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
    "ClientNetwork": '"%[src,ipmask(24,48)]"',
    "RequestMethod": '"%[var(txn.method),bytes(0,20)]"',
    "RequestPath": f'"%[var(txn.path),bytes(0,{LOGGED_BYTES}),json(utf8s)]"',
    "DownstreamStatus": "%ST",
    "DownstreamContentSize": "%B",
    # In nanoseconds, as in Traefik's log; -1e6 if there is no value.
    "Duration": "%Ta.0e6",
    "OriginDuration": "%Tr.0e6",
    "RetryAttempts": '"%rc"',
    "RouterName": '"%b"',
    "ServiceURL": '"%si:%sp"',
    "Traceparent": '"%[var(txn.trace),json(utf8s)]"',
}
"""Fields of the access log: no query, no header except the trace, no complete address."""
_EIGHT, _TWELVE = "%[uuid,bytes(0,8)]", "%[uuid,bytes(24,12)]"
NEW_TRACE: Final = f"00-{_EIGHT}{_TWELVE}{_TWELVE}-{_EIGHT}{_EIGHT}-00"
"""A traceparent of random digits from several UUIDs.

Its flag is "not sampled": the services decide that.
"""
SOURCE: Final = "src,ipmask(32,64)"
"""The address that limits count by; for IPv6 the /64 network, which one subscriber gets."""


def lines(listening: Listening, instances: Sequence[Instance]) -> Iterator[str]:
    """Yield the lines of the file."""
    yield from _global(listening)
    yield from _defaults(listening)
    yield from _web(listening)
    yield from _metrics(listening)
    yield from _tables()
    copies = contract.services(instances)
    for process in dict.fromkeys(one.process for one in copies):
        yield from _service(
            listening.settings.gateway_capacity,
            process,
            [one for one in copies if one.process == process],
        )
    for name, routes in _by_backend(contract.routes(instances)).items():
        if name not in BY_NAME:
            yield from _aside(name, routes, copies)


def _global(listening: Listening) -> Iterator[str]:
    yield "global"
    yield from (
        f"  nbthread {max(1, (os.cpu_count() or 1) // 2)}",
        # Relative file names: the folder's path may have spaces and quotes.
        "  default-path config",
        f"  maxconn {connections()}",
        f"  hard-stop-after {_ms(listening.timeouts.reload)}",
        f"  tune.bufsize {BUFFER_BYTES}",
        f"  tune.maxrewrite {REWRITING_BYTES}",
        f"  tune.h2.max-concurrent-streams {STREAMS}",
        "  tune.comp.maxlevel 1",
        *_if_newer("  tune.stick-counters 4"),
        "  ssl-default-bind-options ssl-min-ver TLSv1.2",
    )


def _defaults(listening: Listening) -> Iterator[str]:
    timeouts = listening.timeouts
    yield "defaults"
    yield from (
        "  mode http",
        f"  log-format '{{{','.join(f'{_text(name)}:{value}' for name, value in LOG.items())}}}'",
        f"  timeout http-request {_ms(timeouts.head)}",
        f"  timeout http-keep-alive {_ms(timeouts.idle)}",
        f"  timeout client {_ms(timeouts.answer)}",
        f"  timeout server {_ms(timeouts.answer)}",
        f"  timeout connect {_ms(timeouts.connect)}",
        "  timeout check 3s",  # a saturated service answers late; taking it out would make it worse
        "  timeout tunnel 1h",
        # Only failed connection attempts are repeated, so no request is ever sent twice.
        "  retries 3",
        "  retry-on conn-failure",
        "  option redispatch 1",
        "  option http-keep-alive",
        "  option idle-close-on-response",  # without it, a reload could cut off a request
        "  option http-ignore-probes",  # a connection that sends no request gets no answer
        "  option http-restrict-req-hdr-names delete",  # X_User_Id could be read as X-User-Id
        "  option disable-h2-upgrade",  # HTTP/2 is for TLS
        "  default-server inter 1s fastinter 250ms downinter 250ms fall 1 rise 1",
    )
    for error in (
        *(contract.INVALID, contract.TOO_SLOW, contract.BAD_GATEWAY, contract.UNAVAILABLE),
        *(contract.TIMED_OUT, contract.INTERNAL),
    ):
        yield f"  http-error {_answer(error)}"


def _web(listening: Listening) -> Iterator[str]:
    timeouts = listening.timeouts
    settings, host = listening.settings, listening.settings.gateway_host
    address = f"[{host}]" if ":" in host else host
    tls = " ssl crt chain.pem alpn h2,http/1.1" if listening.certificate else ""
    yield "frontend web"
    # Only requests: HAProxy logs events of servers at other levels, and not as JSON.
    yield f'  log "fd@${{{LOG_VARIABLE}}}" len {8 * LOGGED_BYTES} format raw local0 info info'
    yield f"  bind {_quoted(f'{address}:{listening.port}')}{tls}"
    yield f"  tcp-request connection track-sc2 {SOURCE} table connections"
    too_many = f"{{ sc2_conn_cur(connections) gt {settings.gateway_connections} }}"
    yield f"  tcp-request connection reject if {too_many}"
    yield "  acl unfinished req.body_size,sub(txn.here) gt 0"
    yield "  acl unfinished req.hdr_cnt(transfer-encoding) gt 0"
    # A stream of HTTP/2 need not declare its length.
    yield "  acl stream req.ver 2.0"
    yield "  acl declared req.hdr_cnt(content-length) gt 0"
    yield "  acl traced req.fhdr(traceparent) -m reg ^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
    yield f"  acl untraced req.fhdr(traceparent) -m sub 00-{'0' * 32}- -{'0' * 16}-"
    yield "  acl pages var(txn.backend) -m end -- -pages"
    crowded, full = (f"{{ sc_conn_cur(3,everyone) gt {count} }}" for count in (CROWDED, FULL))
    yield "  acl bodiless method GET HEAD DELETE OPTIONS"
    yield from _rules(
        *("set-var(txn.method) method", "set-var(txn.path) path"),
        _health(),
        f"set-header traceparent {NEW_TRACE}"
        " if !traced or untraced or !{ req.fhdr_cnt(traceparent) eq 1 }",
        "set-var(txn.trace) req.hdr(traceparent)",
        *(_refuse(contract.INVALID, condition) for condition in _ambiguous()),
        _refuse(contract.HEADERS_TOO_LARGE, f"{{ req.hdrs,length gt {contract.HEADER_BYTES} }}"),
        # First: does the path exist, and how many requests of the address are incomplete …
        "set-var(txn.backend) path,map_str(exact.map)",
        "set-var(txn.backend) path,map_beg(beneath.map) if !{ var(txn.backend) -m found }",
        _refuse(contract.NOT_FOUND, "!{ var(txn.backend) -m found }"),
        "set-var(txn.here) req.body_len",
        f"track-sc0 {SOURCE} table arriving if unfinished or stream !declared",
        _refuse(
            contract.TOO_MANY_OPEN, f"{{ sc0_conn_cur(arriving) gt {settings.gateway_arriving} }}"
        ),
        *_if_newer("track-sc3 int(1) table everyone if unfinished or stream !declared"),
        # A stream whose method needs no body is not refused.
        *_if_newer(
            _refuse(contract.OVERLOADED, f"{full} unfinished or {full} stream !declared !bodiless")
        ),
        *_if_newer(f"wait-for-body time {_ms(min(HURRY_SECONDS, timeouts.body))} if {crowded}"),
        _refuse(contract.TOO_LARGE, f"{{ req.body_size gt {contract.BODY_BYTES} }}"),
        f"wait-for-body time {_ms(timeouts.body)}",
        _refuse(contract.TOO_LARGE, f"{{ req.body_len gt {contract.BODY_BYTES} }}"),
        # … then, for complete requests, the limits of their address.
        f"track-sc1 {SOURCE} table complete",
        _refuse(
            contract.RATE_LIMITED, f"{{ sc1_http_req_rate(complete) gt {settings.gateway_rate} }}"
        ),
        _refuse(
            contract.TOO_MANY_OPEN, f"{{ sc1_conn_cur(complete) gt {settings.gateway_in_flight} }}"
        ),
        *(f"del-header {name}" for name in contract.IDENTITY_HEADERS),
        "del-header X-Forwarded- -m beg",
        "del-header HTTP2-Settings",
        # Small answers: compressing them takes longer than sending.
        "del-header Accept-Encoding if METH_POST",
        "set-uri %[pathq] if { url_beg http }",  # HAProxy would forward an absolute URI unchanged
        "set-header X-Forwarded-For %[src,ipmask(32,128)]",  # plain IPv4, even on an IPv6 socket
        f"set-header X-Forwarded-Proto {'https' if listening.certificate else 'http'}",
        "set-header X-Forwarded-Host %[req.hdr(host)]",
    )
    for name, value in contract.security_headers(listening.certificate).items():
        yield f"  http-after-response set-header {name} {_quoted(value)}"
    for name, value in contract.API_HEADERS.items():
        yield f"  http-after-response set-header {name} {_quoted(value)} unless pages"
    yield "  http-after-response del-header Server"
    yield "  http-after-response del-header X-Powered-By"
    yield "  compression algo gzip"
    yield f"  compression type {' '.join(COMPRESSED)}"
    yield "  use_backend %[var(txn.backend)]"


def _metrics(listening: Listening) -> Iterator[str]:
    yield "frontend metrics"
    yield from (
        f"  bind 127.0.0.1:{listening.metrics_port}",
        "  option dontlog-normal",
        *_rules(_health()),
        "  http-request use-service prometheus-exporter if { path /metrics }",
        "  stats enable",
        f"  stats uri {DASHBOARD}",
        "  stats refresh 5s",
        "  stats hide-version",
    )


def _service(capacity: int, process: str, copies: Iterable[Instance]) -> Iterator[str]:
    yield f"backend {process}"
    yield "  balance roundrobin"
    yield "  option httpchk"
    yield f"  http-check send meth GET uri {BY_NAME[process].health} hdr Host localhost"
    yield "  http-check expect status 200"
    yield from _rules(
        _refuse(contract.OVERLOADED, f"{{ be_conn gt {capacity} }}"),
        *_rewrites([Rewrite.CANONICAL]),
    )
    for one in copies:
        yield f"  server {one.name} 127.0.0.1:{one.port} check"


def backend_of(route: Route) -> str:
    """Return the backend of a route.

    Routes that take a service's capacity share the service's backend.
    """
    return route.target if route.takes_capacity else route.name


def _by_backend(routes: Iterable[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        found.setdefault(backend_of(route), []).append(route)
    return found


def _aside(name: str, routes: Sequence[Route], copies: Iterable[Instance]) -> Iterator[str]:
    """Yield a backend outside the service's capacity.

    Its servers track the health checks of the service.
    """
    yield f"backend {name}"
    yield "  balance roundrobin"
    yield from _rules(*_rewrites([route.rewrite for route in routes]))
    for one in copies:
        if routes[0].target == (one.name if routes[0].single else one.process):
            yield f"  server {one.name} 127.0.0.1:{one.port} track {one.process}/{one.name}"


def _tables() -> Iterator[str]:
    open_now = "conn_cur"
    kept = {
        "connections": open_now,
        "arriving": open_now,
        "complete": f"{open_now},http_req_rate(1s)",
    }
    for name, stores in kept.items():
        yield f"backend {name}"
        yield f"  stick-table type ipv6 size {TRACKED_ADDRESSES} expire 10s store {stores}"
    yield "backend everyone"
    yield f"  stick-table type integer size 1k expire 10s store {open_now}"


def _ambiguous() -> Iterator[str]:
    """Yield conditions under which gateway and service could read the same request differently."""
    encoded = " ".join([*contract.AMBIGUOUS.values(), "%2e"])
    yield f"{{ path -i -m sub {encoded} }}"
    yield r"{ path -m sub /../ /./ // '\' } or { path -m end /.. /. }"
    yield "!{ req.ver 1.0 1.1 2.0 }"
    yield "!{ req.fhdr_cnt(host) eq 1 }"
    yield rf"!{{ req.fhdr(host) -m reg '{HOST}' }}"
    yield "{ req.hdr(upgrade) -m found } !{ req.hdr(upgrade) -i websocket }"
    yield r"{ req.hdrs -m reg \\x00 }"  # HAProxy before 2.7 lets it pass


def _rewrites(wanted: Iterable[Rewrite]) -> Iterator[str]:
    for rewrite in dict.fromkeys(wanted):
        if rewrite is Rewrite.CANONICAL:
            yield f"set-path %[path,bytes(4)] if {{ path_beg /api/ }} !{{ path_beg {API}/ }}"
            yield f"set-path {API}%[path] unless {{ path_beg {API}/ }}"
        elif rewrite is not Rewrite.NONE:
            yield f"set-path {rewrite}"


def _rules(*rules: str) -> Iterator[str]:
    return (rule if rule.startswith(".") else f"  http-request {rule}" for rule in rules)


def _health() -> str:
    answer = f"status 200 content-type application/json string {_quoted(contract.HEALTH)}"
    return f"return {answer} if {{ path /health }}"


def _if_newer(line: str) -> Iterator[str]:
    """Wrap a line that Debian's HAProxy does not support: it needs a fourth counter."""
    yield from (".if version_atleast(2.8)", line, ".endif")


def connections() -> int:
    """Return the limit of connections.

    HAProxy does not start if it exceeds the limit of open files.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        CONNECTIONS
        if hard == resource.RLIM_INFINITY
        else min(CONNECTIONS, (hard - FILES_BESIDE) // 2)
    )


def _refuse(error: OwnError, condition: str) -> str:
    return f"return {_answer(error)} if {condition}"


def _answer(error: OwnError) -> str:
    retry_after = f" hdr Retry-After {error.retry_after}" if error.retry_after else ""
    text = _quoted(json.dumps(error.document() | {"traceId": "%[var(txn.trace),bytes(3,32)]"}))
    return (
        f"status {error.status} content-type application/problem+json lf-string {text}{retry_after}"
    )


def _text(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    """Quote the text so that HAProxy interprets no character in it."""
    return "'" + text.replace("'", r"'\''") + "'"


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
