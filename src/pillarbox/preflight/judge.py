"""Applies all rules to a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.message.mail import Mail
from pillarbox.preflight.assessment import (
    Aspect,
    Assessment,
    Judged,
    make_score,
)
from pillarbox.preflight.facts import Facts
from pillarbox.preflight.letter import Letter, open_letter
from pillarbox.preflight.rules import (
    answers,
    attachments,
    bulk,
    fields,
    images,
    links,
    markup,
    parts,
    placeholders,
    safety,
    size,
    subject,
    way,
)

__all__ = ["assess"]

_RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    *answers.RULES,
    *fields.RULES,
    *bulk.RULES,
    *subject.RULES,
    *parts.RULES,
    *placeholders.RULES,
    *links.RULES,
    *images.RULES,
    *markup.RULES,
    *safety.RULES,
    *size.RULES,
    *attachments.RULES,
    *way.RULES,
)
_ASPECTS: Final = tuple(Aspect)


def assess(mail: Mail, raw: bytes, facts: Facts) -> Assessment:
    """Judge a mail.

    Args:
        mail: The mail, as ``read_mail`` read it.
        raw: Its octets.
        facts: What else is known of it.
    """
    letter = open_letter(mail, raw, facts)
    found = [judged for rule in _RULES for judged in rule(letter)]
    found.sort(key=_rank)
    return Assessment(
        findings=tuple(found),
        score=make_score(found),
        clients=letter.clients,
        authentication=facts.authentication.methods if facts.authentication else None,
        links=facts.links,
        spam=facts.spam,
    )


def _rank(judged: Judged) -> tuple[int, int, int, str]:
    """Return what puts the worst first, and keeps aspects together within a level."""
    finding = judged.finding
    return -finding.level, -judged.tenths, _ASPECTS.index(judged.aspect), finding.code
