"""The public suffix list, the older way to find the organizational domain (RFC 7489 §3.2).

The list comes with the package ``publicsuffixlist``, which is released whenever the list changes; a
file can be given instead. It is loaded on first use.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Protocol

from publicsuffixlist import PublicSuffixList

__all__ = ["ListedSuffixes", "Suffixes"]


class Suffixes(Protocol):
    """Knows the boundary between public suffixes and registered domains."""

    def organizational_domain(self, domain: str) -> str | None:
        """Return the registered domain that a domain is of; None for a public suffix itself.

        Args:
            domain: A domain in A-labels and lower case, without a final dot.
        """
        ...

    def is_registry(self, domain: str) -> bool:
        """Whether a domain is a registry's, such as ``co.uk``, whose names are of strangers."""
        ...


class ListedSuffixes:
    """Answers from the public suffix list."""

    def __init__(self, file: Path | None = None) -> None:
        """Use a file in the list's format, or the installed list."""
        self._file = file

    def organizational_domain(self, domain: str) -> str | None:
        """Return the registered domain that a domain is of; None for a public suffix itself."""
        if domain.startswith("."):
            return None
        found: str | None = self._list.privatesuffix(domain)
        return found

    def is_registry(self, domain: str) -> bool:
        """Whether a domain is a registry's, such as ``co.uk``, whose names are of strangers. The
        private section of the list does not count: a company that gives others names below its own,
        such as ``github.io``, sends mail as well.
        """
        return self._registries.privatesuffix(domain) is None

    @cached_property
    def _list(self) -> PublicSuffixList:
        return self._read(only_icann=False)

    @cached_property
    def _registries(self) -> PublicSuffixList:
        return self._read(only_icann=True)

    def _read(self, *, only_icann: bool) -> PublicSuffixList:
        if self._file is None:
            return PublicSuffixList(only_icann=only_icann)
        with self._file.open(encoding="utf-8") as source:
            return PublicSuffixList(source, only_icann=only_icann)
