"""The queue as ``mailq`` prints it."""

from __future__ import annotations

import time

from pillarbox.cli.sendmail.mailq import mailq_lines
from pillarbox.control.protocol import MessageRow, RecipientRow

AT = 1_790_000_000.0
WHEN = time.ctime(AT)[:19]


def recipient(address: str, state: str = "queued", reply: str = "") -> RecipientRow:
    return RecipientRow(
        address=address,
        state=state,
        destination="example.net",
        route="mx",
        attempts=1,
        next_attempt_at=None,
        last_reply=reply,
    )


def message(name: str, *recipients: RecipientRow, sender: str = "ann@example.org") -> MessageRow:
    return MessageRow(
        message=name,
        accepted_at=AT,
        sender=sender,
        size=1_234,
        message_id="",
        origin="",
        identity="",
        client="",
        bounce_of="",
        recipients=list(recipients),
    )


def test_it_looks_as_people_and_scripts_know_it() -> None:
    """An id with its mark, size, time and sender; reasons in parentheses; a summary."""
    later = "450 4.2.1 later"
    rows = [
        message("02mtxe4000000", recipient("a@x.net", reply=later), recipient("b@x.net", "held")),
        message("02mtxe4000001", recipient("c@x.net", "in_flight"), sender=""),
    ]
    assert list(mailq_lines(rows)) == [
        "-Queue ID-     --Size-- ----Arrival Time---- -Sender/Recipient-------",
        f"02mtxe4000000!     1234 {WHEN}  ann@example.org",
        f"({later})",
        f"{'a@x.net':>52}",
        f"{'b@x.net':>52}",
        "",
        f"02mtxe4000001*     1234 {WHEN}  MAILER-DAEMON",
        f"{'c@x.net':>52}",
        "",
        "-- 3 Kbytes in 2 Requests.",
    ]


def test_an_empty_queue_is_said_to_be_empty() -> None:
    """The words are those that scripts look for."""
    assert list(mailq_lines([])) == ["Mail queue is empty"]


def test_what_peers_said_cannot_fake_lines() -> None:
    """Controls in replies and addresses are shown, not obeyed."""
    row = message("02mtxe4000000", recipient("a\n@x.net", reply="450 x\n-- 0 Kbytes\x1b[2J"))
    lines = list(mailq_lines([row]))
    assert len(lines) == 6
    assert not any("\n" in line or "\x1b" in line for line in lines)
