"""Findings about a surveyed SPF record, and a better record (RFC 7208 §10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.spf.record import IPV4_BITS, IPV6_BITS, Directive, Record
from pillarbox.mailauth.spf.tree import Node, Survey
from pillarbox.mailauth.spf.values import Result

__all__ = ["findings", "improved"]

_LONG: Final = 450  # RFC 7208 §3.4: an answer of 512 octets passes everywhere
_WIDE_IPV4: Final = 16  # a shorter prefix authorizes more than 65,536 hosts
_WIDE_IPV6: Final = 32
_CLOSED: Final = frozenset({Result.FAIL, Result.SOFTFAIL})
_NO_MAIL: Final = "v=spf1 -all"
_RECEIVES: Final = "v=spf1 mx ~all"  # a domain's incoming servers often send its mail, too


def findings(found: Survey) -> Iterator[Finding]:
    """Yield the findings, errors first."""
    yield from _errors(found)
    if found.record is None:
        return
    yield from _limits(found)
    yield from _ends(found.record)
    yield from _terms(found)


def improved(found: Survey) -> str:
    """Return the record to publish: without useless terms, and within the limits if possible.

    A missing or unreadable record becomes the record of a domain that sends no mail.
    """
    record = found.record
    if record is None:
        return _RECEIVES if found.receives else _NO_MAIL
    own = [node for node in found.root.children if not node.is_dead]
    useful = [node for node in own if not _is_useless(node)]
    if found.lookups > found.limits.terms:
        terms = _distinct(term for node in useful for term in _flat(node))
    else:
        terms = _distinct(map(_closed, useful))
    if not record.has_all and not any(term.startswith("redirect=") for term in terms):
        terms.append("~all")
    if record.exp is not None:
        terms.append(f"exp={record.exp.text}")
    text = " ".join(["v=spf1", *terms, *record.unknown])
    return found.root.record if _same_terms(text, found.root.record) else text


def _errors(found: Survey) -> Iterator[Finding]:
    root = found.root
    if found.record is None:
        yield Finding(
            level=Level.ERROR,
            code="PB-SPF-001",
            what=root.problem,
            why="The result is a temporary error: mail may be deferred."
            if root.is_temporary
            else "Receivers cannot tell the domain's mail from anybody's.",
            fix=""
            if root.is_temporary
            else "Publish one TXT record: the hosts that send, and ~all or -all behind them;"
            f' "{_NO_MAIL}" where no mail is sent.',
        )
        return
    for error in found.errors:
        yield Finding(
            level=Level.ERROR,
            code="PB-SPF-002",
            what=str(error),
            why="One bad term makes the whole record a permerror (RFC 7208 §4.6).",
            fix="Mend or remove it.",
        )
    for _, node in root.walk():
        if node is root or not node.problem:
            continue
        result = "temperror" if node.is_temporary else "permerror"
        yield Finding(
            level=Level.ERROR,
            code="PB-SPF-003",
            what=f"{node.term} fails: {node.problem}",
            why=f"A check that comes to it ends with {result}; what follows is not looked at.",
            fix=f"Remove {node.term}, or have {node.target} mended.",
            evidence=(node.target,) if node.target else (),
        )


def _limits(found: Survey) -> Iterator[Finding]:
    limits = found.limits
    costs = ", ".join(
        f"{node.term} {node.cost}"
        for node in sorted(found.root.children, key=lambda node: -node.cost)
        if node.cost
    )
    if found.lookups > limits.terms:
        yield Finding(
            level=Level.ERROR,
            code="PB-SPF-004",
            what=f"{found.lookups} terms ask DNS, and {limits.terms} may",
            why="Receivers give up with permerror before they have seen all of the record.",
            fix="Remove includes that are no longer used, or send for one of them from a"
            " subdomain of its own.",
            evidence=(costs,),
        )
    elif found.lookups == limits.terms:
        yield Finding(
            level=Level.NOTE,
            code="PB-SPF-005",
            what=f"all {limits.terms} terms that may ask DNS are used",
            why="When one of the included domains adds a term, the record breaks.",
            evidence=(costs,),
        )
    if found.voids > limits.voids:
        names = tuple(
            node.target for _, node in found.root.walk() if node.voids and not node.children
        )
        yield Finding(
            level=Level.ERROR,
            code="PB-SPF-006",
            what=f"{found.voids} terms find nothing, and {limits.voids} may",
            why="Receivers give up with permerror (RFC 7208 §4.6.4).",
            fix="Remove the terms whose names do not exist.",
            evidence=names,
        )


def _ends(record: Record) -> Iterator[Finding]:
    last = next((one for one in record.directives if one.name == "all"), None)
    if last is None and record.redirect is None:
        yield Finding(
            level=Level.WARNING,
            code="PB-SPF-007",
            what="The record ends without all",
            why="Hosts that are not listed get neutral, as if there were no record.",
            fix="Append ~all, and -all when nothing is missing.",
        )
    elif last is not None and last.result not in _CLOSED:
        anybody = last.result is Result.PASS
        yield Finding(
            level=Level.ERROR if anybody else Level.WARNING,
            code="PB-SPF-008",
            what=f"{last.text} lets {'anybody send as' if anybody else 'everybody be'} "
            f"{'the domain' if anybody else 'neutral'}",
            why="The record protects nothing, and DMARC cannot rely on it.",
            fix="Use ~all or -all.",
        )


def _terms(found: Survey) -> Iterator[Finding]:
    record, seen = found.record, set[str]()
    for directive in record.directives if record is not None else ():
        if directive.text.lower() in seen:
            yield _note("PB-SPF-009", f"{directive.text} stands twice", "Once is enough.")
        seen.add(directive.text.lower())
        if directive.name == "ptr":
            yield Finding(
                level=Level.WARNING,
                code="PB-SPF-010",
                what="ptr should not be used",
                why="It is slow, and some receivers pass it over (RFC 7208 §5.5).",
                fix="List the addresses with ip4 and ip6, or use a.",
            )
        if _is_wide(directive):
            yield Finding(
                level=Level.WARNING,
                code="PB-SPF-011",
                what=f"{directive.text} authorizes a very large network",
                why="Whoever gets an address in it may send as the domain.",
            )
    for _, node in found.root.walk():
        if node.is_dead and node in found.root.children:
            what = f"{node.term} is never looked at"
            yield _note("PB-SPF-012", what, "all comes before it, or makes redirect useless.")
        elif node.voids and not node.children and not node.problem:
            what = f"{node.term} finds nothing: {node.target} has no such record"
            yield _note("PB-SPF-013", what, "Each such term counts toward the limit of two.")
    if record is not None and len(record.text) > _LONG:
        yield _note(
            "PB-SPF-014",
            f"the record has {len(record.text)} octets",
            "Above 450 the answer may need TCP, which some networks block (RFC 7208 §3.4).",
        )


def _note(code: str, what: str, why: str) -> Finding:
    return Finding(level=Level.NOTE, code=code, what=what, why=why)


def _is_wide(directive: Directive) -> bool:
    if directive.result is not Result.PASS or directive.name not in {"ip4", "ip6", "a", "mx"}:
        return False
    return (directive.name != "ip6" and directive.prefix4 < _WIDE_IPV4) or (
        directive.name != "ip4" and directive.prefix6 < _WIDE_IPV6
    )


def _is_useless(node: Node) -> bool:
    """Whether a term can be dropped without loss: it fails permanently, or finds nothing."""
    has_failed = bool(node.problem) and not node.is_temporary
    return has_failed or bool(node.voids and not node.children)


def _closed(node: Node) -> str:
    """Return a term, with an ``all`` that permits other hosts replaced by ~all."""
    directive = node.directive
    is_open = directive is not None and directive.name == "all" and directive.result not in _CLOSED
    return "~all" if is_open else node.term


def _distinct(terms: Iterable[str]) -> list[str]:
    """Return the terms without duplicates, ignoring case."""
    kept: dict[str, str] = {}
    for term in terms:
        kept.setdefault(term.lower(), term)
    return list(kept.values())


def _same_terms(text: str, published: str) -> bool:
    return sorted(text.lower().split()) == sorted(published.lower().split())


def _flat(node: Node) -> Iterator[str]:
    """Yield the terms that can replace one without DNS lookups, if possible.

    Only a and mx are replaced, because the owner controls their addresses; those of an include may
    change without notice.
    """
    directive = node.directive
    is_plain = (
        directive is not None
        and directive.name in {"a", "mx"}
        and directive.result is Result.PASS
        and (directive.prefix4, directive.prefix6) == (IPV4_BITS, IPV6_BITS)
    )
    if not is_plain or not node.addresses:
        yield _closed(node)
        return
    for address in node.addresses:
        yield f"ip6:{address}" if ":" in address else f"ip4:{address}"
