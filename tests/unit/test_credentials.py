"""Credentials: what lets somebody in, for how long, and what is kept of it."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.failing_store import FailingStore
from tests.logins import START, Logins, logins

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.directory import Directory
from pillarbox.access.hashes import matches
from pillarbox.access.issue import FORMER_KEPT, Forms, prefix_of
from pillarbox.access.node_key import NodeKey, read_node_key
from pillarbox.errors import PermanentError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import CramClaim, PasswordClaim, ProofClaim, ProofFailure
from pillarbox.store.credentials import CredentialKind
from pillarbox.store.memory import MemoryDisk, MemoryStore
from pillarbox.store.port import StoreUnavailable


def run(steps: Callable[[Logins], Awaitable[None]]) -> None:
    """Run steps with an empty store."""

    async def main() -> None:
        async with logins() as rig:
            await steps(rig)

    asyncio.run(main())


def identity(answer: Answer) -> str:
    """Return who was let in, or why nobody was."""
    return answer.identity if isinstance(answer, Admitted) else answer.cause.value


def test_a_key_says_by_itself_whose_it_is() -> None:
    """`apikey`, the key's own name and any name of nobody go with it; somebody else's does not."""

    async def steps(rig: Logins) -> None:
        key = await rig.add("shop", senders=("@shop.test",), project="blue")
        await rig.add("other")
        for user in ("apikey", "APIKEY", "shop", "whatever", key):
            answer = await rig.log_in(user, key)
            assert isinstance(answer, Admitted)
            assert (answer.identity, answer.project) == ("shop", "blue")
            assert answer.senders.patterns == ("@shop.test",)
        assert identity(await rig.log_in("other", key)) == "other_credential"
        assert identity(await rig.log_in("apikey", key + "x")) == "unknown_user"
        assert identity(await rig.log_in("apikey", key[:-1] + "!")) == "unknown_user"

    run(steps)


def test_a_key_is_shown_once_and_found_by_its_start() -> None:
    """What is kept is a hash and the first characters, from which the key cannot be made."""

    async def steps(rig: Logins) -> None:
        key = await rig.add("shop")
        (secret,) = rig.known("shop").secrets
        assert key.startswith(secret.prefix + "_")
        assert prefix_of(key) == secret.prefix
        assert len(key) == 52
        assert key.removeprefix(secret.prefix) not in f"{secret.verifier}{secret.scram}"

    run(steps)


def test_an_app_password_opens_its_account_only() -> None:
    """The user name is the account, who is let in is the account, and others do not fit."""

    async def steps(rig: Logins) -> None:
        kind = CredentialKind.APP_PASSWORD
        secret = await rig.add("ann-phone", kind=kind, account="ann@local.test")
        assert identity(await rig.log_in("ann@local.test", secret)) == "ann@local.test"
        assert identity(await rig.log_in("bob@local.test", secret)) == "other_credential"

    run(steps)


def test_the_second_login_costs_less_than_a_millisecond() -> None:
    """A verified password is remembered, and answered at once."""

    async def steps(rig: Logins) -> None:
        await rig.add("ann", "hunter2")
        assert identity(await rig.log_in("ann", "hunter2")) == "ann"
        claim = PasswordClaim("", "ann", "hunter2")
        began = time.process_time()
        for _ in range(100):
            assert isinstance(rig.access.authenticator.check(claim, now=rig.now), Admitted)
        assert (time.process_time() - began) / 100 < 0.001

    run(steps)


@pytest.mark.parametrize("password", ["", "first secret"])
def test_rotation_with_an_overlap(password: str) -> None:
    """The old secret holds until its time, the new one at once, and nobody needs to hurry."""

    async def steps(rig: Logins) -> None:
        old = await rig.add("shop", password, kind=CredentialKind.PASSWORD)
        assert identity(await rig.log_in("shop", old)) == "shop"
        new = await rig.rotate("shop", password and "second secret", overlap=60.0)
        for each in (old, new):
            assert identity(await rig.log_in("shop", each)) == "shop"
        rig.now += 60.0
        assert isinstance(await rig.log_in("shop", old), Denied)
        assert identity(await rig.log_in("shop", new)) == "shop"
        settled = rig.issuer.settled(rig.known("shop"), rig.now)
        assert [each.is_former for each in settled.secrets] == [False, True]
        await rig.save(settled)
        autopsy = await rig.explain(PasswordClaim("", "shop", old))
        assert (autopsy.cause, autopsy.changed_at) == (Cause.FORMER_SECRET, START + 60.0)

    run(steps)


def test_an_open_session_ends_with_its_credential() -> None:
    """Revocation, rotation and expiry are seen by who came in before."""

    async def steps(rig: Logins) -> None:
        for name in ("revoked", "rotated", "expired"):
            key = await rig.add(name, expires_at=START + 10.0)
            answer = await rig.log_in("apikey", key)
            assert isinstance(answer, Admitted)
            assert answer.is_valid()
            if name == "revoked":
                await rig.revoke(name)
            elif name == "rotated":
                await rig.rotate(name)
            else:
                rig.now += 10.0
            assert not answer.is_valid()
            assert isinstance(await rig.log_in("apikey", key), Denied)  # nor from the memory

    run(steps)


def test_nothing_lets_anybody_in_after_the_end() -> None:
    """Of a former or revoked secret neither hash nor verifier nor sealed form is kept."""

    async def steps(rig: Logins) -> None:
        forms = Forms(scram=True, reversible=True)
        await rig.add("ann", "hunter2", forms)
        kept = rig.known("ann").secrets[0]
        for number in range(FORMER_KEPT + 2):
            await rig.rotate("ann", f"hunter{number}")
        await rig.revoke("ann")
        former = rig.known("ann").secrets
        assert len(former) == FORMER_KEPT
        assert all(each.verifier.startswith("$former$") for each in former)
        assert not any(each.scram or each.sealed for each in former)
        assert kept.verifier.rpartition("$")[2] not in repr([each.verifier for each in former])

    run(steps)


def test_scram_is_opt_in_and_looks_the_same_for_nobody() -> None:
    """Only who asked for it has a verifier; all others get a stable one that nothing fits."""

    async def steps(rig: Logins) -> None:
        await rig.add("ann", "hunter2", Forms(scram=True))
        await rig.add("bob", "hunter2")
        verifier = rig.access.authenticator.verifier
        assert str(verifier("ann")) == rig.known("ann").secrets[0].scram
        assert verifier("bob") == verifier("bob")
        assert verifier("nobody").iterations == verifier("ann").iterations
        assert identity(await rig.judge(ProofClaim("", "ann"))) == "ann"
        assert identity(await rig.judge(ProofClaim("carol", "ann"))) == "other_identity"
        wrong = ProofClaim("", "ann", ProofFailure.WRONG_PROOF)
        assert identity(await rig.judge(wrong)) == "bad_proof"
        await rig.revoke("ann")
        assert isinstance(await rig.judge(ProofClaim("", "ann")), Denied)

    run(steps)


def test_cram_md5_needs_a_secret_that_was_sealed() -> None:
    """The reversible form is opt-in, encrypted, bound to its name, and needs a configured key."""

    async def steps(rig: Logins) -> None:
        await rig.add("ann", "tanstaaftanstaaf", Forms(reversible=True))
        sealed = rig.known("ann").secrets[0].sealed
        assert b"tanstaaf" not in sealed
        challenge = b"<1896.697170952@postoffice.reston.mci.net>"  # RFC 2195 §3
        digest = "b913a602c7eda7a495b4e6e7334d3890"
        assert identity(await rig.judge(CramClaim("ann", challenge, digest))) == "ann"
        assert identity(await rig.judge(CramClaim("ann", challenge, "0" * 32))) == "wrong_secret"
        assert identity(await rig.judge(CramClaim("eve", challenge, digest))) == "unknown_user"
        assert rig.key.unseal("eve", sealed) is None
        own = NodeKey(b"made by ourselves", is_configured=False)
        with pytest.raises(PermanentError, match=r"auth\.key"):
            own.seal("ann", "x")

    run(steps)


def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each refusal costs the same number of slow hashes, also while an overlap makes two valid."""
    done: list[str] = []

    def counted(verifier: str, secret: str) -> bool:
        done.append(verifier[: verifier.rindex("$", 0, -44)])  # parameters, without the salt
        return matches(verifier, secret)

    monkeypatch.setattr("pillarbox.access.sources.stored.matches", counted)

    async def steps(rig: Logins) -> None:
        await rig.add("ann", "one")
        await rig.rotate("ann", "two", overlap=60.0)
        await rig.add("bob", "three")
        await rig.add("carol", "four")
        await rig.revoke("carol")
        work = []
        for user in ("ann", "bob", "carol", "nobody"):
            done.clear()
            assert isinstance(await rig.log_in(user, "wrong"), Denied)
            work.append([each.rpartition("$")[0] for each in done])
        assert len(work[0]) == 2
        assert all(each == work[0] for each in work)

    run(steps)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "apikey"},
        {"name": "pb_something"},
        {"name": " shop"},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"name": "shop", "account": "ann"},
        {"name": "phone", "kind": CredentialKind.APP_PASSWORD},
        {"name": "shop", "senders": ("not a pattern@@",)},
    ],
)
def test_what_cannot_be_a_credential_is_refused(fields: dict[str, object]) -> None:
    """Names that would confuse, and patterns that mean nothing, are errors with a reason."""

    async def steps(rig: Logins) -> None:
        with pytest.raises(PermanentError):
            await rig.add(**fields)  # type: ignore[arg-type]
        assert len(rig.directory) == 0

    run(steps)


