"""Listeners and real clients: mail comes in, and what is no mail does not."""

from __future__ import annotations

import smtplib
import socket
import zlib
from email.message import EmailMessage

import pytest
from tests.receiving import Rig, listener, receiving, wait_until

from pillarbox.config.settings import IntakeSettings, LimitSettings, ListenerKind
from pillarbox.events.types import CommandRefused, MessageAccepted, MessageRefused, RecipientRefused
from pillarbox.smtp.envelope import Notify

MIB = 1024 * 1024
TRUSTED = ("127.0.0.0/8",)
KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=TRUSTED),
}
HEADER = b"From: x@third.test\r\nTo: ann@local.test\r\nMessage-ID: <1@third.test>\r\n"


def deliver(
    rig: Rig, content: bytes, *, name: str = "mx", recipient: str = "ann@local.test"
) -> str:
    """Send one message, and return the reply to its end."""
    with rig.client(name) as wire:
        wire.hello()
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("250")
        assert wire.ask(f"RCPT TO:<{recipient}>").startswith("250")
        assert wire.ask("DATA").startswith("354")
        return wire.ask(content + b".\r\n")


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_message_from_smtplib_is_kept_whole(on_uvloop: bool) -> None:
    """The content arrives octet by octet below the trace field, and its facts are right."""
    message = EmailMessage()
    message["From"], message["To"] = "x@third.test", "ann@local.test"
    message["Subject"], message["Message-ID"] = "hello", "<1@third.test>"
    message.set_content("One.\n.Two starts with a dot.\n")
    with receiving(on_uvloop=on_uvloop) as rig:
        with smtplib.SMTP(*rig.address(), timeout=10) as client:
            client.send_message(message)
            client.send_message(message)
        first = rig.kept[0]
        content = rig.content(first)
    sent = message.as_bytes().replace(b"\n", b"\r\n")
    assert content.endswith(sent)
    trace = content[: -len(sent)]
    assert trace.startswith(b"Received: from ")
    assert b"by mx.local.test" in trace
    assert b"for <ann@local.test>" in trace
    assert (first.size, first.checksum) == (len(content), zlib.crc32(content))
    assert content[: first.header_size].endswith(b"\r\n\r\n")
    assert first.message_id_header == "<1@third.test>"
    assert [each.queue.destination for each in first.recipients] == ["local.test"]
    assert first.id != rig.kept[1].id
    accepted = rig.named(MessageAccepted)
    assert [(each.sender, each.recipients) for each in accepted] == [
        ("x@third.test", ["ann@local.test"])
    ] * 2


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_a_pipelined_group_is_answered_in_order(on_uvloop: bool) -> None:
    """Commands and a second message that come in one segment are all carried out."""
    with receiving(on_uvloop=on_uvloop) as rig, rig.client() as wire:
        wire.hello()
        group = ["MAIL FROM:<>", "RCPT TO:<ann@local.test>", "RCPT TO:<nobody@local.test>", "DATA"]
        wire.send(*group)
        assert wire.codes(4) == ["250", "250", "550", "354"]
        wire.send(HEADER, "", "Hello", ".", *group)
        assert wire.codes(5) == ["250", "250", "250", "550", "354"]
        wire.send(".", "QUIT")
        assert wire.codes(2) == ["250", "221"]
        assert wire.rest() == b""
    assert len(rig.kept) == 2
    assert rig.reasons() == ["quit"]


def test_the_reply_names_the_id_under_which_the_message_is_kept() -> None:
    """Who sent a message can ask for it by what the 250 said."""
    with receiving() as rig:
        reply = deliver(rig, HEADER + b"\r\n")
        assert reply == f"250 2.0.0 OK, queued as {rig.named(MessageAccepted)[0].message}"


