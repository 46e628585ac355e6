"""HTTP routes of users and customers: request in, use case, response out."""

from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import Parameter
from prometheus_client import REGISTRY

from valerix.chassis.base import pagination, validation, versioning
from valerix.chassis.description.openapi import ETAG, LOCATION
from valerix.chassis.http.health import exposition
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute, command_route
from valerix.chassis.identity.tokens import Principal
from valerix.chassis.limits.origin import Origin
from valerix.contracts.acts import RECORD_ACT, RecordAct
from valerix.contracts.commands import (
    CHECK_CUSTOMERS,
    FIND_CUSTOMERS,
    CheckCustomers,
    CustomerStanding,
    FindCustomers,
)
from valerix.contracts.roles import ADMIN, ADMINS, ANYONE, CUSTOMER, PUBLIC, ServiceName, calls_from
from valerix.users import domain, metrics
from valerix.users.audit import AuditTrail
from valerix.users.domain import AuditFilter, User
from valerix.users.schemas import (
    AuditView,
    ChangeRoleBody,
    ChangeStatusBody,
    ChangeUserBody,
    CustomerView,
    PublicKeys,
    RegisterBody,
    Role,
    Status,
    UserView,
    audit_view,
    customer_view,
    user_view,
)
from valerix.users.tokens import public_keys
from valerix.users.use_cases import Users

USERS = "/api/v1/users"
CUSTOMERS = "/api/v1/customers"
NO_STORE = {"Cache-Control": "no-store"}
IfMatch = Annotated[
    str | None,
    Parameter(header="If-Match", max_length=40, description="ETag of the version read before."),
]
CHANGE_REFUSALS: Final = (domain.UserNotFound, domain.OwnAccount, domain.LastAdministrator)


# --- signing up


@post(
    USERS + "/register",
    access=PUBLIC,
    tags=["users"],
    operation_id="register",
    example={"name": "Ada", "email": "ada@example.com", "password": "correct horse battery"},
    response_headers=[LOCATION, ETAG],
    refuses=[domain.EmailTaken],
)
async def register(users: Users, data: RegisterBody, origin: Origin) -> Response[UserView]:
    """Register a customer account."""
    user = await users.register(data.name, data.email, data.password, origin)
    headers = {"Location": f"{USERS}/{user.id}", **versioning.etag(user.version), **NO_STORE}
    return Response(user_view(user), status_code=201, headers=headers)


@get(
    "/.well-known/jwks.json",
    access=PUBLIC,
    tags=["users"],
    operation_id="getPublicKeys",
    sync_to_thread=False,
)
def get_public_keys(keys_file: Path) -> Response[PublicKeys]:
    """Get the public keys that verify access tokens (RFC 7517)."""
    return Response(
        PublicKeys(public_keys(keys_file)), headers={"Cache-Control": "public, max-age=60"}
    )


# --- users


@get(
    USERS + "/me", access=ANYONE, tags=["users"], operation_id="getMyself", response_headers=[ETAG]
)
async def get_me(users: Users, principal: Principal) -> Response[UserView]:
    """Get the account of the caller."""
    return _user_response(await users.get(principal.subject, principal.subject))


@get(
    USERS + "/{user_id:uuid}",
    access=ANYONE,
    tags=["users"],
    operation_id="getUser",
    response_headers=[ETAG],
    refuses=[domain.UserNotFound],
)
async def get_user(users: Users, principal: Principal, user_id: UUID) -> Response[UserView]:
    """Get one user. Administrators see all users, other callers only themselves."""
    return _user_response(await users.get(str(user_id), _viewer(principal)))


@put(
    USERS + "/{user_id:uuid}",
    access=ANYONE,
    tags=["users"],
    operation_id="changeUser",
    example={"name": "Ada", "email": "ada@example.com"},
    response_headers=[ETAG],
    refuses=[domain.UserNotFound, domain.EmailTaken],
)
async def change_user(
    users: Users,
    principal: Principal,
    origin: Origin,
    user_id: UUID,
    data: ChangeUserBody,
    if_match: IfMatch = None,
) -> Response[UserView]:
    """Change the name and e-mail address of a user. Administrators may change all users, other
    callers only themselves.

    Another e-mail address needs the caller's `currentPassword`.
    """
    changed = await users.change(
        str(user_id),
        data.name,
        data.email,
        version=versioning.expected_version(if_match),
        viewer=_viewer(principal),
        actor=principal.subject,
        current_password=data.current_password,
        origin=origin,
    )
    return _user_response(changed)


@put(
    USERS + "/{user_id:uuid}/status",
    access=ADMINS,
    tags=["users"],
    operation_id="changeUserStatus",
    example={"status": "suspended"},
    response_headers=[ETAG],
    refuses=CHANGE_REFUSALS,
)
async def change_status(
    users: Users, principal: Principal, origin: Origin, user_id: UUID, data: ChangeStatusBody
) -> Response[UserView]:
    """Suspend or reinstate a user. All sessions of the user end.

    A suspended customer may sign in but not order; suspended staff may do neither.
    """
    return _user_response(
        await users.change_status(str(user_id), data.status, principal.subject, origin)
    )


