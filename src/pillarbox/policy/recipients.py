"""Local recipients: whom we accept mail for, and where it really goes.

A recipient in a local domain is listed, an alias, caught by a catch-all, or unknown, and an unknown
one is refused in the session (RFC 5321 §3.6.2) and never bounced later. Postmaster and abuse always
exist (RFC 5321 §4.5.1, RFC 2142 §4). Domains are compared as A-labels, local parts without regard
to case. Aliases may point anywhere; loops and growth are bounded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.smtp.address import Mailbox, ascii_domain
from pillarbox.smtp.reply import Reply

__all__ = [
    "MAX_EXPANSION",
    "Destination",
    "LocalDomain",
    "LocalDomains",
    "Resolution",
    "ResolutionKind",
    "Returned",
    "fold_local_part",
    "has_routing_characters",
]

MAX_EXPANSION: Final = 1_000
"""Addresses that one recipient may turn into."""

_UNKNOWN: Final = Reply.of(550, "5.1.1", "No such recipient here")
_LOOP: Final = Reply.of(451, "4.3.5", "The aliases of this recipient lead nowhere")
_TOO_MANY: Final = Reply.of(451, "4.3.5", "The aliases of this recipient lead to too many")

_ALWAYS: Final = frozenset({"postmaster", "abuse"})

# "u%there@here", "there!u@here", "u@there"@here: once asked to be relayed. Pipes, files,
# options and shell characters: once run by delivery agents. Listed by name, they are only
# names; a catch-all never takes them.
_ROUTING: Final = frozenset("%!@|/:;$`\\<>\0\uff01\uff05\uff20")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDomain:
    """A local domain. Local parts are as ``fold_local_part`` returns them."""

    name: str
    recipients: frozenset[str] = frozenset()
    aliases: Mapping[str, tuple[Mailbox, ...]] = field(default_factory=dict)
    catch_all: Mailbox | None = None
    route: str = ""
    separator: str = "+"  # "": local parts have no detail


@dataclass(frozen=True, slots=True)
class Destination:
    """Where mail for a recipient really goes."""

    address: Mailbox
    is_local: bool
    detail: str = ""  # "news" of ann+news (RFC 5233)


class ResolutionKind(Enum):
    """The kinds of result of resolving a recipient."""

    LOCAL = "local"  # one mailbox of ours
    EXPANDED = "expanded"  # an alias, a forward, a catch-all or postmaster
    UNKNOWN = "unknown"  # our domain, but nobody's address; or the aliases are broken
    NOT_LOCAL = "not local"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result: destinations for an accepted recipient, a reply for a refused one."""

    kind: ResolutionKind
    destinations: tuple[Destination, ...] = ()
    reply: Reply | None = None


_NOT_LOCAL: Final = Resolution(ResolutionKind.NOT_LOCAL)


Returned = Callable[[Mailbox], Mailbox | Reply | None]
"""Returns the sender behind an address that we made, why it is refused, or None for others."""


