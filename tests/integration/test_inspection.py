"""Inspectors look at a message before it is kept: they add, cut, hold and refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.receiving import Rig, receiving, wait_until

from pillarbox.events.types import CheckRuled, MessageRefused, RecipientHeld
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import UNDISTURBED, Inspection, Judgement
from pillarbox.policy.queue import RecipientState
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.smtp.reply import Reply

HEADER = b"From: <eve@outside.test>\r\nX-Forged: yes\r\nSubject: hello\r\n\r\n"
SMALL = b"A short body.\r\n"
LARGE = b"A line of a body that goes to the store in chunks.\r\n" * 6_000  # 300 KiB
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])


@dataclass
class Stub:
    """Says what it was told to say, and remembers what it saw."""

    judgement: Judgement = UNDISTURBED
    error: Exception | None = None
    headers: list[bytes] = field(default_factory=list)
    body: bytes = b""

    def begin(self, draft: Draft, header: bytes) -> Inspection:
        assert draft.origin.client == "127.0.0.1"
        self.headers.append(header)
        return self

    def feed(self, body: bytes) -> None:
        self.body += body

    async def conclude(self, earlier: Judgement) -> Judgement:
        assert earlier is not None
        if self.error is not None:
            raise self.error
        return self.judgement


def send(rig: Rig, body: bytes) -> str:
    """Send a message to ann, and return the reply to the final dot."""
    with rig.client() as client:
        client.hello()
        client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>", "DATA")
        assert client.codes(3) == ["250", "250", "354"]
        client.send(HEADER + body + b".\r\n")
        return client.reply()


@BODIES
def test_an_inspector_sees_all_and_changes_the_header(body: bytes) -> None:
    """What it adds stands on top, what it cuts is gone, and the checksum is right."""
    forged = slice(HEADER.index(b"X-Forged"), HEADER.index(b"Subject"))
    seen = Stub(Judgement(fields=b"X-Seen: all of it\r\n", cuts=(forged,)))
    signer = Stub(Judgement(fields=b"X-Signed: s\r\n"))
    with receiving(inspectors=[seen, signer]) as rig:
        assert send(rig, body).startswith("250 ")
        (message,) = rig.kept
        content = rig.content(message)  # raises where the checksum is wrong
    assert seen.headers == signer.headers == [HEADER]
    assert seen.body == signer.body == body
    header, text = content.split(b"\r\n\r\n", 1)
    assert text == body
    assert header.startswith(b"X-Signed: s\r\nX-Seen: all of it\r\nReceived: from client.test ")
    assert header.endswith(b"From: <eve@outside.test>\r\nSubject: hello")
    assert message.header_size == len(header) + 4
    assert message.size == len(content)


@BODIES
def test_what_an_inspector_refuses_is_not_kept(body: bytes) -> None:
    """The client gets the inspector's reply, the operator its reason and evidence."""
    ruling = Ruling(
        action=Action.REFUSE,
        by="dmarc",
        reply=Reply.of(550, "5.7.1", "Not from you"),
        reason="p=reject",
        evidence=("_dmarc.outside.test TXT v=DMARC1; p=reject",),
    )
    last = Stub()
    with receiving(inspectors=[Stub(Judgement(rulings=(ruling,))), last]) as rig:
        assert send(rig, body) == "550 5.7.1 Not from you"
        wait_until(lambda: rig.named(CheckRuled))
        (refused,), (ruled,) = rig.named(MessageRefused), rig.named(CheckRuled)
        assert not rig.kept
        assert not rig.disk.chunks
    assert refused.reason == "dmarc: p=reject"
    assert (ruled.check, ruled.ruling, ruled.evidence) == ("dmarc", "refuse", [*ruling.evidence])


@BODIES
def test_what_an_inspector_holds_waits_for_an_operator(body: bytes) -> None:
    """The message is taken, its recipients stand still, and the reason is told."""
    ruling = Ruling(action=Action.HOLD, by="hook", reason="looks odd")
    with receiving(inspectors=[Stub(Judgement(rulings=(ruling,)))]) as rig:
        assert send(rig, body).startswith("250 ")
        (message,) = rig.kept
        (held,), (ruled,) = rig.named(RecipientHeld), rig.named(CheckRuled)
    (recipient,) = message.recipients
    assert recipient.state is RecipientState.HELD
    assert recipient.next_attempt_at is None
    assert held.reason == recipient.last_reply == "hook: looks odd"
    assert ruled.message == held.message


@BODIES
def test_an_inspector_that_fails_defers_the_message(body: bytes) -> None:
    """A defect in a check loses no mail: the sender tries again."""
    with receiving(inspectors=[Stub(error=RuntimeError("defect"))]) as rig:
        assert send(rig, body).startswith("451 4.3.0 ")
        wait_until(lambda: rig.named(MessageRefused))
        assert not rig.kept
        assert not rig.disk.chunks


@dataclass
class Broken(Stub):
    """Has a defect that shows at some point."""

    at: str = ""

    def begin(self, draft: Draft, header: bytes) -> Inspection:
        if self.at == "begin":
            raise RuntimeError("defect")
        return super().begin(draft, header)

    def feed(self, body: bytes) -> None:
        super().feed(body)
        if self.at == "feed":
            raise RuntimeError("defect")


@pytest.mark.parametrize("at", ["begin", "feed"])
@BODIES
def test_an_inspector_that_breaks_on_a_message_costs_a_try_and_no_memory(
    at: str, body: bytes
) -> None:
    """The client is asked to come again, the session goes on, and the room is given back."""
    with receiving(inspectors=[Broken(at=at)]) as rig:
        with rig.client() as client:
            client.hello()
            for _ in range(2):
                client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>", "DATA")
                assert client.codes(3) == ["250", "250", "354"]
                client.send(HEADER + body + b".\r\n")
                assert client.reply().startswith("451 4.3.0 ")
        refused = rig.named(MessageRefused)
        assert [each.reason for each in refused] == ["defect", "defect"]
        assert rig.door.guards.budget.used == 0
        wait_until(lambda: not rig.disk.chunks)
