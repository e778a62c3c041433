"""The SASL mechanisms say what the examples of their RFCs say."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.claims import (
    CramClaim,
    PasswordClaim,
    ProofClaim,
    ScramRequest,
    TokenClaim,
)
from pillarbox.smtp.sasl.cram_md5 import CramMd5Client, CramMd5Server
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    ClientSetting,
    MalformedResponseError,
    ServerSetting,
)
from pillarbox.smtp.sasl.oauth import (
    OauthBearerClient,
    OauthBearerServer,
    XOauth2Client,
    XOauth2Server,
)
from pillarbox.smtp.sasl.plain import PlainServer
from pillarbox.smtp.sasl.saslprep import ProhibitedError, saslprep
from pillarbox.smtp.sasl.scram_client import ScramClient
from pillarbox.smtp.sasl.scram_server import ScramServer
from pillarbox.smtp.sasl.scram_verifier import (
    ScramVerifier,
    fake_verifier,
    make_verifier,
    parse_verifier,
)

# RFC 7677 §3
CLIENT_FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def setting(nonce: str = SERVER_NONCE) -> ServerSetting:
    return ServerSetting(hostname="mx.test", nonce=lambda: nonce)


def test_a_scram_client_says_what_rfc_7677_says() -> None:
    """The example of RFC 7677 §3, from the client's side, the server's proof included."""
    client = ScramClient(ClientSetting(user="user", password="pencil", nonce=CLIENT_NONCE))
    assert client.initial_response() == CLIENT_FIRST
    assert client.respond(SERVER_FIRST) == CLIENT_FINAL
    assert not client.is_finished
    assert client.respond(SERVER_FINAL) == b""
    assert client.is_finished


def test_a_scram_server_says_what_rfc_7677_says() -> None:
    """The example of RFC 7677 §3, from the server's side."""
    server = ScramServer(setting())
    assert server.step(CLIENT_FIRST) == ScramRequest("", "user")
    assert server.supply(make_verifier("pencil", SALT, 4096)) == Challenge(SERVER_FIRST)
    assert server.step(CLIENT_FINAL) == Challenge(SERVER_FINAL)
    assert server.step(b"") == ProofClaim("", "user")


def test_a_verifier_is_kept_as_rfc_5803_writes_it() -> None:
    """A verifier has a text, which is read back; what is no verifier is refused."""
    verifier = make_verifier("pencil", SALT, 4096)
    text = str(verifier)
    assert text.startswith(
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    )
    assert parse_verifier(text) == verifier
    for bad in (text + "x", text.replace("4096", "0"), text.replace("W", "!"), "", text[:-8]):
        with pytest.raises(PermanentError):
            parse_verifier(bad)
    assert "stored" not in repr(verifier)


def test_an_unknown_user_always_has_the_same_salt() -> None:
    """What is made up for an unknown user is stable, differs by user and key, and fits nothing."""
    made = fake_verifier("nobody", b"key")
    assert made == fake_verifier("nobody", b"key")
    assert made.salt != fake_verifier("somebody", b"key").salt
    assert made.salt != fake_verifier("nobody", b"another key").salt
    assert len(made.salt) == len(SALT)
    assert isinstance(made, ScramVerifier)


def test_cram_md5_says_what_rfc_2195_says() -> None:
    """The example of RFC 2195 §2, both sides."""
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    server = CramMd5Server(
        ServerSetting(hostname="postoffice.reston.mci.net", nonce=lambda: "1896.697170952")
    )
    client = CramMd5Client(ClientSetting(user="tim", password="tanstaaftanstaaf"))
    assert server.step(None) == Challenge(challenge)
    response = client.respond(challenge)
    assert response == b"tim b913a602c7eda7a495b4e6e7334d3890"
    claim = server.step(response)
    assert isinstance(claim, CramClaim)
    assert claim.identity == "tim"
    assert claim.matches("tanstaaftanstaaf")
    assert not claim.matches("tanstaaftanstaa")


OAUTH = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
)


def test_oauthbearer_says_what_rfc_7628_says() -> None:
    """The example of RFC 7628 §4.1, with the port of submission, both sides."""
    token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    client = OauthBearerClient(
        ClientSetting(user="user@example.com", token=token, host="server.example.com", port=587)
    )
    assert client.initial_response() == OAUTH
    claim = OauthBearerServer(setting()).step(OAUTH)
    assert claim == TokenClaim("user@example.com", token, "server.example.com", 587)
    assert token not in repr(claim)


