"""Faults on purpose."""

from typing import Any, Literal

from valerix.client import models
from valerix.client.calls.pieces import Calls, part
from valerix.client.reading import read_as
from valerix.client.steps import Flow, Request

DEFAULT_SECONDS = 60


class Chaos(Calls):
    """Break a service on purpose, in all its copies. For administrators, where the installation allows it.

    Every fault ends by itself after `seconds` (at most an hour). One of the same kind takes the place of the one
    before. `path`: only requests whose path at the service begins with it.
    """

    _PATH = "/api/v1/chaos"

    def overview(self) -> Flow[models.Page[models.ServiceChaos]]:
        """Every service: what is injected, what was, what can be."""
        return self._get(self._PATH, models.Page[models.ServiceChaos])

    def get(self, service: str) -> Flow[models.ServiceChaos]:
        """The same of one service."""
        return self._get(self._of(service), models.ServiceChaos)

    def resilience(self, copy: str) -> Flow[models.Resilience]:
        """How one copy of a service stands (`orders`, `orders-2`, …): breakers, load, response time. For staff."""
        return self._get(f"/api/v1/resilience/{part(copy)}", models.Resilience)

    def gremlin(
        self,
        service: str,
        *,
        every: int | None = None,
        delay_ms: int | None = None,
        times: int | None = None,
        path: str | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """Every so many requests (5), one waits (3 s) before it is worked on; at most `times`."""
        return self._inject(service, "gremlin", seconds, every=every, delayMs=delay_ms, times=times, path=path)

    def crash(
        self,
        service: str,
        *,
        how: Literal["drop", "kill"] | None = None,
        times: int | None = None,
        path: str | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """After the commit and before the reply, drop the connection or kill the process: the next `times` changes."""
        return self._inject(service, "crash", seconds, how=how, times=times, path=path)

    def errors(
        self, service: str, *, fraction: float | None = None, path: str | None = None, seconds: int = DEFAULT_SECONDS
    ) -> Flow[models.ServiceChaos]:
        """A fraction (half) of the requests is answered 503, and nothing is begun."""
        return self._inject(service, "errors", seconds, fraction=fraction, path=path)

    def cut(self, service: str, dependency: str, *, seconds: int = DEFAULT_SECONDS) -> Flow[models.ServiceChaos]:
        """Calls of `service` to `dependency` fail as if the network were gone. Raises Invalid for one it lacks."""
        return self._inject(service, "cut", seconds, dependency=dependency)

    def failpoint(
        self,
        service: str,
        point: str,
        *,
        action: Literal["kill", "hang", "drop", "error"] | None = None,
        delay_ms: int | None = None,
        times: int | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """At a point between two durable steps (`ServiceChaos.failpoints`). Raises Invalid for an unknown one."""
        return self._inject(service, "failpoint", seconds, point=point, action=action, delayMs=delay_ms, times=times)

    def behaviour(
        self,
        service: str,
        name: str,
        *,
        fraction: float | None = None,
        times: int | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """What a service can be told to do wrong (`ServiceChaos.behaviours`). Raises Invalid for an unknown one."""
        return self._inject(service, "behaviour", seconds, name=name, fraction=fraction, times=times)

    def stop(self, service: str) -> Flow[models.ServiceChaos]:
        """End every fault of one service."""
        return self._delete(self._of(service), models.ServiceChaos)

    def stop_all(self) -> Flow[models.Page[models.ServiceChaos]]:
        """End every fault of every service."""
        return self._delete(self._PATH, models.Page[models.ServiceChaos])

    def _inject(self, service: str, kind: str, seconds: int, **fault: object) -> Flow[models.ServiceChaos]:
        body = {"kind": kind, "durationSeconds": seconds, **fault}
        return self._send("PUT", self._of(service), body, models.ServiceChaos, repeatable=True)

    def _delete(self, path: str, kind: Any) -> Flow[Any]:
        return self._session.call(Request("DELETE", path), read_as(kind), repeatable=True)

    def _of(self, service: str) -> str:
        return f"{self._PATH}/{part(service)}"
