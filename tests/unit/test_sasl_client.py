"""What our client lets a server do to it in a login, and which mechanism it takes."""

from __future__ import annotations

from base64 import b64encode

import pytest

from pillarbox.smtp.client_authentication import CANCEL, ClientExchange
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.cram_md5 import CramMd5Client
from pillarbox.smtp.sasl.mechanism import ClientSetting, MalformedResponseError
from pillarbox.smtp.sasl.plain import PlainClient
from pillarbox.smtp.sasl.scram_client import MAX_ITERATIONS, ScramClient, ScramPlusClient
from pillarbox.smtp.sasl.selection import Login, choose_mechanism

SETTING = ClientSetting(user="user", password="pencil", nonce="ours")
SALT = b64encode(b"0123456789abcdef").decode()
ALL = {
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
    "XOAUTH2",
    "OAUTHBEARER",
}


def scram() -> ScramClient:
    client = ScramClient(SETTING)
    client.initial_response()
    return client


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (f"r=theirs,s={SALT},i=4096", "nonce does not begin with ours"),
        (f"r=ours,s={SALT},i=4096", "nonce does not begin with ours"),
        (f"r=oursX,s={SALT},i=4095", "4095 iterations"),
        (f"r=oursX,s={SALT},i={MAX_ITERATIONS + 1}", "600001 iterations"),
        (f"r=oursX,s={SALT},i=99999999999", "not a server-first-message"),
        (f"r=oursX,s={SALT},i=-1", "not a server-first-message"),
        ("r=oursX,s=c2FsdA==,i=4096", "salt is too short"),
        ("r=oursX,s=!,i=4096", "not a server-first-message"),
        ("r=oursX,s=abc,i=4096", "not base64"),
        (f"m=new,r=oursX,s={SALT},i=4096", "not a server-first-message"),
        ("e=other-error", "not a server-first-message"),
        ("v=AAAA", "not a server-first-message"),
        ("\0", "holds NUL"),
        ("r=" + "o" * 5000, "more than 4096 octets"),
    ],
)
def test_a_bad_first_message_of_a_server_is_refused(first: str, reason: str) -> None:
    """Nothing is made of the password for a server that asks for what no good one does."""
    with pytest.raises(MalformedResponseError, match=reason):
        scram().respond(first.encode())


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("e=invalid-proof", "the server says: invalid-proof"),
        ("v=AAAA", "could not prove"),
        ("v=", "could not prove"),
        ("v=!", "not base64"),
        ("", "could not prove"),
        (f"r=oursX,s={SALT},i=4096", "could not prove"),
    ],
)
def test_a_bad_last_message_of_a_server_is_refused(last: str, reason: str) -> None:
    """Only the right proof of the server's ends the exchange well."""
    client = scram()
    client.respond(f"r=oursX,s={SALT},i=4096".encode())
    with pytest.raises(MalformedResponseError, match=reason):
        client.respond(last.encode())
    assert not client.is_finished


def test_the_flag_tells_what_the_client_knows_of_binding() -> None:
    """n: it cannot; y: it can, and was not offered to; p: it does (RFC 5802 §6)."""

    def flag(*, binding: bytes | None, is_offered: bool) -> bytes:
        setting = ClientSetting(
            user="u", nonce="n", channel_binding=binding, offers_binding=is_offered
        )
        return ScramClient(setting).initial_response()[:3]

    assert flag(binding=None, is_offered=False) == b"n,,"
    assert flag(binding=b"b", is_offered=False) == b"y,,"
    assert flag(binding=b"b", is_offered=True) == b"n,,"  # the operator has left PLUS out
    plus = ScramPlusClient(ClientSetting(user="u", nonce="n", channel_binding=b"b"))
    assert plus.initial_response().startswith(b"p=tls-server-end-point,,")


def test_commas_and_equal_signs_in_a_name_are_escaped() -> None:
    """A name cannot end its field (RFC 5802 §5.1)."""
    client = ScramClient(ClientSetting(user="a,b=c", nonce="n"))
    assert client.initial_response() == b"n,,n=a=2Cb=3Dc,r=n"


def test_a_name_that_saslprep_does_not_allow_goes_as_it_is() -> None:
    """The server decides; many prepare nothing at all."""
    client = ScramClient(ClientSetting(user="a\u0007", nonce="n"))
    assert client.initial_response() == b"n,,n=a\x07,r=n"


