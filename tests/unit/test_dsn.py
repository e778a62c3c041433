"""Delivery status notifications, read back by Python's own parser."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from pillarbox.message.dsn import (
    Action,
    Dsn,
    Original,
    RecipientReport,
    Report,
    build_dsn,
    status_of,
)
from pillarbox.message.header import scan_header
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Recipient, Ret
from pillarbox.smtp.reply import EnhancedCode

AT = 1_795_233_600
HEADER = b"From: ann@example.org\r\nSubject: hello\r\nMessage-ID: <o@example.org>\r\n\r\n"
BOB = Recipient(Mailbox("bob", "example.net"), original="rfc822;Bob+2Bx@example.net")


def failure(**facts: Any) -> RecipientReport:
    """Return a failed recipient."""
    report: dict[str, Any] = {
        "recipient": BOB,
        "action": Action.FAILED,
        "status": EnhancedCode(5, 1, 1),
        "diagnostic": "550 5.1.1 No such user",
        "remote": "mx.example.net",
        "last_attempt_at": AT - 60,
    }
    return RecipientReport(**report | facts)


def dsn(
    *recipients: RecipientReport, content: bytes = HEADER + b"body\r\n", **facts: Any
) -> tuple[Dsn, EmailMessage]:
    """Build a notification, check the laws of every notification, and parse it."""
    report: dict[str, Any] = {
        "message_id": "<1@mx.example.org>",
        "hostname": "mx.example.org",
        "author": Mailbox("postmaster", "example.org"),
        "to": Mailbox("ann", "example.org"),
        "at": AT,
        "arrived_at": AT - 600,
        "recipients": recipients or (failure(),),
        "original": Original(octets=content, header_size=scan_header(content).size, is_whole=True),
    }
    built = build_dsn(Report(**report | facts))
    assert max(map(len, built.content.split(b"\r\n"))) <= 998
    bare = built.content.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    assert b"\0" not in bare
    assert built.content[built.header_size :].isascii()
    assert built.needs_smtputf8 or built.content.isascii()
    parsed = message_from_bytes(built.content, _class=EmailMessage, policy=policy.SMTP)
    assert not parsed.defects
    return built, parsed


def status_groups(parsed: EmailMessage) -> list[dict[str, str]]:
    """Return the per-message and the per-recipient fields."""
    part = list(parsed.iter_parts())[1]
    return [dict(group.items()) for group in part.get_payload()]


def text_of(parsed: EmailMessage) -> str:
    """Return the part for people in one line."""
    part = next(parsed.iter_parts())
    return " ".join(part.get_content().split())


def test_report_has_three_parts_of_the_right_types() -> None:
    """RFC 3464 §2: multipart/report with text, status and the original, in this order."""
    _, parsed = dsn()
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parsed.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["To"].addresses[0].addr_spec == "ann@example.org"


def test_status_part_names_everything_that_is_known() -> None:
    """RFC 3464 §2.2, §2.3: each fact has its field, ORCPT and ENVID decoded."""
    _, parsed = dsn(envelope_id="QQ 314")
    message, recipient = status_groups(parsed)
    assert message == {
        "Original-Envelope-Id": "QQ 314",
        "Reporting-MTA": "dns; mx.example.org",
        "Arrival-Date": "Sat, 21 Nov 2026 03:50:00 +0000",
    }
    assert recipient == {
        "Original-Recipient": "rfc822; Bob+x@example.net",
        "Final-Recipient": "rfc822; bob@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": "Sat, 21 Nov 2026 03:59:00 +0000",
    }


def test_delay_says_until_when_it_is_tried() -> None:
    """A delay notice is no failure: it says that nothing need be done, and until when."""
    late = failure(action=Action.DELAYED, status=EnhancedCode(4, 4, 1), will_retry_until=AT + 60)
    _, parsed = dsn(late)
    assert parsed["Subject"] == "Your message is delayed"
    assert "you need not do anything" in text_of(parsed)
    assert status_groups(parsed)[1]["Will-Retry-Until"] == "Sat, 21 Nov 2026 04:01:00 +0000"


def test_people_read_whose_side_failed_and_what_to_do() -> None:
    """The text names the side, the remote's exact words, and a way on."""
    text = text_of(dsn()[1])
    assert "The receiving side (mx.example.net) said: 550 5.1.1 No such user" in text
    assert "What to do: Check the address" in text
    ours = text_of(dsn(failure(remote="", diagnostic="no route"))[1])
    assert "This side (mx.example.org) found: no route" in ours


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_words_of_its_own(action: Action) -> None:
    """Failed, delayed, delivered, relayed and expanded are all explained."""
    _, parsed = dsn(failure(action=action))
    assert status_groups(parsed)[1]["Action"] == action.value
    assert parsed["Subject"].startswith("Your message")
    assert "the address below" in text_of(parsed).lower()