def test_a_revoked_credential_stays_revoked() -> None:
    """It cannot be rotated back to life, nor revoked twice."""

    async def steps(rig: Logins) -> None:
        await rig.add("shop")
        await rig.revoke("shop")
        with pytest.raises(PermanentError, match="revoked"):
            await rig.rotate("shop")
        with pytest.raises(PermanentError, match="revoked"):
            await rig.revoke("shop")

    run(steps)


def test_two_nodes_on_one_store_follow_each_other() -> None:
    """What one node saves is known to another at its next look."""

    async def steps(rig: Logins) -> None:
        other = Directory(rig.store.credentials, lambda: rig.now)
        key = await rig.add("shop")
        await other.refresh()
        seen = other.by_key(key)
        assert seen is not None
        await rig.revoke("shop")
        assert other.is_valid("shop", seen.secrets[0])
        await other.refresh()
        assert not other.is_valid("shop", seen.secrets[0])
        assert other.generation == rig.directory.generation

    run(steps)


def test_uses_are_written_in_a_batch_and_not_lost_by_an_outage() -> None:
    """A login writes nothing; the batch is tried again when the store is back."""

    async def main() -> None:
        store = MemoryStore("main", lambda: START, MemoryDisk())
        await store.open()
        failing = FailingStore(store.credentials)  # type: ignore[arg-type]
        directory = Directory(failing, lambda: START)  # type: ignore[arg-type]
        directory.used("shop", "192.0.2.1")
        assert failing.calls == []
        failing.fail("note_uses", StoreUnavailable("down"))
        with pytest.raises(StoreUnavailable):
            await directory.flush_uses()
        await directory.flush_uses()
        await directory.flush_uses()
        assert failing.calls == ["note_uses", "note_uses"]
        (use,) = await store.credentials.uses()
        assert (use.name, use.client) == ("shop", "192.0.2.1")

    asyncio.run(main())


