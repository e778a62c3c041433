"""Judges a message as its readers and receivers will: findings with fixes. PURE.

::

    assessment = assess(read_mail(octets), octets, Facts(now=clock.now()))
    assessment.score.arithmetic  # "10 - 1 (PB-MAIL-220) = 9"
"""

from __future__ import annotations

from pillarbox.preflight.assessment import (
    Aspect,
    Assessment,
    ClientSupport,
    ClientTally,
    Deduction,
    FeatureUse,
    Judged,
    Score,
    Support,
)
from pillarbox.preflight.facts import (
    AuthenticationFacts,
    Facts,
    LinkAnswer,
    MethodFact,
    SpamRule,
    SpamVerdict,
)
from pillarbox.preflight.judge import assess
from pillarbox.preflight.kept import from_json, to_json
from pillarbox.preflight.letter import web_links

__all__ = [
    "Aspect",
    "Assessment",
    "AuthenticationFacts",
    "ClientSupport",
    "ClientTally",
    "Deduction",
    "Facts",
    "FeatureUse",
    "Judged",
    "LinkAnswer",
    "MethodFact",
    "Score",
    "SpamRule",
    "SpamVerdict",
    "Support",
    "assess",
    "from_json",
    "to_json",
    "web_links",
]
