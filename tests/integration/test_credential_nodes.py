"""Credentials on a database that several nodes share."""

from __future__ import annotations

import asyncio
import time

from tests.postgres import shared_server

from pillarbox.access.directory import Directory
from pillarbox.access.issue import Forms, Issuer
from pillarbox.access.node_key import NodeKey
from pillarbox.store.credentials import Credential, CredentialConflict, CredentialKind
from pillarbox.store.postgres import PostgresStore

KEY = NodeKey(b"the same on all nodes", is_configured=True)


def draft(name: str) -> Credential:
    """Return a credential without secrets."""
    return Credential(name=name, kind=CredentialKind.KEY, created_at=time.time(), created_by="root")


def test_other_nodes_follow_within_seconds() -> None:
    """What one node adds, rotates and revokes holds at another without being told there."""

    async def main() -> None:
        url = shared_server().database()
        stores = [PostgresStore(url, node=name, now=time.time) for name in ("one", "two")]
        for store in stores:
            await store.open()
        here, there = (Directory(store.credentials, time.time) for store in stores)
        following = asyncio.create_task(there.follow())
        issuer = Issuer(KEY)
        issued = issuer.create(draft("shop"), "", Forms(), time.time())
        await here.store.save(issued.credential)
        async with asyncio.timeout(5.0):
            while (seen := there.by_key(issued.secret)) is None:  # noqa: ASYNC110 - it polls as well
                await asyncio.sleep(0.02)
        (secret,) = seen.secrets
        assert there.is_valid("shop", secret)
        await here.refresh()
        kept = here.get("shop")
        assert kept is not None
        await here.store.save(issuer.revoke(kept, by="ann", now=time.time()))
        async with asyncio.timeout(5.0):
            while there.is_valid("shop", secret):  # noqa: ASYNC110 - it polls as well
                await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_two_nodes_that_save_at_once_are_put_in_order() -> None:
    """Of many saves at the same time none is lost or seen twice, and no two make one name."""

    async def main() -> None:
        url = shared_server().database()
        stores = [PostgresStore(url, node=name, now=time.time) for name in ("one", "two")]
        for store in stores:
            await store.open()
        issuer = Issuer(KEY)
        made = [issuer.create(draft(f"k{n}"), "", Forms(), time.time()) for n in range(20)]
        saved = await asyncio.gather(
            *(store.credentials.save(each.credential) for each in made for store in stores),
            return_exceptions=True,
        )
        generations = [each for each in saved if isinstance(each, int)]
        assert sum(isinstance(each, CredentialConflict) for each in saved) == 20
        assert len(set(generations)) == 20
        changes = await stores[0].credentials.changed_since(0)
        assert sorted(each.name for each in changes.credentials) == sorted(
            each.credential.name for each in made
        )
        for store in stores:
            await store.close()

    asyncio.run(main())
