"""Builds the authenticator from settings: the sources in order, and the examiner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pillarbox.access.authenticator import Authenticator
from pillarbox.access.directory import Directory
from pillarbox.access.examiner import Examiner
from pillarbox.access.node_key import NodeKey
from pillarbox.access.pool import Pool
from pillarbox.access.sources.introspection import TokenIntrospection
from pillarbox.access.sources.passwd_file import PasswdFile, UserFile
from pillarbox.access.sources.port import Source
from pillarbox.access.sources.stored import StoredCredentials
from pillarbox.config.settings import Settings, SourceKind, SourceSettings
from pillarbox.errors import PermanentError

__all__ = ["FILE", "STORE", "AccessControl", "build_access"]

STORE: Final = "store"
FILE: Final = "file"

OnDefect = Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True)
class AccessControl:
    """The authenticator, and the examiner of refused logins."""

    authenticator: Authenticator
    examiner: Examiner
    directory: Directory | None = None  # the credentials of the store

    def close(self) -> None:
        """Stop all threads."""
        self.authenticator.close()
        self.examiner.close()


def build_access(
    settings: Settings,
    *,
    directory: Directory | None,
    key: NodeKey,
    now: Callable[[], float],
    on_defect: OnDefect | None = None,
) -> AccessControl:
    """Build the authenticator for these settings.

    Args:
        settings: The configuration.
        directory: The credentials of the store; None if there is no store.
        key: The node's key.
        now: The wall clock.
        on_defect: Called if a source fails unexpectedly.

    Raises:
        PermanentError: A source cannot be used as it is configured.
    """
    auth = settings.auth
    pool = Pool(auth.hash_workers, "argon2")
    sources: list[Source] = []
    try:
        for name in _order(settings):
            source = _source(name, settings, directory, key, pool, now)
            if source is not None:
                sources.append(source)
    except PermanentError:
        for source in sources:
            source.close()
        pool.close()
        raise
    authenticator = Authenticator(
        sources,
        pool=pool,
        cache_seconds=auth.cache_seconds,
        scram_key=key.scram,
        on_defect=on_defect,
    )
    return AccessControl(authenticator, Examiner(sources, directory, key.former), directory)


def _order(settings: Settings) -> tuple[str, ...]:
    return settings.auth.sources or (STORE, FILE, *settings.auth_source)


def _source(
    name: str,
    settings: Settings,
    directory: Directory | None,
    key: NodeKey,
    pool: Pool,
    now: Callable[[], float],
) -> Source | None:
    if name == STORE:
        return None if directory is None else StoredCredentials(directory, key, pool)
    if name == FILE:
        path = settings.auth.file
        if path is None:
            return None
        return PasswdFile(name, UserFile(path, former_key=key.former, now=now), pool)
    if name not in settings.auth_source:
        raise PermanentError(f"auth.sources names {name!r}, and there is no [auth_source.{name}]")
    return _outside(name, settings.auth_source[name], now)


def _outside(name: str, settings: SourceSettings, now: Callable[[], float]) -> Source:
    if settings.kind is SourceKind.JWKS:
        # Imported late: nothing else needs its library.
        from pillarbox.access.sources.jwks import TokenIssuer  # noqa: PLC0415

        return TokenIssuer(name, settings, now)
    if settings.kind is SourceKind.INTROSPECTION:
        return TokenIntrospection(name, settings, now)
    try:
        # Imported late: few need it, and it takes a tenth of a second to load.
        from pillarbox.access.sources.ldap import LdapDirectory  # noqa: PLC0415
    except ImportError:
        raise PermanentError(
            f"auth_source.{name} needs the package ldap3: pip install 'pillarbox[ldap]'"
        ) from None
    return LdapDirectory(name, settings)
