"""Advice for an SPF record with too many DNS lookups: lasting remedies before flattening."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pillarbox.checkup.remark import Area, Publish, Remark, Status, remarks_of
from pillarbox.keyring.publication import zone_strings
from pillarbox.mailauth.spf import Saving, Slimming, Survey, slim

__all__ = ["Includer", "Service", "judge_spf_limit"]

_remark = remarks_of(Area.SPF, "PB-SPF")
_PEOPLE = "mailboxes"


@dataclass(frozen=True, slots=True)
class Service:
    """Whose include a name is."""

    name: str
    kind: str  # "mailboxes", "service", "marketing", ...
    how: str = ""  # where its settings are
    include: str = ""  # what its customers put into SPF


Includer = Callable[[str], Service | None]
"""Tells whose include a name is."""


def judge_spf_limit(surveyed: Survey, includer: Includer) -> Iterator[Remark]:
    """Yield the ways to a record within the limit, nothing where it is."""
    if surveyed.record is None or surveyed.lookups <= surveyed.limits.terms:
        return
    ways = slim(surveyed)
    if ways.removable:
        saved = sum(one.lookups for one in ways.removable)
        is_enough = surveyed.lookups - saved <= surveyed.limits.terms
        yield _remark(
            Status.INFO,
            20,
            f"First, what can be removed from SPF without loss: {saved} look-ups"
            + (", which is enough" if is_enough else ""),
            fix="Remove these terms.",
            evidence=tuple(_shown(one, one.why) for one in ways.removable),
            publish=(Publish(surveyed.domain, "TXT", ways.trimmed),),
        )
    movable = [(one, found) for one in ways.includes if (found := includer(one.target))]
    away = [(one, found) for one, found in movable if found.kind != _PEOPLE]
    if away:
        yield _remark(
            Status.INFO,
            21,
            "Then, what can use a subdomain of its own, whose SPF record has its own limit:"
            f" {sum(one.lookups for one, _ in away)} look-ups",
            fix="Set a subdomain, such as news.DOMAIN, as return-path at the service; DMARC still "
            "aligns with it. Then remove its include from this record.",
            evidence=tuple(_shown(one, found.name) for one, found in away),
        )
    yield from _flattened(ways)


def _flattened(ways: Slimming) -> Iterator[Remark]:
    if not ways.flattened or not ways.frozen:
        return
    yield _remark(
        Status.INFO,
        22,
        f"Only then, and at your own risk: a flattened record, of {ways.lookups} look-ups",
        "It rots: the addresses of "
        + ", ".join(term.partition(":")[2] or term for term in ways.frozen)
        + " are written down as they are today, and nobody tells you when they change.",
        "Have a program regenerate and publish it every day, or do not use it.",
        tuple(f"{name}. TXT {zone_strings(text)}" for name, text in ways.flattened),
    )


def _shown(saving: Saving, why: str) -> str:
    return f"{saving.term} ({saving.lookups}): {why}"
