"""Faults on purpose."""

from typing import Any, Literal

from valerix.client import models
from valerix.client.calls.pieces import Calls, part
from valerix.client.reading import read_as
from valerix.client.steps import Flow, Request

DEFAULT_SECONDS = 60


class Chaos(Calls):
    """Faults injected into all copies of a service.

    For administrators, where the installation allows it.

    Every fault ends by itself after `seconds` (at most an hour). It replaces an active fault of the
    same kind. `path`: only requests whose path at the service starts with it.
    """

    _PATH = "/api/v1/chaos"

    def overview(self) -> Flow[models.Page[models.ServiceChaos]]:
        """Every service: active faults, earlier faults, and the faults it offers."""
        return self._get(self._PATH, models.Page[models.ServiceChaos])

    def get(self, service: str) -> Flow[models.ServiceChaos]:
        """One service: active faults, earlier faults, and the faults it offers."""
        return self._get(self._of(service), models.ServiceChaos)

    def resilience(self, copy: str) -> Flow[models.Resilience]:
        """State of one copy of a service (`orders`, `orders-2`, …): breakers, load, response time.

        For staff.
        """
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
        """Delay one of `every` requests (default 5) by `delay_ms` (default 3,000).

        A request is processed after its delay. At most `times` requests are delayed.
        """
        return self._inject(
            service, "gremlin", seconds, every=every, delayMs=delay_ms, times=times, path=path
        )

    def crash(
        self,
        service: str,
        *,
        how: Literal["drop", "kill"] | None = None,
        times: int | None = None,
        path: str | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """Drop the connection or kill the process after the commit and before the reply.

        Strikes the next `times` changes.
        """
        return self._inject(service, "crash", seconds, how=how, times=times, path=path)

    def errors(
        self,
        service: str,
        *,
        fraction: float | None = None,
        path: str | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """Answer a fraction of the requests (default half) with 503, before any work is done."""
        return self._inject(service, "errors", seconds, fraction=fraction, path=path)

    def cut(
        self, service: str, dependency: str, *, seconds: int = DEFAULT_SECONDS
    ) -> Flow[models.ServiceChaos]:
        """Fail calls of `service` to `dependency` as if the network were down.

        Raises Invalid when the service has no such dependency.
        """
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
        """Strike at a point between two durable steps (`ServiceChaos.failpoints`).

        Raises Invalid for an unknown point.
        """
        return self._inject(
            service, "failpoint", seconds, point=point, action=action, delayMs=delay_ms, times=times
        )

    def behaviour(
        self,
        service: str,
        name: str,
        *,
        fraction: float | None = None,
        times: int | None = None,
        seconds: int = DEFAULT_SECONDS,
    ) -> Flow[models.ServiceChaos]:
        """Make a service misbehave in one of the ways it offers (`ServiceChaos.behaviours`).

        Raises Invalid for an unknown behaviour.
        """
        return self._inject(
            service, "behaviour", seconds, name=name, fraction=fraction, times=times
        )

    def stop(self, service: str) -> Flow[models.ServiceChaos]:
        """End every fault of one service."""
        return self._delete(self._of(service), models.ServiceChaos)

    def stop_all(self) -> Flow[models.Page[models.ServiceChaos]]:
        """End every fault of every service."""
        return self._delete(self._PATH, models.Page[models.ServiceChaos])

    def _inject(
        self, service: str, kind: str, seconds: int, **fault: object
    ) -> Flow[models.ServiceChaos]:
        body = {"kind": kind, "durationSeconds": seconds, **fault}
        return self._send("PUT", self._of(service), body, models.ServiceChaos, repeatable=True)

    def _delete(self, path: str, kind: Any) -> Flow[Any]:
        return self._session.call(Request("DELETE", path), read_as(kind), repeatable=True)

    def _of(self, service: str) -> str:
        return f"{self._PATH}/{part(service)}"
