"""Deliveries that end badly in the lab, and what `explain` makes of the line in our log."""

from __future__ import annotations

import functools

from tests.delivery_rig import Rig
from tests.situations.situation import Healthy, Situation, Told

from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.reading.text import read
from pillarbox.events.text import show_event
from pillarbox.events.types import (
    Event,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientUncertain,
)
from pillarbox.lab.clock import run_virtual

__all__ = ["BROKEN", "HEALTHY"]

_ENDINGS = (
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientUncertain,
)


def _line(recipient: str, *, silent: str = "") -> str:
    """Return the first line of the log about a recipient that somebody writes to."""

    async def run() -> str:
        async with Rig() as rig:
            if silent:
                rig.lab.dialer.silent.add(silent)
            await rig.send(recipient)
            return show_event(await _ending(rig))

    return run_virtual(run())


async def _ending(rig: Rig) -> Event:
    while not (found := [one for one in rig.events if isinstance(one, _ENDINGS)]):
        await rig.settled()
    return found[0]


def _look(recipient: str, *, silent: str = "") -> Told:
    line = _line(recipient, silent=silent)
    (observed,) = read(line.encode())
    told = explain(observed)
    if not told.causes:
        return Told(cause="", fix="", words=line)
    entry = told.causes[0].entry
    return Told(
        cause=entry.id,
        fix=f"{entry.now} {entry.for_good}",
        words=f"{entry.title}: {line}",
        blamed=(entry.id,),
    )


_ACCEPT = functools.partial(_look, "accept@one.test")
_ENDED: tuple[tuple[str, str, str, str], ...] = (
    ("greylisting", "greylist@one.test", "greylisted", "Wait"),
    ("a mailbox that is full", "452@one.test", "mailbox-full", "Wait"),
    ("a mailbox that is full, for good as it says", "552@one.test", "mailbox-full", "Wait"),
    ("nobody of that name", "550@one.test", "unknown-recipient", "Take it off"),
    ("a domain that is misspelled", "a@nowhere.test", "unknown-recipient", "letter by letter"),
    ("a receiver that limits rates", "rate450@one.test", "rate-limited", "Limit rate"),
    ("a policy that refuses the content", "dot-554@one.test", "policy-block", "SPF, DKIM"),
    ("dropped after the dot", "drop-after-dot@one.test", "lost-after-content", "Message-ID"),
    ("dropped in the middle", "drop@one.test", "lost-after-content", "Message-ID"),
    ("a server that closes", "421@one.test", "server-error", "Wait"),
    ("an exchanger that nobody runs", "a@dead.test", "connection-refused", "host and port"),
    ("a null MX", "a@null.test", "null-mx", "another address"),
    ("name servers that fail", "a@broken.test", "dns-failed", "resolver"),
)

BROKEN: tuple[Situation, ...] = (
    *(
        Situation(
            name=name,
            command="explain",
            look=functools.partial(_look, recipient),
            cause=cause,
            fix=fix,
            mended=_ACCEPT,
        )
        for name, recipient, cause, fix in _ENDED
    ),
    Situation(
        name="an exchanger behind a firewall that drops",
        command="explain",
        look=functools.partial(_look, "a@dead.test", silent="127.0.1.9"),
        cause="timeout",
        fix="port 25",
        mended=_ACCEPT,
    ),
)


def _taken(recipient: str) -> Told:
    told = _look(recipient)
    return told if told.cause != "accepted" else Told(cause="", fix="")


HEALTHY: tuple[Healthy, ...] = (
    Healthy(
        name="a message that was taken",
        command="explain",
        look=functools.partial(_taken, "accept@one.test"),
    ),
    Healthy(
        name="a receiver that takes its time",
        command="explain",
        look=functools.partial(_taken, "slow-20s@one.test"),
    ),
)
