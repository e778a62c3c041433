"""Converts credentials to rows of the tables ``credential`` and ``credential_secret``, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pillarbox.store.credentials import Credential, CredentialKind, Secret

__all__ = ["credential_row", "read_credentials", "secret_rows"]


def credential_row(credential: Credential) -> tuple[Any, ...]:
    """Return the columns of a credential, all but its generation."""
    return (
        credential.name,
        credential.kind.value,
        credential.account,
        credential.project,
        credential.is_sandbox,
        json.dumps(credential.scopes),
        json.dumps(credential.senders),
        credential.created_at,
        credential.created_by,
        credential.expires_at,
        credential.revoked_at,
        credential.revoked_by,
    )


def secret_rows(credential: Credential) -> list[tuple[Any, ...]]:
    """Return the columns of each of its secrets."""
    return [
        (
            credential.name,
            position,
            secret.prefix,
            secret.verifier,
            secret.scram,
            secret.sealed,
            secret.created_at,
            secret.created_by,
            secret.ends_at,
            secret.ended_by,
            secret.is_former,
        )
        for position, secret in enumerate(credential.secrets)
    ]


def read_credentials(
    rows: Iterable[Sequence[Any]], secrets: Iterable[Sequence[Any]]
) -> tuple[Credential, ...]:
    """Return credentials from their rows (the generation last) and the rows of their secrets."""
    by_name: dict[str, list[Secret]] = {}
    for row in secrets:
        by_name.setdefault(row[0], []).append(_secret(row))
    return tuple(_credential(row, by_name.get(row[0], ())) for row in rows)


def _secret(row: Sequence[Any]) -> Secret:
    return Secret(
        prefix=row[2],
        verifier=row[3],
        scram=row[4],
        sealed=bytes(row[5]),
        created_at=row[6],
        created_by=row[7],
        ends_at=row[8],
        ended_by=row[9],
        is_former=bool(row[10]),
    )


def _credential(row: Sequence[Any], secrets: Sequence[Secret]) -> Credential:
    return Credential(
        name=row[0],
        kind=CredentialKind(row[1]),
        account=row[2],
        project=row[3],
        is_sandbox=bool(row[4]),
        scopes=tuple(json.loads(row[5])),
        senders=tuple(json.loads(row[6])),
        created_at=row[7],
        created_by=row[8],
        expires_at=row[9],
        revoked_at=row[10],
        revoked_by=row[11],
        secrets=tuple(secrets),
        generation=row[12],
    )
