"""DKIM keys at rest: their life, their files, and which of them signs for whom."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.key_table import ED25519, RSA

from pillarbox.config.settings import DkimDomainSettings, DkimSettings, NodeSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.findings import Level
from pillarbox.keyring.files import KeyFiles
from pillarbox.keyring.inspection import inspect
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.publication import publication, zone_strings
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.keyring.rotation import activate, new_selector, retire, see
from pillarbox.mailauth.authorities import ServerAnswer
from pillarbox.mailauth.dkim import SigningKey, read_private_key, write_private_key
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.resolver import Answer, Outcome
from pillarbox.policy.key_life import (
    KEY_TRANSITIONS,
    KeyCause,
    KeyState,
    next_state,
    settled_at,
)

NOW = 1_800_000_000.0
DAY = 86_400.0


def key(
    signing: SigningKey = ED25519,
    state: KeyState = KeyState.MADE,
    selector: str = "s1",
    domain: str = "example.org",
) -> KeptKey:
    """Return a key in a state."""
    made = KeptKey.new(domain, selector, signing.private_key, NOW)
    path = {
        KeyState.MADE: (),
        KeyState.PUBLISHED: (KeyCause.SEEN_SOMEWHERE,),
        KeyState.SEEN: (KeyCause.SEEN_EVERYWHERE,),
        KeyState.SIGNING: (KeyCause.FORCED,),
        KeyState.RESTING: (KeyCause.FORCED, KeyCause.REPLACED),
        KeyState.RETIRED: (KeyCause.REVOKED,),
    }
    for cause in path[state]:
        made = made.must(cause, NOW)
    return made


class Servers:
    """Authoritative servers, each with an answer of its own."""

    def __init__(self, *said: bytes | Outcome, aliases: tuple[str, ...] | None = ()) -> None:
        self._said = said
        self._aliases = aliases

    async def txt(self, name: str) -> tuple[ServerAnswer, ...]:
        answers = []
        for number, each in enumerate(self._said):
            outcome = each if isinstance(each, Outcome) else Outcome.FOUND
            records = (each,) if isinstance(each, bytes) else ()
            answer = Answer(name=name, type="TXT", outcome=outcome, records=records)
            answers.append(ServerAnswer(server=f"ns{number}", answer=answer, aliases=self._aliases))
        return tuple(answers)


# --- the table --------------------------------------------------------------------------------


def test_every_state_has_a_row_and_only_retired_is_the_end() -> None:
    """The table names every state, leads to states that it has, and ends in one of them."""
    assert set(KEY_TRANSITIONS) == set(KeyState)
    assert {state for state, row in KEY_TRANSITIONS.items() if not row} == {KeyState.RETIRED}
    for row in KEY_TRANSITIONS.values():
        assert set(row.values()) <= set(KeyState)


def test_a_key_signs_only_after_it_was_seen_everywhere() -> None:
    """Without force, the only way to sign leads through being seen by every server."""
    ways = [
        (state, cause)
        for state, row in KEY_TRANSITIONS.items()
        for cause, after in row.items()
        if after is KeyState.SIGNING
    ]
    assert (KeyState.SEEN, KeyCause.ACTIVATED) in ways
    assert {cause for _, cause in ways} == {KeyCause.ACTIVATED, KeyCause.FORCED}


def test_a_key_that_signs_is_not_stopped_by_a_record_that_is_lost() -> None:
    """A gap in DNS is told; it does not silently send mail without signatures."""
    assert next_state(KeyState.SIGNING, KeyCause.RECORD_LOST) is None


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_key_comes_back_from_its_file_as_it_was(tmp_path: Path, passphrase: str) -> None:
    """Every state of both kinds of key survives, encrypted or not, and only for its owner."""
    files = KeyFiles(tmp_path / "dkim", passphrase)
    kept = [key(each, state, f"{state.value}-{each.selector}") for state in KeyState
            for each in (RSA, ED25519)]  # fmt: skip
    for each in kept:
        asyncio.run(files.keep(each))
    loaded = {each.selector: each for each in asyncio.run(files.load())}
    for each in kept:
        found = loaded[each.selector]
        assert (found.state, found.public, found.since) == (each.state, each.public, each.since)
        assert (found.private is None) == (each.state is KeyState.RETIRED)
        assert found.record == each.record
    paths = [*(tmp_path / "dkim").rglob("*"), tmp_path / "dkim"]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert (b"ENCRYPTED" in paths[-2].read_bytes()) == (
        bool(passphrase) and b"BEGIN" in paths[-2].read_bytes()
    )


def test_a_key_that_others_could_read_is_refused(tmp_path: Path) -> None:
    """The error names the file and the command that puts it right (K03)."""
    files = KeyFiles(tmp_path)
    asyncio.run(files.keep(key()))
    path = tmp_path / "example.org" / "s1.pem"
    path.chmod(0o644)
    with pytest.raises(PermanentError, match="chmod 600"):
        asyncio.run(files.load())


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"DKIM key of pillarbox\n", b"DKIM key of pillarbox\nstate: x\n"]
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    """What is damaged is an error with its path, not a traceback."""
    (tmp_path / "example.org").mkdir()
    path = tmp_path / "example.org" / "s1.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PermanentError, match=r"s1\.pem"):
        asyncio.run(KeyFiles(tmp_path).load())


def test_another_passphrase_is_an_error_without_the_key(tmp_path: Path) -> None:
    """A wrong or missing passphrase is told, and nothing of the key is shown."""
    asyncio.run(KeyFiles(tmp_path, "one").keep(key()))
    for passphrase in ("two", ""):
        with pytest.raises(PermanentError, match="passphrase"):
            asyncio.run(KeyFiles(tmp_path, passphrase).load())


def test_a_private_key_is_not_shown_where_a_key_is_printed() -> None:
    """The representation of a key does not hold the private half."""
    pem = write_private_key(RSA.private_key)
    assert read_private_key(pem)
    assert b"PRIVATE" not in repr(key(RSA)).encode()
    assert pem.split(b"\n")[3].decode() not in repr(key(RSA))


# --- publication ------------------------------------------------------------------------------


def test_a_long_record_is_split_into_strings() -> None:
    """An RSA record has strings of at most 255 octets that join to the record."""
    line = publication(key(RSA)).zone_lines[0]
    strings = line.split('"')[1::2]
    assert max(map(len, strings)) == 255
    assert "".join(strings) == key(RSA).record
    assert zone_strings("a") == '"a"'


def test_a_delegated_key_has_an_alias_and_a_record_elsewhere() -> None:
    """Both halves of the delegation are printed."""
    alias, record = publication(key(), "dkim.example.net.").zone_lines
    assert alias == (
        "s1._domainkey.example.org. 3600 IN CNAME s1._domainkey.example.org.dkim.example.net."
    )
    assert record.startswith("s1._domainkey.example.org.dkim.example.net. 3600 IN TXT ")


def test_selectors_are_never_used_twice() -> None:
    """A selector tells the month and the kind, and gets a number when it is taken."""
    taken = ["pb202611r", "pb202611r2"]
    assert new_selector("202611", Algorithm.RSA_SHA256, taken) == "pb202611r3"
    assert new_selector("202611", Algorithm.ED25519_SHA256, taken) == "pb202611e"


# --- what the servers have --------------------------------------------------------------------

RIGHT = key().record.encode()
OTHER = key(RSA).record.encode()


@pytest.mark.parametrize(
    ("said", "cause", "code"),
    [
        ((RIGHT,), KeyCause.SEEN_EVERYWHERE, "001"),
        ((RIGHT, RIGHT.replace(b"; ", b" ;\t")), KeyCause.SEEN_EVERYWHERE, "001"),
        ((RIGHT, Outcome.NO_SUCH_NAME), KeyCause.SEEN_SOMEWHERE, "003"),
        ((RIGHT, Outcome.UNAVAILABLE), KeyCause.SEEN_SOMEWHERE, "004"),
        ((RIGHT, OTHER), KeyCause.SEEN_SOMEWHERE, "002"),
        ((b"v=DKIM1; p=",), KeyCause.RECORD_LOST, "002"),
        ((Outcome.NO_SUCH_NAME, Outcome.NO_SUCH_DATA), KeyCause.RECORD_LOST, "003"),
        ((Outcome.NO_SUCH_NAME, Outcome.UNAVAILABLE), None, "003"),
        ((Outcome.UNAVAILABLE,), None, "004"),
    ],
)
def test_what_servers_have_is_compared_with_the_key(
    said: tuple[bytes | Outcome, ...], cause: KeyCause | None, code: str
) -> None:
    """One server that lags, lies or is silent keeps a key from being seen everywhere."""
    found = asyncio.run(inspect(key(), Servers(*said)))
    assert found.cause is cause
    assert found.finding.code == f"PB-DKIM-{code}"
    assert len(found.finding.evidence) == len(said)
    if cause is not KeyCause.SEEN_EVERYWHERE:
        assert found.finding.level is Level.WARNING
        assert found.finding.fix


def test_a_lost_record_of_a_key_that_signs_is_an_error() -> None:
    """Mail goes out that nobody can verify: that is worse than a key that waits."""
    found = asyncio.run(inspect(key(state=KeyState.SIGNING), Servers(Outcome.NO_SUCH_NAME)))
    assert found.finding.level is Level.ERROR
    assert see([found], NOW) == []


def test_a_delegation_must_be_an_alias() -> None:
    """Where a key is to stand elsewhere, a record in its place is not taken for the alias."""
    target = "s1._domainkey.example.org.dkim.example.net"
    direct = inspect(key(), Servers(RIGHT), "dkim.example.net")
    assert asyncio.run(direct).cause is KeyCause.RECORD_LOST
    aliased = inspect(key(), Servers(RIGHT, aliases=(target,)), "dkim.example.net")
    assert asyncio.run(aliased).cause is KeyCause.SEEN_EVERYWHERE
    unknown = inspect(key(), Servers(RIGHT, aliases=None), "dkim.example.net")
    assert asyncio.run(unknown).cause is KeyCause.SEEN_EVERYWHERE


# --- rotation ---------------------------------------------------------------------------------


def test_a_rotation_replaces_both_keys_at_once() -> None:
    """New keys begin when both are seen, and the old ones rest from the same moment."""
    old = [key(RSA, KeyState.SIGNING, "r1"), key(ED25519, KeyState.SIGNING, "e1")]
    new = [key(RSA, KeyState.SEEN, "r2"), key(ED25519, KeyState.MADE, "e2")]
    assert activate([*old, *new], NOW) == []
    new[1] = key(ED25519, KeyState.SEEN, "e2")
    after = {step.after.selector: step.after.state for step in activate([*old, *new], NOW)}
    assert after == {
        "r1": KeyState.RESTING,
        "e1": KeyState.RESTING,
        "r2": KeyState.SIGNING,
        "e2": KeyState.SIGNING,
    }


def test_a_key_is_destroyed_when_its_mail_cannot_be_on_its_way() -> None:
    """A resting key lives as long as the queue, and a day."""
    resting = [key(state=KeyState.RESTING)]
    assert retire(resting, NOW + 5.9 * DAY, 5 * DAY) == []
    (step,) = retire(resting, NOW + 6 * DAY, 5 * DAY)
    assert step.after.state is KeyState.RETIRED
    assert step.after.private is None
    assert settled_at(0, 5 * DAY) == 6 * DAY


# --- who signs --------------------------------------------------------------------------------


def test_the_key_of_the_author_signs() -> None:
    """Keys that sign are found by the author's domain, and by a domain above it."""
    settings = Settings(dkim_domain={"strict.example": DkimDomainSettings(subdomains=False)})
    ring = KeyRing(
        settings,
        [
            key(ED25519, KeyState.SIGNING, "e1"),
            key(RSA, KeyState.SIGNING, "r1"),
            key(ED25519, KeyState.SEEN, "e2"),
            key(ED25519, KeyState.SIGNING, "e1", "strict.example"),
            key(ED25519, KeyState.RESTING, "e1", "other.example"),
        ],
    )
    signer = ring.signer_for("example.org")
    assert signer is not None
    assert [each.selector for each in signer.keys] == ["r1", "e1"]
    assert ring.signer_for("news.example.org") is signer
    assert ring.signer_for("strict.example") is not None
    assert ring.signer_for("news.strict.example") is None
    assert ring.signer_for("other.example") is None
    assert ring.signer_for("org") is None
    assert ring.signer_for("badexample.org") is None
    assert set(ring.domains) == {"example.org", "strict.example"}
    ring.replace([])
    assert ring.signer_for("example.org") is None


def test_signing_can_be_switched_off(tmp_path: Path) -> None:
    """With dkim.sign = false nothing is signed; keys live below node.directory by default."""
    node = NodeSettings(directory=tmp_path)
    settings = Settings(node=node, dkim=DkimSettings(sign=False))
    asyncio.run(make_key_store(settings).keep(key(state=KeyState.SIGNING)))
    assert (tmp_path / "dkim" / "example.org" / "s1.pem").exists()
    assert KeyRing(settings, [key(state=KeyState.SIGNING)]).signer_for("example.org") is None
