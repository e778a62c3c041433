"""Gathers the facts about a domain: everything in parallel, within one deadline.

What does not answer in time is left out and reported as "could not be tested": a silent name
server neither delays the rest nor makes anything look wrong.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, Final

from pillarbox.checkup.catalog.selectors import KNOWN_SELECTORS
from pillarbox.checkup.facts.domain import (
    DomainFacts,
    HostFacts,
    PolicyFacts,
    SelectorFacts,
    Sender,
)
from pillarbox.checkup.facts.listing import Listing
from pillarbox.checkup.facts.smtp import Probe
from pillarbox.checkup.probes.block_lists import ask_lists
from pillarbox.checkup.reach import kind_of
from pillarbox.checkup.signatures.signers import Signer
from pillarbox.checkup.time_limit import TimeLimit
from pillarbox.mailauth import bimi, dane, dmarc, mta_sts, spf, tls_rpt
from pillarbox.mailauth.iprev import check_iprev
from pillarbox.mailauth.resolver import Answer, CaaRecord, MxRecord, Outcome, Resolver
from pillarbox.mailauth.spf import Result, Survey
from pillarbox.net.https import Fetched, FetchFailed

__all__ = ["AskAlias", "AskCaa", "Dial", "DomainQuestion", "Extras", "FetchPolicy", "ask_domain"]

_MAX_HOSTS: Final = 10
_MAX_SENDERS: Final = 8
_MAX_DIALED: Final = 5
_OK: Final = 200

Dial = Callable[[str, str], Awaitable[Probe]]
"""Looks at an exchanger, by its name and its address, on port 25."""

AskAlias = Callable[[str], Awaitable[Answer[str]]]
"""Asks what name a name is an alias (CNAME) of."""

FetchPolicy = Callable[[str], Awaitable[Fetched]]
"""Fetches the MTA-STS policy page of a domain; raises ``FetchFailed``."""


AskCaa = Callable[[str], Awaitable[Answer[CaaRecord]]]
"""Asks which authorities may issue certificates for a name, by the records of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """Who else is asked; nobody by default."""

    caa: AskCaa | None = None
    logos: bimi.LogoFetcher | None = None
    asks_lists: bool = False  # block lists


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainQuestion:
    """What is to be found out."""

    domain: str  # in A-labels
    selectors: tuple[str, ...] = ()  # of DKIM; without any, those of known providers are tried
    signers: tuple[Signer, ...] | None = None  # of a message at hand; None: there is none
    addresses: tuple[str, ...] = ()  # that send; without any, what SPF and MX name
    seconds: float = 12.0  # for everything
    now: float = 0.0  # seconds since 1970, for certificates


async def ask_domain(
    question: DomainQuestion,
    resolver: Resolver,
    aliases: AskAlias,
    fetch: FetchPolicy | None,
    *,
    dial: Dial | None = None,
    extras: Extras = Extras(),
    limit: TimeLimit | None = None,
    on_done: Callable[[str], None] = lambda _: None,
) -> DomainFacts:
    """Return what could be found out in time.

    Args:
        question: About which domain, and for how long.
        resolver: Asks DNS; best one that remembers, as some things are asked for twice.
        aliases: Asks for CNAMEs.
        fetch: Fetches MTA-STS policies; None: they are not to be fetched.
        dial: Looks at exchangers; None: they are not to be dialed.
        extras: Who else is asked.
        limit: When to end; without one, after ``question.seconds``.
        on_done: Is told the name of each part that has ended.
    """
    asking = _Asking(question, resolver, aliases, fetch, dial, extras)
    tasks = asking.start()
    for name, task in tasks.items():
        task.add_done_callback(functools.partial(_tell, on_done, name))
    late = await (limit or TimeLimit(question.seconds)).late(tasks.values())
    found = {name: task.result() for name, task in tasks.items() if task not in late}
    return DomainFacts(
        domain=question.domain,
        at=question.now,
        signers=question.signers,
        logo_was_fetched=extras.logos is not None,
        asked_caa=extras.caa is not None,
        asked_lists=extras.asks_lists,
        **found,
    )