def test_before_the_store_was_read_nobody_is_refused_for_good() -> None:
    """A directory that knows nothing yet answers that it is down."""

    async def steps(rig: Logins) -> None:
        rig.directory.is_loaded = False
        answer = await rig.log_in("ann", "x")
        assert isinstance(answer, Denied)
        assert answer.is_temporary

    run(steps)


def test_the_nodes_key_is_made_once_and_for_its_user_only(tmp_path: Path) -> None:
    """The file has mode 0600, is the same at the next start, and one that is open is refused."""
    first = read_node_key("", tmp_path)
    path = tmp_path / "auth.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert read_node_key("", tmp_path).former == first.former
    assert read_node_key("a configured one", tmp_path).former != first.former
    path.chmod(0o644)
    with pytest.raises(PermanentError, match="chmod 600"):
        read_node_key("", tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(PermanentError, match="damaged"):
        read_node_key("", tmp_path)


def test_a_credential_that_was_changed_meanwhile_is_not_overwritten() -> None:
    """Of two operators at the same time one is told to look again."""

    async def steps(rig: Logins) -> None:
        await rig.add("shop")
        seen = rig.known("shop")
        await rig.change("shop", project="blue")
        with pytest.raises(Exception, match="changed by somebody else"):
            await rig.save(replace(seen, project="red"))

    run(steps)


def test_a_session_of_an_older_configuration_is_told_to_come_back() -> None:
    """After a reload, an old session's login is a temporary failure and no defect."""

    async def steps(rig: Logins) -> None:
        await rig.add("ann", "hunter2")
        key = await rig.add("shop")
        rig.access.close()
        answer = await rig.log_in("ann", "hunter2")
        assert isinstance(answer, Denied)
        assert answer.is_temporary
        assert identity(await rig.log_in("apikey", key)) == "shop"  # a key needs no thread

    run(steps)
