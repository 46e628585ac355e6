"""A real mail server for tests, on loopback, and the messages that it received."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.workers import free_port


class Mailbox(MessageHandler):
    """Stores messages. `answers`: replies to the next messages, which are not stored. `hangs`:
    accepts no message and sends no reply.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.answers: list[str] = []
        self.refused: set[str] = set()
        self.hangs = False
        self.held = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.held += 1
        while self.hangs:
            await asyncio.sleep(0.05)
        self.held -= 1
        if self.answers:
            return self.answers.pop(0)
        taken: str = await super().handle_DATA(server, session, envelope)
        return taken

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[str]:
    """Runs the server until the block ends, and yields its URL."""
    port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        mailbox.hangs = False
        controller.stop()
