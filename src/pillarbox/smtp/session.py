"""The order in which a client may send commands (RFC 5321 §4.1.4).

Everything that decides "may this command come now?" and "where are we after it?" is in this file.
The connection asks; it does not decide. The table is total: a pair of state and verb without a row
is refused with 503 5.5.1, and a refused command leaves the session as it is.
"""

from __future__ import annotations

from enum import Enum, Flag, auto
from typing import Final

from pillarbox.smtp.replies import (
    AUTHENTICATION_REQUIRED,
    BAD_SEQUENCE,
    HELLO_FIRST,
    TLS_REQUIRED,
)
from pillarbox.smtp.reply import Reply

__all__ = ["COMMANDS", "JUNK", "TRANSACTION", "TRANSITIONS", "Rule", "Session", "State", "Verb"]


class Verb(Enum):
    """A command that the server executes."""

    __hash__ = object.__hash__  # members are single, and Enum hashes their names

    HELO = "HELO"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"  # RFC 3207 §4
    AUTH = "AUTH"  # RFC 4954 §4
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BDAT = "BDAT"  # a chunk that is not the last (RFC 3030 §2)
    BDAT_LAST = "BDAT LAST"
    RSET = "RSET"
    NOOP = "NOOP"
    VRFY = "VRFY"
    EXPN = "EXPN"
    HELP = "HELP"
    QUIT = "QUIT"


class State(Enum):
    """The state of a session between two commands."""

    __hash__ = object.__hash__  # members are single, and Enum hashes their names

    CONNECTED = auto()  # greeted by us, no EHLO yet (or again none, after STARTTLS)
    READY = auto()  # EHLO done, no mail transaction
    MAIL = auto()  # MAIL accepted, no recipient
    RCPT = auto()  # at least one recipient accepted
    CHUNKS = auto()  # at least one BDAT accepted, LAST not seen
    CLOSED = auto()


class Rule(Flag):
    """Properties of a command, apart from its place in the order."""

    NONE = 0
    BEFORE_TLS = auto()  # allowed where TLS is required and not yet up (RFC 3207 §4)
    NEEDS_AUTH = auto()  # refused where AUTH is required and has not succeeded
    EXTENDED = auto()  # an extension: not for a client that said HELO
    ONCE = auto()  # not after it has succeeded
    JUNK = auto()  # does no work; a client that sends many between two messages is cut off


_HELLO: Final = Rule.BEFORE_TLS | Rule.JUNK

COMMANDS: Final[dict[Verb, Rule]] = {
    Verb.HELO: _HELLO,
    Verb.EHLO: _HELLO,
    Verb.STARTTLS: Rule.BEFORE_TLS | Rule.EXTENDED | Rule.ONCE,
    Verb.AUTH: Rule.EXTENDED | Rule.ONCE,
    Verb.MAIL: Rule.NEEDS_AUTH,
    Verb.RCPT: Rule.NONE,
    Verb.DATA: Rule.NONE,
    Verb.BDAT: Rule.EXTENDED,
    Verb.BDAT_LAST: Rule.EXTENDED,
    Verb.RSET: Rule.BEFORE_TLS | Rule.JUNK,
    Verb.NOOP: Rule.BEFORE_TLS | Rule.JUNK,
    Verb.VRFY: Rule.NEEDS_AUTH | Rule.JUNK,
    Verb.EXPN: Rule.NEEDS_AUTH | Rule.JUNK,
    Verb.HELP: Rule.JUNK,
    Verb.QUIT: Rule.BEFORE_TLS,
}


def _verbs(rule: Rule) -> frozenset[Verb]:
    return frozenset(verb for verb, rules in COMMANDS.items() if rule in rules)


# The columns of COMMANDS: a membership test in a set is far cheaper than one in a Flag.
_BEFORE_TLS: Final = _verbs(Rule.BEFORE_TLS)
_NEEDS_AUTH: Final = _verbs(Rule.NEEDS_AUTH)
_EXTENDED: Final = _verbs(Rule.EXTENDED)
_ONCE: Final = _verbs(Rule.ONCE)
JUNK: Final = _verbs(Rule.JUNK)
"""The commands that do no work; a client that sends many between two messages is cut off."""

# Commands with a lasting effect on the session.
_REMEMBERED: Final = frozenset({Verb.HELO, Verb.EHLO, Verb.AUTH})

