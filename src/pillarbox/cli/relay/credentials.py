"""Looks up a login in the store, for a relay decision."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.cli.access import reach
from pillarbox.config.loader import Loaded
from pillarbox.control import protocol as p
from pillarbox.errors import PillarboxError
from pillarbox.policy.senders import NOBODY, Senders

__all__ = ["KnownLogin", "known_login"]


@dataclass(frozen=True, slots=True)
class KnownLogin:
    """A login as the policy sees it."""

    identity: str
    senders: Senders = NOBODY
    note: str = ""  # what is to be known about this answer, in a sentence


def known_login(loaded: Loaded, name: str) -> KnownLogin:
    """Return a login by the name of its credential or, where it has none, as it was given.

    A node that cannot be asked is no error: who is known by a file or elsewhere is in no store.
    """
    try:
        with reach(loaded) as access:
            rows = [
                row for row in access.run(p.ListCredentials()) if isinstance(row, p.CredentialRow)
            ]
    except PillarboxError as error:
        return KnownLogin(name, note=f"Credentials in the store are not counted: {error}.")
    named = [row for row in rows if row.name == name]
    for row in named or [row for row in rows if row.account == name]:
        return KnownLogin(row.account or row.name, Senders(row.senders))
    return KnownLogin(name, note=f"No credential in the store is called {name}.")
