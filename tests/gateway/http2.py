"""An HTTP/2 client that controls single streams."""

import contextlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from tests.gateway.front import Front
from tests.gateway.wire import Wire, connected

RESET = 0
"""Stands for the status of a stream that was reset."""


class Http2:
    """One HTTP/2 connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding=None, validate_outbound_headers=False)
        )
        self.statuses: dict[int, int] = {}
        self.ended: set[int] = set()
        self.bodies: dict[int, bytes] = {}
        self.closed = False
        self._h2.initiate_connection()
        self._flush()

    def ask(self, method: str, path: str, *headers: tuple[str, str], ends: bool = True) -> int:
        """Sends a request; returns its stream."""
        stream = self._h2.get_next_available_stream_id()
        first = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", path),
        ]
        own = [header for header in headers if header[0].startswith(":")]
        self._h2.send_headers(
            stream, [*first, *own, *(one for one in headers if one not in own)], end_stream=ends
        )
        self._flush()
        return stream

    def send(self, stream: int, body: bytes, *, ends: bool) -> None:
        """Sends a body as fast as flow control allows; stops if the other side ends the stream."""
        while body and stream not in self.ended and not self.closed:
            size = min(
                self._h2.local_flow_control_window(stream),
                self._h2.max_outbound_frame_size,
                len(body),
            )
            if size == 0:
                self.receive()
                continue
            self._h2.send_data(stream, body[:size], end_stream=ends and size == len(body))
            body = body[size:]
            self._flush()

    def wait_for(self, streams: set[int]) -> None:
        """Waits until each of the streams has ended."""
        while not streams <= self.ended and not self.closed:
            self.receive()

    def offers(self, setting: SettingCodes) -> bool:
        return self._h2.remote_settings.get(setting, 0) == 1

    def received(self) -> bool:
        """Reads once more; returns whether the connection is still open."""
        self.receive()
        return not self.closed

    def receive(self) -> None:
        try:
            received = self._wire.socket.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            received = b""
        self.closed = self.closed or not received
        for event in self._h2.receive_data(received) if received else []:
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self.statuses[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamReset):
            self.statuses.setdefault(event.stream_id, RESET)
            self.ended.add(event.stream_id)
        elif isinstance(event, StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, ConnectionTerminated):
            self.closed = True

    def _flush(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self._wire.socket.sendall(self._h2.data_to_send())


@contextmanager
def http2(front: Front, source: str = "127.0.0.1") -> Iterator[Http2]:
    with connected(front, source, ("h2",)) as wire:
        yield Http2(wire)
