"""Checks have a say at each stage of a session, may take their time, and never hang it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from base64 import b64encode
from dataclasses import dataclass, field

import pytest
from tests.receiving import PASSWORD, Wire, listener, receiving, wait_until

from pillarbox.config.settings import ListenerKind
from pillarbox.events.types import CheckRuled, RecipientHeld, RecipientRefused, SenderRefused
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.receive.checks import Stage, Visit
from pillarbox.smtp.reply import Reply

NOT_YOU = Reply.of(550, "5.7.1", "Not you")
LATER = Reply.of(451, "4.7.1", "Come back later")
REFUSED = Ruling(action=Action.REFUSE, by="stub", reply=NOT_YOU, reason="listed", evidence=("x",))
DEFERRED = Ruling(action=Action.DEFER, by="stub", reply=LATER, reason="new")
NOTED = Ruling(action=Action.NOTE, by="stub", reason="odd")
HELD = Ruling(action=Action.HOLD, by="stub", reason="doubtful")


@dataclass
class Stub:
    """Says the same whenever it is asked, and remembers what it was asked."""

    stages: frozenset[Stage]
    ruling: Ruling = PASSED
    takes: float = 0.0
    error: Exception | None = None
    name: str = "stub"
    patience: float = 5.0
    visits: list[Visit] = field(default_factory=list)

    async def rule(self, visit: Visit) -> Ruling:
        self.visits.append(visit)
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return self.ruling


def at(*stages: Stage, ruling: Ruling = PASSED, takes: float = 0.0) -> Stub:
    """Return a check that is asked at these stages."""
    return Stub(frozenset(stages), ruling, takes)


def send(client: Wire) -> list[str]:
    """Send a message in one go, and return the replies from MAIL on."""
    client.hello()
    client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>")
    replies = [client.reply(), client.reply()]
    if replies[1].startswith("250"):
        client.send("DATA")
        replies.append(client.reply())
        client.send("From: <eve@outside.test>", "", "Hello", ".")
        replies.append(client.reply())
    return replies


def test_a_check_is_told_what_is_known() -> None:
    """Each stage adds what the client has said."""
    check = at(*Stage)
    with receiving(checks=[check]) as rig, rig.client() as client:
        assert send(client)[-1].startswith("250 ")
    seen = {visit.stage: visit for visit in check.visits}
    assert seen[Stage.CONNECT].client == "127.0.0.1"
    assert seen[Stage.HELO].helo == "client.test"
    assert str(seen[Stage.MAIL].sender) == "eve@outside.test"
    recipient = seen[Stage.RCPT].recipient
    assert recipient is not None
    assert str(recipient.address) == "ann@local.test"


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.HELO, Stage.MAIL])
@pytest.mark.parametrize("takes", [0.0, 0.05])
def test_a_refusal_before_mail_is_told_at_mail(stage: Stage, takes: float) -> None:
    """The greeting waits for nobody; the refusal names the check, its reason, its evidence."""
    with receiving(checks=[at(stage, ruling=REFUSED, takes=takes)]) as rig:
        with rig.client() as client:
            replies = send(client)
        assert replies[0] == "550 5.7.1 Not you"
        assert replies[1].startswith("503 ")
        wait_until(lambda: rig.named(CheckRuled))
        (refused,), (ruled,) = rig.named(SenderRefused), rig.named(CheckRuled)
        assert not rig.kept
    assert refused.reason == "stub: listed"
    assert (ruled.ruling, ruled.evidence) == ("refuse", ["x"])


def test_a_deferral_of_a_recipient_leaves_the_session() -> None:
    """It is a 4xx at RCPT, and the client may go on."""
    with receiving(checks=[at(Stage.RCPT, ruling=DEFERRED, takes=0.02)]) as rig:
        with rig.client() as client:
            assert send(client)[1] == "451 4.7.1 Come back later"
            assert client.ask("NOOP").startswith("250 ")
        (refused,) = rig.named(RecipientRefused)
    assert refused.reason == "stub: new"


def test_notes_go_with_the_message() -> None:
    """What does not turn mail away is told together with the message's id."""
    with receiving(checks=[at(Stage.CONNECT, ruling=NOTED), at(Stage.RCPT, ruling=NOTED)]) as rig:
        with rig.client() as client:
            assert send(client)[-1].startswith("250 ")
        wait_until(lambda: len(rig.named(CheckRuled)) == 2)
        assert {each.message for each in rig.named(CheckRuled)} != {""}
        assert rig.kept[0].recipients[0].next_attempt_at is not None


