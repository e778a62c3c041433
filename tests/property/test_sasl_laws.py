"""Laws of the SASL mechanisms: our client and our server understand each other, and only so."""

from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings, strategies as st
from tests.users import judge_claim, verifier

from pillarbox.errors import PermanentError
from pillarbox.smtp.client import ClientConnection
from pillarbox.smtp.client_events import CommandAnswered
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.events import AuthAttempted, AuthLookup
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.sasl.claims import (
    Claim,
    CramClaim,
    PasswordClaim,
    ProofClaim,
    ProofFailure,
    ScramRequest,
    TokenClaim,
)
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    ClientSetting,
    MalformedResponseError,
    ServerSetting,
)
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret, Trait
from pillarbox.smtp.sasl.saslprep import saslprep
from pillarbox.smtp.sasl.scram_verifier import make_verifier
from pillarbox.smtp.sasl.selection import Login
from pillarbox.smtp.server import ServerConnection


def is_preparable(text: str) -> bool:
    try:
        return bool(saslprep(text, is_stored=True))
    except PermanentError:
        return False


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
TOKENS = st.from_regex(r"[A-Za-z0-9._~+/-]{1,200}=?", fullmatch=True)
# Latin to Cyrillic, Arabic, and the forms of CJK that are one character in two spellings.
PREPARABLE = st.one_of(
    st.text(st.characters(max_codepoint=0x52F, categories=["L", "Nd", "P", "S"]), min_size=1),
    st.text(st.characters(min_codepoint=0x621, max_codepoint=0x63A), min_size=1),
    st.text(
        st.characters(min_codepoint=0xFF01, max_codepoint=0xFFEF, categories=["L"]), min_size=1
    ),
).filter(is_preparable)
SALT = b"0123456789abcdef"


def talk(
    name: str,
    client_setting: ClientSetting,
    server_setting: ServerSetting,
    *,
    kept: str,
    is_asked: bool = False,
) -> tuple[Claim, bool]:
    """Let both sides talk; return the claim, and whether the client believes a success."""
    mechanism = MECHANISMS[name]
    client = mechanism.client(client_setting)
    server = mechanism.server(server_setting)
    response = None if is_asked else client.initial_response()
    for _ in range(8):
        step = server.step(response)
        if isinstance(step, ScramRequest):
            step = server.supply(make_verifier(kept, SALT, 4096))
        if not isinstance(step, Challenge):
            return step, client.is_finished
        response = client.respond(step.octets)
    raise AssertionError("the exchange does not end")


def settings_for(
    user: str, password: str, token: str, binding: bytes | None = b"binding"
) -> tuple[ClientSetting, ServerSetting]:
    return (
        ClientSetting(
            user=user,
            password=password,
            token=token,
            nonce="client",
            channel_binding=binding,
            offers_binding=True,
        ),
        ServerSetting(
            hostname="mx.test",
            nonce=lambda: "server",
            channel_binding=binding,
            offers_binding=True,
        ),
    )


