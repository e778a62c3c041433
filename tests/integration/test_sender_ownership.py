"""Who has logged in sends as whom he owns, in the envelope and in the header."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.receiving import PASSWORD, Rig, Wire, any_certificate, listener, receiving

from pillarbox.config.settings import ListenerKind, OwnerSettings, RuleAction, RuleSettings
from pillarbox.events.types import MessageAccepted, MessageRefused, SenderRefused

OWNERS = {
    "shop": OwnerSettings(senders=("@shop.test", "news-*@local.test"), credentials=("shop",)),
    "printers": OwnerSettings(senders=("@local.test",), networks=("127.0.0.1",)),
}
KINDS = {
    "submission": listener(ListenerKind.SUBMISSION, auth_without_tls=True),
    "submissions": listener(ListenerKind.SUBMISSIONS),
    "mx": listener(auth=True, auth_without_tls=True),
    "office": listener(ListenerKind.SUBMISSION, trusted_networks=("127.0.0.1",)),
}
OWNED, FORGED = "a@shop.test", "ann@local.test"


@contextmanager
def logged_in(name: str, user: str = "shop", **more: object) -> Iterator[tuple[Rig, Wire]]:
    users = {"shop": PASSWORD, "poor": PASSWORD}
    with receiving(KINDS, users=users, owners=OWNERS, **more) as rig, rig.client(name) as wire:  # type: ignore[arg-type]
        if name == "submissions":
            wire.sock = any_certificate().wrap_socket(wire.sock)
        wire.hello()
        if user:
            secret = b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
            assert wire.ask(f"AUTH PLAIN {secret}").startswith("235")
        yield rig, wire


def send(wire: Wire, sender: str, header: str) -> str:
    """Return the first refusal, or the reply to the final dot."""
    for command in (f"MAIL FROM:<{sender}>", "RCPT TO:<u@third.test>", "DATA"):
        reply = wire.ask(command)
        if reply[0] == "5":
            wire.ask("RSET")
            return f"{command[:4]} {reply}"
    return wire.ask(f"{header}Subject: x\r\n\r\nhello\r\n.")


@pytest.mark.parametrize("kind", ["submission", "submissions", "mx"])
def test_a_login_is_held_to_its_senders_on_every_listener(kind: str) -> None:
    """MAIL FROM and the From field of somebody else get 550 5.7.1, and an event with the rule."""
    with logged_in(kind) as (rig, wire):
        assert send(wire, OWNED, f"From: Shop <{OWNED}>\r\n").startswith("250")
        assert send(wire, "news-1@local.test", f"From: {OWNED}\r\n").startswith("250")
        assert send(wire, FORGED, f"From: {OWNED}\r\n") == (
            "MAIL 550 5.7.1 You may not send as this address"
        )
        assert send(wire, OWNED, f"From: {FORGED}\r\n") == (
            "550 5.7.1 You may not send as the address in the From field"
        )
        (refused,) = rig.named(SenderRefused)
        assert (refused.identity, refused.sender, refused.reason) == (
            "shop",
            FORGED,
            "sender not owned",
        )
        assert len(rig.named(MessageAccepted)) == 2
        assert rig.named(MessageRefused)[0].reason.endswith("the From field")


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (f"From: {OWNED}\r\nFrom: {OWNED}\r\n", "550 5.6.0"),
        (f"From: {OWNED}\r\nFrom: {FORGED}\r\n", "550 5.6.0"),
        (f"From: us: {OWNED};\r\n", "550 5.6.0"),
        ("", "550 5.6.0"),
        (f"From: {OWNED}, b@shop.test\r\n", "550 5.6.0"),
        (f"From: {OWNED}, b@shop.test\r\nSender: {OWNED}\r\n", "250 2.0.0"),
        (f"From: {OWNED}, {FORGED}\r\nSender: {OWNED}\r\n", "550 5.7.1"),
        (f"From: {FORGED}\r\nSender: {OWNED}\r\n", "550 5.7.1"),
        (f"From: {OWNED}\r\nSender: {FORGED}\r\n", "550 5.7.1"),
        (f"FROM : {FORGED}\r\n", "550 5.7.1"),
        (f"From:\r\n {FORGED}\r\n", "550 5.7.1"),
    ],
)
def test_a_header_cannot_name_somebody_else_in_any_way(header: str, reply: str) -> None:
    """Two From fields, a group, several authors, Sender, folds: nothing gets a foreign author by."""
    with logged_in("submission") as (_, wire):
        assert send(wire, OWNED, header).startswith(reply)


def test_a_large_message_is_held_to_the_same_senders() -> None:
    """A message that is written while it comes in is refused for its author as a small one is."""
    body = "\r\n".join(["x" * 70] * 4_000)
    with logged_in("submission") as (rig, wire):
        assert send(wire, OWNED, f"From: {FORGED}\r\nX: y\r\n\r\n{body}\r\n").startswith(
            "550 5.7.1"
        )
        assert send(wire, OWNED, f"From: {OWNED}\r\nX: y\r\n\r\n{body}\r\n").startswith("250")
        assert len(rig.kept) == 1


def test_the_null_reverse_path_is_for_those_who_own_a_sender() -> None:
    """A read receipt may be submitted (RFC 8098 §3), its author has to be owned; a rule can forbid it."""
    with logged_in("submission") as (_, wire):
        assert send(wire, "", f"From: {OWNED}\r\n").startswith("250")
        assert send(wire, "", f"From: {FORGED}\r\n").startswith("550 5.7.1")
    with logged_in("submission", "poor") as (_, wire):
        assert send(wire, "", f"From: {OWNED}\r\n").startswith("MAIL 550 5.7.1")
        assert send(wire, OWNED, f"From: {OWNED}\r\n").startswith("MAIL 550 5.7.1")
    rule = RuleSettings(action=RuleAction.REFUSE, credentials=("*",), senders=("<>",))
    with logged_in("submission", rules={"no-null": rule}) as (rig, wire):
        assert send(wire, "", f"From: {OWNED}\r\n").startswith("MAIL 550 5.7.1")
        assert rig.named(SenderRefused)[0].reason == "no-null"


def test_a_network_that_owns_senders_is_held_to_them() -> None:
    """Printers need not log in, and still cannot send as the boss of another company."""
    with logged_in("office", user="") as (_, wire):
        assert send(wire, FORGED, f"From: {FORGED}\r\n").startswith("250")
        assert send(wire, OWNED, f"From: {FORGED}\r\n").startswith("MAIL 550 5.7.1")
        assert send(wire, FORGED, f"From: {OWNED}\r\n").startswith("550 5.7.1")