@put(
    USERS + "/{user_id:uuid}/role",
    access=ADMINS,
    tags=["users"],
    operation_id="changeUserRole",
    example={"role": "operator"},
    response_headers=[ETAG],
    refuses=CHANGE_REFUSALS,
)
async def change_role(
    users: Users, principal: Principal, origin: Origin, user_id: UUID, data: ChangeRoleBody
) -> Response[UserView]:
    """Change the role of a user. All sessions of the user end. The last administrator stays one."""
    return _user_response(
        await users.change_role(str(user_id), data.role, principal.subject, origin)
    )


@get(USERS + "/audit", access=ADMINS, tags=["users"], operation_id="listAudit")
async def list_audit(
    trail: AuditTrail,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    action: Annotated[str | None, Parameter(max_length=50)] = None,
    service: Annotated[
        str | None, Parameter(max_length=50, description="Service of the action.")
    ] = None,
    actor_id: Annotated[
        str | None, Parameter(query="actor", max_length=50, description="Id of the actor.")
    ] = None,
    subject: Annotated[
        str | None, Parameter(max_length=50, description="Id of the object of the action.")
    ] = None,
    first: pagination.Since = None,
    last: pagination.Until = None,
) -> pagination.Page[AuditView]:
    """List the audit trail, newest first. It contains actions on accounts and sessions, and the
    acts of staff in every service.
    """
    before = None if cursor is None else str(pagination.decode_cursor(cursor, tuple[UUID])[0])
    wanted = AuditFilter(
        limit=limit + 1,
        before=before,
        action=action,
        service=service,
        actor=actor_id,
        subject=subject,
        first=pagination.parse_moment("from", first),
        last=pagination.parse_moment("to", last),
    )
    rows = await trail.search(wanted)
    return pagination.page(
        [audit_view(row) for row in rows], limit, lambda row: pagination.encode_cursor(row.id)
    )


@get(USERS, access=ADMINS, tags=["users"], operation_id="listUsers")
async def list_users(
    users: Users,
    limit: pagination.Limit = pagination.DEFAULT_LIMIT,
    cursor: pagination.Cursor = None,
    q: Annotated[
        str | None,
        Parameter(
            max_length=100,
            description=(
                "Part of a name or e-mail address; beginning or last digits of an id; "
                "customer number."
            ),
        ),
    ] = None,
    role: Role | None = None,
    status: Status | None = None,
) -> pagination.Page[UserView]:
    """List users, newest first."""
    before = None if cursor is None else str(pagination.decode_cursor(cursor, tuple[UUID])[0])
    rows = await users.search(limit=limit + 1, before=before, search=q, role=role, status=status)
    return pagination.page(
        [user_view(user) for user in rows], limit, lambda user: pagination.encode_cursor(user.id)
    )


# --- customers


@get(
    CUSTOMERS + "/{customer_id:str}",
    access=ANYONE,
    tags=["customers"],
    operation_id="getCustomer",
    refuses=[domain.CustomerNotFound],
)
async def get_customer(users: Users, principal: Principal, customer_id: str) -> CustomerView:
    """Get one customer by number. Staff see all customers, a customer only their own data."""
    return customer_view(await users.get_customer(customer_id, _viewer_number(principal)))


@get(
    CUSTOMERS + "/{customer_id:str}/validate",
    access=ANYONE,
    tags=["customers"],
    operation_id="validateCustomer",
    refuses=[domain.CustomerNotFound],
)
async def validate_customer(
    users: Users, principal: Principal, customer_id: str
) -> CustomerStanding:
    """Check whether a customer may order. If not, `reason` is `unknown` or `suspended`."""
    return await users.validate_customer(customer_id, _viewer_number(principal))


def command_routes(users: Users, trail: AuditTrail) -> list[RawRoute]:
    """The commands for other services: checks and searches with lists; acts of administrators.

    A service without a database sends such acts, with the token of the administrator.
    """
    decoder = msgspec.json.Decoder(RecordAct)

    async def record(request: RawRequest) -> RawResponse:
        assert request.actor is not None  # noqa: S101 - only administrators get here
        await trail.record(validation.decode(decoder, request.body), request.actor)
        return RawResponse(200, b"{}")

    orders = calls_from(ServiceName.ORDERS)
    return [
        command_route(CHECK_CUSTOMERS, orders, CheckCustomers, users.check_customers),
        command_route(FIND_CUSTOMERS, orders, FindCustomers, users.find_customers),
        RawRoute("POST", RECORD_ACT, ADMINS, record),
    ]


@get("/actuator/prometheus", access=PUBLIC, include_in_schema=False, sync_to_thread=False)
def get_actuator(request: Request[Any, Any, Any]) -> Response[bytes]:
    """All metrics of `/metrics`, and those of Spring's actuator; or only those in `name[]`."""
    return exposition(request, REGISTRY, metrics.ACTUATOR)


ROUTES = [
    register,
    get_public_keys,
    get_me,
    get_user,
    change_user,
    change_status,
    change_role,
    list_audit,
    list_users,
    get_customer,
    validate_customer,
    get_actuator,
]


# --- pieces


def _viewer(principal: Principal) -> str | None:
    return None if principal.role == ADMIN else principal.subject


def _viewer_number(principal: Principal) -> str | None:
    """The number of the only customer that the caller may see; None: all customers.

    A caller with the role of a customer but without a number sees none, not all.
    """
    return principal.owner_id or "" if principal.role == CUSTOMER else None


def _user_response(user: User) -> Response[UserView]:
    return Response(user_view(user), headers={**versioning.etag(user.version), **NO_STORE})
