"""Selects a store by its URL; the drivers of others are not loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pillarbox.errors import PermanentError
from pillarbox.store.port import Store

__all__ = ["make_store"]


def make_store(url: str, *, directory: Path, node: str, now: Callable[[], float]) -> Store:
    """Return the store that a URL names; it is not open yet.

    Args:
        url: ``sqlite:PATH``, ``postgresql://USER@HOST/DATABASE``, or ``memory:``.
        directory: What a relative path starts from; made if it does not exist.
        node: The name under which mail is kept.
        now: The wall clock, in seconds.

    Raises:
        PermanentError: There is no such kind of store.
    """
    scheme, separator, rest = url.partition(":")
    if separator and scheme == "memory" and not rest:
        from pillarbox.store.memory import MemoryStore  # noqa: PLC0415

        return MemoryStore(node, now)
    if scheme == "sqlite" and rest:
        from pillarbox.store.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(directory / rest, node=node, now=now)
    if scheme in {"postgresql", "postgres"} and rest.startswith("//"):
        from pillarbox.store.postgres import PostgresStore  # noqa: PLC0415

        return PostgresStore(url, node=node, now=now)
    shown = urlsplit(url)._replace(netloc="...").geturl()  # never the password
    raise PermanentError(f"{shown!r} is not sqlite:PATH, postgresql://... or memory:")
