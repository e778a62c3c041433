"""The states of a connection to a server, and the transitions between them.

In the table, our own actions are written as what we send, the server's answers as YES (2xx) and NO
(4xx, 5xx). What is not in the table cannot happen: an own action is then a defect of the caller, an
answer a violation by the server.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["NEXT_STATE", "State", "Step"]


class State(Enum):
    """The state of a connection; a server's answer is awaited in all ``*_SENT`` states."""

    CONNECTED = "connected"  # the greeting is awaited
    GREETED = "greeted"
    HELLO_SENT = "hello sent"
    READY = "ready"  # for a transaction, STARTTLS, AUTH or QUIT
    STARTTLS_SENT = "starttls sent"
    HANDSHAKE = "handshake"  # TLS is being negotiated: nothing may be sent in the clear
    AUTH_SENT = "auth sent"
    SENDING = "sending"  # a transaction is in progress (client_sending.py)
    QUIT_SENT = "quit sent"
    CLOSED = "closed"


class Step(Enum):
    """What happens to a connection."""

    HELLO = "EHLO, LHLO or HELO"
    STARTTLS = "STARTTLS"
    TLS_STARTED = "the TLS handshake is done"
    AUTH = "AUTH"
    SEND = "a message"
    SETTLED = "a message is settled"
    QUIT = "QUIT"
    YES = "a positive reply"
    NO = "a negative reply"


NEXT_STATE: Final[dict[tuple[State, Step], State]] = {
    (State.CONNECTED, Step.YES): State.GREETED,
    (State.CONNECTED, Step.NO): State.CLOSED,  # RFC 5321 §3.1: only QUIT could follow
    (State.GREETED, Step.HELLO): State.HELLO_SENT,
    (State.GREETED, Step.QUIT): State.QUIT_SENT,
    (State.HELLO_SENT, Step.YES): State.READY,
    (State.HELLO_SENT, Step.NO): State.GREETED,
    (State.READY, Step.STARTTLS): State.STARTTLS_SENT,
    (State.STARTTLS_SENT, Step.YES): State.HANDSHAKE,
    (State.STARTTLS_SENT, Step.NO): State.READY,
    (State.HANDSHAKE, Step.TLS_STARTED): State.GREETED,  # RFC 3207 §4.2: everything starts over
    (State.READY, Step.AUTH): State.AUTH_SENT,
    (State.AUTH_SENT, Step.YES): State.READY,
    (State.AUTH_SENT, Step.NO): State.READY,
    (State.READY, Step.SEND): State.SENDING,
    (State.SENDING, Step.SETTLED): State.READY,
    (State.READY, Step.QUIT): State.QUIT_SENT,
    (State.QUIT_SENT, Step.YES): State.CLOSED,
    (State.QUIT_SENT, Step.NO): State.CLOSED,
}
