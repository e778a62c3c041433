"""DNS lists as a check: which listings count, and their consequences (RFC 5782).

All lists are queried in parallel while the client sends EHLO. A list that does not answer in time
lists nobody; one that refuses to answer us is reported to the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.config.settings import (
    DnsListAction,
    DnsListKind,
    DnsListSettings,
    ScreeningSettings,
)
from pillarbox.events.text import escape
from pillarbox.findings import Finding, Level
from pillarbox.mailauth.resolver import Answer, Outcome, Resolver
from pillarbox.policy.dns_lists import CodePattern, parse_code, question, reading
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.receive.checks import Stage, Visit
from pillarbox.screening.cache import Recent, is_left_alone, networks
from pillarbox.smtp.reply import Reply

__all__ = ["AllowedClients", "DnsLists"]

_CLIENTS: Final = 20_000
_SHORTEST: Final = 30.0  # seconds for which an answer is cached
_LONGEST: Final = 3_600.0
_LONGEST_TEXT: Final = 200
_GRACE: Final = 1.0  # seconds by which the check outlasts its queries

AllowedClients = Recent[str]
"""The clients that an allow list names, and which list."""


class _List:
    """One list."""

    __slots__ = ("exempt", "patterns", "settings", "zone")

    def __init__(self, zone: str, settings: DnsListSettings) -> None:
        codes = map(parse_code, settings.codes)
        self.zone = zone
        self.settings = settings
        self.patterns: tuple[CodePattern, ...] = tuple(each for each in codes if each is not None)
        self.exempt = networks(settings.except_networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """What one list says about a client."""

    list: _List
    evidence: str
    ttl: float
    is_listed: bool = False
    refusal: str = ""
    text: str = ""  # what the list says about it


class DnsLists:
    """Queries the DNS lists of a listener."""

    name = "dns_list"
    stages = frozenset({Stage.CONNECT})

    def __init__(
        self,
        lists: Mapping[str, DnsListSettings],
        screening: ScreeningSettings,
        resolver: Resolver,
        now: Callable[[], float],
        allowed: AllowedClients,
    ) -> None:
        """Prepare the check.

        Args:
            lists: The lists by zone.
            screening: The consequences of scores.
            resolver: Asks DNS.
            now: A clock, seconds.
            allowed: Learns which clients are on an allow list.
        """
        self.patience = screening.timeout + _GRACE
        self._lists = tuple(_List(zone, settings) for zone, settings in lists.items())
        self._screening = screening
        self._resolver = resolver
        self._now = now
        self._allowed = allowed
        self._recent: Recent[Ruling] = Recent(_CLIENTS)

    async def rule(self, visit: Visit) -> Ruling:
        """Check which lists a client is on."""
        client = visit.client
        lists = [each for each in self._lists if not is_left_alone(visit, each.exempt)]
        if not lists:
            return PASSED
        known = self._recent.get(client, self._now())
        if known is not None:
            return known
        listings = await asyncio.gather(*(self._look_up(each, client) for each in lists))
        ruling = self._judge(listings, client)
        ends_at = self._now() + min(each.ttl for each in listings)
        self._recent.put(client, ruling, ends_at)
        for each in listings:
            if each.is_listed and each.list.settings.kind is DnsListKind.ALLOW:
                self._allowed.put(client, each.list.zone, self._now() + _LONGEST)
        return ruling

    async def _look_up(self, each: _List, client: str) -> _Listing:
        name = question(client, each.zone)
        answer = await self._ask(name)
        ttl = min(max(answer.ttl, _SHORTEST), _LONGEST)
        if answer.outcome is not Outcome.FOUND:
            said = answer.outcome.value
            if answer.reason:
                said = f"{said} ({answer.reason})"
            return _Listing(list=each, evidence=f"{name}: {said}", ttl=ttl)
        meaning = reading(answer.records, each.patterns)
        evidence = f"{name}: {', '.join(answer.records)}"
        if not meaning.codes:
            return _Listing(list=each, evidence=evidence, ttl=ttl, refusal=meaning.refusal)
        text = await self._text(name)
        if text:
            evidence = f"{evidence} ({text})"
        return _Listing(list=each, evidence=evidence, ttl=ttl, is_listed=True, text=text)

    async def _ask(self, name: str) -> Answer[str]:
        try:
            return await asyncio.wait_for(self._resolver.a(name), self._screening.timeout)
        except TimeoutError:
            return Answer(name=name, type="A", outcome=Outcome.UNAVAILABLE, reason="time-out")

    async def _text(self, name: str) -> str:
        """Return a list's text about a listing, made safe for display."""
        try:
            answer = await asyncio.wait_for(self._resolver.txt(name), _GRACE / 2)
        except TimeoutError:
            return ""
        if not answer.records:
            return ""
        return escape(answer.records[0].decode("ascii", "replace"))[:_LONGEST_TEXT]

    def _judge(self, listings: Sequence[_Listing], client: str) -> Ruling:
        evidence = tuple(each.evidence for each in listings)
        listed = [each for each in listings if each.is_listed]
        allowed = [each for each in listed if each.list.settings.kind is DnsListKind.ALLOW]
        finding = _finding(listings)
        if allowed:
            reason = f"allowed by {allowed[0].list.zone}"
            return _noted(reason, evidence, finding)
        action, worst = self._action(listed)
        if not listed:
            return _noted("a list does not answer us", evidence, finding) if finding else PASSED
        zones = ", ".join(each.list.zone for each in listed)
        reason = f"listed by {zones}"
        score = _score(listed)
        if score:
            reason = f"{reason}; score {score}"
        if action is Action.NOTE:
            return _noted(reason, evidence, finding)
        code = (550, "5.7.1") if action is Action.REFUSE else (451, "4.7.1")
        lines = [f"[{client}] is listed by {worst.list.zone}"]
        if worst.text.isascii() and worst.text:
            lines.append(worst.text)
        return Ruling(
            action=action,
            by=self.name,
            reply=Reply.of(*code, *lines),
            is_of_strangers=True,
            reason=reason,
            finding=finding,
            evidence=evidence,
        )

    def _action(self, listed: Sequence[_Listing]) -> tuple[Action, _Listing]:
        """Return the strictest consequence, and the list that causes it."""
        actions = {DnsListAction.REFUSE: Action.REFUSE, DnsListAction.DEFER: Action.DEFER}
        found = [(actions.get(each.list.settings.action, Action.NOTE), each) for each in listed]
        score, screening = _score(listed), self._screening
        scored = [each for each in listed if each.list.settings.action is DnsListAction.SCORE]
        if scored and screening.refuse_score and score >= screening.refuse_score:
            found.append((Action.REFUSE, scored[0]))
        elif scored and screening.defer_score and score >= screening.defer_score:
            found.append((Action.DEFER, scored[0]))
        return max(found, key=lambda pair: pair[0].value, default=(Action.NOTE, _NOBODY))


_NOBODY: Final = _Listing(list=_List("", DnsListSettings()), evidence="", ttl=0.0)


def _score(listed: Sequence[_Listing]) -> int:
    settings = [each.list.settings for each in listed]
    return sum(each.weight for each in settings if each.action is DnsListAction.SCORE)


def _noted(reason: str, evidence: tuple[str, ...], finding: Finding | None) -> Ruling:
    return Ruling(
        action=Action.NOTE, by=DnsLists.name, reason=reason, finding=finding, evidence=evidence
    )


def _finding(listings: Sequence[_Listing]) -> Finding | None:
    for each in listings:
        if each.refusal:
            return Finding(
                level=Level.WARNING,
                code="PB-SCREENING-001",
                what=f"{each.list.zone} refuses to answer us: {each.refusal}.",
                why="Nobody is found on a list that does not answer.",
                fix="Ask it by a resolver of your own (dns.servers), or remove the list.",
                evidence=(each.evidence,),
            )
    return None
