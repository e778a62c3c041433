"""Judges whether outgoing port 25 is blocked: no single outcome tells, but several compared do.

A table of verdicts: the first row whose condition holds. One server's timeout is that server's;
a timeout of all of them, while other ports answer, is the network's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.checkup.facts.port25 import Attempt, Port25Facts, Role
from pillarbox.checkup.facts.smtp import Failure
from pillarbox.checkup.remark import Area, Remark, Status, remarks_of

__all__ = ["Port25Report", "Verdict", "judge_port25"]

_remark = remarks_of(Area.SERVER, "PB-P25")
_PREFERRED: Final = (465, 587, 2525)  # RFC 8314 §3.3: TLS from the start is better
_ENOUGH: Final = 2  # one that does not answer may be down itself
_DROPPED: Final = frozenset({Failure.TIMED_OUT, Failure.UNREACHABLE})


class Verdict(Enum):
    """What is true of port 25. The values are part of the public surface."""

    OPEN = "open"
    BLOCKED = "blocked"
    INTERCEPTED = "intercepted"
    TURNED_AWAY = "turned away"
    MUTE = "mute"
    UNKNOWN = "could not be tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port25Report:
    """What is to be said of port 25."""

    facts: Port25Facts
    verdict: Verdict
    remarks: tuple[Remark, ...]
    port: int | None  # for a smart host; None where none answers


def judge_port25(facts: Port25Facts) -> Port25Report:
    """Return what the outcomes come to."""
    verdict = next(verdict for verdict, holds in _TABLE if holds(facts))
    port = _other_port(facts)
    remarks = (_SAID[verdict](facts, port), *_hosting(facts, verdict))
    return Port25Report(facts=facts, verdict=verdict, remarks=remarks, port=port)


def _is_intercepted(facts: Port25Facts) -> bool:
    return any(one.is_open for one in facts.of(Role.NOBODY))


def _is_greeted(facts: Port25Facts) -> bool:
    return any(
        one.greeting is not None and one.greeting.is_positive for one in facts.of(Role.SERVER)
    )


def _is_turned_away(facts: Port25Facts) -> bool:
    return any(one.greeting is not None for one in facts.of(Role.SERVER))


def _is_mute(facts: Port25Facts) -> bool:
    return any(one.is_open for one in facts.of(Role.SERVER))


def _is_blocked(facts: Port25Facts) -> bool:
    """Whether several servers are out of reach on port 25, and something else is in reach."""
    servers = {one.target.host for one in facts.of(Role.SERVER)}
    return len(servers) >= _ENOUGH and any(one.is_open for one in facts.of(Role.OTHER))


_TABLE: Final[tuple[tuple[Verdict, Callable[[Port25Facts], bool]], ...]] = (
    (Verdict.INTERCEPTED, _is_intercepted),
    (Verdict.OPEN, _is_greeted),
    (Verdict.TURNED_AWAY, _is_turned_away),
    (Verdict.MUTE, _is_mute),
    (Verdict.BLOCKED, _is_blocked),
    (Verdict.UNKNOWN, lambda _: True),
)


def _open(facts: Port25Facts, port: int | None) -> Remark:
    del port
    servers = facts.of(Role.SERVER)
    greeted = [one for one in servers if one.greeting is not None and one.greeting.is_positive]
    return _remark(
        Status.PASS,
        1,
        f"Outgoing port 25 is open: {len(greeted)} of {len(servers)} mail servers greet",
        evidence=_shown(servers),
    )


def _blocked(facts: Port25Facts, port: int | None) -> Remark:
    servers = facts.of(Role.SERVER)
    is_silent = all(one.failure in _DROPPED for one in servers)
    how = "no answer from" if is_silent else "connections are refused or reset at"
    return _remark(
        Status.FAIL,
        2,
        f"Outgoing port 25 is blocked: {how} all of {len(servers)} mail servers of different"
        " companies, while other ports answer",
        "Nearly all hosting and access providers block it against spam (RFC 5068 §3.1). No"
        " setting on this host changes that, and mail would only wait in the queue.",
        _way_round(port) + " Or have the provider lift the block.",
        _shown((*servers, *facts.of(Role.OTHER))),
    )


def _intercepted(facts: Port25Facts, port: int | None) -> Remark:
    return _remark(
        Status.FAIL,
        3,
        "Outgoing port 25 is intercepted: an address that nobody has answers there too",
        "A proxy of the provider, a firewall or a virus scanner accepts every connection, and "
        "decides what happens to the mail.",
        _way_round(port) + " Or have this host exempted from the interception.",
        _shown((*facts.of(Role.NOBODY), *facts.of(Role.SERVER))),
    )


def _turned_away(facts: Port25Facts, port: int | None) -> Remark:
    return _remark(
        Status.FAIL,
        4,
        "Outgoing port 25 is open, but every mail server turns this address away",
        "The address is on a block list, in a residential range, or at a hosting provider known "
        "for spam.",
        "Look the address up (`pillarbox check domain ... --ip ADDRESS` asks the block lists) and"
        f" follow the replies. {_way_round(port)}",
        _shown(facts.of(Role.SERVER)),
    )


def _mute(facts: Port25Facts, port: int | None) -> Remark:
    return _remark(
        Status.FAIL,
        5,
        "Connections to port 25 open, but no mail server says a word",
        "A firewall on the path accepts the connection and passes nothing on; some inspect it for "
        "SMTP.",
        f"Turn off SMTP inspection in the firewall. {_way_round(port)}",
        _shown(facts.of(Role.SERVER)),
    )


def _unknown(facts: Port25Facts, port: int | None) -> Remark:
    if port is not None:
        return _remark(
            Status.SKIP,
            7,
            "Port 25 could not be tested: too few mail servers were tried",
            "A single server that does not answer may itself be down.",
            "Name at least two of different companies with --server, or none.",
            _shown(facts.attempts),
        )
    names = f" DNS has no answer for {', '.join(facts.unresolved[:3])}." if facts.unresolved else ""
    return _remark(
        Status.SKIP,
        6,
        "Port 25 could not be tested: nothing else answers either",
        f"With no answer at all, the network is down, or everything is filtered.{names}",
        "Check the network and DNS, then try again.",
        _shown(facts.attempts),
    )


_SAID: Final[dict[Verdict, Callable[[Port25Facts, int | None], Remark]]] = {
    Verdict.OPEN: _open,
    Verdict.BLOCKED: _blocked,
    Verdict.INTERCEPTED: _intercepted,
    Verdict.TURNED_AWAY: _turned_away,
    Verdict.MUTE: _mute,
    Verdict.UNKNOWN: _unknown,
}


def _hosting(facts: Port25Facts, verdict: Verdict) -> tuple[Remark, ...]:
    """Return what the provider is known to do, where that matters."""
    known = facts.hosting
    if known is None or verdict in {Verdict.OPEN, Verdict.UNKNOWN}:
        return ()
    hint = " (a hint, not the provider's own words)" if known.sure == "low" else ""
    return (
        _remark(
            Status.INFO,
            10,
            f"This machine is hosted at {known.name}. Port 25 there: {known.policy}{hint}",
            fix=known.unblock or "The block cannot be lifted: use a smart host.",
            evidence=(known.source,),
        ),
    )


def _other_port(facts: Port25Facts) -> int | None:
    ports = {one.target.port for one in facts.of(Role.OTHER) if one.is_open}
    known = facts.hosting.open if facts.hosting is not None else ()
    order = (*_PREFERRED, *known)
    return min(ports, key=lambda port: order.index(port) if port in order else 99, default=None)


def _way_round(port: int | None) -> str:
    if port is None:
        return "Send through a smart host, on a port that is open from here."
    return f"Send through a smart host on port {port}, which answers from here."


def _shown(attempts: tuple[Attempt, ...]) -> tuple[str, ...]:
    return tuple(f"{_named(one)}: {_outcome(one)}" for one in attempts)


def _named(one: Attempt) -> str:
    host, where = one.target.host, str(one.target)
    return where if host == one.target.address else f"{host} {where}"


def _outcome(one: Attempt) -> str:
    if one.greeting is not None:
        return str(one.greeting)[:100]
    if one.failure is None:
        return f"open ({one.seconds * 1000:.0f} ms)"
    words = f"{one.failure.value} after {one.seconds:.1f} s"
    return f"opens, then {words}" if one.is_open else words