def fold_local_part(text: str) -> str:
    """Return a local part in the form for comparison: NFC, case folded (RFC 6532 §3.1)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def has_routing_characters(local_part: str) -> bool:
    """Return whether a local part looks like a source route, or like a command."""
    return not _ROUTING.isdisjoint(local_part) or local_part.startswith("-")


class LocalDomains:
    """All local domains of a node."""

    def __init__(
        self,
        domains: Iterable[LocalDomain] = (),
        postmaster: Mailbox | None = None,
        returned: Returned | None = None,
    ) -> None:
        """Prepare the tables.

        Args:
            domains: The local domains. The first is the one of ``<postmaster>``.
            postmaster: Who gets the mail for ``<postmaster>``, and for postmaster@ and
                abuse@ of domains that do not list them.
            returned: Leads addresses that we made for forwarded mail back to its senders.
        """
        self._returned = returned
        self._domains = {ascii_domain(domain.name): domain for domain in domains}
        first = next(iter(self._domains.values()), None)
        if postmaster is None and first is not None:
            postmaster = Mailbox("postmaster", first.name)
        self._postmaster = postmaster

    @property
    def names(self) -> tuple[str, ...]:
        """All local domains, in A-labels."""
        return tuple(self._domains)

    @property
    def routes(self) -> dict[str, str]:
        """The route of each domain that names one, for ``Routes``."""
        return {name: domain.route for name, domain in self._domains.items() if domain.route}

    def is_local(self, domain: str) -> bool:
        """Return whether a domain is local."""
        return ascii_domain(domain) in self._domains

    def resolve(self, recipient: Mailbox) -> Resolution:
        """Return what a recipient resolves to."""
        if not recipient.domain:
            return self._resolve_postmaster(recipient)
        domain = self._domains.get(recipient.ascii_domain)
        if domain is None:
            return _NOT_LOCAL
        if self._returned is not None:
            back = self._returned(recipient)
            if isinstance(back, Reply):
                return Resolution(ResolutionKind.UNKNOWN, reply=back)
            if back is not None:
                return self._expand(recipient, (back,))
        found = self._find(domain, recipient)
        if isinstance(found, Destination):
            return Resolution(ResolutionKind.LOCAL, (found,))
        if not found:
            return Resolution(ResolutionKind.UNKNOWN, reply=_UNKNOWN)
        return self._expand(recipient, found)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is wrong with the aliases: those that loop, grow too far or lead nowhere."""
        found = []
        for domain in self._domains.values():
            for alias in domain.aliases:
                resolution = self.resolve(Mailbox(alias, domain.name))
                if resolution.reply is not None:
                    found.append(_alias_finding(f"{alias}@{domain.name}", resolution.reply))
        return tuple(found)

    def _resolve_postmaster(self, recipient: Mailbox) -> Resolution:
        """Resolve an address without domain; only ``<postmaster>`` exists (RFC 5321 §4.5.1)."""
        if fold_local_part(recipient.local_part) != "postmaster" or self._postmaster is None:
            return Resolution(ResolutionKind.UNKNOWN, reply=_UNKNOWN)
        return self._expand(recipient, (self._postmaster,))

    def _find(self, domain: LocalDomain, recipient: Mailbox) -> Destination | tuple[Mailbox, ...]:
        """Return a local mailbox, the addresses to continue with, or () for nobody."""
        whole = fold_local_part(recipient.local_part)
        base, detail = _split_detail(whole, recipient.local_part, domain.separator)
        for name, rest in ((whole, ""), (base, detail)):
            if name in domain.aliases:
                return domain.aliases[name]
            if name in domain.recipients:
                return Destination(recipient, is_local=True, detail=rest)
        if base in _ALWAYS:
            return self._role(recipient)
        if domain.catch_all is None or has_routing_characters(recipient.local_part):
            return ()
        return (domain.catch_all,)

    def _role(self, recipient: Mailbox) -> Destination | tuple[Mailbox, ...]:
        """Return where mail for an unlisted postmaster or abuse address goes."""
        if self._postmaster is None or _key(self._postmaster) == _key(recipient):
            return Destination(recipient, is_local=True)
        return (self._postmaster,)

    def _expand(self, recipient: Mailbox, targets: tuple[Mailbox, ...]) -> Resolution:
        """Follow aliases to their ends, without recursion; each address is visited once."""
        ends: dict[tuple[str, str], Destination] = {}
        seen = {_key(recipient)}
        waiting = [(recipient, target) for target in reversed(targets)]
        while waiting:
            alias, address = waiting.pop()
            if _key(address) == _key(alias):
                # An alias that names itself, beside others, means its own mailbox.
                if self._lists(address):
                    ends.setdefault(_key(address), Destination(address, is_local=True))
            elif _key(address) not in seen:
                seen.add(_key(address))
                found = self._follow(address)
                if isinstance(found, Destination):
                    ends[_key(found.address)] = found
                else:
                    waiting.extend((address, target) for target in reversed(found))
            if len(waiting) + len(ends) > MAX_EXPANSION:
                return Resolution(ResolutionKind.UNKNOWN, reply=_TOO_MANY)
        if not ends:
            return Resolution(ResolutionKind.UNKNOWN, reply=_LOOP)
        return Resolution(ResolutionKind.EXPANDED, tuple(ends.values()))

    def _follow(self, address: Mailbox) -> Destination | tuple[Mailbox, ...]:
        """Return where one target of an alias leads: an end, or further targets."""
        domain = self._domains.get(address.ascii_domain)
        if domain is None:
            return Destination(address, is_local=False)
        return self._find(domain, address)

    def _lists(self, address: Mailbox) -> bool:
        domain = self._domains.get(address.ascii_domain)
        return domain is not None and fold_local_part(address.local_part) in domain.recipients


def _alias_finding(alias: str, reply: Reply) -> Finding:
    return Finding(
        level=Level.ERROR,
        code="PB-RECIPIENTS-003",
        what=f"The alias {alias} cannot be delivered: {reply.text}.",
        why=f"Mail for it is answered with {reply}.",
        fix="Let it name a recipient that is listed, or an address outside.",
    )


def _key(address: Mailbox) -> tuple[str, str]:
    """Return an address in the form for comparison."""
    return fold_local_part(address.local_part), address.ascii_domain


def _split_detail(folded: str, local_part: str, separator: str) -> tuple[str, str]:
    """Split ann+news; the detail keeps its case. Without a detail it is ""."""
    if not separator or separator not in folded[1:]:
        return folded, ""
    at = local_part.index(separator, 1)
    return fold_local_part(local_part[:at]), local_part[at + len(separator) :]
