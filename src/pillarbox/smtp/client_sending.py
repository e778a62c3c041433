"""One mail transaction on the client side: commands out, replies in, outcomes at the end.

Every reply is paired with the oldest command that has none yet; a reply that no command awaits, or
that cannot answer it, is a violation, after which the connection is useless. Whatever a server
says, each recipient ends with exactly one outcome.

RFC 5321 §4.1.1.4 (DATA), RFC 2920 (PIPELINING), RFC 3030 (BDAT), RFC 2033 (LMTP).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pillarbox.smtp.client_conversation import Conversation
from pillarbox.smtp.client_extensions import Extensions
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.client_plan import BARE_LINE_END, Plan
from pillarbox.smtp.line_ends import has_only_crlf
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.stuffing import DotStuffer, dot_stuff

__all__ = ["Patience", "Sending"]


class Patience(Enum):
    """What is awaited, as far as timeouts distinguish it (RFC 5321 §4.5.3.2)."""

    GREETING = "greeting"
    COMMAND = "command"
    DATA = "data"  # the reply to DATA
    BLOCK = "block"  # the peer's taking a piece of the content
    FINAL = "final"  # the reply to the end of the content


@dataclass(frozen=True, slots=True, eq=False)
class _Awaited:
    """A command that awaits its reply, and the handler for it."""

    name: str
    stage: Stage  # reached when it is said
    patience: Patience
    classes: frozenset[int]  # the first digits of what can answer it
    handle: Callable[[Sending, Reply], None]


# RFC 5321 §4.2.1, RFC 3030 §2: a server that says these to BDAT does not know it, whatever
# it offers; it takes the content for commands.
_NO_SUCH_COMMAND: Final = frozenset({500, 501, 502, 504})
_BAD_SEQUENCE: Final = 503
_READY_FOR_CONTENT: Final = 354  # RFC 5321 §4.3.2


class Sending:
    """A transaction in progress.

    ``data_to_send`` is emptied by whoever writes; ``wants_content`` asks for ``send_content``;
    ``is_settled`` says that ``outcomes`` are complete.
    """

    __slots__ = (
        "_accepted",
        "_answered",
        "_commands",
        "_ends_in_cr",
        "_expected",
        "_is_complete",
        "_is_lmtp",
        "_octets",
        "_outcomes",
        "_pipelines",
        "_recipients",
        "_remaining",
        "_streams_chunks",
        "_stuffer",
        "chunking_failed",
        "closing_reply",
        "data_to_send",
        "is_announced",
        "is_settled",
        "needs_reset",
        "record",
        "unusable",
        "wants_content",
    )

    def __init__(
        self,
        plan: Plan,
        octets: bytes | None,
        size: int,
        offered: Extensions,
        *,
        is_lmtp: bool,
        use_chunking: bool,
        needs_reset: bool,
    ) -> None:
        self.data_to_send: list[bytes] = []
        self.record = Conversation()
        self.is_settled = False
        self.needs_reset = False  # the server holds a transaction that is not over
        self.unusable = ""  # why the connection cannot go on
        self.chunking_failed = False
        self.closing_reply: Reply | None = None
        self.wants_content = False
        self.is_announced = False  # the driver was told that content is wanted
        self._outcomes = list(plan.outcomes)
        self._recipients = plan.recipients
        self._answered = 0  # how many recipients have their reply to RCPT
        self._accepted: deque[int] = deque()
        self._octets = octets
        self._remaining = size
        self._is_complete = False  # the content was sent to its end
        self._is_lmtp = is_lmtp
        self._stuffer = DotStuffer(has_only_line_ends=True)  # see send_content
        self._ends_in_cr = False  # the content sent so far does
        self._expected: deque[_Awaited] = deque()
        # A chunk is sent before the reply to the one before it, which takes PIPELINING. The
        # replies of LMTP to BDAT are not told apart where recipients were refused.
        chunking = use_chunking and offered.chunking and not is_lmtp
        self._streams_chunks = chunking and octets is None and offered.pipelining
        self._pipelines = offered.pipelining
        self._commands: deque[tuple[bytes, _Awaited]] = deque()  # not said yet
        self._prepare(plan, chunking=chunking, reset=needs_reset)
        if plan.recipients:
            self._send_commands()
        else:  # all fail without asking the server
            self.needs_reset = needs_reset
            self.is_settled = True

    def _prepare(self, plan: Plan, *, chunking: bool, reset: bool) -> None:
        """Prepare the commands up to the content."""
        if reset:
            self._commands.append((b"RSET\r\n", _RESET))
        self._commands.append((plan.mail, _MAIL))
        self._commands.extend((command, _RECIPIENT) for command in plan.commands)
        if self._octets is not None and chunking:
            self._commands.append((b"BDAT %d LAST\r\n" % len(self._octets), _LAST_CHUNK))
        elif not self._streams_chunks:
            self._commands.append((b"DATA\r\n", _DATA))

    # --- what the driver asks -------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether there is something to write, to ask for, or to report."""
        return bool(self.data_to_send) or self.is_settled or self.wants_content

    @property
    def patience(self) -> Patience:
        """What is awaited now."""
        if self.wants_content:
            return Patience.BLOCK
        return self._expected[0].patience if self._expected else Patience.COMMAND

    @property
    def stage(self) -> Stage:
        """How far the transaction has come."""
        if self.wants_content or not self._expected:
            return Stage.DATA
        return self._expected[0].stage

    @property
    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        """The outcomes so far; all of them once it is settled."""
        return tuple(outcome for outcome in self._outcomes if outcome is not None)

    # --- sending --------------------------------------------------------------------

    def _send_commands(self) -> None:
        """Send the next commands: all of them with PIPELINING, one without."""
        if self._pipelines:
            said = b"".join([command for command, _ in self._commands])
            self._expected.extend([awaited for _, awaited in self._commands])
            self._commands.clear()
        else:
            said, awaited = self._commands.popleft()
            self._expected.append(awaited)
        self.record.sent(said)
        self.data_to_send.append(said)
        if self._expected[-1] is _LAST_CHUNK and self._octets is not None:
            self._is_complete = True
            self.record.sent_content(len(self._octets))
            self.data_to_send.append(self._octets)

    def send_content(self, octets: bytes) -> None:
        """Send the next piece of the content; only while ``wants_content``."""
        if not octets:
            return
        # A CR whose LF may come with the next piece is judged with that.
        joint = b"\r" + octets if self._ends_in_cr else octets
        self._ends_in_cr = octets.endswith(b"\r")
        if not has_only_crlf(joint.removesuffix(b"\r")):
            self.abandon(BARE_LINE_END)
            return
        self._remaining -= len(octets)
        if self._streams_chunks:
            self._send_chunk(octets, is_last=self._remaining <= 0)
        else:
            self.record.sent_content(len(octets))
            self.data_to_send.append(self._stuffer.feed(octets))

    def end_content(self) -> None:
        """Mark the content as complete; harmless when repeated."""
        if not self.wants_content:
            return
        if self._ends_in_cr:
            self.abandon(BARE_LINE_END)
        elif self._streams_chunks:
            self._send_chunk(b"", is_last=True)
        else:
            self.data_to_send.append(self._stuffer.finish())
            self._end()

    def _end(self) -> None:
        self.wants_content = False
        self._is_complete = True

    def _send_chunk(self, octets: bytes, *, is_last: bool) -> None:
        command = b"BDAT %d LAST\r\n" % len(octets) if is_last else b"BDAT %d\r\n" % len(octets)
        self._expected.append(_LAST_CHUNK if is_last else _CHUNK)
        self.record.sent(command)
        self.record.sent_content(len(octets))
        self.data_to_send += (command, octets)
        if is_last:
            self._end()

    # --- replies --------------------------------------------------------------------

    def receive_reply(self, reply: Reply) -> None:
        """Take the reply to the oldest command that has none."""
        if not self._expected:
            return self.fail(f'the server sent a reply nobody waits for: "{reply}"')
        awaited = self._expected[0]
        if reply.code // 100 not in awaited.classes:
            return self.fail(f'the server answered {awaited.name} with "{reply}"')
        self._expected.popleft()
        awaited.handle(self, reply)
        if not self._expected and not self.is_settled:
            self._go_on()
        return None

    def _go_on(self) -> None:
        """All replies are in: send what is next, or settle."""
        if self._commands and self._is_worthwhile(self._commands[0][1]):
            self._send_commands()
        elif self._streams_chunks and not self._is_complete and self._accepted:
            self.wants_content = True
        elif not self.wants_content:
            self.is_settled = True

    def _is_worthwhile(self, following: _Awaited) -> bool:
        """Whether a command can still lead to a delivery; asked only without PIPELINING."""
        if following is _MAIL:
            return True
        return self.needs_reset if following is _RECIPIENT else bool(self._accepted)

    def on_reset(self, reply: Reply) -> None:
        """Continue: the old transaction is gone."""

    def on_mail(self, reply: Reply) -> None:
        """Take the reply to MAIL."""
        if reply.is_positive:
            self.needs_reset = True
        else:
            self._decide_rest(_refused(Stage.MAIL, reply))

    def on_recipient(self, reply: Reply) -> None:
        """Take the reply to the next RCPT."""
        number = self._recipients[self._answered]
        self._answered += 1
        if self._outcomes[number] is not None:
            return  # MAIL was refused: the replies to RCPT have no meaning
        if reply.is_positive:
            self._accepted.append(number)
        else:
            self._outcomes[number] = _refused(Stage.RECIPIENT, reply)

    def on_data(self, reply: Reply) -> None:
        """Take the reply to DATA, and send the content if the server is ready for it."""
        if not reply.is_positive:
            return self._decide_rest(_refused(Stage.DATA, reply))
        if reply.code != _READY_FOR_CONTENT:
            return self.fail(f'the server answered DATA with "{reply}"')
        if not self._accepted:
            return self._send_nothing()
        self.needs_reset = False
        self._expected.extend([_FINAL] * (len(self._accepted) if self._is_lmtp else 1))
        if self._octets is None:
            self.wants_content = True
            return None
        self.record.sent_content(len(self._octets))
        self.data_to_send.append(dot_stuff(self._octets, has_only_line_ends=True))
        self._is_complete = True
        return None

    def _send_nothing(self) -> None:
        """End a content that nobody gets (RFC 2920 §3.1)."""
        if self._is_lmtp:  # RFC 2033 §4.2: no reply would come to the dot
            return self.fail("the server wants content for no recipient")
        self.needs_reset = False
        self._is_complete = True
        self._expected.append(_FINAL)
        self.record.sent(b".\r\n")
        self.data_to_send.append(b".\r\n")
        return None

    def on_chunk(self, reply: Reply) -> None:
        """Take the reply to a chunk."""
        if reply.is_positive:
            return
        self.wants_content = False
        self._refuse_content(reply)

    def on_last_chunk(self, reply: Reply) -> None:
        """Take the reply to the last chunk."""
        if reply.is_positive:
            self.needs_reset = False
            self._decide_rest(_answered(reply))
        else:
            self._refuse_content(reply)

    def _refuse_content(self, reply: Reply) -> None:
        """Take a refusal of BDAT; the transaction then has to be reset (RFC 3030 §2)."""
        # After an accepted recipient, 503 cannot be about the order of commands (RFC 3030 §2).
        if reply.code in _NO_SUCH_COMMAND or (reply.code == _BAD_SEQUENCE and self._accepted):
            self.chunking_failed = bool(self._accepted)
            self._is_complete = False  # it took no content, so nothing is uncertain
            return self.fail(f'the server offers CHUNKING and answered BDAT with "{reply}"')
        stage = Stage.FINAL if self._is_complete else Stage.DATA
        self._accepted.clear()
        return self._decide_rest(_refused(stage, reply))

    def on_final(self, reply: Reply) -> None:
        """Take the reply to the content; in LMTP, the reply for one recipient."""
        if self.wants_content:
            return self._on_early_final(reply)
        if not self._is_lmtp:
            return self._decide_rest(_answered(reply))
        number = self._accepted.popleft()
        self._outcomes[number] = _answered(reply)
        return None

    def _on_early_final(self, reply: Reply) -> None:
        """Take a reply before the end of the content: it counts only if it is a refusal."""
        if reply.is_positive:
            return self.fail(f'the server answered a content before its end with "{reply}"')
        return self.abandon(
            _refused(Stage.DATA, reply), "the server refused a content before its end"
        )

    # --- ends -----------------------------------------------------------------------

    def _decide_rest(self, outcome: RecipientOutcome) -> None:
        """Give ``outcome`` to each recipient that has none."""
        outcomes = self._outcomes
        for number in self._recipients:
            if outcomes[number] is None:
                outcomes[number] = outcome

    def abandon(self, outcome: RecipientOutcome, reason: str = "content cut off by us") -> None:
        """End the transaction, and the connection with it, with a known outcome."""
        self._decide_rest(outcome)
        self._stop(reason)

    def close(self, reply: Reply) -> None:
        """Take a 421, which answers everything that is open (RFC 5321 §3.8)."""
        self.closing_reply = reply
        self._decide_rest(_refused(self.stage, reply))
        self._stop(f"the server closed the connection: {reply}")

    def fail(self, reason: str, *, is_all_written: bool = True) -> None:
        """End it because the connection is lost, timed out, or does not speak SMTP."""
        is_uncertain = self._is_complete and is_all_written
        self._decide_rest(
            RecipientOutcome(
                is_delivered=False,
                stage=Stage.FINAL if is_uncertain else self.stage,
                reply=None,
                reason=reason,
                is_uncertain=is_uncertain,
            )
        )
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        self.unusable = reason
        self.wants_content = False
        self.is_settled = True
        self.record.note(reason)


