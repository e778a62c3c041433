"""Operations on credentials: add, list, rotate, revoke, test; show failures.

A secret that is generated here appears in one answer, and never again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

from pillarbox.access.answers import Admitted
from pillarbox.access.assembly import AccessControl
from pillarbox.access.directory import Directory
from pillarbox.access.failures import FailureBook
from pillarbox.access.issue import Forms, Issued, Issuer
from pillarbox.control import protocol as p
from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.claims import PasswordClaim
from pillarbox.store.credentials import Credential, CredentialKind, CredentialUse

__all__ = ["CredentialOperations"]

_ANY_USER: Final = "apikey"
_KINDS: Final = {kind.value: kind for kind in CredentialKind}


class CredentialOperations:
    """The operations on the credentials of a store."""

    def __init__(
        self,
        directory: Directory,
        issuer: Issuer,
        *,
        access: Callable[[], AccessControl],
        failures: Callable[[], FailureBook | None],
    ) -> None:
        """Work on the store of ``directory``.

        Args:
            directory: The credentials; refreshed before and after each change.
            issuer: Makes secrets.
            access: Returns the current judge of logins.
            failures: Returns the refused logins of a running node; None for a stopped one.
        """
        self._directory = directory
        self._issuer = issuer
        self._access = access
        self._failures = failures

    def table(self) -> Mapping[type[Any], Callable[[Any], AsyncIterator[p.Row]]]:
        """Return the handler of each request type."""
        return {
            p.AddCredential: self._add,
            p.ListCredentials: self._list,
            p.RotateCredential: self._rotate,
            p.RevokeCredential: self._revoke,
            p.TestCredential: self._test,
            p.ListFailures: self._list_failures,
        }

    async def _add(self, request: p.AddCredential) -> AsyncIterator[p.Row]:
        directory, now = self._directory, self._directory.now()
        await directory.refresh()
        if request.kind not in _KINDS:
            raise PermanentError(f"{request.kind!r} is not one of {', '.join(_KINDS)}")
        if directory.get(request.name) is not None:
            raise PermanentError(
                f"there is a credential {request.name!r}; rotate it, or take another name"
            )
        draft = Credential(
            name=request.name,
            kind=_KINDS[request.kind],
            account=request.account,
            project=request.project,
            is_sandbox=request.is_sandbox,
            scopes=tuple(request.scopes),
            senders=tuple(request.senders),
            created_at=now,
            created_by=request.by,
            expires_at=None if request.expires_in is None else now + request.expires_in,
        )
        issued = await asyncio.to_thread(
            self._issuer.create, draft, request.password, _forms(request), now
        )
        yield await self._save(issued)
        yield p.Done(count=1)

    async def _rotate(self, request: p.RotateCredential) -> AsyncIterator[p.Row]:
        credential = await self._known(request.name)
        current = next((each for each in credential.secrets if not each.is_former), None)
        forms = Forms(
            scram=request.scram or bool(current and current.scram),
            reversible=request.reversible or bool(current and current.sealed),
        )
        issued = await asyncio.to_thread(
            self._issuer.rotate,
            credential,
            password=request.password,
            forms=forms,
            overlap=request.overlap,
            by=request.by,
            now=self._directory.now(),
        )
        yield await self._save(issued)
        yield p.Done(count=1)

    async def _revoke(self, request: p.RevokeCredential) -> AsyncIterator[p.Row]:
        credential = await self._known(request.name)
        revoked = self._issuer.revoke(credential, by=request.by, now=self._directory.now())
        await self._directory.store.save(revoked)
        await self._directory.refresh()
        yield _row(revoked, None)
        yield p.Done(count=1)

    async def _list(self, request: p.ListCredentials) -> AsyncIterator[p.Row]:
        await self._directory.refresh()
        await self._directory.flush_uses()
        uses = {use.name: use for use in await self._directory.store.uses()}
        shown = 0
        for credential in sorted(self._directory, key=lambda each: each.name):
            if credential.revoked_at is not None and not request.with_revoked:
                continue
            if request.project is not None and credential.project != request.project:
                continue
            yield _row(credential, uses.get(credential.name))
            shown += 1
        yield p.Done(count=shown)

    async def _test(self, request: p.TestCredential) -> AsyncIterator[p.Row]:
        await self._directory.refresh()
        access = self._access()
        claim = PasswordClaim("", request.user, request.password)
        now = asyncio.get_running_loop().time()
        checked = access.authenticator.check(claim, now=now)
        answer = await checked if isinstance(checked, asyncio.Future) else checked
        if isinstance(answer, Admitted):
            yield p.LoginRow(
                is_accepted=True,
                identity=answer.identity,
                credential=answer.credential,
                source=answer.source,
                project=answer.project,
                is_sandbox=answer.is_sandbox,
                senders=list(answer.senders.patterns),
            )
        else:
            autopsy, _ = await access.examiner.examine(claim, answer)
            yield p.LoginRow(
                is_accepted=False,
                source=answer.source,
                credential=autopsy.credential,
                cause=autopsy.cause.value,
                reason=str(autopsy),
                changed_at=autopsy.changed_at,
            )
        yield p.Done(count=1)

    async def _list_failures(self, request: p.ListFailures) -> AsyncIterator[p.Row]:
        del request
        book = self._failures()
        if book is None:
            raise PermanentError(
                "failures are counted by a running node; start it with `pillarbox serve`"
            )
        count = 0
        for row in self._failure_rows(book):
            yield row
            count += 1
        yield p.Done(count=count)

    def _failure_rows(self, book: FailureBook) -> Iterator[p.FailureRow]:
        for application, failures in book:
            last = failures.last
            yield p.FailureRow(
                helo=application.helo,
                client=application.client,
                mechanisms=list(application.mechanisms),
                listener=failures.listener,
                first_at=failures.first_at,
                last_at=failures.last_at,
                count=failures.count,
                causes=dict(Counter(failures.causes).most_common()),
                users=list(failures.users),
                cause=last.cause.value if last else "",
                reason=str(last) if last else "",
                credential=last.credential if last else "",
                changed_at=self._changed_at(failures.users, last.changed_at if last else None),
                recovered_at=failures.recovered_at,
            )

    def _changed_at(self, users: Mapping[str, int], told: float | None) -> float | None:
        """Return when a program's credential was changed, as known or as inferred."""
        if told is not None:
            return told
        known = (self._directory.get(user) for user in users)
        changes = [
            each.secrets[0].created_at
            for each in known
            if each is not None and len(each.secrets) > 1
        ]
        return max(changes, default=None)

    async def _known(self, name: str) -> Credential:
        directory = self._directory
        await directory.refresh()
        credential = directory.get(name) or directory.by_prefix(name)
        if credential is None:
            raise PermanentError(f"there is no credential {name!r}")
        return credential

    async def _save(self, issued: Issued) -> p.IssuedRow:
        credential = issued.credential
        await self._directory.store.save(credential)
        await self._directory.refresh()
        newest, *older = credential.secrets
        ends = [each.ends_at for each in older if not each.is_former and each.ends_at is not None]
        user = credential.account or credential.name
        return p.IssuedRow(
            name=credential.name,
            kind=credential.kind.value,
            user=_ANY_USER if credential.kind is CredentialKind.KEY else user,
            secret=issued.secret,
            prefix=newest.prefix,
            expires_at=credential.expires_at,
            old_ends_at=max(ends, default=None),
            is_reversible=bool(newest.sealed),
        )


def _forms(request: p.AddCredential) -> Forms:
    return Forms(scram=request.scram, reversible=request.reversible)


def _row(credential: Credential, use: CredentialUse | None) -> p.CredentialRow:
    return p.CredentialRow(
        name=credential.name,
        kind=credential.kind.value,
        account=credential.account,
        project=credential.project,
        is_sandbox=credential.is_sandbox,
        scopes=list(credential.scopes),
        senders=list(credential.senders),
        created_at=credential.created_at,
        created_by=credential.created_by,
        expires_at=credential.expires_at,
        revoked_at=credential.revoked_at,
        revoked_by=credential.revoked_by,
        last_used_at=None if use is None else use.at,
        last_used_from="" if use is None else use.client,
        secrets=[
            p.SecretRow(
                prefix=secret.prefix,
                created_at=secret.created_at,
                created_by=secret.created_by,
                ends_at=secret.ends_at,
                ended_by=secret.ended_by,
                is_former=secret.is_former,
                has_scram=bool(secret.scram),
                is_reversible=bool(secret.sealed),
            )
            for secret in credential.secrets
        ],
    )