def test_a_challenge_of_any_length_is_not_signed() -> None:
    """CRAM-MD5 signs nothing that is no challenge."""
    for challenge in (b"", b"<" + b"x" * 1024 + b">"):
        with pytest.raises(MalformedResponseError):
            CramMd5Client(SETTING).respond(challenge)


def test_what_failed_is_safe_to_print() -> None:
    """A server's words reach logs and terminals without control characters."""
    exchange = ClientExchange("SCRAM-SHA-256", scram())
    first = b64encode(f"r=oursX,s={SALT},i=4096".encode()).decode()
    assert exchange.respond(Reply(334, (first,))) != CANCEL
    bad = b64encode(b"e=\x1b[2J").decode()
    assert exchange.respond(Reply(334, (bad,))) == CANCEL
    assert exchange.is_canceled
    assert "\x1b" not in exchange.failure


def test_a_command_that_is_too_long_brings_no_response() -> None:
    """RFC 4954 §4: a command line has 512 octets; the response follows the challenge."""
    short = ClientExchange("PLAIN", PlainClient(SETTING))
    assert short.command() == (b"AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", True)
    long = ClientExchange("PLAIN", PlainClient(ClientSetting(user="u", password="p" * 400)))
    assert long.command() == (b"AUTH PLAIN\r\n", False)
    assert len(long.respond(Reply(334, ("",)))) > 512


def test_a_server_that_quotes_a_login_does_not_show_the_password() -> None:
    """Some servers repeat the command that they refuse; what we keep and show is masked."""
    exchange = ClientExchange("PLAIN", PlainClient(SETTING), "pencil", "")
    line, _ = exchange.command()
    quoted = line.decode().strip()
    reply = exchange.masked(Reply(535, ("bad command", f"{quoted}, that is pencil")))
    assert reply == Reply(535, ("bad command", "AUTH PLAIN ***, that is ***"))
    assert exchange.masked(Reply(235, ("welcome",))) == Reply(235, ("welcome",))


@pytest.mark.parametrize(
    ("login", "is_secure", "refused", "chosen"),
    [
        (Login(user="u", password="p", channel_binding=b"b"), True, set(), "SCRAM-SHA-256-PLUS"),
        (Login(user="u", password="p"), True, set(), "SCRAM-SHA-256"),
        (Login(user="u", password="p"), True, {"SCRAM-SHA-256"}, "CRAM-MD5"),
        (Login(user="u", password="p"), True, {"SCRAM-SHA-256", "CRAM-MD5"}, "PLAIN"),
        (Login(user="u", password="p"), True, ALL - {"LOGIN"}, "LOGIN"),
        (Login(user="u", password="p"), True, ALL, None),
        (Login(user="u", password="p"), False, set(), "SCRAM-SHA-256"),
        (Login(user="u", password="p"), False, {"SCRAM-SHA-256"}, None),
        (Login(user="u", password="p", in_clear=True), False, {"SCRAM-SHA-256"}, "CRAM-MD5"),
        (Login(user="u", token="t"), True, set(), "OAUTHBEARER"),
        (Login(user="u", token="t"), True, {"OAUTHBEARER"}, "XOAUTH2"),
        (Login(user="u", token="t"), True, {"OAUTHBEARER", "XOAUTH2"}, None),
        (Login(user="u", token="t"), False, set(), None),
        (Login(user="u", password="p", mechanisms=frozenset({"LOGIN"})), True, set(), "LOGIN"),
        (Login(user="u", password="p", mechanisms=frozenset({"XOAUTH2"})), True, set(), None),
    ],
)
def test_the_best_mechanism_that_is_left_is_chosen(
    login: Login, is_secure: bool, refused: set[str], chosen: str | None
) -> None:
    """By what the server offers, what it has refused, what there is to show, and TLS."""
    assert choose_mechanism(login, ALL, is_secure=is_secure, refused=refused) == chosen


def test_a_login_shows_no_secret() -> None:
    """What is printed of a login tells neither password nor token."""
    shown = repr(Login(user="u", password="hunter2", token="ya29"))
    assert "hunter2" not in shown
    assert "ya29" not in shown
