"""HTTP routes of sessions: signing in, refreshing, signing out, and listing one's devices."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, get, post, put
from litestar.params import Parameter

from valerix.chassis.base.pagination import Page
from valerix.chassis.calls.revocations import Fetch
from valerix.chassis.http.raw import RawRoute, command_route
from valerix.chassis.identity.cookies import CSRF_HEADER, CsrfTokenMissing
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.limits.origin import Origin
from valerix.contracts.revocations import LIST_REVOKED, ListRevoked
from valerix.contracts.roles import ADMINS, ANYONE, PUBLIC, ServiceName, calls_from
from valerix.users import cookies, domain
from valerix.users.devices import MAX_TOKENS, SEPARATOR
from valerix.users.schemas import (
    ChangePasswordBody,
    LoginBody,
    RefreshBody,
    SessionView,
    SignedIn,
    session_view,
    signed_in,
)
from valerix.users.sessions import Grant, Sessions

USERS = "/api/v1/users"
NO_STORE = {"Cache-Control": "no-store"}
CsrfToken = Annotated[
    str | None,
    Parameter(
        header=CSRF_HEADER,
        max_length=100,
        description="With cookies: value of the cookie valerix_csrf.",
    ),
]


@post(
    USERS + "/login",
    access=PUBLIC,
    tags=["sessions"],
    operation_id="login",
    example={"email": "ada@example.com", "password": "correct horse battery"},
    status_code=200,
    refuses=[domain.LoginRefused],
)
async def login(
    request: Request[Any, Any, Any], sessions: Sessions, data: LoginBody, origin: Origin
) -> Response[SignedIn]:
    """Sign in. Programs get tokens and send `Authorization: Bearer …`; `"session": "cookie"` gives
    a browser cookies.

    A request with cookies that changes something must repeat the value of the cookie `valerix_csrf`
    in the header `X-CSRF-Token`. While the password is being guessed, a sign-in from elsewhere has
    to wait for its turn (429, at most 30 seconds). A sign-in with the `deviceToken` (or the cookie)
    of an earlier one does not.
    """
    held = (
        request.cookies.get(cookies.DEVICE, "")
        if data.session == domain.COOKIE
        else data.device_token or ""
    )
    devices = [token for token in held.split(SEPARATOR) if token][:MAX_TOKENS]
    return _granted(
        await sessions.login(data.email, data.password, data.session, origin, devices), origin
    )


@post(
    USERS + "/refresh",
    access=PUBLIC,
    tags=["sessions"],
    operation_id="refresh",
    example={"refreshToken": "the refresh token of the previous answer"},
    status_code=200,
    refuses=[domain.RefreshRefused, domain.RefreshSuperseded, CsrfTokenMissing],
)
async def refresh(
    request: Request[Any, Any, Any],
    sessions: Sessions,
    origin: Origin,
    data: RefreshBody | None = None,
    csrf_token: CsrfToken = None,
) -> Response[SignedIn]:
    """Exchange the refresh token (of the body, or of the cookie) for new tokens. Each refresh token
    is good for one use.

    A token that is used twice ends its session. When tabs of a browser refresh at once, one gets
    409 `refresh_superseded`: its cookies are new already.
    """
    if data is not None:
        return _granted(
            await sessions.refresh(data.refresh_token, domain.TOKEN, None, origin), origin
        )
    token = request.cookies.get(cookies.REFRESH)
    if token is None:
        raise domain.RefreshRefused
    return _granted(await sessions.refresh(token, domain.COOKIE, csrf_token, origin), origin)


@post(USERS + "/logout", access=ANYONE, tags=["sessions"], operation_id="logout", status_code=204)
async def logout(sessions: Sessions, principal: Principal, origin: Origin) -> Response[None]:
    """Sign out: end this session. Its tokens are refused everywhere within two seconds."""
    if principal.session_id is not None:
        me = principal.subject
        await sessions.end(principal.session_id, me, domain.LOGGED_OUT, me, origin)
    return Response(None, status_code=204, cookies=cookies.removed(), headers=NO_STORE)


@get(USERS + "/me/sessions", access=ANYONE, tags=["sessions"], operation_id="listMySessions")
async def list_my_sessions(sessions: Sessions, principal: Principal) -> Page[SessionView]:
    """List the sessions of the caller, the last used first."""
    return _page(await sessions.list_of(principal.subject), principal)


@delete(
    USERS + "/me/sessions",
    access=ANYONE,
    tags=["sessions"],
    operation_id="endMyOtherSessions",
    status_code=204,
)
async def end_my_other_sessions(sessions: Sessions, principal: Principal, origin: Origin) -> None:
    """Sign out everywhere else: end all sessions of the caller except this one."""
    await sessions.end_all(principal.subject, principal.subject, origin, spare=principal.session_id)


@delete(
    USERS + "/me/sessions/{session_id:uuid}",
    access=ANYONE,
    tags=["sessions"],
    operation_id="endMySession",
    refuses=[domain.SessionNotFound],
    status_code=204,
)
async def end_my_session(
    sessions: Sessions, principal: Principal, origin: Origin, session_id: UUID
) -> None:
    """Sign out one device: end one session of the caller."""
    await sessions.end(
        str(session_id), principal.subject, domain.REVOKED, principal.subject, origin
    )


@put(
    USERS + "/me/password",
    access=ANYONE,
    tags=["sessions"],
    operation_id="changeMyPassword",
    example={"currentPassword": "correct horse battery", "newPassword": "incorrect horse battery"},
    refuses=[domain.WrongPassword],
    status_code=204,
)
async def change_my_password(
    sessions: Sessions, principal: Principal, origin: Origin, data: ChangePasswordBody
) -> None:
    """Change the password of the caller, given the current one. All other sessions end."""
    await sessions.change_password(
        principal.subject, data.current_password, data.new_password, principal.session_id, origin
    )


@get(
    USERS + "/{user_id:uuid}/sessions",
    access=ADMINS,
    tags=["sessions"],
    operation_id="listSessions",
)
async def list_sessions(
    sessions: Sessions, principal: Principal, user_id: UUID
) -> Page[SessionView]:
    """List the sessions of a user, the last used first."""
    return _page(await sessions.list_of(str(user_id)), principal)


@delete(
    USERS + "/{user_id:uuid}/sessions",
    access=ADMINS,
    tags=["sessions"],
    operation_id="endSessions",
    status_code=204,
)
async def end_sessions(
    sessions: Sessions, principal: Principal, origin: Origin, user_id: UUID
) -> None:
    """Sign a user out everywhere: end all sessions."""
    await sessions.end_all(str(user_id), principal.subject, origin)


@delete(
    USERS + "/{user_id:uuid}/sessions/{session_id:uuid}",
    access=ADMINS,
    tags=["sessions"],
    operation_id="endSession",
    refuses=[domain.SessionNotFound],
    status_code=204,
)
async def end_session(
    sessions: Sessions, principal: Principal, origin: Origin, user_id: UUID, session_id: UUID
) -> None:
    """Sign out one device of a user: end one session."""
    await sessions.end(str(session_id), str(user_id), domain.REVOKED, principal.subject, origin)


def revocations_route(fetch: Fetch) -> RawRoute:
    """The command that every other service calls each second to follow ended sessions."""
    followers = calls_from(
        ServiceName.ORDERS,
        ServiceName.INVENTORY,
        ServiceName.PAYMENTS,
        ServiceName.NOTIFICATIONS,
        ServiceName.CONSOLE,
    )
    return command_route(LIST_REVOKED, followers, ListRevoked, lambda command, _: fetch(command))


ROUTES = [
    login,
    refresh,
    logout,
    list_my_sessions,
    end_my_other_sessions,
    end_my_session,
    change_my_password,
    list_sessions,
    end_sessions,
    end_session,
]


def _granted(grant: Grant, origin: Origin) -> Response[SignedIn]:
    held = cookies.held(grant, origin.secure) if grant.session.kind == domain.COOKIE else []
    shown = signed_in(
        grant.user, grant.session, grant.access_token, grant.refresh_token, grant.devices
    )
    return Response(shown, cookies=held, headers=NO_STORE)


def _page(live: list[domain.Session], principal: Principal) -> Page[SessionView]:
    return Page([session_view(session, session.id == principal.session_id) for session in live])
