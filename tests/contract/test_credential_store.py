"""What every store promises of credentials, tried on each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.mail import NOW
from tests.stores import PLACES, Place

from pillarbox.store.credentials import (
    Credential,
    CredentialConflict,
    CredentialKind,
    CredentialUse,
    Secret,
)
from pillarbox.store.port import Store, StoreUnavailable


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of the places, empty."""
    return PLACES[request.param](tmp_path)


def run(place: Place, *rounds: Callable[[Store], Awaitable[None]]) -> None:
    """Run steps with an open store, each on a new opening of the place."""

    async def main() -> None:
        for steps in rounds:
            store = place.store()
            await store.open()
            try:
                await steps(store)
            finally:
                await store.close()

    asyncio.run(main())


def credential(name: str = "shop", **fields: object) -> Credential:
    """Return a credential with everything set."""
    whole = Credential(
        name=name,
        kind=CredentialKind.KEY,
        account="ann@local.test",
        project="blue",
        is_sandbox=True,
        scopes=("send", "häfen"),
        senders=("@local.test",),
        created_at=NOW,
        created_by="root",
        expires_at=NOW + 60.0,
        revoked_at=NOW + 30.0,
        revoked_by="operator",
        secrets=(
            Secret(
                prefix="pb_a",
                verifier="$sha256$aa",
                scram="SCRAM-SHA-256$1:a$b:c",
                sealed=b"\x00\xff",
                created_at=NOW,
                created_by="root",
            ),
            Secret(
                prefix="pb_b",
                verifier="$former$bb",
                created_at=NOW - 9.0,
                created_by="init",
                ends_at=NOW,
                ended_by="root",
                is_former=True,
            ),
        ),
    )
    return replace(whole, **fields)  # type: ignore[arg-type]


def test_a_credential_comes_back_as_it_was_saved(place: Place) -> None:
    """Every field survives, also a restart."""
    first = credential()

    async def save(store: Store) -> None:
        assert await store.credentials.save(first) == 1
        changes = await store.credentials.changed_since(0)
        assert changes.generation == 1
        assert changes.credentials == (replace(first, generation=1),)

    async def look(store: Store) -> None:
        assert (await store.credentials.changed_since(0)).credentials == (
            replace(first, generation=1),
        )

    run(place, save, look)


def test_changes_are_numbered_and_read_from_any_number_on(place: Place) -> None:
    """Whoever has seen a generation gets only what was saved after it."""

    async def steps(store: Store) -> None:
        kept = store.credentials
        assert (await kept.changed_since(0)).generation == 0
        for name in ("a", "b"):
            await kept.save(credential(name))
        third = await kept.save(credential("a", generation=1, secrets=()))
        assert third == 3
        changed = await kept.changed_since(1)
        assert [each.name for each in changed.credentials] == ["b", "a"]
        assert changed.credentials[1].secrets == ()
        assert (await kept.changed_since(third)).credentials == ()

    run(place, steps)


def test_one_writer_wins(place: Place) -> None:
    """Who has not seen the last change may not write over it, nor make a name twice."""

    async def steps(store: Store) -> None:
        kept = store.credentials
        seen = await kept.save(credential())
        with pytest.raises(CredentialConflict):
            await kept.save(credential())
        newer = await kept.save(credential(generation=seen, project="red"))
        with pytest.raises(CredentialConflict):
            await kept.save(credential(generation=seen, project="green"))
        with pytest.raises(CredentialConflict):
            await kept.save(credential("other", generation=7))
        (found,) = (await kept.changed_since(0)).credentials
        assert (found.project, found.generation) == ("red", newer)

    run(place, steps)


def test_the_last_use_is_the_latest(place: Place) -> None:
    """Uses are noted in a batch; an older one changes nothing, nor does one a generation."""

    async def steps(store: Store) -> None:
        kept = store.credentials
        await kept.note_uses([CredentialUse("b", 5.0, "::1"), CredentialUse("a", 3.0, "192.0.2.1")])
        await kept.note_uses([CredentialUse("a", 2.0, "192.0.2.9"), CredentialUse("b", 6.0, "::2")])
        await kept.note_uses([])
        uses = sorted(await kept.uses(), key=lambda use: use.name)
        assert uses == [CredentialUse("a", 3.0, "192.0.2.1"), CredentialUse("b", 6.0, "::2")]
        assert (await kept.changed_since(0)).generation == 0

    run(place, steps)


def test_names_are_values(place: Place) -> None:
    """A name that looks like SQL is only a name."""

    async def steps(store: Store) -> None:
        name = "' OR 1=1; DROP TABLE credential--"
        await store.credentials.save(credential(name))
        (found,) = (await store.credentials.changed_since(0)).credentials
        assert found.name == name

    run(place, steps)


def test_a_closed_store_says_so(place: Place) -> None:
    """Nothing is read from, or written to, a store that is not open."""

    async def main() -> None:
        store = place.store()
        with pytest.raises(StoreUnavailable):
            await store.credentials.changed_since(0)
        with pytest.raises(StoreUnavailable):
            await store.credentials.save(credential())

    asyncio.run(main())


def test_no_secret_is_printed() -> None:
    """What can be printed of a credential shows nothing that a secret could be tried on."""
    shown = repr(credential())
    for hidden in ("$sha256$aa", "SCRAM-SHA-256$1", "xff", "$former$bb"):
        assert hidden not in shown
