"""Rates, guesses and harvesting, seen by clients on real sockets."""

from __future__ import annotations

import socket
import time
from base64 import b64encode

import pytest
from tests.receiving import PASSWORD, Rig, Wire, listener, receiving

from pillarbox.config.settings import (
    GuessSettings,
    HarvestSettings,
    ListenerKind,
    OverRate,
    RateSettings,
    RateSubject,
)
from pillarbox.events.types import AuthRefused, CheckRuled, ConnectionRefused, SenderRefused

OPEN = {"open": listener(ListenerKind.SUBMISSION, auth_without_tls=True)}
USERS = {"ann": PASSWORD, "bob": PASSWORD}


def plain(user: str, password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + b64encode(f"\0{user}\0{password}".encode()).decode()


def log_in(wire: Wire, user: str) -> None:
    wire.hello()
    assert wire.ask(plain(user)).startswith("235")


def send(wire: Wire, *recipients: str) -> str:
    """Send a message and return the last reply."""
    reply = wire.ask("MAIL FROM:<ann@local.test>")
    if not reply.startswith("250"):
        return reply
    for recipient in recipients or ("carol@elsewhere.test",):
        wire.ask(f"RCPT TO:<{recipient}>")
    wire.ask("DATA")
    return wire.ask("From: <ann@local.test>\r\n\r\nHello\r\n.")


def test_a_credential_is_deferred_with_the_time_to_wait() -> None:
    """Its third message has to wait, in whatever session; other credentials go on."""
    rates = {"each": RateSettings(subject=RateSubject.CREDENTIAL, messages=("2/h",))}
    with receiving(OPEN, users=USERS, rates=rates) as rig:
        with rig.client("open") as wire:
            log_in(wire, "ann")
            assert send(wire).startswith("250")
            assert send(wire).startswith("250")
            assert send(wire).startswith("451 4.7.1 Too many messages, try again in 1")
        with rig.client("open") as wire:
            log_in(wire, "ann")
            assert send(wire).startswith("451 4.7.1")
        with rig.client("open") as wire:
            log_in(wire, "bob")
            assert send(wire).startswith("250")
        assert len(rig.kept) == 3
        (first, _) = rig.named(SenderRefused)
        assert first.reason == "rate each: more than 2 per hour (messages) of credential ann"


def test_recipients_are_counted_one_by_one() -> None:
    """Those within the rate get their mail now; the client brings the others later."""
    rates = {"r": RateSettings(subject=RateSubject.ADDRESS, recipients=("2/h",))}
    with receiving(rates=rates) as rig, rig.client() as wire:
        wire.hello()
        wire.send("MAIL FROM:<eve@outside.test>")
        wire.send(*(f"RCPT TO:<{user}@local.test>" for user in ("ann", "bob", "team")))
        assert wire.codes(4) == ["250", "250", "250", "452"]
        assert wire.ask("DATA").startswith("354")
        assert wire.ask("From: <eve@outside.test>\r\n\r\nHello\r\n.").startswith("250")
        assert len(rig.kept[0].recipients) == 2


def test_limited_mail_may_wait_in_the_queue() -> None:
    """It is taken at once and due later, in turn; the events say why."""
    settings = RateSettings(
        subject=RateSubject.CREDENTIAL, messages=("1/min",), over=OverRate.QUEUE
    )
    with receiving(OPEN, users=USERS, rates={"slow": settings}) as rig:
        with rig.client("open") as wire:
            log_in(wire, "ann")
            assert [send(wire)[:3] for _ in range(3)] == ["250"] * 3
        waits = []
        for message in rig.kept:
            due = message.recipients[0].next_attempt_at
            assert due is not None
            waits.append(due - message.accepted_at)
        assert waits[0] == 0.0
        assert 50.0 < waits[1] <= 60.0
        assert 110.0 < waits[2] <= 120.0
        (first, _) = rig.named(CheckRuled)
        assert first.check == "rate slow"
        assert first.ruling == "note"
        assert first.message


def test_harvesting_is_slowed_and_then_ended() -> None:
    """Answers to unknown recipients come later and later, then 421; known ones are quick."""
    harvesting = HarvestSettings(free_unknown=2, longest_delay=0.1, end_after=4, except_networks=())
    with receiving(harvesting=harvesting) as rig, rig.client() as wire:
        wire.hello()
        wire.ask("MAIL FROM:<eve@outside.test>")
        took = []
        for number in range(4):
            began = time.monotonic()
            assert wire.ask(f"RCPT TO:<guess{number}@local.test>").startswith("550 5.1.1")
            took.append(time.monotonic() - began)
        assert min(took[2:]) >= 0.1
        assert wire.ask("RCPT TO:<ann@local.test>").startswith("250")
        assert wire.ask("RCPT TO:<guess@local.test>").startswith("421 4.7.0")
        assert wire.rest() == b""
        with rig.client() as other:  # a new session is the same client
            other.hello()
            other.ask("MAIL FROM:<eve@outside.test>")
            assert other.ask("RCPT TO:<guess@local.test>").startswith("421 4.7.0")


def test_a_client_that_leaves_during_a_delay_harms_nobody() -> None:
    """An answer that comes too late is dropped."""
    harvesting = HarvestSettings(free_unknown=0, longest_delay=0.1, except_networks=())
    with receiving(harvesting=harvesting) as rig:
        with rig.client() as wire:
            wire.hello()
            wire.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<guess@local.test>")
        time.sleep(0.2)
        with rig.client() as wire:
            assert wire.hello().startswith("250")


def test_who_guesses_is_banned_where_people_log_in_and_nowhere_else() -> None:
    """A banned client gets 421 at once on submission; its mail to us is still taken."""
    kinds = {"mx": listener(), **OPEN}
    guessing = GuessSettings(first_delay=0.0, ban_after=3)
    with receiving(kinds, users=USERS, guessing=guessing) as rig:
        with rig.client("open") as wire:
            wire.hello()
            for number in range(3):
                assert wire.ask(plain(f"user{number}", "wrong")).startswith("535 5.7.8")
            assert wire.ask(plain("ann")).startswith("421 4.7.0")
        with rig.client("open") as wire:
            assert wire.reply().startswith("421 4.7.0")
        with rig.client("mx") as wire:
            wire.hello()
            assert wire.ask("MAIL FROM:<eve@outside.test>").startswith("250")
        (refused,) = rig.named(ConnectionRefused)
        assert refused.reason == "banned for failed logins"


def test_who_came_from_there_before_still_gets_in() -> None:
    """Others behind the same address cannot shut a user out of the account."""
    guessing = GuessSettings(first_delay=0.0, ban_after=3)
    with receiving(OPEN, users=USERS, guessing=guessing) as rig:
        with rig.client("open") as wire:
            log_in(wire, "ann")
        with rig.client("open") as wire:
            wire.hello()
            for _ in range(3):
                assert wire.ask(plain("bob", "wrong")).startswith("535 5.7.8")
            assert wire.ask(plain("bob")).startswith("421 4.7.0")
        with rig.client("open") as wire:
            log_in(wire, "ann")
        # What was wrong with the others is found out beside the session, perhaps later.
        assert "too_many_failures" in {each.cause for each in rig.named(AuthRefused)}


def test_an_account_under_attack_is_closed_to_strangers_only() -> None:
    """From an address that the user never came from, the right password gets 454 meanwhile."""
    guessing = GuessSettings(account_failures=5)
    with receiving(OPEN, users=USERS, guessing=guessing) as rig:
        now = time.time()
        guesses = rig.receiver.guesses
        rig.call(lambda: [guesses.failed(f"203.0.113.{n}", "ann", now) for n in range(10)])
        with rig.client("open") as wire:
            wire.hello()
            assert wire.ask(plain("ann")).startswith("454 4.7.0")
            assert wire.ask(plain("bob")).startswith("235")
        rig.call(lambda: guesses.succeeded("127.0.0.1", "ann", now))
        with rig.client("open") as wire:
            log_in(wire, "ann")


@pytest.mark.parametrize("user", ["ann", "nobody"])
def test_a_closed_account_looks_the_same_whether_it_is_there(user: str) -> None:
    """What 454 says tells nobody which users there are."""
    with receiving(OPEN, users=USERS, guessing=GuessSettings(account_failures=2)) as rig:
        guesses, now = rig.receiver.guesses, time.time()
        rig.call(lambda: [guesses.failed(f"203.0.113.{n}", user, now) for n in range(5)])
        with rig.client("open") as wire:
            wire.hello()
            assert wire.ask(plain(user)) == "454 4.7.0 Temporary authentication failure"


def from_address(rig: Rig, address: str) -> Wire:
    """Connect from an address of loopback."""
    target = rig.address("open")
    return Wire(socket.create_connection(target, timeout=10, source_address=(address, 0)))


def test_an_attack_from_many_addresses_leaves_the_user_alone() -> None:
    """One wrong password each from 60 addresses: no ban, no delay, and its user gets in."""
    guessing = GuessSettings(account_failures=50, spray_addresses=20, spray_accounts=5)
    with receiving(OPEN, users=USERS, guessing=guessing) as rig:
        with rig.client("open") as wire:
            log_in(wire, "ann")
        for number in range(60):
            eve = from_address(rig, f"127.0.1.{number + 1}")
            eve.hello()
            code = eve.ask(plain("ann", "wrong"))[:3]
            assert code == ("535" if number < 50 else "454")
            eve.sock.close()
        with rig.client("open") as wire:
            log_in(wire, "ann")
        stranger = from_address(rig, "127.0.2.1")
        stranger.hello()
        assert stranger.ask(plain("ann")).startswith("454 4.7.0")
        assert stranger.ask(plain("bob")).startswith("235")
        stranger.sock.close()


def test_addresses_are_held_to_a_rate_each() -> None:
    """What one address has used is no other's; the rate of all together holds for both."""
    rates = {
        "each": RateSettings(subject=RateSubject.ADDRESS, messages=("1/h",)),
        "all": RateSettings(subject=RateSubject.ALL, messages=("2/h",)),
    }
    with receiving({"open": listener()}, rates=rates) as rig:
        codes = []
        for address in ("127.0.1.1", "127.0.1.1", "127.0.1.2", "127.0.1.3"):
            wire = from_address(rig, address)
            wire.hello()
            codes.append(wire.ask("MAIL FROM:<eve@outside.test>"))
            wire.sock.close()
        assert [code[:3] for code in codes] == ["250", "451", "250", "451"]
        reasons = [each.reason for each in rig.named(SenderRefused)]
        assert reasons == [
            "rate each: more than 1 per hour (messages) of address 127.0.1.1",
            "rate all: more than 2 per hour (messages) of everybody",
        ]
