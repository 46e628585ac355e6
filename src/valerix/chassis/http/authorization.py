"""Decides whether a request is admitted.

It checks the token, the roles of the route, and the request limits of the caller.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.base.problems import NotFound, Problem
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.calls.revocations import Revocations
from valerix.chassis.http import edge
from valerix.chassis.identity.keys import KeyRing
from valerix.chassis.identity.tokens import SERVICE_ROLE, Principal
from valerix.chassis.identity.verifier import Verifier, require
from valerix.chassis.limits.admission import UNSHED
from valerix.chassis.limits.origin import Origin, address_of, network_of, origin_of
from valerix.chassis.limits.rate_limit import RequestLimits
from valerix.contracts.acts import Actor
from valerix.contracts.roles import STAFF, Access

log = structlog.get_logger()


class Authorization:
    """Authenticates callers and checks access. Call `open` before the first request."""

    verifier: Verifier

    def __init__(self, service: str, settings: ServiceSettings) -> None:
        self._service = service
        self._keys = KeyRing(settings.keys_file)
        self._proxies = settings.proxies
        self._limits = RequestLimits(
            per_address=settings.address_limit, per_user=settings.user_limit
        )

    def open(self, revocations: Revocations) -> None:
        """Refuses tokens of these sessions from now on."""
        self.verifier = Verifier(self._keys, self._service, revocations)

    def authorize(
        self, scope: Any, headers: Mapping[bytes, bytes], access: Access
    ) -> Principal | None:
        """The caller; None on a public route.

        Requests with bad tokens count towards the limits, too. Raises Unauthenticated,
        CsrfTokenMissing, Forbidden, RateLimited.
        """
        if not access:
            self.admit(scope, headers, None)
            return None
        try:
            principal = self.verifier.authenticate(headers, scope.get("method", "GET"))
        except Problem:
            self.admit(scope, headers, None)
            raise
        if principal.role != SERVICE_ROLE:
            self.admit(scope, headers, principal.subject)
        elif principal.on_behalf_of is not None:
            person = principal.on_behalf_of.subject
            log.info(
                "done for somebody",
                caller=principal.subject,
                on_behalf_of=person,
                endpoint=scope["path"],
            )
        require(principal, access)
        return principal

    def admit(self, scope: Any, headers: Mapping[bytes, bytes], subject: str | None) -> None:
        """Counts the request towards the limits of its person or address. Raises RateLimited."""
        if not scope["path"].startswith(UNSHED):
            network = network_of(address_of(scope, headers, self._proxies))
            scope.setdefault("valerix_headers", []).extend(self._limits.admit(network, subject))

    def origin(self, scope: Any) -> Origin:
        """The origin of the request, for records."""
        return origin_of(scope, dict(scope["headers"]), self._proxies)

    def actor(
        self, scope: Any, headers: Mapping[bytes, bytes], principal: Principal | None
    ) -> Actor | None:
        """The caller as acts name it; None unless it is staff."""
        if principal is None or principal.role not in STAFF.roles:
            return None
        address = address_of(scope, headers, self._proxies)
        return Actor(principal.subject, principal.role, address, telemetry.trace_id.get())

    async def guard(self, connection: Any, handler: Any) -> None:
        """Closes every route that declares no access.

        The body is read only after the caller is authorized.
        """
        if "access" not in handler.opt:  # a route of Litestar itself
            raise NotFound("Not found")
        access: Access = handler.opt["access"]
        headers = dict(connection.scope["headers"])
        connection.scope["principal"] = self.authorize(connection.scope, headers, access)
        await edge.check_request(connection.scope, handler)
