"""A surveyed SPF record as a tree of its terms, with what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.findings import Finding
from pillarbox.mailauth.spf.record import Directive, Record, RecordError
from pillarbox.mailauth.spf.values import Limits

__all__ = ["Node", "Survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One term of a record; that of the whole record at the root."""

    term: str  # as written; "" at the root
    directive: Directive | None = None  # None: the root, an include or a redirect
    target: str = ""  # the name that it asks about
    record: str = ""  # of the root, an include or a redirect: what is published there
    cost: int = 0  # terms that ask DNS, this one and all below it
    voids: int = 0  # of them, those that find nothing
    note: str = ""  # what it came to
    problem: str = ""  # why a check that comes here ends, or finds nothing
    is_dead: bool = False  # no check ever comes here
    is_temporary: bool = False  # the problem may be gone the next minute
    addresses: tuple[str, ...] = ()  # of a and mx: what they stand for now
    children: tuple[Node, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """Yield this node and all below it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a record comes to."""

    domain: str  # "" where a record was given without a domain
    root: Node
    record: Record | None  # what can be read of it; None: there is none
    errors: tuple[RecordError, ...] = ()  # what cannot
    publish: str = ""  # the record to publish: the same if nothing is to be changed
    receives: bool = False  # whether the domain has mail exchangers; asked without a record
    limits: Limits
    findings: tuple[Finding, ...] = ()

    @property
    def lookups(self) -> int:
        """How many terms ask DNS."""
        return self.root.cost

    @property
    def voids(self) -> int:
        """How many of them find nothing."""
        return self.root.voids