def test_aliases_are_followed_and_doubles_collapse() -> None:
    """Each mailbox gets one copy, and remembers the address that was asked for."""
    with receiving() as rig, rig.client() as wire:
        wire.hello()
        wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<team@local.test>")
        wire.send("RCPT TO:<ann@local.test>", "RCPT TO:<BOTH@LOCAL.TEST>", "DATA")
        assert wire.codes(5) == ["250", "250", "250", "250", "354"]
        assert wire.ask(HEADER + b"\r\n.\r\n").startswith("250")
        kept = rig.kept[0]
    found = [(str(each.address), each.original) for each in kept.envelope.recipients]
    assert found == [
        ("ann@local.test", "rfc822;team@local.test"),
        ("carol@elsewhere.test", "rfc822;team@local.test"),
        ("bob@local.test", "rfc822;BOTH@LOCAL.TEST"),
    ]
    assert [each.index for each in kept.recipients] == [0, 1, 2]
    assert kept.recipients[1].queue.destination == "elsewhere.test"
    assert b"for <" not in (kept.content or b"")[: kept.header_size]


@pytest.mark.parametrize(
    ("asked", "others"),
    [("SUCCESS", "NEVER"), ("SUCCESS,FAILURE", "FAILURE"), ("FAILURE", "FAILURE")],
)
def test_success_is_told_once_for_an_alias(asked: str, others: str) -> None:
    """Whoever writes to one address hears once of its success, and of each failure behind it."""
    with receiving() as rig, rig.client() as wire:
        wire.hello()
        wire.send("MAIL FROM:<x@third.test>", f"RCPT TO:<team@local.test> NOTIFY={asked}", "DATA")
        assert wire.codes(3) == ["250", "250", "354"]
        assert wire.ask(HEADER + b"\r\n.\r\n").startswith("250")
        recipients = rig.kept[0].envelope.recipients
    names = [sorted((each.notify or Notify.NEVER).name.split("|")) for each in recipients]
    assert names == [sorted(asked.split(",")), [others]]


def test_a_submission_is_completed_and_relayed_mail_is_not() -> None:
    """Date and Message-ID are added and Bcc is removed, on submission only."""
    content = b"From: x@third.test\r\nBcc: secret@third.test\r\nSubject: s\r\n\r\nHi\r\n"
    with receiving(KINDS) as rig:
        for name in KINDS:
            assert deliver(rig, content, name=name).startswith("250")
        relayed, submitted = (rig.content(each) for each in rig.kept)
        assert relayed.endswith(content)
        assert relayed.removesuffix(content).count(b"\r\n") == 4  # Received, folded
        assert b"\r\nMessage-ID: <" in submitted
        assert b"\r\nDate: " in submitted
        assert b"secret" not in submitted
        assert rig.kept[1].message_id_header in submitted.decode()
        assert rig.kept[1].message_id_header != ""
        header = submitted[: rig.kept[1].header_size]
        assert header.endswith(b"Subject: s\r\n\r\n")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"Received: by x\r\n" * 51 + HEADER + b"\r\n", "554 5.4.6"),
        (HEADER + b"X-Long: " + b"x" * 300_000 + b"\r\n\r\n", "5"),
        (b"X: y\r\n" * 1_001 + HEADER + b"\r\n", "550 5.6.0"),
        (HEADER + (b"X-Big: " + b"x" * 990 + b"\r\n") * 300 + b"\r\n", "552 5.3.4"),
    ],
    ids=["loop", "long field", "many fields", "large header"],
)
def test_headers_are_held_to_the_limits(name: str, content: bytes, reply: str) -> None:
    """A loop, too many fields and too large a header are refused, and nothing is kept."""
    with receiving(KINDS) as rig:
        assert deliver(rig, content, name=name).startswith(reply)
        assert not rig.kept
        assert rig.disk.used() == 0
        assert len(rig.named(MessageRefused)) == 1


@pytest.mark.parametrize("name", KINDS)
def test_fifty_hops_are_still_mail(name: str) -> None:
    """Only what has passed more than fifty servers is in a loop."""
    with receiving(KINDS) as rig:
        content = b"Received: by x\r\n" * 50 + HEADER + b"\r\n"
        assert deliver(rig, content, name=name).startswith("250")


