"""AUTH on the server's side: what is offered when, and what its driver may and may not do."""

from __future__ import annotations

from base64 import b64encode

import pytest
from tests.server_driver import Driver
from tests.users import NONCE, SALT, WRONG, judge_claim

from pillarbox.smtp import events
from pillarbox.smtp.options import ServerOptions, offered_mechanisms
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import CramClaim, PasswordClaim, ProofClaim, TokenClaim
from pillarbox.smtp.sasl.mechanism import ClientSetting
from pillarbox.smtp.sasl.scram_client import ScramClient
from pillarbox.smtp.sasl.scram_verifier import make_verifier
from pillarbox.smtp.server import ServerConnection

ALL = (
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "OAUTHBEARER",
    "XOAUTH2",
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
)


def options(*mechanisms: str, **more: object) -> ServerOptions:
    return ServerOptions(
        hostname="mx.test",
        auth_mechanisms=mechanisms or ALL,
        new_nonce=lambda: NONCE,
        **more,  # type: ignore[arg-type]
    )


def encoded(text: str | bytes) -> bytes:
    return b64encode(text.encode() if isinstance(text, str) else text)


def judge(event: events.ServerEvent) -> Reply | None:
    return judge_claim(event.claim) if isinstance(event, events.AuthAttempted) else None


def greeted(chosen: ServerOptions) -> ServerConnection:
    """Return a connection on which the client has said EHLO."""
    connection = ServerConnection(chosen)
    connection.greet()
    connection.receive_data(b"EHLO client.test\r\n")
    assert isinstance(connection.next_event(), events.HelloReceived)
    connection.accept()
    connection.data_to_send()
    return connection


@pytest.mark.parametrize(
    ("more", "is_encrypted", "has_binding", "offered"),
    [
        ({}, False, False, set()),
        ({}, True, False, set(ALL) - {"SCRAM-SHA-256-PLUS"}),
        ({}, True, True, set(ALL)),
        ({"auth_challenges_before_tls": True}, False, False, {"SCRAM-SHA-256", "CRAM-MD5"}),
        ({"auth_before_tls": True}, False, False, set(ALL) - {"SCRAM-SHA-256-PLUS"}),
    ],
)
def test_mechanisms_are_offered_where_they_are_safe(
    more: dict[str, bool], is_encrypted: bool, has_binding: bool, offered: set[str]
) -> None:
    """C01, C10: secrets inside of TLS only, proofs before it on demand, binding where there is one."""
    found = offered_mechanisms(options(**more), is_encrypted=is_encrypted, has_binding=has_binding)
    assert set(found) == offered
    assert list(found) == [name for name in ALL if name in offered]  # in the operator's order


def test_ehlo_offers_binding_after_tls_only() -> None:
    """The greeting names what can be used now, and after STARTTLS what can be used then."""
    driver = Driver(options("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", starttls=True)).greet()
    assert b"AUTH" not in driver.feed(b"EHLO client.test\r\n")
    driver.feed(b"STARTTLS\r\n")
    said = driver.feed(b"EHLO client.test\r\n")
    assert b"AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256\r\n" in said


def test_options_that_cannot_work_are_defects() -> None:
    """An unknown mechanism, or SCRAM without nonces, shows when a listener is made."""
    with pytest.raises(ValueError, match="DIGEST-MD5"):
        ServerOptions(hostname="mx.test", auth_mechanisms=("DIGEST-MD5",))
    with pytest.raises(ValueError, match="nonces"):
        ServerOptions(hostname="mx.test", auth_mechanisms=("CRAM-MD5",))


def test_a_lookup_is_answered_once_and_by_supply() -> None:
    """A driver that answers otherwise has a defect, and is told."""
    connection = greeted(options("SCRAM-SHA-256", auth_before_tls=True))
    kept = make_verifier("pencil", SALT, 4096)
    with pytest.raises(RuntimeError):
        connection.supply(kept)
    connection.receive_data(b"AUTH SCRAM-SHA-256 " + encoded("n,,n=user,r=abc") + b"\r\n")
    event = connection.next_event()
    assert isinstance(event, events.AuthLookup)
    assert (event.mechanism, event.request.identity) == ("SCRAM-SHA-256", "user")
    assert connection.is_awaiting
    connection.supply(kept)
    assert connection.data_to_send().startswith(b"334 ")
    with pytest.raises(RuntimeError):
        connection.supply(kept)


def test_a_lookup_that_cannot_be_answered_is_refused() -> None:
    """A source that is down is a reply that can be waited out, and the session goes on."""
    connection = greeted(options("SCRAM-SHA-256", auth_before_tls=True))
    connection.receive_data(b"AUTH SCRAM-SHA-256 " + encoded("n,,n=user,r=abc") + b"\r\nNOOP\r\n")
    assert isinstance(connection.next_event(), events.AuthLookup)
    connection.refuse(Reply.of(454, "4.7.0", "Temporary authentication failure"))
    assert connection.next_event() is None
    assert [line[:3] for line in connection.data_to_send().splitlines()] == [b"454", b"250"]


