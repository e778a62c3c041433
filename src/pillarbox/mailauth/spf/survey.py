"""Surveys an SPF record without a client: what it costs, what fails, what to publish.

Every term is followed, unlike in a single check, so this is the worst case of all checks. The
number of queries is bounded; an include that contains itself is followed once. RFC 7208 §4.6.4,
§10.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.mailauth.resolver import Answer, Outcome, Resolver
from pillarbox.mailauth.spf import advice
from pillarbox.mailauth.spf.macros import MacroString
from pillarbox.mailauth.spf.record import (
    Directive,
    Record,
    RecordError,
    is_spf_record,
    parse_leniently,
)
from pillarbox.mailauth.spf.tree import Node, Survey
from pillarbox.mailauth.spf.values import Limits

__all__ = ["survey"]

_MAX_DEPTH: Final = 20
_MAX_NODES: Final = 200  # terms looked at in all
_SHOWN: Final = 4


async def survey(
    domain: str,
    resolver: Resolver,
    *,
    record: bytes | None = None,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
) -> Survey:
    """Follow every term of the record of a domain.

    Args:
        domain: The domain, in A-labels; "" for a record without a domain.
        resolver: Asks DNS.
        record: The record to survey instead of the published one.
        limits: The limits of a check.
    """
    surveyor = _Surveyor(resolver, limits)
    root, read, errors = await surveyor.record(domain, "", (), [record] if record else None)
    receives = read is None and any(mx.host for mx in (await resolver.mx(domain)).records)
    found = Survey(
        domain=domain, root=root, record=read, errors=errors, receives=receives, limits=limits
    )
    return replace(found, findings=tuple(advice.findings(found)), publish=advice.improved(found))


_Read = tuple[Node, Record | None, tuple[RecordError, ...]]


@dataclass(slots=True)
class _Surveyor:
    """The state of one survey."""

    resolver: Resolver
    limits: Limits
    seen: int = 0

    async def record(
        self, domain: str, term: str, above: tuple[str, ...], given: list[bytes] | None = None
    ) -> _Read:
        """Return the node of a whole record, its valid terms, and its errors."""
        node = Node(term=term, target=domain)
        if domain and domain in above:
            return replace(node, problem="it contains itself"), None, ()
        if len(above) > _MAX_DEPTH:
            return replace(node, problem="it is too deep"), None, ()
        found = given if given is not None else await self._fetch(domain)
        if isinstance(found, Node):
            return replace(found, term=term), None, ()
        read, errors = parse_leniently(found[0])
        node = replace(
            node,
            record=found[0].decode("ascii", "backslashreplace"),
            problem="; ".join(map(str, errors)),
            children=tuple([one async for one in self._children(read, domain, (*above, domain))]),
        )
        return _totaled(node), read, errors

    async def _fetch(self, domain: str) -> list[bytes] | Node:
        answer = await self.resolver.txt(domain)
        node = Node(term="", target=domain)
        if answer.outcome is Outcome.UNAVAILABLE:
            reason = f"{domain} could not be looked up: {answer.reason}"
            return replace(node, problem=reason, is_temporary=True)
        found = [record for record in answer.records if is_spf_record(record)]
        if len(found) == 1:
            return found
        if found:
            return replace(node, problem=f"{domain} publishes {len(found)} SPF records, not one")
        # A name without any record is also void, and in any case fatal for an include.
        return replace(
            node, problem=f"{domain} publishes no SPF record", voids=int(not answer.records)
        )

    async def _children(
        self, read: Record, domain: str, above: tuple[str, ...]
    ) -> AsyncIterator[Node]:
        is_dead = False
        for directive in read.directives:
            node = await self._directive(directive, domain, above, is_dead=is_dead)
            yield replace(node, is_dead=is_dead)
            is_dead = is_dead or directive.name == "all"
        if read.redirect is not None:
            term = f"redirect={read.redirect.text}"
            if read.has_all:
                yield Node(term=term, is_dead=True, note="all comes first")
            else:
                yield await self._below(term, read.redirect, above)

    async def _directive(
        self, directive: Directive, domain: str, above: tuple[str, ...], *, is_dead: bool
    ) -> Node:
        self.seen += 1
        node = Node(term=directive.text, directive=directive)
        if is_dead:
            return replace(node, note="all comes first")
        if not directive.asks_dns:
            return node
        node = replace(node, cost=1)
        if self.seen > _MAX_NODES:
            return replace(node, note="not looked at: there are too many terms")
        if directive.name == "include" and directive.domain is not None:
            return await self._below(directive.text, directive.domain, above)
        target = domain if directive.domain is None else _constant(directive.domain)
        if not target or directive.name == "ptr":
            what = "client" if directive.name == "ptr" else "message" if domain else "domain"
            return replace(node, target=target, note=f"depends on the {what}")
        return await self._addresses(replace(node, target=target), directive)

    async def _below(self, term: str, spec: MacroString, above: tuple[str, ...]) -> Node:
        """Return the node of an include or a redirect, with its own cost."""
        target = _constant(spec)
        if not target:
            return Node(term=term, cost=1, note="depends on the message")
        node, _, _ = await self.record(target, term, above)
        return replace(node, cost=node.cost + 1)

    async def _addresses(self, node: Node, directive: Directive) -> Node:
        """Look up the current data of a, mx or exists."""
        if directive.name != "mx":
            answer = await self.resolver.addresses(node.target)
            return _resolved(node, answer)
        mx = await self.resolver.mx(node.target)
        hosts = [record.host for record in mx.records if record.host]
        if not hosts:
            return _resolved(node, mx)
        if len(hosts) > self.limits.names:
            return replace(node, problem=f"more than {self.limits.names} mail exchangers")
        found: list[str] = []
        for host in hosts:
            found += (await self.resolver.addresses(host)).records
        noun = "exchanger" if len(hosts) == 1 else "exchangers"
        note = f"{len(hosts)} {noun}: {_listed(found)}"
        return replace(node, note=note, addresses=tuple(dict.fromkeys(found)))


def _resolved(node: Node, answer: Answer[object]) -> Node:
    if answer.outcome is Outcome.UNAVAILABLE:
        reason = f"{node.target} could not be looked up: {answer.reason}"
        return replace(node, problem=reason, is_temporary=True)
    if not answer.records:
        return replace(node, voids=1, note=answer.outcome.value)
    found = tuple(map(str, answer.records))
    return replace(node, note=_listed(found), addresses=found)


def _totaled(node: Node) -> Node:
    """Return a node that includes the costs of its children."""
    return replace(
        node,
        cost=node.cost + sum(child.cost for child in node.children),
        voids=node.voids + sum(child.voids for child in node.children),
    )


def _constant(spec: MacroString) -> str:
    """Return the name in a domain-spec; "" if it has macros that need a message."""
    return spec.constant.rstrip(".").lower() if spec.is_constant else ""


def _listed(found: tuple[str, ...] | list[str]) -> str:
    more = len(found) - _SHOWN
    shown = ", ".join(found[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown or "no addresses"