@pytest.mark.parametrize("name", KINDS)
def test_a_forward_that_leads_back_here_is_noticed(name: str) -> None:
    """What has come here more than ten times is in a loop, long before its fiftieth hop."""
    with receiving(KINDS) as rig:
        content = HEADER + b"\r\nround and round\r\n"
        for number in range(11):
            assert deliver(rig, content, name=name).startswith("250")
            content = b"Received: by elsewhere.test\r\n" + rig.content(rig.kept[number])
        assert deliver(rig, content, name=name).startswith("554 5.4.6")
        assert len(rig.kept) == 11


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [100, 200_000])
def test_an_mbox_line_does_not_end_the_header_below_our_trace(name: str, size: int) -> None:
    """A "From " line at the top is no field: it goes, and all fields stay fields."""
    body = b"\r\n" + b"0123456789\r\n" * (size // 12)
    with receiving(KINDS) as rig:
        content = b"From ann@third.test Sat Nov 21 08:00:00 2026\r\n" + HEADER + body
        assert deliver(rig, content, name=name).startswith("250")
        (kept,) = rig.kept
        stored = rig.content(kept)
        assert b"From ann@third.test" not in stored
        assert stored[: kept.header_size].endswith(HEADER + b"\r\n")
        assert stored.endswith(body)
        assert (kept.size, kept.checksum) == (len(stored), zlib.crc32(stored))


def test_a_large_message_is_written_while_it_comes_in() -> None:
    """25 MiB end up in the store in chunks, whole and with the right checksum."""
    lines = b"".join(b"%070d\r\n" % number for number in range(1_000))
    with receiving() as rig:
        with rig.client() as wire:
            wire.hello()
            wire.send(f"MAIL FROM:<x@third.test> SIZE={24 * MIB}", "RCPT TO:<ann@local.test>")
            wire.send("DATA")
            assert wire.codes(3) == ["250", "250", "354"]
            wire.send(HEADER + b"\r\n")
            for _ in range(24 * MIB // len(lines)):
                wire.send(lines)
            assert wire.ask(".").startswith("250")
        kept = rig.kept[0]
        content = rig.content(kept)
        assert kept.content is None
        assert (kept.size, kept.checksum) == (len(content), zlib.crc32(content))
        assert content[kept.header_size :] == lines * (24 * MIB // len(lines))
        assert rig.call(lambda: rig.door.guards.budget.used) == 0
        assert max(len(chunk) for chunk in rig.disk.bodies[kept.id]) <= 64 * 1024


@pytest.mark.parametrize("size", [61_439, 61_440, 61_441, 65_536, 131_072, 131_073])
def test_messages_around_the_size_of_a_chunk_arrive_whole(size: int) -> None:
    """Nothing is lost or doubled where a message turns from small to large."""
    body = (b"0123456789" * 7 + b"\r\n") * (size // 72 + 1)
    content = HEADER + b"\r\n" + body[-(size - len(HEADER) - 2) :]
    assert len(content) == size
    with receiving(KINDS) as rig:
        for name in KINDS:
            assert deliver(rig, content, name=name).startswith("250")
        for kept in rig.kept:
            octets = rig.content(kept)
            assert octets[kept.header_size :] == content[len(HEADER) + 2 :]
            assert (kept.size, kept.checksum) == (len(octets), zlib.crc32(octets))


def test_a_large_message_that_is_broken_off_leaves_nothing() -> None:
    """The chunks of a client that goes away in the middle are removed."""
    with receiving() as rig:
        with rig.client() as wire:
            wire.hello()
            wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
            wire.codes(3)
            wire.send(HEADER + b"\r\n" + b"x" * 70 + b"\r\n", b"y" * 200_000)
            wait_until(lambda: rig.disk.used() > 0)
        wait_until(lambda: rig.disk.used() == 0)
        wait_until(lambda: rig.call(lambda: rig.door.guards.budget.used) == 0)
        assert not rig.kept


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r"])
def test_nothing_is_smuggled_behind_a_message_that_is_too_large(name: str, end: bytes) -> None:
    """A false end after the limit is passed is data: one refusal, and no second message."""
    intake = IntakeSettings(max_message_size=10_000)
    second = b"MAIL FROM:<evil@third.test>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\nevil\r\n"
    with receiving(KINDS, intake=intake) as rig, rig.client(name) as wire:
        wire.hello()
        wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
        assert wire.codes(3) == ["250", "250", "354"]
        wire.send(HEADER + b"\r\n" + b"x" * 70 + b"\r\n", (b"y" * 70 + b"\r\n") * 200, end, second)
        assert wire.ask(".")[:3] in {"552", "550"}
        assert wire.ask("NOOP").startswith("250")
        assert not rig.kept


def test_a_declared_size_over_the_limit_is_refused_at_mail() -> None:
    """Nobody has to send 25 MiB to hear that they are too much."""
    with receiving(intake=IntakeSettings(max_message_size=10_000)) as rig, rig.client() as wire:
        assert "SIZE 10000" in wire.hello()
        assert wire.ask("MAIL FROM:<x@third.test> SIZE=10001").startswith("552 5.3.4")
        wire.send("MAIL FROM:<x@third.test> SIZE=9", "RCPT TO:<ann@local.test>", "DATA")
        assert wire.codes(3) == ["250", "250", "354"]
        assert wire.ask(HEADER + b"\r\n" + b"y" * 9_999 + b"\r\n.\r\n").startswith("552 5.3.4")
        assert wire.ask("NOOP").startswith("250")
        assert not rig.kept


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("octets", "codes"),
    [
        (b"EHLO x\nMAIL FROM:<>\n", {"500"}),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", {"221", "554"}),
        (b"POST /mail HTTP/1.1\r\n\r\nMAIL FROM:<>\r\n", {"221", "554"}),
        (b"CONNECT x:25 HTTP/1.1\r\n\r\n", {"221", "554"}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, {"501"}),
    ],
    ids=["bare LF", "GET", "POST", "CONNECT", "TLS"],
)
def test_what_is_not_smtp_is_told_so(name: str, octets: bytes, codes: set[str]) -> None:
    """Bare line feeds, HTTP and TLS on a plain port get their reply, and nothing is obeyed."""
    with receiving(KINDS) as rig, rig.client(name) as wire:
        assert wire.reply().startswith("220")
        wire.send(octets)
        assert wire.reply()[:3] in codes
        wire.sock.shutdown(socket.SHUT_WR)
        assert b"250 2.1.0" not in wire.rest()
        wait_until(lambda: len(rig.named(CommandRefused)) > 0)


def test_unknown_recipients_are_refused_in_the_session() -> None:
    """550 5.1.1 for an unknown local part, 550 5.7.1 for another domain; postmaster exists."""
    with receiving() as rig, rig.client() as wire:
        wire.hello()
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("250")
        assert wire.ask("RCPT TO:<nobody@local.test>").startswith("550 5.1.1")
        assert wire.ask("RCPT TO:<ann@third.test>").startswith("550 5.7.1")
        for recipient in ("postmaster", "Postmaster@LOCAL.test", "abuse@local.test"):
            assert wire.ask(f"RCPT TO:<{recipient}>").startswith("250")
        refused = rig.named(RecipientRefused)
        assert [each.reason for each in refused] == ["unknown recipient", "relay denied"]


def test_too_many_recipients_are_put_off_and_the_others_get_their_mail() -> None:
    """The recipient over the limit gets 452 4.5.3, and the message goes to the accepted ones."""
    limits = LimitSettings(recipients=2, recipients_submission=3)
    with receiving(KINDS, limits=limits) as rig:
        for name, most in (("mx", 2), ("submission", 3)):
            with rig.client(name) as wire:
                wire.hello()
                wire.send("MAIL FROM:<x@third.test>")
                wire.send(*[f"RCPT TO:<ann+{number}@local.test>" for number in range(most + 1)])
                wire.send("DATA")
                assert wire.codes(most + 3) == ["250"] * (most + 1) + ["452", "354"]
                assert wire.ask(HEADER + b"\r\n.\r\n").startswith("250")
        assert [len(each.recipients) for each in rig.kept] == [2, 3]


def test_long_lines_of_a_submission_are_encoded_and_others_are_left_alone() -> None:
    """What could never be sent on is made sendable, unless it comes from outside, or signed."""
    body = b"\r\n" + b"x" * 1_500 + b"\r\n"
    with receiving(KINDS) as rig:
        for name, more in (
            ("submission", b""),
            ("submission", b"DKIM-Signature: v=1\r\n"),
            ("mx", b""),
        ):
            assert deliver(rig, HEADER + more + body, name=name).startswith("250")
        encoded, signed, relayed = rig.kept
        assert not encoded.has_long_lines
        content = rig.content(encoded)
        assert b"Content-Transfer-Encoding: quoted-printable\r\n" in content
        assert encoded.size == len(content)
        for message in (signed, relayed):
            assert message.has_long_lines
            assert rig.content(message).endswith(body)
