"""The DNS tree walk: the records above a domain, and the organizational domain they define.

A walk queries at most eight names, whatever the domain (RFC 9989 §4.10), and records each step for
display. One ``RecordLookup`` serves all walks for a message, so no name is queried twice. Nothing
is raised: a missing answer is a step that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth.dmarc.record import Record, is_dmarc_record, parse_record
from pillarbox.mailauth.resolver import Answer, Outcome, Resolver

__all__ = ["MAX_STEPS", "RecordLookup", "Step", "Walk", "tree_walk", "walked_names"]

MAX_STEPS: Final = 8
_LABELS_AFTER_SHORTCUT: Final = 7
_MAX_NAME: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One queried name and its result."""

    domain: str
    outcome: Outcome
    record: Record | None = None
    texts: tuple[str, ...] = ()  # the TXT records that begin like a DMARC record
    note: str = ""  # in words: what was found, or why nothing counts

    @property
    def name(self) -> str:
        """The queried name."""
        return f"_dmarc.{self.domain}"


@dataclass(frozen=True, slots=True)
class Walk:
    """The steps of one walk, from the domain itself upwards."""

    domain: str
    steps: tuple[Step, ...]

    @property
    def unavailable(self) -> Step | None:
        """The first step without an answer, if any."""
        return next((step for step in self.steps if step.outcome is Outcome.UNAVAILABLE), None)

    @property
    def public_suffix(self) -> Step | None:
        """The step above the domain whose record says that it is a public suffix (psd=y)."""
        above = (step for step in self.steps if step.domain != self.domain)
        return next((s for s in above if s.record is not None and s.record.psd == "y"), None)

    @property
    def organizational_domain(self) -> str:
        """The organizational domain according to the records (RFC 9989 §4.10.2)."""
        shortest = self.domain
        for step in self.steps:
            if step.record is None:
                continue
            if step.record.psd == "n":
                return step.domain
            if step.record.psd == "y" and step.domain != self.domain:
                # One label below the suffix, toward the domain where the walk began.
                kept = step.domain.count(".") + 2
                return ".".join(self.domain.split(".")[-kept:])
            shortest = step.domain
        return shortest

    def at(self, domain: str) -> Step | None:
        """Return the step that asked for the record of this domain."""
        return next((step for step in self.steps if step.domain == domain), None)


def walked_names(domain: str) -> tuple[str, ...]:
    """Return the domains that a walk queries, in order (RFC 9989 §4.10).

    Args:
        domain: A domain in A-labels and lower case, without a final dot.
    """
    labels = domain.split(".")
    names = [domain]
    # The shortcut: of a long name, only the last seven labels are walked.
    rest = labels[1:] if len(labels) <= MAX_STEPS else labels[-_LABELS_AFTER_SHORTCUT:]
    names.extend(".".join(rest[number:]) for number in range(len(rest)))
    return tuple(names)


async def tree_walk(domain: str, lookup: RecordLookup) -> Walk:
    """Walk up from a domain until a record says ``psd=y`` or ``psd=n``, or nothing is left.

    It also ends when an answer is missing: no record above could replace it.

    Args:
        domain: A domain in A-labels and lower case, without a final dot.
        lookup: Asks for the records.
    """
    steps = []
    for name in walked_names(domain):
        step = await lookup.at(name)
        steps.append(step)
        is_border = step.record is not None and step.record.psd != "u"
        if is_border or step.outcome is Outcome.UNAVAILABLE:
            break
    return Walk(domain, tuple(steps))


class RecordLookup:
    """Asks for policy records, each name once."""

    def __init__(self, resolver: Resolver) -> None:
        """Ask ``resolver``; an object for one message at a time."""
        self._resolver = resolver
        self._steps: dict[str, Step] = {}

    async def at(self, domain: str) -> Step:
        """Query ``_dmarc.`` below a domain."""
        step = self._steps.get(domain)
        if step is None:
            step = self._steps[domain] = await self._ask(domain)
        return step

    async def exists(self, domain: str) -> bool | None:
        """Whether DNS knows a domain (RFC 9989 §3.2.13); None if it did not answer."""
        if self._steps[domain].outcome in {Outcome.FOUND, Outcome.NO_SUCH_DATA}:
            return True  # a name below it exists, so it exists too (RFC 8020)
        outcome = (await self._resolver.txt(domain)).outcome
        return None if outcome is Outcome.UNAVAILABLE else outcome is not Outcome.NO_SUCH_NAME

    async def _ask(self, domain: str) -> Step:
        name = f"_dmarc.{domain}"
        if len(name) > _MAX_NAME:
            return Step(domain=domain, outcome=Outcome.NO_SUCH_NAME, note="too long for DNS")
        return _read(domain, await self._resolver.txt(name))


def _read(domain: str, answer: Answer[bytes]) -> Step:
    """Return the step for an answer: one record, or the reason why there is none."""
    if answer.outcome is Outcome.UNAVAILABLE:
        return Step(domain=domain, outcome=answer.outcome, note=answer.reason or "no answer")
    texts = tuple(raw.decode("utf-8", "backslashreplace") for raw in answer.records)
    found = tuple(text for text in texts if is_dmarc_record(text))
    record = None
    if len(found) == 1:
        record = parse_record(found[0])
        note = found[0]
    elif found:
        # RFC 9989 §4.10, step 2: several records count as none.
        note = f"{len(found)} DMARC records, so none of them counts"
    elif texts:
        note = f"{len(texts)} TXT record{'s' if len(texts) > 1 else ''}, none of DMARC"
    else:
        note = answer.outcome.value
    return Step(domain=domain, outcome=answer.outcome, record=record, texts=found, note=note)
