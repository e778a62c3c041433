"""The states of a POP3 session, and which command may come when, as a table (RFC 1939 §3).

A command that has no row for a state is refused there; nothing outside this module decides the
order.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct

__all__ = ["COMMANDS", "Rule", "State", "Verb"]


class State(Enum):
    """Where a session stands."""

    AUTHORIZATION = "authorization"  # who is it?
    RESPONSE = "response"  # a line of an AUTH exchange is awaited (RFC 5034 §4)
    TRANSACTION = "transaction"  # a maildrop is open
    UPDATE = "update"  # what was marked is being deleted (RFC 1939 §6)
    CLOSED = "closed"


class Verb(Enum):
    """The commands."""

    USER = "USER"
    PASS = "PASS"  # noqa: S105 - the command
    APOP = "APOP"
    AUTH = "AUTH"  # RFC 5034
    STLS = "STLS"  # RFC 2595 §4
    UTF8 = "UTF8"  # RFC 6856 §2
    CAPA = "CAPA"  # RFC 2449 §5
    STAT = "STAT"
    LIST = "LIST"
    UIDL = "UIDL"
    RETR = "RETR"
    TOP = "TOP"
    DELE = "DELE"
    NOOP = "NOOP"
    RSET = "RSET"
    QUIT = "QUIT"


class Rule(Struct, frozen=True):
    """When a command may come, and with how many arguments."""

    states: frozenset[State]
    least: int = 0
    most: int = 0
    takes_rest: bool = False  # one argument, which may hold blanks


_BEFORE: Final = frozenset({State.AUTHORIZATION})
_WITHIN: Final = frozenset({State.TRANSACTION})

COMMANDS: Final[dict[Verb, Rule]] = {
    Verb.USER: Rule(_BEFORE, 1, 1, takes_rest=True),
    Verb.PASS: Rule(_BEFORE, 1, 1, takes_rest=True),  # RFC 1939 §7: blanks belong to it
    Verb.APOP: Rule(_BEFORE, 2, 2),
    Verb.AUTH: Rule(_BEFORE, 0, 2),
    Verb.STLS: Rule(_BEFORE),
    Verb.UTF8: Rule(_BEFORE),
    Verb.CAPA: Rule(_BEFORE | _WITHIN),
    Verb.STAT: Rule(_WITHIN),
    Verb.LIST: Rule(_WITHIN, 0, 1),
    Verb.UIDL: Rule(_WITHIN, 0, 1),
    Verb.RETR: Rule(_WITHIN, 1, 1),
    Verb.TOP: Rule(_WITHIN, 2, 2),
    Verb.DELE: Rule(_WITHIN, 1, 1),
    Verb.NOOP: Rule(_WITHIN),
    Verb.RSET: Rule(_WITHIN),
    Verb.QUIT: Rule(_BEFORE | _WITHIN),
}
"""Every command, and its rule."""
