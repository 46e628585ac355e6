"""Mail over SMTP reaches the customers of a whole stack, also when the process that sends it
dies.
"""

import os
import signal

from tests.support.eventually import eventually
from tests.support.mail import Mailbox, mail_server
from tests.support.stack import ADA, Stack, own_stack, place


async def sent(stack: Stack, order_id: str) -> bool:
    """Whether all e-mails about an order are sent according to notifications."""
    about = """SELECT status, attempts FROM notifications
        WHERE channel = 'email' AND subject LIKE '%' || $1 || '%'"""
    rows = await stack.rows("notifications", about, order_id)
    return bool(rows) and all(row == {"status": "sent", "attempts": 1} for row in rows)


async def is_held(mailbox: Mailbox) -> bool:
    """Whether the mail server has received a message and withholds its reply."""
    return mailbox.held > 0


async def test_mail_reaches_the_customer_also_when_its_sender_dies() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as url, own_stack(dwell_seconds="3600", smtp_url=url) as stack:
        async with stack.api(ADA) as ada:
            first = (await place(ada, {"PROD-002": 1})).json["id"]
            await eventually(lambda: sent(stack, first))
            (mail,) = mailbox.messages
            assert ADA in mail["To"]
            assert first in mail["Subject"]

            mailbox.hangs = True
            second = (await place(ada, {"PROD-002": 1})).json["id"]

            await eventually(lambda: is_held(mailbox))
            os.kill(stack.pid("notifications"), signal.SIGKILL)
            mailbox.hangs = False
            (claim,) = await stack.rows("notifications", "SELECT * FROM claims")
            # The test ends the time-out early.
            await stack.rows(
                "notifications", "UPDATE claims SET lapses_at = now() WHERE id = $1", claim["id"]
            )
            await eventually(lambda: sent(stack, second), 120)
            assert await stack.rows("notifications", "SELECT * FROM claims") == []
    copies = [mail["Message-ID"] for mail in mailbox.messages if second in mail["Subject"]]
    assert len(copies) >= 1
    assert len(set(copies)) == 1, "mail systems recognize copies by the Message-ID"