# Allowed in every open state, without an effect.
_ANYWHERE: Final = (Verb.NOOP, Verb.VRFY, Verb.EXPN, Verb.HELP)

# Only what is listed is allowed.
TRANSITIONS: Final[dict[State, dict[Verb, State]]] = {
    State.CONNECTED: {
        **dict.fromkeys(_ANYWHERE, State.CONNECTED),
        Verb.HELO: State.READY,
        Verb.EHLO: State.READY,
        Verb.RSET: State.CONNECTED,
        Verb.QUIT: State.CLOSED,
    },
    State.READY: {
        **dict.fromkeys(_ANYWHERE, State.READY),
        Verb.HELO: State.READY,
        Verb.EHLO: State.READY,
        Verb.STARTTLS: State.CONNECTED,  # the client must say EHLO again (RFC 3207 §4.2)
        Verb.AUTH: State.READY,
        Verb.MAIL: State.MAIL,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.MAIL: {
        **dict.fromkeys(_ANYWHERE, State.MAIL),
        Verb.HELO: State.READY,  # resets the transaction (RFC 5321 §4.1.4)
        Verb.EHLO: State.READY,
        Verb.RCPT: State.RCPT,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.RCPT: {
        **dict.fromkeys(_ANYWHERE, State.RCPT),
        Verb.HELO: State.READY,
        Verb.EHLO: State.READY,
        Verb.RCPT: State.RCPT,
        Verb.DATA: State.READY,
        Verb.BDAT: State.CHUNKS,
        Verb.BDAT_LAST: State.READY,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.CHUNKS: {  # DATA must not be mixed in, nor more recipients (RFC 3030 §2)
        **dict.fromkeys(_ANYWHERE, State.CHUNKS),
        Verb.HELO: State.READY,
        Verb.EHLO: State.READY,
        Verb.BDAT: State.CHUNKS,
        Verb.BDAT_LAST: State.READY,
        Verb.RSET: State.READY,
        Verb.QUIT: State.CLOSED,
    },
    State.CLOSED: {},
}

TRANSACTION: Final = frozenset({State.MAIL, State.RCPT, State.CHUNKS})
"""The states in which a mail transaction is open."""


class Session:
    """The state of one client's session, and what the client has shown of itself."""

    __slots__ = (
        "is_authenticated",
        "is_encrypted",
        "is_extended",
        "requires_auth",
        "requires_tls",
        "state",
    )

    def __init__(self, *, requires_tls: bool = False, requires_auth: bool = False) -> None:
        self.state = State.CONNECTED
        self.requires_tls = requires_tls
        self.requires_auth = requires_auth
        self.is_encrypted = False
        self.is_authenticated = False
        self.is_extended = False  # the last greeting was EHLO

    def refusal(self, verb: Verb) -> Reply | None:
        """Return why a command may not come now, or None if it may."""
        if self.requires_tls and not self.is_encrypted and verb not in _BEFORE_TLS:
            return TLS_REQUIRED
        if verb not in TRANSITIONS[self.state]:
            return HELLO_FIRST if self.state is State.CONNECTED else BAD_SEQUENCE
        if not self.is_extended and verb in _EXTENDED:
            return HELLO_FIRST
        if verb in _ONCE and self._comes_too_late(verb):
            return BAD_SEQUENCE
        if self.requires_auth and not self.is_authenticated and verb in _NEEDS_AUTH:
            return AUTHENTICATION_REQUIRED
        return None

    def advance(self, verb: Verb) -> None:
        """Note that a command, which ``refusal`` allowed, was accepted."""
        self.state = TRANSITIONS[self.state][verb]
        if verb in _REMEMBERED:
            self._remember(verb)

    def encrypt(self) -> None:
        """Note that TLS is up: everything said before is forgotten (RFC 3207 §4.2)."""
        self.state = State.CONNECTED
        self.is_encrypted = True
        self.is_authenticated = False
        self.is_extended = False

    def abandon(self) -> None:
        """Note that the transaction has ended without being accepted."""
        if self.state in TRANSACTION:
            self.state = State.READY

    def _remember(self, verb: Verb) -> None:
        if verb is Verb.AUTH:
            self.is_authenticated = True
        else:
            self.is_extended = verb is Verb.EHLO

    def _comes_too_late(self, verb: Verb) -> bool:
        # Nor is STARTTLS allowed after AUTH: TLS would discard who the client is.
        is_late = verb is Verb.STARTTLS and self.is_encrypted
        return is_late or self.is_authenticated
