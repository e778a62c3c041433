"""One SPF evaluation: a record, its terms in order, and its includes and redirects.

RFC 7208 §4.4 to §5, §6.1. An evaluation that cannot continue raises ``Stop``, which never leaves
``spf``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeVar

from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome, Resolver
from pillarbox.mailauth.spf.macros import MacroError, MacroString, parse_explanation
from pillarbox.mailauth.spf.record import (
    Directive,
    RecordError,
    is_spf_record,
    parse_record,
)
from pillarbox.mailauth.spf.values import Limits, Result, Step, Tried

__all__ = ["Check", "Found", "Session", "Stop"]

_Record = TypeVar("_Record")

_MAX_NAME: Final = 253
_MAX_LABEL: Final = 63
_UNKNOWN: Final = "unknown"  # RFC 7208 §7.3: %{p} without a validated name
_IPV4_BITS: Final = 32
_IPV6_BITS: Final = 128
_SHOWN_RECORDS: Final = 4
_MAX_EXPLANATION: Final = 1000  # characters; it may end up in a reply or a header

# What RFC 7208 §5.2 makes of the result of an included record.
_INCLUDED: Final[dict[Result, bool]] = {
    Result.PASS: True,
    Result.FAIL: False,
    Result.SOFTFAIL: False,
    Result.NEUTRAL: False,
}


class Stop(Exception):  # noqa: N818 - it ends a check, and may be nobody's error
    """The check ends here with one of SPF's errors."""

    def __init__(self, result: Result, reason: str, problem: str = "") -> None:
        """End with ``result``; ``problem`` is the offending term or name."""
        super().__init__(reason)
        self.result = result
        self.reason = reason
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What is known about the client and the sender, for comparisons and macros."""

    address: IPv4Address | IPv6Address
    local_part: str
    sender_domain: str
    helo: str
    receiver: str
    now: float

    def macros(self, domain: str, validated: str) -> dict[str, str]:
        """Return the value of each macro while the record of ``domain`` is evaluated (§7.2)."""
        address = self.address
        if isinstance(address, IPv6Address):
            dotted, version = ".".join(f"{int(address):032X}"), "ip6"
        else:
            dotted, version = str(address), "in-addr"
        return {
            "s": f"{self.local_part}@{self.sender_domain}",
            "l": self.local_part,
            "o": self.sender_domain,
            "d": domain,
            "i": dotted,
            "p": validated,
            "v": version,
            "h": self.helo,
            "c": str(address),
            "r": self.receiver or _UNKNOWN,
            "t": str(int(self.now)),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The result of evaluating one record."""

    result: Result
    mechanism: str = ""
    reason: str = ""
    problem: str = ""
    domain: str = ""  # whose record decided: the end of a chain of redirects
    exp: MacroString | None = None
    explanation: str = ""


