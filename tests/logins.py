"""Credentials in a store in memory, and who judges logins by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pillarbox.access.answers import Answer
from pillarbox.access.assembly import AccessControl, build_access
from pillarbox.access.directory import Directory
from pillarbox.access.issue import Forms, Issuer
from pillarbox.access.node_key import NodeKey
from pillarbox.config.settings import AuthSettings, Settings, SourceSettings
from pillarbox.policy.autopsy import Autopsy
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim
from pillarbox.store.credentials import Credential, CredentialKind
from pillarbox.store.memory import MemoryStore

START = 1_000_000.0
NO_FORMS = Forms()


@dataclass
class Logins:
    """A store with credentials, a clock that a test moves, and who judges logins."""

    store: MemoryStore
    directory: Directory
    issuer: Issuer
    access: AccessControl
    key: NodeKey
    now: float = START

    async def add(self, name: str, password: str = "", forms: Forms = NO_FORMS, **how: Any) -> str:
        """Add a credential; return its secret."""
        default = CredentialKind.PASSWORD if password else CredentialKind.KEY
        fields = {"kind": default, "created_at": self.now, "created_by": "root", **how}
        draft = Credential(name=name, **fields)
        issued = self.issuer.create(draft, password, forms, self.now)
        await self.save(issued.credential)
        return issued.secret or password

    async def rotate(self, name: str, password: str = "", overlap: float = 0.0) -> str:
        """Rotate a credential; return its new secret."""
        issued = self.issuer.rotate(
            self.known(name),
            password=password,
            forms=NO_FORMS,
            overlap=overlap,
            by="ann",
            now=self.now,
        )
        await self.save(issued.credential)
        return issued.secret or password

    async def revoke(self, name: str) -> None:
        """Revoke a credential."""
        await self.save(self.issuer.revoke(self.known(name), by="bob", now=self.now))

    async def save(self, credential: Credential) -> None:
        """Save a credential as the command line does."""
        await self.directory.store.save(credential)
        await self.directory.refresh()

    def known(self, name: str) -> Credential:
        """Return a credential."""
        found = self.directory.get(name)
        assert found is not None
        return found

    async def change(self, name: str, **fields: Any) -> None:
        """Change fields of a credential."""
        await self.save(replace(self.known(name), **fields))

    async def judge(self, claim: Claim) -> Answer:
        """Return what is decided of a claim."""
        answer = self.access.authenticator.check(claim, now=self.now)
        return await answer if isinstance(answer, asyncio.Future) else answer

    async def log_in(self, user: str, password: str, acting_as: str = "") -> Answer:
        """Return what is decided of a user name and a password."""
        return await self.judge(PasswordClaim(acting_as, user, password))

    async def explain(self, claim: Claim) -> Autopsy:
        """Return why a claim is denied."""
        denied = await self.judge(claim)
        assert hasattr(denied, "cause"), f"{denied} is let in"
        autopsy, is_clear = await self.access.examiner.examine(claim, denied)
        assert is_clear
        return autopsy


@asynccontextmanager
async def logins(
    auth: AuthSettings | None = None, sources: Mapping[str, SourceSettings] | None = None
) -> AsyncIterator[Logins]:
    """Have an empty store, and a key that was configured."""
    settings = Settings(auth=auth or AuthSettings(), auth_source=dict(sources or {}))
    started: list[Logins] = []

    def now() -> float:
        return started[0].now if started else START

    store = MemoryStore("main", now)
    await store.open()
    key = NodeKey(b"a key of the configuration", is_configured=True)
    directory = Directory(store.credentials, now)
    access = build_access(settings, directory=directory, key=key, now=now)
    rig = Logins(store, directory, Issuer(key), access, key)
    started.append(rig)
    await directory.refresh()
    try:
        yield rig
    finally:
        access.close()
        await store.close()
