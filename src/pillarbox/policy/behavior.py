"""The misbehaviors of the lab's mail servers, named by the recipient's local part.

``reject550@lab.test`` is refused, ``defer450@lab.test`` is deferred, and so on: one table
with a sentence for each name, from which the documentation is printed. A local part that is
in no row is accepted, and a detail (``accept+1@``) makes different addresses of one behavior.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

__all__ = ["ACCEPT", "BEHAVIORS", "Behavior", "Break", "NamedBehavior", "behavior_of"]


class Break(Enum):
    """How a server ends a connection."""

    NONE = "none"
    CLOSE = "close"  # in order, after what it has to say
    RESET = "reset"  # TCP RST, without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """What a server does for a recipient.

    At ``stage`` (RECIPIENT: instead of the reply to RCPT; FINAL: instead of the reply to the
    final dot) it waits, says ``reply`` and breaks the connection. Without a reply it accepts,
    unless it breaks the connection first.
    """

    stage: Stage = Stage.RECIPIENT
    reply: Reply | None = None
    delay: float = 0.0  # seconds before the reply
    ends_by: Break = Break.NONE
    times: int | None = None  # so often for one recipient and sender, then it accepts
    keeps_message: bool = True  # False: what was acknowledged is thrown away
    bounces: bool = False  # accepts, then sends a DSN back


ACCEPT: Final = Behavior()


@dataclass(frozen=True, slots=True)
class NamedBehavior:
    """A row of the table."""

    form: str  # for people: "slow-Ns"
    what: str  # one sentence
    pattern: re.Pattern[str]
    make: Callable[[re.Match[str]], Behavior]


_TEXTS: Final = {
    421: ("4.3.2", "Closing the connection, as this address asks"),
    450: ("4.2.1", "Mailbox unavailable for now, as this address asks"),
    451: ("4.3.0", "Local error, as this address asks"),
    452: ("4.2.2", "Mailbox full, as this address asks"),
    550: ("5.1.1", "No such recipient, as this address asks"),
    551: ("5.1.6", "User not local, as this address asks"),
    552: ("5.2.2", "Mailbox over quota, as this address asks"),
    553: ("5.1.3", "Mailbox name not allowed, as this address asks"),
    554: ("5.7.1", "Message refused, as this address asks"),
}
_LONGEST_DELAY: Final = 3_600.0
_DEFAULT_DELAY: Final = 5.0


def _reply(code: int) -> Reply:
    enhanced, text = _TEXTS.get(code, (f"{code // 100}.0.0", "Refused, as this address asks"))
    return Reply.of(code, enhanced, text, closes=code == 421)  # noqa: PLR2004 - RFC 5321 §3.8


def _rate_reply(code: int) -> Reply:
    return Reply.of(
        code,
        "4.7.28",
        "Rate limit exceeded, try again in 60 seconds",
        closes=code == 421,  # noqa: PLR2004
    )


def _close_if_421(reply: Reply) -> Behavior:
    return Behavior(reply=reply, ends_by=Break.CLOSE if reply.closes else Break.NONE)


def _row(
    form: str, pattern: str, what: str, make: Behavior | Callable[[re.Match[str]], Behavior]
) -> NamedBehavior:
    make_it = make if callable(make) else lambda _, fixed=make: fixed
    return NamedBehavior(form, what, re.compile(pattern), make_it)


BEHAVIORS: Final[tuple[NamedBehavior, ...]] = (
    _row("accept", r"accept", "Takes the message.", ACCEPT),
    _row(
        "rateNNN",
        r"rate-?(?P<code>4\d\d)",
        "Answers RCPT with this code and 4.7.28, as a server that gets too much mail.",
        lambda match: _close_if_421(_rate_reply(int(match["code"]))),
    ),
    _row(
        "NNN, rejectNNN, deferNNN",
        r"(?:reject|defer)?-?(?P<code>[45]\d\d)",
        "Answers RCPT with this code; 421 closes the connection.",
        lambda match: _close_if_421(_reply(int(match["code"]))),
    ),
    _row("reject", r"reject", "Answers RCPT with 550 5.1.1.", Behavior(reply=_reply(550))),
    _row("defer", r"defer", "Answers RCPT with 450 4.2.1.", Behavior(reply=_reply(450))),
    _row(
        "defer-N-times",
        r"defer-(?P<times>\d{1,3})-times",
        "Answers RCPT with 450 4.2.1 N times, then takes the message.",
        lambda match: Behavior(reply=_reply(450), times=int(match["times"])),
    ),
    _row(
        "greylist",
        r"gr[ae]ylist",
        "Answers the first RCPT with 450 4.7.1 and asks to come back in 300 seconds.",
        Behavior(
            reply=Reply.of(450, "4.7.1", "Greylisted, please try again in 300 seconds"), times=1
        ),
    ),
    _row(
        "slow, slow-Ns",
        r"slow(?:-(?P<seconds>\d{1,4})s?)?",
        "Waits N seconds (5 if not said) before it answers RCPT, then takes the message.",
        lambda match: Behavior(delay=_seconds(match["seconds"])),
    ),
    _row(
        "slow-dot, slow-dot-Ns",
        r"slow-?dot(?:-(?P<seconds>\d{1,4})s?)?",
        "Waits N seconds (5 if not said) before it answers the final dot.",
        lambda match: Behavior(stage=Stage.FINAL, delay=_seconds(match["seconds"])),
    ),
    _row(
        "dot-NNN",
        r"dot-?(?P<code>[45]\d\d)",
        "Takes the recipient, and answers the final dot with this code.",
        lambda match: Behavior(stage=Stage.FINAL, reply=_reply(int(match["code"]))),
    ),
    _row(
        "drop-after-dot",
        r"drop-?after-?dot",
        "Keeps the message, and closes the connection without a reply to the final dot.",
        Behavior(stage=Stage.FINAL, ends_by=Break.CLOSE),
    ),
    _row(
        "drop-in-data",
        r"drop-?in-?data",
        "Closes the connection in the middle of the content.",
        Behavior(stage=Stage.DATA, ends_by=Break.CLOSE, keeps_message=False),
    ),
    _row(
        "drop",
        r"drop",
        "Closes the connection instead of answering RCPT.",
        Behavior(ends_by=Break.CLOSE, keeps_message=False),
    ),
    _row(
        "reset",
        r"reset",
        "Resets the connection (TCP RST) instead of answering RCPT.",
        Behavior(ends_by=Break.RESET, keeps_message=False),
    ),
    _row(
        "discard",
        r"discard",
        "Takes the message and throws it away.",
        Behavior(keeps_message=False),
    ),
    _row(
        "bounce-later",
        r"bounce-?later",
        "Takes the message, and sends a delivery status notification back.",
        Behavior(keeps_message=False, bounces=True),
    ),
)
"""What a local part can ask for; the first row that matches it as a whole is taken."""


def behavior_of(local_part: str) -> Behavior:
    """Return what a lab server does for a recipient.

    Args:
        local_part: As in the address; case and a detail behind "+" do not matter.
    """
    name = local_part.partition("+")[0].lower()
    for row in BEHAVIORS:
        match = row.pattern.fullmatch(name)
        if match is not None:
            return row.make(match)
    return ACCEPT


def _seconds(text: str | None) -> float:
    return min(float(text), _LONGEST_DELAY) if text else _DEFAULT_DELAY