def test_a_proof_that_failed_cannot_be_accepted() -> None:
    """Whatever the driver thinks: without the password nobody comes in."""
    connection = greeted(options("SCRAM-SHA-256", auth_before_tls=True))
    client = ScramClient(ClientSetting(user="user", password="wrong", nonce="abc"))
    connection.receive_data(b"AUTH SCRAM-SHA-256 " + encoded(client.initial_response()) + b"\r\n")
    connection.next_event()
    connection.supply(make_verifier("pencil", SALT, 4096))
    first = f"r=abc{NONCE},s={encoded(SALT).decode()},i=4096"
    connection.receive_data(encoded(client.respond(first.encode())) + b"\r\n")
    event = connection.next_event()
    assert isinstance(event, events.AuthAttempted)
    assert isinstance(event.claim, ProofClaim)
    with pytest.raises(RuntimeError, match="proof that failed"):
        connection.accept()
    assert not connection.is_authenticated


def test_a_refusal_that_closes_or_passes_explains_nothing() -> None:
    """Only a token that is refused for good is explained in JSON before its 535."""
    command = b"AUTH XOAUTH2 " + encoded("user=u\x01auth=Bearer t\x01\x01") + b"\r\n"
    for reply, said in (
        (Reply.of(454, "4.7.0", "later"), b"454 4.7.0 later\r\n"),
        (Reply.of(535, "5.7.8", "no", closes=True), b"535 5.7.8 no\r\n"),
        (Reply.of(421, "4.7.0", "bye", closes=True), b"421 4.7.0 bye\r\n"),
    ):
        connection = greeted(options("XOAUTH2", auth_before_tls=True))
        connection.receive_data(command)
        connection.next_event()
        connection.refuse(reply)
        assert connection.data_to_send() == said
        assert connection.is_over is reply.closes


def test_an_explained_refusal_counts_once() -> None:
    """The 535 behind an explanation is one error, and the driver is told of one attempt."""
    driver = Driver(options("XOAUTH2", auth_before_tls=True, max_errors=2), judge).greet()
    driver.feed(b"EHLO client.test\r\n")
    command = b"AUTH XOAUTH2 " + encoded("user=u\x01auth=Bearer t\x01\x01") + b"\r\n\r\n"
    driver.feed(command)
    assert driver.codes[-1] == str(WRONG)[:9]
    attempts = [event for event in driver.events if isinstance(event, events.AuthAttempted)]
    assert len(attempts) == 1
    assert not any(isinstance(event, events.AuthFailed) for event in driver.events)
    driver.feed(command + b"NOOP\r\n")
    assert driver.codes[-1] == "421 4.7.0"


def test_a_login_may_be_pipelined_octet_by_octet() -> None:
    """However the lines of an exchange arrive, they lead to the same replies."""
    lines = (
        b"EHLO client.test\r\nAUTH SCRAM-SHA-256\r\n"
        + encoded("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        + b"\r\n"
        + encoded(
            f"c=biws,r=rOprNGfwEbeRWgbNEkqO{NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        )
        + b"\r\n\r\nNOOP\r\n"
    )
    chosen = options("SCRAM-SHA-256", auth_before_tls=True)
    whole, split = Driver(chosen, judge).greet(), Driver(chosen, judge).greet()
    whole.feed(lines)
    split.feed_all(lines[at : at + 1] for at in range(len(lines)))
    assert whole.sent == split.sent
    assert whole.codes[-2:] == ["235 2.7.0", "250 2.0.0"]
    assert whole.connection.is_authenticated


def test_a_shut_down_ends_an_exchange() -> None:
    """A login that hangs between two lines does not keep a node from stopping."""
    driver = Driver(options("SCRAM-SHA-256", auth_before_tls=True)).greet()
    driver.feed(b"EHLO client.test\r\nAUTH SCRAM-SHA-256\r\n")
    driver.connection.shut_down()
    driver.pump()
    assert driver.codes[-1] == "421 4.3.2"
    assert driver.connection.is_over


@pytest.mark.parametrize(
    "claim",
    [
        PasswordClaim("", "ann", "hunter2"),
        TokenClaim("ann", "hunter2"),
        CramClaim("ann", b"challenge", "hunter2"),
        make_verifier("hunter2", SALT, 4096),
    ],
)
def test_no_claim_shows_its_secret(claim: object) -> None:
    """What is printed of a claim, or of what is kept, tells no secret."""
    shown = repr(events.AuthAttempted("ANY", claim))  # type: ignore[arg-type]
    assert "hunter2" not in shown
    assert "key" not in shown
