"""The lines of HAProxy's configuration file."""

import json
import os
import resource
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from valerix.launcher.gateways import contract
from valerix.launcher.gateways.contract import API, Listening, OwnError, Rewrite, Route
from valerix.launcher.topology import BY_NAME, Instance

CONNECTIONS: Final = 4_000
"""Of all addresses together. A half TLS handshake takes 46 KB: with as many, 199 MB were measured."""
CROWDED, FULL = 1_000, 2_000
"""Requests of all addresses together that have not arrived whole, up to 85 KB each: more get less time, or none."""
HURRY_SECONDS: Final = 0.5
FILES_BESIDE: Final = 500
"""Open files besides two for a connection."""
REWRITING_BYTES: Final = 8 * 1024
BUFFER_BYTES: Final = contract.HEADER_BYTES + contract.BODY_BYTES + REWRITING_BYTES
"""A whole request with space to change its headers: a larger one would be passed on before it is complete."""
STREAMS: Final = 100
"""Of one HTTP/2 connection at once."""
TRACKED_ADDRESSES: Final = 100_000
DASHBOARD: Final = "/dashboard/"
COMPRESSED: Final = (
    *("application/json", "application/problem+json", "text/html", "text/css", "text/javascript"),
    *("application/javascript", "image/svg+xml"),
)
HOST: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]*)?$"
LOG_VARIABLE: Final = "VALERIX_ACCESS_LOG"
LOGGED_BYTES: Final = 1024
"""Of a path. Each may take six; a line cut off at its length would be no document."""
LOG: Final = {
    "EndUTC": '"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
    "ClientNetwork": '"%[src,ipmask(24,48)]"',
    "RequestMethod": '"%[var(txn.method),bytes(0,20)]"',
    "RequestPath": f'"%[var(txn.path),bytes(0,{LOGGED_BYTES}),json(utf8s)]"',
    "DownstreamStatus": "%ST",
    "DownstreamContentSize": "%B",
    # In nanoseconds, as Traefik has it; -1e6 where there is none.
    "Duration": "%Ta.0e6",
    "OriginDuration": "%Tr.0e6",
    "RetryAttempts": '"%rc"',
    "RouterName": '"%b"',
    "ServiceURL": '"%si:%sp"',
    "Traceparent": '"%[var(txn.trace),json(utf8s)]"',
}
"""What the access log tells of a request; no query, no header, no whole address."""
_EIGHT, _TWELVE = "%[uuid,bytes(0,8)]", "%[uuid,bytes(24,12)]"
NEW_TRACE: Final = f"00-{_EIGHT}{_TWELVE}{_TWELVE}-{_EIGHT}{_EIGHT}-00"
"""Random digits of several UUIDs. Not sampled: the services decide that."""
SOURCE: Final = "src,ipmask(32,64)"
"""Of IPv6 the network a customer is given."""


def lines(listening: Listening, instances: Sequence[Instance]) -> Iterator[str]:
    """The lines of the file."""
    yield from _global(listening)
    yield from _defaults(listening)
    yield from _web(listening)
    yield from _metrics(listening)
    yield from _tables()
    copies = contract.services(instances)
    for process in dict.fromkeys(one.process for one in copies):
        yield from _service(
            listening.settings.gateway_capacity, process, [one for one in copies if one.process == process]
        )
    for name, routes in _by_backend(contract.routes(instances)).items():
        if name not in BY_NAME:
            yield from _aside(name, routes, copies)


