"""The patterns in rules: for recipient domains and for credential names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_address_literal, is_domain

__all__ = ["CredentialNames", "NoDomainPattern", "RecipientDomains"]

_EVERYTHING: Final = "*"


class NoDomainPattern(PermanentError):  # noqa: N818 - reads as what it says
    """A text is not a domain pattern; the message says which."""


class RecipientDomains:
    """A set of domains: ``example.org``, ``*.example.org`` for all below it, ``*`` for all."""

    __slots__ = ("_below", "_exact", "_has_everything", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Prepare the tables.

        Raises:
            NoDomainPattern: One of the patterns is malformed.
        """
        self.patterns: Final = tuple(dict.fromkeys(each.strip() for each in patterns))
        self._has_everything = _EVERYTHING in self.patterns
        self._exact: set[str] = set()
        self._below: set[str] = set()
        for pattern in self.patterns:
            if pattern == _EVERYTHING:
                continue
            name = pattern.removeprefix("*.")
            if not (is_domain(name) or (is_address_literal(name) and name == pattern)):
                raise NoDomainPattern(
                    f'{pattern!r} is no domain: write "example.org", "*.example.org" or "*"'
                )
            (self._exact if name == pattern else self._below).add(ascii_domain(name))

    def __contains__(self, domain: str) -> bool:
        """Return whether a domain, in the form of ``ascii_domain``, is in the set."""
        if self._has_everything or domain in self._exact:
            return True
        if self._below:
            _, _, parent = domain.partition(".")
            while parent:
                if parent in self._below:
                    return True
                _, _, parent = parent.partition(".")
        return False

    def opens(self, domain: str) -> bool:
        """Return whether a pattern names a domain explicitly, as "*" and "*.com" do not."""
        if domain in self._exact:
            return True
        _, _, parent = domain.partition(".")
        while "." in parent:
            if parent in self._below:
                return True
            _, _, parent = parent.partition(".")
        return False


class CredentialNames:
    """A set of credentials: ``shop``, ``tenant-*`` for all with that prefix, ``*`` for all."""

    __slots__ = ("_exact", "_wild", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        """Prepare the tables; ``*`` stands for any characters, wherever it is."""
        self.patterns: Final = tuple(dict.fromkeys(each.strip() for each in patterns))
        self._exact = frozenset(each for each in self.patterns if _EVERYTHING not in each)
        wild = (
            ".*".join(map(re.escape, re.split(r"\*+", each)))
            for each in self.patterns
            if _EVERYTHING in each
        )
        self._wild: re.Pattern[str] | None = None
        if alternatives := "|".join(wild):
            self._wild = re.compile(alternatives, re.DOTALL)

    @property
    def listed(self) -> frozenset[str] | None:
        """All names, if there is no wildcard among them; otherwise None."""
        return None if self._wild is not None else self._exact

    def __contains__(self, credential: str) -> bool:
        """Return whether a client logged in as ``credential`` is in the set."""
        if not credential:
            return False
        if credential in self._exact:
            return True
        return self._wild is not None and self._wild.fullmatch(credential) is not None