def test_worst_news_gives_the_subject() -> None:
    """One failure among deliveries is the news."""
    _, parsed = dsn(failure(action=Action.DELIVERED), failure())
    assert parsed["Subject"] == "Your message could not be delivered"
    assert len(status_groups(parsed)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "550 \x1b[31mred\r\nBcc: evil@example.com",
        "550 <script>alert(1)</script> \u202egnp.exe",
        "550 " + "x" * 70_000,
        "550 " + "word " * 20_000,
        "550 ünïcode \udcff surrogate",
        "550 \r\n--=_0_1mxexampleorg\r\n",
    ],
)
def test_hostile_words_of_a_remote_stay_in_their_place(text: str) -> None:
    """G08, I09: a remote's text adds no field, no part, no control, and no endless line."""
    built, parsed = dsn(failure(diagnostic=text, remote="mx\r\nX-Evil: 1"))
    assert "Bcc" not in parsed
    assert len(list(parsed.iter_parts())) == 3
    assert len(status_groups(parsed)) == 2
    assert "X-Evil" not in status_groups(parsed)[1]
    assert b"\x1b" not in built.content


def returned(content: bytes, **facts: Any) -> EmailMessage:
    """Return the third part of a failure notification for a message."""
    return list(dsn(content=content, **facts)[1].iter_parts())[2]


def test_small_message_comes_back_whole() -> None:
    """RET absent or FULL: a small 7-bit message is returned octet by octet."""
    built, _ = dsn(ret=Ret.FULL)
    assert HEADER + b"body\r\n" in built.content


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"x" * 76 + b"\r\n" * 40_000,
        HEADER + "grüße\r\n".encode(),
        HEADER + b"x" * 2_000 + b"\r\n",
        HEADER + b"bare\nline\r\n",
        HEADER + b"nul\0\r\n",
    ],
)
def test_what_not_every_peer_takes_comes_back_as_its_header(content: bytes) -> None:
    """G08: over 64 KiB, 8-bit, or with long lines, only the header is returned."""
    part = returned(content)
    assert part.get_content_type() == "text/rfc822-headers"
    assert part.get_content().split() == HEADER.decode().split()


def test_header_only_when_asked_for_or_when_nothing_failed() -> None:
    """RFC 3461 §4.3: RET=HDRS is obeyed, and RET=FULL is for failures only."""
    kind = "text/rfc822-headers"
    assert returned(HEADER + b"body\r\n", ret=Ret.HEADERS).get_content_type() == kind
    relayed = failure(action=Action.RELAYED)
    assert list(dsn(relayed, ret=Ret.FULL)[1].iter_parts())[2].get_content_type() == kind


def test_hostile_header_is_cut_and_encoded() -> None:
    """A header of 200 KiB with 8-bit and endless lines still makes a notification for any peer."""
    content = b"Subject: " + "ü".encode() * 40_000 + b"\r\n" + b"A: b\r\n" * 20_000 + b"\r\n"
    facts = {"original": Original(octets=content, header_size=len(content), is_whole=True)}
    built, _ = dsn(**facts)
    assert len(built.content) < 4 * 64 * 1024


def test_boundary_is_found_in_no_part() -> None:
    """A message that guesses the boundary does not break the report."""
    built, parsed = dsn(content=HEADER + b"--=_0_1mxexampleorg--\r\nbody\r\n")
    assert b'boundary="=_1_1mxexampleorg"' in built.content
    assert len(list(parsed.iter_parts())) == 3


def test_utf8_sender_gets_the_global_types() -> None:
    """RFC 6533 §4, §5: a sender with a UTF-8 address gets message/global-delivery-status."""
    recipient = Recipient(Mailbox("žan", "example.net"))
    built, parsed = dsn(
        failure(recipient=recipient), to=Mailbox("jürgen", "example.org"), ret=Ret.HEADERS
    )
    assert built.needs_smtputf8
    assert [part.get_content_type() for part in parsed.iter_parts()][1:] == [
        "message/global-delivery-status",
        "message/global-headers",
    ]


def test_utf8_recipient_is_spelled_in_ascii_for_an_ascii_sender() -> None:
    """RFC 6533 §3: an ASCII report names a UTF-8 address in its ASCII form."""
    built, parsed = dsn(failure(recipient=Recipient(Mailbox("ža+n", "example.net"))))
    assert not built.needs_smtputf8
    assert status_groups(parsed)[1]["Final-Recipient"] == r"utf-8; \x{17E}a\x{2B}n@example.net"


@pytest.mark.parametrize(
    ("text", "is_permanent", "expected"),
    [
        ("550 5.1.1 No such user", True, "5.1.1"),
        ("550-5.7.26 long story", True, "5.7.26"),
        ("550 no enhanced code", True, "5.0.0"),
        ("450 4.2.1 later", True, "5.0.0"),
        ("450 4.2.1 later", False, "4.2.1"),
        ("", False, "4.0.0"),
    ],
)
def test_status_is_the_remote_s_own_where_it_fits(
    text: str, is_permanent: bool, expected: str
) -> None:
    """A status is taken from a reply only if its class is what happened."""
    assert str(status_of(text, is_permanent=is_permanent)) == expected