@pytest.mark.parametrize("name", MECHANISMS)
@given(data=st.data(), token=TOKENS, is_asked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_client_with_the_right_secret_convinces_the_server(
    name: str, data: st.DataObject, token: str, is_asked: bool
) -> None:
    """Whatever user and password, in whatever script: the claim holds, and the client knows."""
    texts = PREPARABLE if name.startswith("SCRAM") else TEXTS
    user, password = data.draw(texts), data.draw(texts)
    if MECHANISMS[name].secret is Secret.TOKEN:
        assume(user.isprintable())
    client, server = settings_for(user, password, token)
    claim, believes = talk(name, client, server, kept=password, is_asked=is_asked)
    assert believes
    match claim:
        case PasswordClaim():
            assert (claim.identity, claim.password) == (user, password)
        case CramClaim():
            assert claim.identity == user
            assert claim.matches(password)
        case TokenClaim():
            assert (claim.identity, claim.token) == (user, token)
        case ProofClaim():
            assert claim.is_proven
            assert claim.identity == saslprep(user)


@pytest.mark.parametrize("name", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
@given(password=PREPARABLE, kept=PREPARABLE)
@settings(max_examples=40, deadline=None)
def test_another_password_proves_nothing(name: str, password: str, kept: str) -> None:
    """A proof made with another password fails, and the client never believes a success."""
    assume(saslprep(password) != saslprep(kept))
    client, server = settings_for("user", password, "")
    claim, believes = talk(name, client, server, kept=kept)
    assert claim == ProofClaim("", "user", ProofFailure.WRONG_PROOF)
    assert not believes


@given(seen=st.binary(), shown=st.binary())
def test_a_proof_for_one_connection_is_none_for_another(seen: bytes, shown: bytes) -> None:
    """With channel binding a client that saw another certificate cannot log in here."""
    assume(seen != shown)
    client, _ = settings_for("user", "pencil", "", seen)
    _, server = settings_for("user", "pencil", "", shown)
    claim, believes = talk("SCRAM-SHA-256-PLUS", client, server, kept="pencil")
    assert claim == ProofClaim("", "user", ProofFailure.WRONG_BINDING)
    assert not believes


@pytest.mark.parametrize("name", MECHANISMS)
@given(responses=st.lists(st.one_of(st.none(), st.binary(), TEXTS.map(str.encode)), max_size=6))
def test_no_response_makes_a_server_raise_anything_else(
    name: str, responses: list[bytes | None]
) -> None:
    """Any octets in any order end in a challenge, a question, a claim, or one kind of error."""
    _, setting = settings_for("", "", "")
    server = MECHANISMS[name].server(setting)
    for response in responses:
        try:
            step = server.step(response)
        except MalformedResponseError:
            return
        if isinstance(step, ScramRequest):
            step = server.supply(make_verifier("pencil", SALT, 4096))
        if not isinstance(step, Challenge):
            assert not isinstance(step, ProofClaim) or not step.is_proven
            return


@pytest.mark.parametrize("name", MECHANISMS)
@given(challenges=st.lists(st.one_of(st.binary(), TEXTS.map(str.encode)), max_size=4))
def test_no_challenge_makes_a_client_raise_anything_else(
    name: str, challenges: list[bytes]
) -> None:
    """Any challenges are answered, or refused by one kind of error; SCRAM believes none."""
    setting, _ = settings_for("user", "pencil", "token")
    client = MECHANISMS[name].client(setting)
    client.initial_response()
    for challenge in challenges:
        try:
            client.respond(challenge)
        except MalformedResponseError:
            break
    if name.startswith("SCRAM"):
        assert not client.is_finished


@given(position=st.integers(0), flip=st.integers(1, 255))
@settings(deadline=None)
def test_a_client_notices_any_change_to_what_the_server_says(position: int, flip: int) -> None:
    """One changed octet in the server's messages: an error, or a success that is not believed."""
    client_setting, server_setting = settings_for("user", "pencil", "")
    client = MECHANISMS["SCRAM-SHA-256-PLUS"].client(client_setting)
    server = MECHANISMS["SCRAM-SHA-256-PLUS"].server(server_setting)
    server.step(client.initial_response())
    first = server.supply(make_verifier("pencil", SALT, 4096))
    assert isinstance(first, Challenge)
    changed = bytearray(first.octets)
    changed[position % len(changed)] ^= flip
    try:
        step = server.step(client.respond(bytes(changed)))
    except MalformedResponseError:
        return
    assert isinstance(step, ProofClaim)
    assert not step.is_proven
    assert not client.is_finished


@given(position=st.integers(0), flip=st.integers(1, 255))
@settings(deadline=None)
def test_a_client_believes_no_other_proof_than_the_right_one(position: int, flip: int) -> None:
    """One changed octet in the server's last message ends the exchange."""
    client_setting, server_setting = settings_for("user", "pencil", "")
    client = MECHANISMS["SCRAM-SHA-256"].client(client_setting)
    server = MECHANISMS["SCRAM-SHA-256"].server(server_setting)
    server.step(client.initial_response())
    first = server.supply(make_verifier("pencil", SALT, 4096))
    assert isinstance(first, Challenge)
    last = server.step(client.respond(first.octets))
    assert isinstance(last, Challenge)
    proof = bytearray(b64decode(last.octets[2:]))
    proof[position % len(proof)] ^= flip
    with pytest.raises(MalformedResponseError, match="could not prove"):
        client.respond(b"v=" + b64encode(proof))
    assert not client.is_finished


@pytest.mark.parametrize("name", MECHANISMS)
@given(sizes=st.lists(st.integers(1, 40), min_size=1))
@settings(max_examples=20, deadline=None)
def test_both_connections_understand_each_other_however_octets_arrive(
    name: str, sizes: list[int]
) -> None:
    """From the greeting to 235, in pieces of any size, over TLS from the start."""
    server = ServerConnection(
        ServerOptions(hostname="mx.test", auth_mechanisms=(name,), new_nonce=lambda: "server")
    )
    client = ClientConnection("client.test", is_secure=True)
    login = Login(
        user="user",
        password="" if MECHANISMS[name].secret is Secret.TOKEN else "pencil",
        token="ya29.good" if MECHANISMS[name].secret is Secret.TOKEN else "",
        channel_binding=b"binding",
    )
    server.tls_started(b"binding")
    server.greet()
    lengths = itertools.cycle(sizes)
    for _ in range(8):
        for piece in pieces(server.data_to_send(), lengths):
            client.receive_data(piece)
            while (answer := client.next_event()) is not None:
                assert isinstance(answer, CommandAnswered)
                assert answer.reply.is_positive
                if answer.stage is Stage.GREETING:
                    client.hello()
                elif answer.stage is Stage.HELLO:
                    client.authenticate(login, "client")
        for piece in pieces(client.data_to_send(), lengths):
            server.receive_data(piece)
            while (event := server.next_event()) is not None:
                if isinstance(event, AuthLookup):
                    server.supply(verifier(event.request))
                elif isinstance(event, AuthAttempted):
                    assert judge_claim(event.claim) is None
                    server.accept()
                else:
                    server.accept()
    assert server.is_authenticated
    assert client.is_ready
    assert "pencil" not in "".join(client.record)


def pieces(octets: bytes, lengths: Iterator[int]) -> Iterator[bytes]:
    """Cut octets into pieces of these lengths."""
    while octets:
        length = next(lengths)
        yield octets[:length]
        octets = octets[length:]


def test_what_shows_a_secret_is_known_as_such() -> None:
    """Each mechanism that sends a password or token as it is has the trait that keeps it in TLS."""
    client, server = settings_for("user", "pencil", "token")
    for name, mechanism in MECHANISMS.items():
        claim, _ = talk(name, client, server, kept="pencil")
        shows = isinstance(claim, (PasswordClaim, TokenClaim))
        assert (mechanism.trait is Trait.SHOWS) is shows
