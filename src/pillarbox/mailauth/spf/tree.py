"""A surveyed SPF record as a tree of its terms, with the cost of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pillarbox.findings import Finding
from pillarbox.mailauth.spf.record import Directive, Record, RecordError
from pillarbox.mailauth.spf.values import Limits

__all__ = ["Node", "Survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One term of a record; the root is the whole record."""

    term: str  # as written; "" at the root
    directive: Directive | None = None  # None: the root, an include or a redirect
    target: str = ""  # the name that it queries
    record: str = ""  # of the root, an include or a redirect: what is published there
    cost: int = 0  # terms that query DNS, this one and all below it
    voids: int = 0  # of them, those that find nothing
    note: str = ""  # the result
    problem: str = ""  # why a check ends here, or finds nothing
    is_dead: bool = False  # no check ever reaches it
    is_temporary: bool = False  # the problem may be gone on a retry
    addresses: tuple[str, ...] = ()  # of a and mx: the current addresses
    children: tuple[Node, ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """Yield this node and all below it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The survey of a record."""

    domain: str  # "" where a record was given without a domain
    root: Node
    record: Record | None  # its valid terms; None: there is none
    errors: tuple[RecordError, ...] = ()  # what is wrong with it
    publish: str = ""  # the record to publish; the same if nothing needs to change
    receives: bool = False  # whether the domain has mail exchangers; looked up if it has no record
    limits: Limits
    findings: tuple[Finding, ...] = ()

    @property
    def lookups(self) -> int:
        """How many terms query DNS."""
        return self.root.cost

    @property
    def voids(self) -> int:
        """How many of them find nothing."""
        return self.root.voids