class Check:
    """The state of one evaluation: its counters and its steps."""

    __slots__ = (
        "_is_ipv4",
        "_limits",
        "_names",
        "_number",
        "_resolver",
        "_session",
        "lookups",
        "steps",
        "voids",
    )

    def __init__(self, session: Session, resolver: Resolver, limits: Limits) -> None:
        """Prepare an evaluation, which ``evaluate`` runs."""
        self._session = session
        self._resolver = resolver
        self._limits = limits
        self._is_ipv4 = isinstance(session.address, IPv4Address)
        self._number = int(session.address)
        self._names: tuple[str, ...] | None = None  # validated host names of the client
        self.lookups = 0
        self.voids = 0
        self.steps: list[Step] = []

    async def evaluate(self, domain: str, depth: int = 0) -> Found:
        """Fetch the record of a domain and evaluate it.

        Raises:
            Stop: The check ends with temperror or permerror.
        """
        text = await self._fetch(domain, depth)
        if text is None:
            return Found(Result.NONE, reason=f"{domain} publishes no SPF record")
        try:
            record = parse_record(text)
        except RecordError as error:
            self._step(depth, domain, error.term, "", Tried.ERROR, error.what)
            raise Stop(
                Result.PERMERROR, f"the record of {domain} is wrong: {error}", error.term
            ) from None
        for directive in record.directives:
            if await self._matches(directive, domain, depth):
                reason = f"{directive.text} in the record of {domain} matches"
                return Found(directive.result, directive.text, reason, "", domain, record.exp)
        if record.redirect is not None and not record.has_all:
            return await self._redirect(record.redirect, domain, depth)
        reason = f"nothing in the record of {domain} matches"
        return Found(Result.NEUTRAL, "default", reason, "", domain)  # RFC 7208 §4.7

    async def explained(self, found: Found) -> Found:
        """Add the domain owner's explanation of a fail, if there is one (§6.2)."""
        if found.exp is None:
            return found
        name = await self._expand(found.exp, found.domain)
        if name is None:
            return found
        answer = await self._resolver.txt(name)
        if answer.outcome is not Outcome.FOUND or len(answer.records) != 1:
            return found
        try:
            text = parse_explanation(answer.records[0].decode("ascii"))
        except (MacroError, UnicodeDecodeError):
            return found
        values = await self._values(text, found.domain)
        return replace(found, explanation=(text.expand(values) or "")[:_MAX_EXPLANATION])

    async def _fetch(self, domain: str, depth: int) -> bytes | None:
        """Return the one SPF record of a domain, or None (RFC 7208 §4.4, §4.5)."""
        answer = await self._resolver.txt(domain)
        if answer.outcome is Outcome.UNAVAILABLE:
            self._step(depth, domain, "", domain, Tried.ERROR, answer.reason)
            reason = f"the TXT records of {domain} could not be looked up: {answer.reason}"
            raise Stop(Result.TEMPERROR, reason, domain)
        records = [record for record in answer.records if is_spf_record(record)]
        if not records:
            note = "no SPF record" if answer.records else answer.outcome.value
            self._step(depth, domain, "", domain, Tried.NO_MATCH, note)
            return None
        if len(records) > 1:
            self._step(depth, domain, "", domain, Tried.ERROR, f"{len(records)} SPF records")
            raise Stop(Result.PERMERROR, f"{domain} publishes {len(records)} SPF records", domain)
        note = records[0].decode("ascii", "backslashreplace")
        self._step(depth, domain, "", domain, Tried.FOLLOWED, note)
        return records[0]

    async def _redirect(self, spec: MacroString, domain: str, depth: int) -> Found:
        """Continue with the record of another domain in place of this one (RFC 7208 §6.1)."""
        term = f"redirect={spec.text}"
        self._count(term, domain, depth)
        target = await self._expand(spec, domain)
        self._step(depth, domain, term, target or "", Tried.FOLLOWED, "")
        if target is not None and _is_queryable(target):
            found = await self.evaluate(target, depth + 1)
            if found.result is not Result.NONE:
                return found
        reason = f"{term} in the record of {domain} leads to no SPF record"
        raise Stop(Result.PERMERROR, reason, term)

    async def _matches(self, directive: Directive, domain: str, depth: int) -> bool:
        name = directive.name
        if name == "all":
            self._step(depth, domain, directive.text, "", Tried.MATCH, "")
            return True
        if name in {"ip4", "ip6"}:
            matched = (name == "ip4") is self._is_ipv4 and self._holds(directive, directive.network)
            tried = Tried.MATCH if matched else Tried.NO_MATCH
            self._step(depth, domain, directive.text, "", tried, "")
            return matched
        self._count(directive.text, domain, depth)
        target = domain
        if directive.domain is not None:
            expanded = await self._expand(directive.domain, domain)
            if expanded is None or not _is_queryable(expanded):
                note = f"{expanded or directive.domain.text} cannot be asked for"
                if name == "include":
                    self._step(depth, domain, directive.text, "", Tried.ERROR, note)
                    raise Stop(Result.PERMERROR, f"{directive.text}: {note}", directive.text)
                self._step(depth, domain, directive.text, "", Tried.NO_MATCH, note)
                return False
            target = expanded
        if name == "include":
            return await self._include(directive, target, domain, depth)
        try:
            matched, note = await self._look_up(directive, target)
        except Stop as stop:
            self._step(depth, domain, directive.text, target, Tried.ERROR, stop.reason)
            raise Stop(stop.result, f"{directive.text}: {stop.reason}", directive.text) from None
        tried = Tried.MATCH if matched else Tried.NO_MATCH
        self._step(depth, domain, directive.text, target, tried, note)
        return matched

    async def _include(self, directive: Directive, target: str, domain: str, depth: int) -> bool:
        """Evaluate another domain's record as one mechanism (RFC 7208 §5.2)."""
        term = directive.text
        self._step(depth, domain, term, target, Tried.FOLLOWED, "")
        found = await self.evaluate(target, depth + 1)
        if found.result not in _INCLUDED:
            raise Stop(Result.PERMERROR, f"{term}: {found.reason}", term)
        matched = _INCLUDED[found.result]
        tried = Tried.MATCH if matched else Tried.NO_MATCH
        self._step(depth, domain, term, target, tried, f"{target} says {found.result.value}")
        return matched

    async def _look_up(self, directive: Directive, target: str) -> tuple[bool, str]:
        """Return whether a mechanism other than include matches, and what was found."""
        match directive.name:
            case "a":
                answer = self._counted(await self._addresses(target))
                return self._holds_any(directive, answer), _seen(answer)
            case "mx":
                return await self._mx(directive, target)
            case "ptr":
                return await self._ptr(target)
            case _:
                # RFC 7208 §5.7: exists queries an A record, even for an IPv6 client.
                answer = self._counted(await self._resolver.a(target))
                return bool(answer.records), _seen(answer)

    async def _mx(self, directive: Directive, target: str) -> tuple[bool, str]:
        answer: Answer[MxRecord] = self._counted(await self._resolver.mx(target))
        hosts = [record.host for record in answer.records if record.host]
        if len(hosts) > self._limits.names:  # RFC 7208 §4.6.4
            most = self._limits.names
            raise Stop(Result.PERMERROR, f"{target} has more than {most} mail exchangers")
        for host, found in zip(hosts, await self._all_addresses(hosts), strict=True):
            # Mail exchangers often have no address of this family, so this is not counted.
            if self._holds_any(directive, _sure(found)):
                return True, f"{host} has {self._session.address}"
        return False, ", ".join(hosts[:_SHOWN_RECORDS]) or answer.outcome.value

    async def _ptr(self, target: str) -> tuple[bool, str]:
        names = await self._validated_names(counts=True)
        wanted = target.lower()
        for name in names:
            if name == wanted or name.endswith(f".{wanted}"):
                return True, f"the client is {name}"
        return False, ", ".join(names[:_SHOWN_RECORDS]) or "the client has no validated name"

    async def _addresses(self, name: str) -> Answer[str]:
        return await (self._resolver.a if self._is_ipv4 else self._resolver.aaaa)(name)

    async def _all_addresses(self, names: list[str]) -> list[Answer[str]]:
        if len(names) == 1:
            return [await self._addresses(names[0])]
        return list(await asyncio.gather(*map(self._addresses, names)))

    def _holds_any(self, directive: Directive, answer: Answer[str]) -> bool:
        return any(self._holds(directive, int(ip_address(text))) for text in answer.records)

    def _holds(self, directive: Directive, network: int) -> bool:
        if self._is_ipv4:
            return not (self._number ^ network) >> (_IPV4_BITS - directive.prefix4)
        return not (self._number ^ network) >> (_IPV6_BITS - directive.prefix6)

    async def _validated_names(self, *, counts: bool) -> tuple[str, ...]:
        """Return the client's names that resolve back to its address (RFC 7208 §5.5).

        An error here never decides the result, because only the client's network can have caused
        it.
        """
        if self._names is None:
            answer = await self._resolver.ptr(str(self._session.address))
            if counts and answer.outcome is not Outcome.UNAVAILABLE:
                self._counted(answer)
            names = list(dict.fromkeys(answer.records[: self._limits.names]))
            found = await self._all_addresses(names)
            self._names = tuple(
                name.lower()
                for name, addresses in zip(names, found, strict=True)
                if any(ip_address(text) == self._session.address for text in addresses.records)
            )
        return self._names

    async def _values(self, text: MacroString, domain: str) -> dict[str, str]:
        validated = ""
        if "p" in text.letters:
            names = await self._validated_names(counts=False)
            # RFC 7208 §7.3: the domain itself, else a name below it, else any.
            below = [name for name in names if name.endswith(f".{domain.lower()}")]
            validated = domain if domain.lower() in names else (*below, *names, _UNKNOWN)[0]
        return self._session.macros(domain, validated)

    async def _expand(self, spec: MacroString, domain: str) -> str | None:
        """Return the name that a domain-spec expands to, shortened for a DNS query (§7.3)."""
        if spec.is_constant:
            return spec.constant.rstrip(".")
        name = spec.expand(await self._values(spec, domain))
        if name is None:
            return None
        name = name.rstrip(".")
        # Whole labels are removed from the left until it fits.
        return name if len(name) <= _MAX_NAME else name[-_MAX_NAME - 1 :].partition(".")[2]

    def _count(self, term: str, domain: str, depth: int) -> None:
        self.lookups += 1
        if self.lookups > self._limits.terms:
            reason = f"more than {self._limits.terms} terms ask DNS (RFC 7208 §4.6.4)"
            self._step(depth, domain, term, "", Tried.ERROR, reason)
            raise Stop(Result.PERMERROR, reason, term)

    def _counted(self, answer: Answer[_Record]) -> Answer[_Record]:
        """Return a definite answer, positive or negative; count a negative one as void."""
        if not _sure(answer).records:
            self.voids += 1
            if self.voids > self._limits.voids:
                reason = f"more than {self._limits.voids} terms find nothing (RFC 7208 §4.6.4)"
                raise Stop(Result.PERMERROR, f"{answer.name}: {answer.outcome.value}; {reason}")
        return answer

    def _step(
        self, depth: int, domain: str, term: str, target: str, tried: Tried, note: str
    ) -> None:
        step = Step(depth, domain, term, target, tried, note, self.lookups, self.voids)
        self.steps.append(step)


def _sure(answer: Answer[_Record]) -> Answer[_Record]:
    if answer.outcome is Outcome.UNAVAILABLE:
        raise Stop(Result.TEMPERROR, f"{answer.name} could not be looked up: {answer.reason}")
    return answer


def _seen(answer: Answer[str]) -> str:
    more = len(answer.records) - _SHOWN_RECORDS
    shown = ", ".join(answer.records[:_SHOWN_RECORDS])
    return (f"{shown} and {more} more" if more > 0 else shown) or answer.outcome.value


def _is_queryable(name: str) -> bool:
    """Whether a macro-expanded name can be queried."""
    if not 0 < len(name) <= _MAX_NAME:
        return False
    lengths = [len(label) for label in name.split(".")]
    return min(lengths) > 0 and max(lengths) <= _MAX_LABEL
