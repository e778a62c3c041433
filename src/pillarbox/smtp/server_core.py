"""The state and output of a server connection: questions, replies, the open transaction, the end.

``ServerConnection`` in ``server.py`` adds the input.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from pillarbox.smtp import commands, events, replies
from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.incoming import IncomingContent
from pillarbox.smtp.lines import LineReader
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.session import JUNK, Session, State, Verb
from pillarbox.smtp.transaction import ServerTransaction

__all__ = ["Reading", "ServerCore"]


class Reading(Enum):
    """How to read the next octets."""

    __hash__ = object.__hash__  # members are single, and Enum hashes their names

    NOTHING = auto()  # before the greeting
    HANDSHAKE = auto()  # TLS, which is not ours to read
    COMMAND = auto()
    RESPONSE = auto()  # a line of an AUTH exchange
    CONTENT = auto()
    REFUSED_CHUNK = auto()


class ServerCore:
    """The part of a connection that does not depend on which command came."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._session = Session(
            requires_tls=options.require_tls, requires_auth=options.require_auth
        )
        self._reading = Reading.NOTHING
        self._lines = LineReader(accepts_bare_lf=options.accept_bare_lf_commands)
        self._events: deque[events.ServerEvent] = deque()
        self._question: events.ServerEvent | None = None
        self._output: list[bytes] = []
        self._transaction: ServerTransaction | None = None
        self._envelope: Envelope | None = None  # the transaction's, once its content began
        self._content: IncomingContent | None = None
        self._chunk: commands.Bdat | None = None
        self._is_over = False
        self._errors = 0
        self._junk_commands = 0
        self._messages = 0

    @property
    def is_awaiting(self) -> bool:
        """Whether a question is open: next is ``accept``, ``refuse`` or ``supply``."""
        return self._question is not None

    @property
    def is_over(self) -> bool:
        """Whether the session has ended: send what is left, then close."""
        return self._is_over

    @property
    def in_transaction(self) -> bool:
        """Whether MAIL has been accepted and its transaction has not ended."""
        return self._transaction is not None

    @property
    def is_encrypted(self) -> bool:
        """Whether ``tls_started`` was called."""
        return self._session.is_encrypted

    @property
    def is_authenticated(self) -> bool:
        """Whether an ``AuthAttempted`` was accepted."""
        return self._session.is_authenticated

    def data_to_send(self) -> bytes:
        """Return, once, what to send to the client."""
        output = self._output
        if not output:
            return b""
        self._output = []
        return output[0] if len(output) == 1 else b"".join(output)

    def time_out(self, reply: Reply = replies.TIMED_OUT) -> None:
        """End the session now, whatever is in progress."""
        if not self._is_over:
            self._output.append(reply.wire())
            self._end("timed out")

    def _ask(self, question: events.ServerEvent) -> None:
        self._question = question
        self._events.append(question)

    def _take_question(self) -> events.ServerEvent:
        question = self._question
        if question is None:
            raise RuntimeError("no question is open")
        self._question = None
        return question

    def _send(self, reply: Reply, reason: str = "closed by us") -> None:
        """Send a reply; one that closes ends the session for that reason."""
        self._output.append(reply.wire())
        if reply.closes and not self._is_over:
            self._end(reason)

    def _fail(self, command: str, reply: Reply, reason: str = "refused") -> None:
        """Refuse a command that the driver is not asked about."""
        self._events.append(events.CommandFailed(command, reply))
        self._count_error(reply)
        self._send(reply, reason)

    def _count_error(self, reply: Reply) -> None:
        # What can be waited out is not an error: a long list of recipients may well be cut short.
        if reply.is_permanent:
            self._errors += 1

    def _lets_pass(self, verb: Verb) -> bool:
        """Ask the session's table whether a command may come now; refuse it if not."""
        if verb in JUNK:
            self._junk_commands += 1
            limit = self._options.max_junk_commands
            if limit and self._junk_commands > limit:
                self._fail(verb.value, replies.TOO_MANY_JUNK_COMMANDS, "too many commands")
                return False
        reply = self._session.refusal(verb)
        if reply is not None:
            self._fail(verb.value, reply)
        return reply is None

    def _is_worn_out(self) -> bool:
        """End a session that has made too many errors, at the command after the last one."""
        if self._options.max_errors and self._errors >= self._options.max_errors:
            self._send(replies.TOO_MANY_ERRORS, "too many errors")
        return self._is_over

    def _drop_transaction(self, reason: str) -> None:
        """Forget a transaction that will not be accepted, and say so."""
        if self._content is not None:
            self._events.append(events.ContentDiscarded(None, reason))
        elif self._transaction is not None:
            self._events.append(events.TransactionReset())
        self._close_transaction()

    def _close_transaction(self) -> None:
        self._transaction = None
        self._envelope = None
        self._content = None
        self._chunk = None
        self._session.abandon()

    def _end(self, reason: str) -> None:
        self._drop_transaction(reason)
        self._is_over = True
        self._question = None
        self._session.state = State.CLOSED
        self._lines.clear()
        self._events.append(events.SessionEnded(reason))