def _refused(stage: Stage, reply: Reply) -> RecipientOutcome:
    return RecipientOutcome(is_delivered=False, stage=stage, reply=reply)


def _answered(reply: Reply) -> RecipientOutcome:
    return RecipientOutcome(is_delivered=reply.is_positive, stage=Stage.FINAL, reply=reply)


def _awaited(
    name: str, stage: Stage, patience: Patience, handle: Callable[[Sending, Reply], None]
) -> _Awaited:
    classes = {"RSET": (2,), "DATA": (3, 4, 5)}.get(name, (2, 4, 5))
    return _Awaited(name, stage, patience, frozenset(classes), handle)


# fmt: off
_RESET: Final = _awaited("RSET", Stage.MAIL, Patience.COMMAND, Sending.on_reset)
_MAIL: Final = _awaited("MAIL", Stage.MAIL, Patience.COMMAND, Sending.on_mail)
_RECIPIENT: Final = _awaited("RCPT", Stage.RECIPIENT, Patience.COMMAND, Sending.on_recipient)
_DATA: Final = _awaited("DATA", Stage.DATA, Patience.DATA, Sending.on_data)
_FINAL: Final = _awaited("the content", Stage.FINAL, Patience.FINAL, Sending.on_final)
_CHUNK: Final = _awaited("BDAT", Stage.DATA, Patience.FINAL, Sending.on_chunk)
_LAST_CHUNK: Final = _awaited("BDAT LAST", Stage.FINAL, Patience.FINAL, Sending.on_last_chunk)
# fmt: on
