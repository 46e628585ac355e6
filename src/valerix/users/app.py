"""Composition root of the users service."""

from contextlib import AsyncExitStack

from valerix.chassis.calls.revocations import Revocations
from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.limits.shared_limit import open_valkey
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.chassis.messaging.outbox import open_relay
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.acts import RECORD_ACT
from valerix.contracts.events import USERS
from valerix.users import consumers, jobs, mail_routes, routes, session_routes
from valerix.users.audit import AuditTrail, record_act
from valerix.users.limits import SignInLimits
from valerix.users.mails import AccountMails
from valerix.users.passwords import PasswordPool
from valerix.users.repository import accounts
from valerix.users.schemas import EVENTS, PROBLEMS
from valerix.users.sessions import Sessions, revoked_sessions
from valerix.users.settings import Settings as Settings
from valerix.users.tokens import AccessTokens
from valerix.users.use_cases import Users

TABLES = (
    "users",
    "user_events",
    "outbox",
    "sessions",
    "refresh_tokens",
    "mail_tokens",
    "audit",
    "inbox",
    "dead_letters",
)


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("users", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → resources → use cases → routes."""
    tokens = AccessTokens(settings.signing_key_file)
    database = await open_database(settings, resources, USERS, settings.database_connections)
    relay = await open_relay(settings, resources, USERS, accounts.list_outgoing)
    pool = PasswordPool.open(settings.password_threads, settings.password_queue)
    passwords = await resources.enter_async_context(pool)
    revocations = Revocations(fetch := revoked_sessions(database))
    limits = SignInLimits(
        await resources.enter_async_context(open_valkey(settings.valkey_url)), settings
    )
    mail = AccountMails(database, passwords, revocations, limits, settings.mail_secret)
    users = Users(database, passwords, revocations, limits, mail)
    sessions = Sessions(database, passwords, tokens, revocations, settings.session_rules, limits)
    trail = AuditTrail(database)
    letters = dead_letter_routes("users", inbox := consumers.inbox(database, relay.bus), record_act)
    return ServiceParts(
        routes=[*routes.ROUTES, *session_routes.ROUTES, *mail_routes.ROUTES, *letters],
        spared=("/api/v1/users/login", "/api/v1/users/refresh", RECORD_ACT),
        raw=[
            *routes.command_routes(users, trail),
            session_routes.revocations_route(fetch),
            asyncapi_route(EVENTS),
        ],
        provides={
            "users": users,
            "sessions": sessions,
            "mails": mail,
            "trail": trail,
            "keys_file": settings.keys_file,
        },
        essentials={"database": tables_present(database, [*TABLES])},
        reported={"bus": relay.bus.check},
        jobs=[relay.run, inbox.run, inbox.prune, mail.run, *jobs.periodic(sessions, trail, mail)],
        revocations=revocations,
        recorder=trail.record,
        problems=PROBLEMS,
    )