def _tell(on_done: Callable[[str], None], name: str, task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        on_done(name)


@dataclass(slots=True)
class _Asking:
    """The questions about one domain."""

    question: DomainQuestion
    resolver: Resolver
    aliases: AskAlias
    fetch: FetchPolicy | None
    dial: Dial | None
    extras: Extras
    _mx: asyncio.Task[Answer[MxRecord]] = field(init=False)
    _spf: asyncio.Task[Survey] = field(init=False)
    _dmarc: asyncio.Task[dmarc.Explanation] = field(init=False)
    _found_hosts: asyncio.Task[tuple[HostFacts, ...]] = field(init=False)
    _found_senders: asyncio.Task[tuple[Sender, ...]] = field(init=False)

    def start(self) -> dict[str, asyncio.Task[Any]]:
        """Begin with everything; the names are those of the fields of ``DomainFacts``."""
        domain, resolver = self.question.domain, self.resolver
        self._mx = asyncio.create_task(self._exchangers())
        self._spf = asyncio.create_task(spf.survey(domain, resolver))
        self._dmarc = asyncio.create_task(dmarc.explain(domain, resolver))
        self._found_hosts = asyncio.create_task(self._hosts())
        self._found_senders = asyncio.create_task(self._senders())
        return {
            "mx": self._mx,
            "spf": self._spf,
            "hosts": self._found_hosts,
            "selectors": asyncio.create_task(self._selectors()),
            "dmarc": self._dmarc,
            "strays": asyncio.create_task(self._strays()),
            "sts": asyncio.create_task(self._sts()),
            "tls_rpt": asyncio.create_task(self._text(tls_rpt.record_name(domain))),
            "bimi": asyncio.create_task(self._bimi()),
            "senders": self._found_senders,
            "caa": asyncio.create_task(self._caa()),
            "listings": asyncio.create_task(self._listings()),
            "probes": asyncio.create_task(self._probes()),
        }

    async def _exchangers(self) -> Answer[MxRecord]:
        return await self.resolver.mx(self.question.domain)

    async def _text(self, name: str) -> Answer[bytes]:
        return await self.resolver.txt(name)

    async def _hosts(self) -> tuple[HostFacts, ...]:
        answer = await asyncio.shield(self._mx)
        records = answer.records[:_MAX_HOSTS]
        if answer.outcome is Outcome.NO_SUCH_DATA:
            records = (MxRecord(0, self.question.domain),)  # RFC 5321 §5.1
        named = [record for record in records if record.host]
        is_signed = answer.is_authenticated
        return tuple(
            await asyncio.gather(*(self._host(record, is_signed=is_signed) for record in named))
        )

    async def _host(self, record: MxRecord, *, is_signed: bool) -> HostFacts:
        addresses, alias, tlsa = await asyncio.gather(
            self.resolver.addresses(record.host),
            self.aliases(record.host),
            self.resolver.tlsa(dane.tlsa_name(record.host)),
        )
        return HostFacts(
            name=record.host,
            preference=record.preference,
            addresses=addresses,
            alias=alias,
            dane=dane.plan(tlsa, host_is_secure=is_signed and addresses.is_authenticated),
            tlsa=tlsa,
        )

    async def _probes(self) -> dict[str, Probe] | None:
        """Look at the first public address of each exchanger."""
        if self.dial is None:
            return None
        hosts = await asyncio.shield(self._found_hosts)
        chosen = {
            host.name: address
            for host in hosts[:_MAX_DIALED]
            if (address := _first_public(host.addresses.records))
        }
        seen = await asyncio.gather(*(self.dial(*each) for each in chosen.items()))
        return dict(zip(chosen, seen, strict=True))

    async def _selectors(self) -> tuple[SelectorFacts, ...]:
        domain, signers = self.question.domain, self.question.signers or ()
        asked = [(one.selector, one.domain) for one in signers if one.is_of(domain)]
        asked += [(selector, domain) for selector in self.question.selectors]
        wanted = dict.fromkeys(asked, "")
        if not wanted:
            wanted = {(selector, domain): name for selector, name in KNOWN_SELECTORS.items()}
        names = (f"{selector}._domainkey.{owner}" for selector, owner in wanted)
        answers = await asyncio.gather(*map(self.resolver.txt, names))
        found = [
            SelectorFacts(selector=selector, provider=provider, answer=answer)
            for ((selector, _), provider), answer in zip(wanted.items(), answers, strict=True)
        ]
        if any(one.answer.records for one in found):
            return tuple(found)
        owners = (owner for _, owner in wanted)
        return tuple(await asyncio.gather(*map(self._with_alias, found, owners)))

    async def _with_alias(self, found: SelectorFacts, owner: str) -> SelectorFacts:
        """Return a selector with what it is an alias of, where no key is found by that."""
        if found.answer.outcome in {Outcome.FOUND, Outcome.UNAVAILABLE}:
            return found
        alias = await self.aliases(f"{found.selector}._domainkey.{owner}")
        return replace(found, alias=next(iter(alias.records), ""))

    async def _strays(self) -> dict[str, Answer[bytes]]:
        """Look where records stand by mistake, if they are not where they belong."""
        domain = self.question.domain
        surveyed, told = await asyncio.gather(
            asyncio.shield(self._spf), asyncio.shield(self._dmarc)
        )
        names: list[str] = []
        if surveyed.record is None:
            names += [domain, f"{domain}.{domain}"]
        if told.discovery.record is None:
            names += [f"_dmarc.{domain}", domain, f"_dmarc.{domain}.{domain}"]
        wanted = list(dict.fromkeys(names))
        return dict(zip(wanted, await asyncio.gather(*map(self._text, wanted)), strict=True))

    async def _sts(self) -> PolicyFacts:
        answer = await self.resolver.txt(mta_sts.record_name(self.question.domain))
        try:
            record = mta_sts.parse_record(answer.records)
        except mta_sts.StsError as error:
            return PolicyFacts(answer=answer, problem=str(error))
        if record is None:
            return PolicyFacts(answer=answer)
        if self.fetch is None:
            reason = "with --zone nobody is asked; --sts-policy FILE says what the page would hold"
            return PolicyFacts(answer=answer, record=record, untested=reason)
        try:
            policy = _read_policy(await self.fetch(self.question.domain))
        except (FetchFailed, mta_sts.StsError) as error:
            return PolicyFacts(answer=answer, record=record, failure=str(error))
        return PolicyFacts(answer=answer, record=record, policy=policy)

    async def _bimi(self) -> bimi.Bimi:
        domain = self.question.domain
        found = await bimi.find_record(domain, domain, self.resolver)
        return (
            found if self.extras.logos is None else await bimi.with_logo(found, self.extras.logos)
        )

    async def _caa(self) -> Answer[CaaRecord] | None:
        """Return the records of the domain, or of the closest name above that has some."""
        if self.extras.caa is None:
            return None
        name = self.question.domain
        answer = await self.extras.caa(name)
        while not answer.records and answer.outcome is not Outcome.UNAVAILABLE:
            name = name.partition(".")[2]
            if "." not in name:  # RFC 8659 §3 climbs on; no registry has any
                break
            answer = await self.extras.caa(name)
        return answer

    async def _listings(self) -> tuple[Listing, ...] | None:
        if not self.extras.asks_lists:
            return None
        senders = await asyncio.shield(self._found_senders)
        addresses = [one.address for one in senders if not kind_of(one.address)]
        return await ask_lists(addresses, self.question.domain, self.resolver)

    async def _senders(self) -> tuple[Sender, ...]:
        sources = dict.fromkeys(self.question.addresses, "--ip")
        if not sources:
            sources = await self._known_senders()
        chosen = list(sources.items())[:_MAX_SENDERS]
        found = await asyncio.gather(*(check_iprev(each, self.resolver) for each, _ in chosen))
        return tuple(
            Sender(address=address, source=source, iprev=iprev)
            for (address, source), iprev in zip(chosen, found, strict=True)
        )

    async def _known_senders(self) -> dict[str, str]:
        """Return the single addresses that the domain's own SPF terms stand for."""
        surveyed = await asyncio.shield(self._spf)
        # An address inside has no name outside; that it is published at all is another fault.
        return {each: term for each, term in _addresses(surveyed) if not kind_of(each)}


def _first_public(addresses: tuple[str, ...]) -> str:
    """Return an address that may be dialed, IPv4 first as it is had everywhere; "" for none.

    A zone could name machines inside of this network otherwise.
    """
    public = [text for text in addresses if not kind_of(text)]
    return next((text for text in public if ":" not in text), public[0] if public else "")


def _addresses(surveyed: Survey) -> Iterator[tuple[str, str]]:
    for node in surveyed.root.children:
        directive = node.directive
        if node.is_dead or directive is None or directive.result is not Result.PASS:
            continue
        for address in node.addresses:
            yield address, node.term
        bits = {"ip4": directive.prefix4 == 32, "ip6": directive.prefix6 == 128}  # noqa: PLR2004
        if bits.get(directive.name):
            six = directive.name == "ip6"
            octets = directive.network.to_bytes(16 if six else 4, "big")
            yield str(ip_address(octets)), node.term


def _read_policy(page: Fetched) -> mta_sts.Policy:
    """Return the policy of a page.

    Raises:
        StsError: There is none.
    """
    if page.status != _OK:  # a redirect is not followed (RFC 8461 §3.3)
        raise mta_sts.StsError(f"the policy host answered with HTTP status {page.status}")
    if not mta_sts.is_policy_media_type(page.content_type):
        raise mta_sts.StsError(f"the policy is of type {page.content_type[:40]!r}, not text/plain")
    return mta_sts.parse_policy(page.body)
