"""Which addresses a sender may use: patterns in credentials and in the configuration.

``ann@example.org`` is one address, ``news-*@example.org`` every one whose local part matches,
``@example.org`` a whole domain, ``@*.example.org`` the domains below it, ``*`` everything, and
``<>`` the null reverse-path (RFC 5321 §4.5.5). Domains are compared as A-labels, local parts
without regard to case. A detail (``ann+x``) is another address: write ``ann+*@example.org``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.policy.recipients import fold_local_part
from pillarbox.smtp.address import Mailbox, ReversePath, ascii_domain
from pillarbox.smtp.domain import is_address_literal, is_domain

__all__ = ["NOBODY", "NULL_SENDER", "NoSenderPattern", "Senders", "own_address"]

NULL_SENDER: Final = "<>"
_EVERYTHING: Final = "*"
_LONGEST: Final = 320  # characters: the longest address, and wildcards
_LOCAL: Final = re.compile(r'[^\s<>"@,;:\\()\[\]\x00-\x20]+')
_MOST_WILDCARDS: Final = 2  # in one local part; more could make matching slow


class NoSenderPattern(PermanentError):  # noqa: N818 - reads as what it says
    """A text is not a pattern of sender addresses; the message says which and why."""


class Senders:
    """A set of sender addresses. Equal if the patterns are, and cheap to hash."""

    __slots__ = (
        "_below",
        "_domains",
        "_exact",
        "_has_everything",
        "_has_null",
        "_hash",
        "_wild",
        "patterns",
    )

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Prepare the tables; without patterns the set is empty.

        Raises:
            NoSenderPattern: One of them is malformed.
        """
        self.patterns: Final = tuple(dict.fromkeys(each.strip() for each in patterns))
        self._hash = hash(self.patterns)
        self._has_everything = self._has_null = False
        self._exact: set[tuple[str, str]] = set()
        self._wild: dict[str, list[re.Pattern[str]]] = {}
        self._domains: set[str] = set()
        self._below: set[str] = set()
        for pattern in self.patterns:
            self._add(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Senders) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __repr__(self) -> str:
        return f"Senders({list(self.patterns)})"

    def __or__(self, other: Senders) -> Senders:
        """Return the senders of both."""
        if not other.patterns:
            return self
        return Senders((*self.patterns, *other.patterns)) if self.patterns else other

    def __contains__(self, sender: ReversePath) -> bool:
        if self._has_everything:
            return True
        if sender is None:
            return self._has_null
        domain = sender.ascii_domain
        if domain in self._domains or (self._below and self._is_below(domain)):
            return True
        if not (self._exact or self._wild):
            return False
        local_part = fold_local_part(sender.local_part)
        return (local_part, domain) in self._exact or any(
            wild.fullmatch(local_part) for wild in self._wild.get(domain, ())
        )

    def _is_below(self, domain: str) -> bool:
        _, _, parent = domain.partition(".")
        while parent:
            if parent in self._below:
                return True
            _, _, parent = parent.partition(".")
        return False

    def _add(self, pattern: str) -> None:
        if pattern == _EVERYTHING:
            self._has_everything = True
        elif pattern == NULL_SENDER:
            self._has_null = True
        else:
            self._add_address(pattern)

    def _add_address(self, pattern: str) -> None:
        local_part, at, domain = pattern.rpartition("@")
        is_below = domain.startswith("*.")
        name = domain.removeprefix("*.")
        if not at or len(pattern) > _LONGEST or not _is_domain(name):
            raise NoSenderPattern(f"{pattern!r} is no sender pattern: {_HELP}")
        name = ascii_domain(name)
        if local_part in {"", _EVERYTHING}:
            (self._below if is_below else self._domains).add(name)
            return
        if is_below or not _LOCAL.fullmatch(local_part) or _is_too_wild(local_part):
            raise NoSenderPattern(f"{pattern!r} is no sender pattern: {_HELP}")
        folded = fold_local_part(local_part)
        if _EVERYTHING not in folded:
            self._exact.add((folded, name))
            return
        parts = map(re.escape, folded.split(_EVERYTHING))
        self._wild.setdefault(name, []).append(re.compile(".*".join(parts)))


NOBODY: Final = Senders()
"""Owns no address."""

_HELP: Final = (
    'write "ann@example.org", "news-*@example.org", "@example.org", "@*.example.org" or "*"'
)


def _is_domain(text: str) -> bool:
    return is_domain(text) or is_address_literal(text)


def _is_too_wild(local_part: str) -> bool:
    return local_part.count(_EVERYTHING) > _MOST_WILDCARDS


def own_address(credential: str) -> Senders:
    """Return the address that a credential owns by its name: ``ann@example.org`` owns herself."""
    local_part, at, domain = credential.rpartition("@")
    if not at or not is_domain(domain) or not _LOCAL.fullmatch(local_part):
        return NOBODY
    return Senders((str(Mailbox(local_part, domain)),)) if "*" not in local_part else NOBODY