def test_a_held_session_holds_its_mail() -> None:
    """The message is taken and waits for an operator."""
    with receiving(checks=[at(Stage.HELO, ruling=HELD)]) as rig:
        with rig.client() as client:
            assert send(client)[-1].startswith("250 ")
        wait_until(lambda: rig.named(RecipientHeld))
        assert rig.kept[0].recipients[0].next_attempt_at is None


def test_rulings_of_a_transaction_end_with_it() -> None:
    """The next message of the session is not held for what was said of the one before."""
    check = at(Stage.MAIL, ruling=HELD)
    with receiving(checks=[check]) as rig, rig.client() as client:
        assert send(client)[-1].startswith("250 ")
        check.ruling = PASSED
        client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>", "DATA")
        assert client.codes(3) == ["250", "250", "354"]
        client.send("From: <eve@outside.test>", "", "Hello", ".")
        assert client.reply().startswith("250 ")
        first, second = rig.kept
    assert first.recipients[0].next_attempt_at is None
    assert second.recipients[0].next_attempt_at is not None


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT])
def test_a_check_that_hangs_or_fails_stops_no_mail(stage: Stage) -> None:
    """After its time it is not waited for; a defect is told and the session goes on."""
    hanging = Stub(frozenset({stage}), takes=60.0, patience=0.05)
    failing = Stub(frozenset({stage}), error=RuntimeError("defect"))
    with receiving(checks=[hanging, failing]) as rig:
        began = time.monotonic()
        with rig.client() as client:
            assert send(client)[-1].startswith("250 ")
        assert time.monotonic() - began < 20
        wait_until(lambda: len(rig.named(CheckRuled)) == 2)
        reasons = [each.reason for each in rig.named(CheckRuled)]
    assert reasons == [
        f"no answer within 0.05 s at {stage.value}",
        f"failed at {stage.value}: RuntimeError",
    ]


def test_a_client_that_leaves_is_not_asked_about_any_more() -> None:
    """Checks that are under way end with the connection (but not with what the client sends)."""
    check = at(Stage.MAIL, takes=60.0)
    check.patience = 60.0
    with receiving(checks=[check]) as rig:
        with rig.client() as client:
            client.hello()
            client.send("MAIL FROM:<eve@outside.test>")
            wait_until(lambda: check.visits)
            # Closed at once, and not only for what is still to be sent.
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: not rig.receiver.connections["mx"])
        assert rig.call(lambda: len(asyncio.all_tasks(rig.loop))) < 10


def test_a_login_is_asked_about_and_its_answer_counts_at_mail() -> None:
    """The check sees who has logged in; the login itself is answered at once."""
    check = at(Stage.AUTH, ruling=REFUSED, takes=0.02)
    open_to_logins = listener(ListenerKind.SUBMISSION, auth_without_tls=True)
    with (
        receiving({"mx": open_to_logins}, users={"ann": PASSWORD}, checks=[check]) as rig,
        rig.client() as client,
    ):
        client.hello()
        secret = b64encode(f"\0ann\0{PASSWORD}".encode()).decode()
        assert client.ask(f"AUTH PLAIN {secret}").startswith("235 ")
        assert client.ask("MAIL FROM:<ann@local.test>") == "550 5.7.1 Not you"
    (visit,) = check.visits
    assert visit.identity == "ann"


def test_what_is_said_of_one_recipient_is_not_held_against_the_next() -> None:
    """Only the recipient that a check refuses is refused, and the message is not marked by it."""

    class NotAnn(Stub):
        async def rule(self, visit: Visit) -> Ruling:
            await asyncio.sleep(self.takes)
            assert visit.recipient is not None
            return DEFERRED if visit.recipient.address.local_part == "ann" else PASSED

    with receiving(checks=[NotAnn(frozenset({Stage.RCPT}), takes=0.01)]) as rig:
        with rig.client() as client:
            client.hello()
            client.send("MAIL FROM:<eve@outside.test>")
            client.send("RCPT TO:<ann@local.test>", "RCPT TO:<bob@local.test>", "DATA")
            assert client.codes(4) == ["250", "451", "250", "354"]
            client.send("From: <eve@outside.test>", "", "Hello", ".")
            assert client.reply().startswith("250 ")
        (message,) = rig.kept
        told = [each.message for each in rig.named(CheckRuled)]
    assert [str(each.address) for each in message.envelope.recipients] == ["bob@local.test"]
    assert told == [""]  # with the refusal, and not again with the message