def test_a_refused_token_is_explained_as_rfc_7628_says() -> None:
    """The example of RFC 7628 §4.3: status, scope, where to get a token; the client says ^A."""
    server = OauthBearerServer(
        ServerSetting(
            hostname="mx.test",
            token_scope="mail",
            token_discovery="https://id.test/.well-known/openid-configuration",
        )
    )
    explanation = server.explain()
    assert json.loads(explanation) == {
        "status": "invalid_token",
        "scope": "mail",
        "openid-configuration": "https://id.test/.well-known/openid-configuration",
    }
    client = OauthBearerClient(ClientSetting(user="u", token="t"))
    assert client.respond(explanation) == b"\x01"
    assert not client.is_finished
    assert "invalid_token" in client.explanation


def test_a_client_may_show_no_token_to_learn_where_to_get_one() -> None:
    """The example of RFC 7628 §4.3 without a token is a claim that no owner accepts."""
    claim = OauthBearerServer(setting()).step(b"n,a=user@example.com,\x01auth=\x01\x01")
    assert claim == TokenClaim("user@example.com", "")


def test_xoauth2_says_what_google_says() -> None:
    """The example of Google's documentation, both sides."""
    said = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"
    token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    client = XOauth2Client(ClientSetting(user="someuser@example.com", token=token))
    assert client.initial_response() == said
    server = XOauth2Server(setting())
    assert server.step(said) == TokenClaim("someuser@example.com", token)
    assert json.loads(server.explain())["status"] == "401"
    assert client.respond(server.explain()) == b""


def test_plain_says_what_rfc_4616_says() -> None:
    """The examples of RFC 4616 §4."""
    server = PlainServer(setting())
    assert server.step(b"\0tim\0tanstaaftanstaaf") == PasswordClaim("", "tim", "tanstaaftanstaaf")
    assert server.step(b"Ursel\0Kurt\0xipj3plmq") == PasswordClaim("Ursel", "Kurt", "xipj3plmq")


@pytest.mark.parametrize(
    ("typed", "prepared"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0031\u0628", "\u06271\u0628"),
    ],
)
def test_saslprep_prepares_as_rfc_4013_says(typed: str, prepared: str) -> None:
    """The examples of RFC 4013 §3, and of RFC 3454 §6."""
    assert saslprep(typed) == prepared


@pytest.mark.parametrize("typed", ["\u0007", "\u0627\u0031", "\u0627a", "a\ue000", "\u2ff0"])
def test_saslprep_refuses_what_rfc_4013_prohibits(typed: str) -> None:
    """Control characters, mixed directions, private use and the like are no user names."""
    with pytest.raises(ProhibitedError):
        saslprep(typed)


def test_what_unicode_3_2_did_not_know_is_not_stored() -> None:
    """A newer character is let pass in a login, and refused in what is kept (RFC 3454 §7)."""
    assert saslprep("\U0001f600") == "\U0001f600"
    with pytest.raises(ProhibitedError):
        saslprep("\U0001f600", is_stored=True)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"n,",
        b"n,,",
        b"x,,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=us=er,r=abc",
        b"n,,m=ext,n=user,r=abc",
        b"n,,n=user\0,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,n=user,r=a\x7f",
        b"n,,n=\xc2\xad,r=abc",
        b"n,,n=\x07,r=abc",
        b"n,a=us=er,n=user,r=abc",
        b"p=tls-server-end-point,,n=user,r=abc",
        b"n,,n=user,r=" + b"a" * 4096,
    ],
)
def test_a_malformed_first_message_is_refused(response: bytes) -> None:
    """No first message of another form gets as far as a lookup (RFC 5802 §7)."""
    with pytest.raises(MalformedResponseError):
        ScramServer(setting()).step(response)


@pytest.mark.parametrize(
    "response",
    [
        None,
        b"",
        b"c=biws",
        CLIENT_FINAL[:-4],
        CLIENT_FINAL.replace(b"p=", b"q="),
        CLIENT_FINAL.replace(b"c=biws", b"c=b!ws"),
        CLIENT_FINAL.replace(b"dHzb", b""),
        CLIENT_FINAL + b",x=y",
        CLIENT_FIRST,
    ],
)
def test_a_malformed_last_message_is_refused(response: bytes | None) -> None:
    """No last message of another form is taken for a proof (RFC 5802 §7)."""
    server = ScramServer(setting())
    server.step(CLIENT_FIRST)
    server.supply(make_verifier("pencil", SALT, 4096))
    with pytest.raises(MalformedResponseError):
        server.step(response)
