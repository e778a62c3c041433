"""A ruling: what a check says about a connection, a command or a message, and why.

Everything that judges mail before it is accepted (block lists, greylisting, sender authentication,
hooks) answers with one of these, so that all of them can be switched, ordered, logged and explained
alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.findings import Finding
from pillarbox.smtp.reply import Reply

__all__ = ["PASSED", "Action", "Ruling", "strictest"]


class Action(Enum):
    """What to do; the values are ordered from mild to strict."""

    PASS = 0  # nothing against it
    NOTE = 1  # go on, and remember the finding
    HOLD = 2  # take it, and let an operator decide before it goes on
    DEFER = 3  # refuse for now (4xx)
    REFUSE = 4  # refuse for good (5xx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The result of one check.

    Raises:
        ValueError: A ruling that turns mail away has no reply, or one of the wrong class.
    """

    action: Action
    by: str  # the check, as it is named in the configuration
    reply: Reply | None = None  # for DEFER a 4xx, for REFUSE a 5xx
    reason: str = ""  # for the operator; clients only see the reply
    finding: Finding | None = None
    evidence: tuple[str, ...] = ()  # what the check saw: answers of DNS, scores
    not_before: float = 0.0  # wall clock: what is taken is not delivered earlier
    client_name: str = ""  # the client's name in DNS, where a check has verified it
    is_of_strangers: bool = False  # it does not count for a client that logs in

    def __post_init__(self) -> None:
        wanted = _CLASS.get(self.action)
        if wanted is not None and (self.reply is None or self.reply.code // 100 != wanted):
            raise ValueError(f"a ruling to {self.action.name.lower()} needs a {wanted}xx reply")

    @property
    def turns_away(self) -> bool:
        """Whether what was judged is turned away."""
        return self.action in _CLASS


_CLASS: Final = {Action.DEFER: 4, Action.REFUSE: 5}

PASSED: Final = Ruling(action=Action.PASS, by="")


def strictest(rulings: Iterable[Ruling]) -> Ruling:
    """Return the strictest of some rulings, the first of equals; ``PASSED`` for none."""
    return max(rulings, key=lambda ruling: ruling.action.value, default=PASSED)
