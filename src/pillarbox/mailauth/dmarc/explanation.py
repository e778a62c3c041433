"""Explains to a domain's owner what DMARC means for it.

``explain`` looks a domain up as a receiver would, and says which policy applies and why, what
alignment requires, what is wrong or outdated, and what to publish next. RFC 9989 §5.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.mailauth.dmarc.destinations import Destination, report_destinations
from pillarbox.mailauth.dmarc.discovery import Discovery, Finder, Mode, normal_domain
from pillarbox.mailauth.dmarc.record import Policy, Record, ReportAddress
from pillarbox.mailauth.dmarc.suffixes import Suffixes
from pillarbox.mailauth.resolver import Resolver

__all__ = ["Explanation", "Stage", "explain", "record_text"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage on the way from no policy to ``p=reject``."""

    title: str
    record: str
    advice: str
    is_reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything there is to say about a domain."""

    discovery: Discovery
    policy: str  # the policy in force, and why
    alignment: tuple[str, ...]  # what passing asks for
    destinations: tuple[Destination, ...]  # of aggregate reports
    findings: tuple[Finding, ...]
    publish_at: str  # the name of the record to publish
    publish: str  # its text
    road: tuple[Stage, ...]


async def explain(
    domain: str,
    resolver: Resolver,
    *,
    mode: Mode = Mode.TREE_WALK,
    suffixes: Suffixes | None = None,
) -> Explanation:
    """Look a domain up and explain what was found."""
    finder = Finder(resolver, mode, suffixes)
    found = await finder.discover(normal_domain(domain))
    destinations: tuple[Destination, ...] = ()
    if found.record is not None:
        destinations = await report_destinations(
            found.record, found.record_domain, resolver, finder
        )
    place = found.record_domain or found.organizational_domain
    road = tuple(_road(found.record, place))
    return Explanation(
        discovery=found,
        policy=_policy(found),
        alignment=tuple(_alignment(found)),
        destinations=destinations,
        findings=tuple(_findings(found, destinations, place)),
        publish_at=f"_dmarc.{place}",
        publish=_to_publish(found.record, place, road),
        road=road,
    )


def record_text(record: Record) -> str:
    """Return a record in current form, without obsolete tags and defaults."""
    tags = [("v", "DMARC1"), ("p", record.p.value)]
    if record.sp is not None and record.sp is not record.p:
        tags.append(("sp", record.sp.value))
    if record.np is not None and record.np is not (record.sp or record.p):
        tags.append(("np", record.np.value))
    tags += [("t", "y")] if record.is_testing else []
    tags += [("psd", record.psd)] if record.psd != "u" else []
    tags += [("adkim", "s")] if record.dkim_is_strict else []
    tags += [("aspf", "s")] if record.spf_is_strict else []
    for name, addresses in (("rua", record.aggregate), ("ruf", record.failure)):
        if addresses:
            tags.append((name, ",".join(address.uri for address in addresses)))
    if record.failure and record.failure_options != "0":
        tags.append(("fo", record.failure_options))
    return "; ".join(f"{name}={value}" for name, value in tags)


def _policy(found: Discovery) -> str:
    record = found.record
    if found.failed and record is None:
        return f"not known: {found.failed}"
    if record is None:
        return "none: no record applies, and receivers do as they like"
    if not record.applies:
        return "none: the policy is invalid and nobody is to get reports (RFC 9989 §4.10.1)"
    words = f"{found.policy.value}, by {found.policy_tag}= at _dmarc.{found.record_domain}"
    if found.record_domain != found.domain and record.np is not None:
        kind = {True: "exists", False: "does not exist", None: "may exist: DNS did not answer"}
        words += f"; {found.domain} {kind[found.exists]}"
    if record.is_testing and found.disposition is not found.policy:
        words += f"; under test (t=y), so {found.disposition.value} is asked for"
    return words


def _alignment(found: Discovery) -> Iterator[str]:
    record = found.record or Record(text="")
    ways = (
        ("DKIM", "d= of a signature that passes", record.dkim_is_strict, "adkim"),
        ("SPF", "the domain in MAIL FROM", record.spf_is_strict, "aspf"),
    )
    for name, what, is_strict, tag in ways:
        if is_strict:
            yield f"{name}: {what} must be exactly {found.domain} ({tag}=s)"
        else:
            yield f"{name}: {what} must be {found.organizational_domain} or below it"


def _findings(
    found: Discovery, destinations: Sequence[Destination], place: str
) -> Iterator[Finding]:
    for step in found.walk.steps:
        if len(step.texts) > 1:
            yield Finding(
                level=Level.ERROR,
                code="PB-DMARC-001",
                what=f"{step.name} has {len(step.texts)} DMARC records",
                why="Of several records none counts (RFC 9989 §4.10).",
                fix="Publish one of them, and take the others away.",
                evidence=step.texts,
            )
    if found.failed:
        yield Finding(
            level=Level.ERROR,
            code="PB-DMARC-002",
            what=f"DNS did not answer: {found.failed}",
            why="Receivers cannot judge mail of the domain, and may put it off.",
            fix="Repair the name servers of the zone.",
        )
    elif found.record is None:
        yield Finding(
            level=Level.WARNING,
            code="PB-DMARC-003",
            what=f"No DMARC record applies to {found.domain}",
            why="Anybody can send in its name; large receivers put off or refuse bulk mail of it.",
            fix=f'_dmarc.{place}. TXT "{record_text(_first(place))}"',
        )
    if found.record is not None:
        yield from _record_findings(found, found.record)
    for destination in destinations:
        if destination.is_allowed is not True:
            yield Finding(
                level=Level.WARNING,
                code="PB-DMARC-008",
                what=f"Reports to {destination.address.uri} are not sent",
                why=destination.reason,
                fix=_authorization(destination, found.record_domain),
            )


def _authorization(destination: Destination, record_domain: str) -> str:
    if not destination.is_external:
        return ""
    host = destination.address.mailbox.rpartition("@")[2]
    return f'{record_domain}._report._dmarc.{host}. TXT "v=DMARC1"'


def _record_findings(found: Discovery, record: Record) -> Iterator[Finding]:
    at = (f"_dmarc.{found.record_domain}", record.text)
    if record.problems:
        yield Finding(
            level=Level.WARNING if record.applies else Level.ERROR,
            code="PB-DMARC-004",
            what=f"The record has {_count(len(record.problems), 'mistake')}",
            why="; ".join(record.problems),
            fix=record_text(record),
            evidence=at,
        )
    if record.obsolete:
        yield Finding(
            level=Level.NOTE,
            code="PB-DMARC-005",
            what=f"The record has what is obsolete: {', '.join(record.obsolete)}",
            why="RFC 9989 took it out; newer receivers ignore it, and older ones still heed it.",
            fix=_without_obsolete(record),
            evidence=at,
        )
    if found.policy is Policy.NONE and record.applies:
        yield Finding(
            level=Level.NOTE,
            code="PB-DMARC-006",
            what="The policy is none: mail that fails is delivered all the same",
            why="That is the right way to begin, and protects nobody.",
            fix="Read the reports until all honest mail passes, then go on along the road.",
        )
    if not record.aggregate:
        yield Finding(
            level=Level.WARNING,
            code="PB-DMARC-007",
            what="Nobody gets aggregate reports (there is no valid rua=)",
            why="Without them nobody sees which honest mail fails.",
            fix=record_text(replace(record, aggregate=_first(found.record_domain).aggregate)),
        )


def _without_obsolete(record: Record) -> str:
    if record.pct < 100:  # noqa: PLR2004 - percent
        # t=y replaces pct, which applied the policy to part or none of the mail.
        record = replace(record, is_testing=True)
    return record_text(record)


_ROAD: Final = (
    ("watch", Policy.NONE, False, "Until the reports show no honest mail that fails."),
    (
        "quarantine, under test",
        Policy.QUARANTINE,
        True,
        "A week or two; mailing lists begin to rewrite From, and reports go on.",
    ),
    ("quarantine", Policy.QUARANTINE, False, "A month; ask people to look into their spam."),
    ("reject, under test", Policy.REJECT, True, "A week or two; failing mail is quarantined."),
    (
        "reject",
        Policy.REJECT,
        False,
        "Go on reading the reports. People who write to mailing lists suffer (RFC 9989 §7.4).",
    ),
)


def _first(place: str) -> Record:
    """Return the record to begin with."""
    return Record(text="", aggregate=(ReportAddress(f"mailto:dmarc-reports@{place}"),))


def _road(record: Record | None, place: str) -> Iterator[Stage]:
    base = record if record is not None and record.applies else _first(place)
    if not base.aggregate:
        base = replace(base, aggregate=_first(place).aggregate)
    reached = -1
    if record is not None and record.applies:
        states = [(policy, testing) for _, policy, testing, _ in _ROAD]
        testing = record.is_testing and record.p is not Policy.NONE
        reached = states.index((record.p, testing))
    for number, (title, policy, testing, advice) in enumerate(_ROAD):
        step = replace(base, p=policy, is_testing=testing, sp=_raised(base.sp, policy))
        yield Stage(title, record_text(step), advice, number <= reached)


def _raised(sp: Policy | None, policy: Policy) -> Policy | None:
    """Return sp for a stage: as strict as the owner had it, but never stricter than p."""
    if sp is None:
        return None
    return sp if sp.strictness <= policy.strictness else policy


def _to_publish(record: Record | None, place: str, road: Sequence[Stage]) -> str:
    """Return what to publish now: the corrected record, or else the next stage."""
    if record is None or not record.applies:
        return road[0].record
    if record.problems or record.obsolete or not record.aggregate:
        aggregate = record.aggregate or _first(place).aggregate
        return _without_obsolete(replace(record, aggregate=aggregate))
    following = (stage.record for stage in road if not stage.is_reached)
    return next(following, record_text(record))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
