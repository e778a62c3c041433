"""Brings an SPF record with too many DNS lookups within the limit, durable fixes first.

A term that finds nothing, is repeated, or is covered by others can go. A third party's term can
move to a subdomain of its own. Only the rest is worth *flattening*, that is, replacing terms with
their current addresses: such a record goes stale, because its owner is not notified when a provider
changes its addresses. RFC 7208 §4.6.4, §10.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_network,
)
from typing import Final

from pillarbox.mailauth.spf.tree import Node, Survey
from pillarbox.mailauth.spf.values import Result

__all__ = ["Saving", "Slimming", "slim"]

_LONGEST: Final = 450  # octets of one record (RFC 7208 §3.4)
_TAIL: Final = frozenset({"all"})

_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Saving:
    """A term that can be removed or moved, and what that saves."""

    term: str
    target: str
    lookups: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slimming:
    """The options for a record within the limit."""

    removable: tuple[Saving, ...]  # can go without loss
    trimmed: str  # the record without them
    includes: tuple[Saving, ...]  # the remaining ones, the most expensive first
    flattened: tuple[tuple[str, str], ...]  # names and records; () if it is not possible
    frozen: tuple[str, ...] = ()  # the terms that were replaced by addresses
    lookups: int = 0  # cost of the flattened record


def slim(found: Survey) -> Slimming:
    """Return the options for a surveyed record."""
    own = [node for node in found.root.children if not node.is_dead]
    dropped = list(_removable(own))
    removable = tuple(saving for _, saving in dropped)
    gone = {id(node) for node, _ in dropped}
    left = [node for node in own if id(node) not in gone]
    includes = tuple(
        Saving(node.term, node.target, node.cost)
        for node in sorted(left, key=lambda node: -node.cost)
        if node.cost
    )
    return _flatten(found, left, removable, includes)


def _removable(own: list[Node]) -> Iterator[tuple[Node, Saving]]:
    """Yield the terms that can go without loss."""
    seen: set[str] = set()
    fixed = [one for other in own if not other.cost for one in _networks(other) or ()]
    for node in own:
        key = node.target or node.term
        if node.problem and not node.is_temporary:
            yield node, _saving(node, node.problem)
        elif node.voids and not node.children:
            yield node, _saving(node, "it finds nothing")
        elif node.directive is not None and node.directive.name == "ptr":
            yield node, _saving(node, "receivers pass it over")
        elif node.children and key in seen:
            yield node, _saving(node, f"{key} is included elsewhere")
        elif node.cost and (rest := _covered(node, fixed)):
            yield node, _saving(node, rest)
        seen |= {each.target for _, each in node.walk() if each.children}


def _saving(node: Node, why: str) -> Saving:
    return Saving(node.term, node.target, node.cost, why)


def _covered(node: Node, fixed: list[_Network]) -> str:
    """Return what else covers all addresses of a term, "" if nothing does."""
    if node.children:
        return ""
    networks = _networks(node)
    if not networks or not all(any(_within(one, wide) for wide in fixed) for one in networks):
        return ""
    return "its addresses stand in the record already"


def _within(small: _Network, wide: _Network) -> bool:
    if isinstance(small, IPv4Network) and isinstance(wide, IPv4Network):
        return small.subnet_of(wide)
    if isinstance(small, IPv6Network) and isinstance(wide, IPv6Network):
        return small.subnet_of(wide)
    return False


def _networks(node: Node) -> list[_Network] | None:
    """Return the addresses that a term permits now; None if that depends on more than DNS."""
    directive = node.directive
    if node.problem or (node.voids and not node.children):
        return []
    if directive is None or directive.name == "include":  # or a redirect
        return _below(node)
    if directive.result is not Result.PASS:
        return None
    match directive.name:
        case "ip4":
            return [IPv4Network((directive.network, directive.prefix4), strict=False)]
        case "ip6":
            return [IPv6Network((directive.network, directive.prefix6), strict=False)]
        case "a" | "mx" if node.addresses:
            return [
                ip_network(
                    f"{each}/{directive.prefix6 if ':' in each else directive.prefix4}",
                    strict=False,
                )
                for each in node.addresses
            ]
        case _:
            return None


def _below(node: Node) -> list[_Network] | None:
    """Return the addresses that an include permits: those that pass in its record."""
    if not node.children:
        return None
    found: list[_Network] = []
    for child in node.children:
        if child.is_dead or (child.directive is not None and child.directive.name in _TAIL):
            continue
        networks = _networks(child)
        if networks is None:
            return None
        found += networks
    return found


def _flatten(
    found: Survey, left: list[Node], removable: tuple[Saving, ...], includes: tuple[Saving, ...]
) -> Slimming:
    """Replace as few terms as possible by addresses: expensive ones with few addresses."""
    worth = {node.term: networks for node in left if node.cost and (networks := _networks(node))}
    dear = sorted(
        (node for node in left if node.term in worth),
        key=lambda node: (-node.cost, len(worth[node.term])),
    )
    frozen: list[str] = []
    records = _records(found, left, ())
    lookups = sum(node.cost for node in left)
    for node in dear:
        if lookups <= found.limits.terms:
            break
        frozen.append(node.term)
        kept = [one for one in left if one.term not in frozen]
        records = _records(found, kept, (one for term in frozen for one in worth[term]))
        lookups = sum(one.cost for one in kept) + len(records) - 1
    return Slimming(
        removable=removable,
        trimmed=_trimmed(found, left),
        includes=includes,
        flattened=tuple(records) if lookups <= found.limits.terms else (),
        frozen=tuple(frozen),
        lookups=lookups,
    )


def _records(
    found: Survey, kept: list[Node], networks: Iterable[_Network]
) -> list[tuple[str, str]]:
    """Return the record, split into included records if it is too long."""
    tail = [node.term for node in kept if _is_tail(node)] or ["~all"]
    terms = [node.term for node in kept if not _is_tail(node)]
    written = list(_written(networks))
    if len(" ".join(["v=spf1", *terms, *written, *tail])) <= _LONGEST:
        return [(found.domain, " ".join(["v=spf1", *terms, *written, *tail]))]
    parts: list[list[str]] = [[]]
    for term in written:
        if len(" ".join(["v=spf1", *parts[-1], term, "~all"])) > _LONGEST:
            parts.append([])
        parts[-1].append(term)
    names = [f"_spf{number}.{found.domain}" for number, _ in enumerate(parts, 1)]
    own = " ".join(["v=spf1", *terms, *(f"include:{name}" for name in names), *tail])
    below = [
        (name, " ".join(["v=spf1", *part, "~all"])) for name, part in zip(names, parts, strict=True)
    ]
    return [(found.domain, own), *below]


def _trimmed(found: Survey, left: list[Node]) -> str:
    """Return the record of the remaining terms, in order."""
    rest = found.record.unknown if found.record is not None else ()
    return " ".join(["v=spf1", *(node.term for node in left), *rest])


def _is_tail(node: Node) -> bool:
    is_all = node.directive is not None and node.directive.name in _TAIL
    return is_all or node.term.startswith("redirect=")


def _written(networks: Iterable[_Network]) -> Iterator[str]:
    given = list(networks)
    four = collapse_addresses(one for one in given if isinstance(one, IPv4Network))
    six = collapse_addresses(one for one in given if isinstance(one, IPv6Network))
    for network in map(str, four):
        yield f"ip4:{network}".removesuffix("/32")
    for network in map(str, six):
        yield f"ip6:{network}".removesuffix("/128")
