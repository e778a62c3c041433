"""Judges a server that was asked to relay."""

from __future__ import annotations

from collections.abc import Iterator

from pillarbox.checkup.facts.smtp import RelayFacts
from pillarbox.checkup.reach import kind_of
from pillarbox.checkup.remark import Remark, Status
from pillarbox.checkup.rules.connection import remark

__all__ = ["judge_relay"]

_SHOWN = 5


def judge_relay(facts: RelayFacts) -> Iterator[Remark]:
    """Yield what is to be said, one remark at least."""
    target = facts.target
    if facts.taken:
        is_inside = bool(kind_of(target.address))
        yield remark(
            Status.FAIL,
            90,
            f"The server relays for strangers: it took {len(facts.taken)} of {facts.asked} forms",
            "Spammers find such a server within hours, and block lists add it soon after."
            + (
                " Or it trusts the address that this check came from, as many servers trust "
                "loopback: then check from outside, too."
                if is_inside
                else ""
            ),
            "Make the server accept mail only for its own domains, and for others only from "
            "clients that have logged in (RFC 5321 §7.9).",
            tuple(
                f"MAIL FROM:{one.sender} RCPT TO:{one.recipient}" for one in facts.taken[:_SHOWN]
            ),
        )
    if facts.asked < facts.of:
        yield remark(
            Status.SKIP,
            92,
            f"{facts.of - facts.asked} of {facts.of} forms of a relay could not be tested in time",
            "The server slows down or ends sessions that have many errors.",
            evidence=(str(target),),
        )
    elif not facts.taken:
        unclear = f", {facts.unclear} of them for now (4xx)" if facts.unclear else ""
        yield remark(
            Status.PASS, 91, f"The server refuses all {facts.of} forms of a relay{unclear}"
        )