def _global(listening: Listening) -> Iterator[str]:
    yield "global"
    yield from (
        f"  nbthread {max(1, (os.cpu_count() or 1) // 2)}",
        "  default-path config",  # names of files may have spaces and quotes above it
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
        # Only connections that could not be made are tried again: nothing is ever sent twice.
        "  retries 3",
        "  retry-on conn-failure",
        "  option redispatch 1",
        "  option http-keep-alive",
        "  option idle-close-on-response",  # or a reload could cut off a request
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
    # Requests alone: what happens to servers is told at other levels, and not in JSON.
    yield f'  log "fd@${{{LOG_VARIABLE}}}" len {8 * LOGGED_BYTES} format raw local0 info info'
    yield f"  bind {_quoted(f'{address}:{listening.port}')}{tls}"
    yield f"  tcp-request connection track-sc2 {SOURCE} table connections"
    yield f"  tcp-request connection reject if {{ sc2_conn_cur(connections) gt {settings.gateway_connections} }}"
    yield "  acl unfinished req.body_size,sub(txn.here) gt 0"
    yield "  acl unfinished req.hdr_cnt(transfer-encoding) gt 0"
    # A stream of HTTP/2 need not say how long it is.
    yield "  acl stream req.ver 2.0"
    yield "  acl declared req.hdr_cnt(content-length) gt 0"
    yield "  acl traced req.fhdr(traceparent) -m reg ^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
    yield f"  acl untraced req.fhdr(traceparent) -m sub 00-{'0' * 32}- -{'0' * 16}-"
    yield "  acl pages var(txn.backend) -m end -- -pages"
    crowded, full = (f"{{ sc_conn_cur(3,everyone) gt {count} }}" for count in (CROWDED, FULL))
    yield "  acl bodiless method GET HEAD DELETE OPTIONS"
    yield from _rules(
        *("set-var(txn.method) method", "set-var(txn.path) path"),
        f"return status 200 content-type application/json string {_quoted(contract.HEALTH)} if {{ path /health }}",
        f"set-header traceparent {NEW_TRACE} if !traced or untraced or !{{ req.fhdr_cnt(traceparent) eq 1 }}",
        "set-var(txn.trace) req.hdr(traceparent)",
        *(_refuse(contract.INVALID, condition) for condition in _ambiguous()),
        _refuse(contract.HEADERS_TOO_LARGE, f"{{ req.hdrs,length gt {contract.HEADER_BYTES} }}"),
        # First whether there is such a path, and how much of the address is on its way …
        "set-var(txn.backend) path,map_str(exact.map)",
        "set-var(txn.backend) path,map_beg(beneath.map) if !{ var(txn.backend) -m found }",
        _refuse(contract.NOT_FOUND, "!{ var(txn.backend) -m found }"),
        "set-var(txn.here) req.body_len",
        f"track-sc0 {SOURCE} table arriving if unfinished or stream !declared",
        _refuse(contract.TOO_MANY_OPEN, f"{{ sc0_conn_cur(arriving) gt {settings.gateway_arriving} }}"),
        *_if_newer("track-sc3 int(1) table everyone if unfinished or stream !declared"),
        # A stream that need not have a body is not refused.
        *_if_newer(_refuse(contract.OVERLOADED, f"{full} unfinished or {full} stream !declared !bodiless")),
        *_if_newer(f"wait-for-body time {_ms(min(HURRY_SECONDS, timeouts.body))} if {crowded}"),
        _refuse(contract.TOO_LARGE, f"{{ req.body_size gt {contract.BODY_BYTES} }}"),
        f"wait-for-body time {_ms(timeouts.body)}",
        _refuse(contract.TOO_LARGE, f"{{ req.body_len gt {contract.BODY_BYTES} }}"),
        # … then, for what is complete, the limits of its address.
        f"track-sc1 {SOURCE} table complete",
        _refuse(contract.RATE_LIMITED, f"{{ sc1_http_req_rate(complete) gt {settings.gateway_rate} }}"),
        _refuse(contract.TOO_MANY_OPEN, f"{{ sc1_conn_cur(complete) gt {settings.gateway_in_flight} }}"),
        *(f"del-header {name}" for name in contract.IDENTITY_HEADERS),
        "del-header X-Forwarded- -m beg",
        "del-header HTTP2-Settings",
        "del-header Accept-Encoding if METH_POST",  # its answers are small: to compress them takes longer
        "set-uri %[pathq] if { url_beg http }",  # with the host's name in it, it is sent on as it came
        "set-header X-Forwarded-For %[src,ipmask(32,128)]",  # IPv4 as such, on an IPv6 socket, too
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
        f"  http-request return status 200 content-type application/json string {_quoted(contract.HEALTH)}"
        " if { path /health }",
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
    yield from _rules(_refuse(contract.OVERLOADED, f"{{ be_conn gt {capacity} }}"), *_rewrites([Rewrite.CANONICAL]))
    for one in copies:
        yield f"  server {one.name} 127.0.0.1:{one.port} check"


def backend_of(route: Route) -> str:
    """What counts against a service's capacity shares one, whose limit is that of the service."""
    return route.target if route.takes_capacity else route.name


def _by_backend(routes: Iterable[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = {}
    for route in routes:
        found.setdefault(backend_of(route), []).append(route)
    return found


def _aside(name: str, routes: Sequence[Route], copies: Iterable[Instance]) -> Iterator[str]:
    """What does not count against it; whether a copy is well, the backend of its service knows."""
    yield f"backend {name}"
    yield "  balance roundrobin"
    yield from _rules(*_rewrites([route.rewrite for route in routes]))
    for one in copies:
        if routes[0].target == (one.name if routes[0].single else one.process):
            yield f"  server {one.name} 127.0.0.1:{one.port} track {one.process}/{one.name}"


def _tables() -> Iterator[str]:
    open_now = "conn_cur"
    kept = {"connections": open_now, "arriving": open_now, "complete": f"{open_now},http_req_rate(1s)"}
    for name, stores in kept.items():
        yield f"backend {name}"
        yield f"  stick-table type ipv6 size {TRACKED_ADDRESSES} expire 10s store {stores}"
    yield "backend everyone"
    yield f"  stick-table type integer size 1k expire 10s store {open_now}"


def _ambiguous() -> Iterator[str]:
    """Conditions under which gateway and service could read one request differently."""
    encoded = " ".join([*contract.AMBIGUOUS.values(), "%2e"])
    yield f"{{ path -i -m sub {encoded} }}"
    yield r"{ path -m sub /../ /./ // '\' } or { path -m end /.. /. }"
    yield "!{ req.ver 1.0 1.1 2.0 }"
    yield "!{ req.fhdr_cnt(host) eq 1 }"
    yield rf"!{{ req.fhdr(host) -m reg '{HOST}' }}"
    yield "{ req.hdr(upgrade) -m found } !{ req.hdr(upgrade) -i websocket }"
    yield r"{ req.hdrs -m reg \\x00 }"  # those before 2.7 let it pass


def _rewrites(wanted: Iterable[Rewrite]) -> Iterator[str]:
    for rewrite in dict.fromkeys(wanted):
        if rewrite is Rewrite.CANONICAL:
            yield f"set-path %[path,bytes(4)] if {{ path_beg /api/ }} !{{ path_beg {API}/ }}"
            yield f"set-path {API}%[path] unless {{ path_beg {API}/ }}"
        elif rewrite is not Rewrite.NONE:
            yield f"set-path {rewrite}"


def _rules(*rules: str) -> Iterator[str]:
    return (rule if rule.startswith(".") else f"  http-request {rule}" for rule in rules)


def _if_newer(line: str) -> Iterator[str]:
    """What Debian's HAProxy does not have: a fourth counter."""
    yield from (".if version_atleast(2.8)", line, ".endif")


def connections() -> int:
    """As many as files may be opened for: HAProxy does not start with more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, (hard - FILES_BESIDE) // 2)


def _refuse(error: OwnError, condition: str) -> str:
    return f"return {_answer(error)} if {condition}"


def _answer(error: OwnError) -> str:
    waiting = f" hdr Retry-After {error.retry_after}" if error.retry_after else ""
    text = _quoted(json.dumps(error.document() | {"traceId": "%[var(txn.trace),bytes(3,32)]"}))
    return f"status {error.status} content-type application/problem+json lf-string {text}{waiting}"


def _text(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    """Nothing in it is looked at."""
    return "'" + text.replace("'", r"'\''") + "'"


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
