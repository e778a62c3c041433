"""How a mail server misbehaves on purpose, and the behaviors that a recipient's address names.

``reject550@lab.test`` is refused, ``greylist@lab.test`` is deferred once, and so on, in any domain:
one table with a sentence for each name, obeyed by the lab's servers and by the sandbox, from which
the documentation is generated. A local part that is not in the table is accepted, and a detail
(``accept+1@``) makes different addresses of one behavior.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from pillarbox.smtp.reply import Reply

__all__ = [
    "ACCEPT",
    "BEHAVIORS",
    "Behavior",
    "Break",
    "Endings",
    "NamedBehavior",
    "SessionStage",
    "behavior_of",
]


class SessionStage(Enum):
    """The stages at which a server can misbehave, in the order of the session."""

    CONNECT = "connect"  # instead of the greeting
    HELO = "helo"  # instead of the reply to EHLO or HELO
    STARTTLS = "starttls"  # instead of the reply to STARTTLS
    AUTH = "auth"  # instead of the reply to a login, right or wrong
    MAIL = "mail"  # instead of the reply to MAIL
    RCPT = "rcpt"  # instead of the reply to RCPT
    DATA = "data"  # instead of the reply to DATA; without a reply, within the content
    DOT = "dot"  # instead of the reply to the final dot


class Break(Enum):
    """How a server ends a connection."""

    NONE = "none"
    CLOSE = "close"  # in order, after what it has to say
    RESET = "reset"  # TCP RST, without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """What a server does at a stage of a session.

    It waits, sends ``reply`` and breaks the connection. Without a reply it accepts, unless it
    breaks the connection first.
    """

    stage: SessionStage = SessionStage.RCPT
    reply: Reply | None = None
    delay: float = 0.0  # seconds before the reply
    ends_by: Break = Break.NONE
    times: int | None = None  # so often for one recipient and sender, then it accepts
    keeps_message: bool = True  # False: what was acknowledged is thrown away
    bounces: bool = False  # accepts, then sends a DSN back
    why: str = ""  # for people who look on: the rule that asks for it

    def __str__(self) -> str:
        """Describe it, for people who look on."""
        at = _LATER.get(self.stage, "")
        does = [
            f"waits {self.delay:g} s" if self.delay else "",
            f"says {self.reply}" if self.reply else "",
            _ENDS[self.ends_by],
            "" if self.keeps_message or self.reply or self.ends_by is not Break.NONE
            else "throws the message away",
            "gives the message back later" if self.bounces else "",
        ]  # fmt: skip
        return at + (", ".join(filter(None, does)) or "accepts")


_LATER: Final = {
    SessionStage.DATA: "at the content: ",
    SessionStage.DOT: "at the final dot: ",
}
_ENDS: Final = {
    Break.NONE: "",
    Break.CLOSE: "closes the connection",
    Break.RESET: "resets the connection",
}

ACCEPT: Final = Behavior()


class Endings:
    """What the accepted recipients of one message ask for once its content comes.

    Recipients may ask for different endings, but a message has only one: the worst.
    """

    __slots__ = ("_behaviors",)

    def __init__(self) -> None:
        self._behaviors: list[Behavior] = []

    def add(self, behavior: Behavior) -> None:
        """Add an accepted recipient's behavior."""
        self._behaviors.append(behavior)

    def clear(self) -> None:
        """Start over for the next message."""
        self._behaviors.clear()

    def in_content(self) -> Behavior | None:
        """Return the behavior that ends the connection during the content, if any."""
        asked = (each for each in self._behaviors if each.stage is SessionStage.DATA)
        return max(asked, key=_roughness, default=None)

    def at_the_dot(self, others: Iterable[Behavior] = ()) -> Behavior:
        """Return what to do at the final dot.

        Args:
            others: What is to be done for other reasons than a recipient's address.

        Returns:
            A behavior whose ``keeps_message`` and ``bounces`` count for the whole message: it
            is kept if any recipient's is, and it is not refused.
        """
        others = tuple(others)
        at_dot = [each for each in self._behaviors if each.stage is SessionStage.DOT]
        worst = max((*at_dot, *others), key=_severity, default=Behavior(stage=SessionStage.DOT))
        is_wanted = not self._behaviors or any(each.keeps_message for each in self._behaviors)
        is_acknowledged = worst.reply is None and worst.ends_by is Break.NONE
        return Behavior(
            stage=SessionStage.DOT,
            reply=worst.reply,
            delay=worst.delay,
            ends_by=worst.ends_by,
            keeps_message=worst.reply is None
            and is_wanted
            and all(each.keeps_message for each in (worst, *others)),
            bounces=is_acknowledged and any(each.bounces for each in self._behaviors),
            why=worst.why,
        )


_BREAKS: Final = tuple(Break)  # from mild to rough


def _roughness(behavior: Behavior) -> int:
    return _BREAKS.index(behavior.ends_by)


def _severity(behavior: Behavior) -> tuple[bool, int, float]:
    code = behavior.reply.code if behavior.reply else 0
    return behavior.ends_by is not Break.NONE, code, behavior.delay


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
        lambda match: Behavior(stage=SessionStage.DOT, delay=_seconds(match["seconds"])),
    ),
    _row(
        "dot-NNN",
        r"dot-?(?P<code>[45]\d\d)",
        "Takes the recipient, and answers the final dot with this code.",
        lambda match: Behavior(stage=SessionStage.DOT, reply=_reply(int(match["code"]))),
    ),
    _row(
        "drop-after-dot",
        r"drop-?after-?dot",
        "Keeps the message, and closes the connection without a reply to the final dot.",
        Behavior(stage=SessionStage.DOT, ends_by=Break.CLOSE),
    ),
    _row(
        "drop-in-data",
        r"drop-?in-?data",
        "Closes the connection in the middle of the content.",
        Behavior(stage=SessionStage.DATA, ends_by=Break.CLOSE, keeps_message=False),
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
        Behavior(bounces=True),
    ),
)
"""What a local part can ask for; the first row that matches it as a whole is taken."""


@lru_cache(maxsize=1024)
def behavior_of(local_part: str) -> Behavior:
    """Return what a server does for a recipient.

    Args:
        local_part: As in the address; case and a detail after "+" are ignored.
    """
    name = local_part.partition("+")[0].lower()
    for row in BEHAVIORS:
        match = row.pattern.fullmatch(name)
        if match is not None:
            return row.make(match)
    return ACCEPT


def _seconds(text: str | None) -> float:
    return min(float(text), _LONGEST_DELAY) if text else _DEFAULT_DELAY
