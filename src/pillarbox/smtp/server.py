"""The server side of SMTP without I/O: octets in, events out, octets to send.

``events.py`` shows how a ``ServerConnection`` is driven. Guarantees:

* any split of the input yields the same events and the same replies;
* no input raises; a client's mistake is answered, and reported as an event;
* memory is bounded: by the limit on a command line, and in a content by the last input;
* nothing that a client sent is repeated in a reply.

Misuse by the driver (an answer without a question) raises RuntimeError.

RFC 5321 §4; RFC 2920 (PIPELINING); RFC 3207 (STARTTLS); RFC 3030 (BDAT); RFC 4954 (AUTH).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Final

from pillarbox.smtp import commands, events, replies
from pillarbox.smtp.authentication import MAX_EXCHANGE_LINE
from pillarbox.smtp.incoming import IncomingContent, excess_limit
from pillarbox.smtp.options import ServerOptions, hello_reply, offered_keywords
from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server_authentication import AuthenticatingCore
from pillarbox.smtp.server_core import Reading
from pillarbox.smtp.session import State, Verb
from pillarbox.smtp.transaction import ServerTransaction

__all__ = ["ServerConnection", "ServerOptions"]

_TLS_HANDSHAKE: Final = 0x16  # the content type a TLS ClientHello begins with (RFC 8446 §5.1)
_NO_KEYWORDS: Final[frozenset[str]] = frozenset()

# Every message needs these: looking a member up in its Enum is a call.
_COMMAND: Final = Reading.COMMAND
_CONTENT: Final = Reading.CONTENT
_CONNECTED: Final = State.CONNECTED
_MAIL: Final = Verb.MAIL
_RCPT: Final = Verb.RCPT
_DATA: Final = Verb.DATA


class ServerConnection(AuthenticatingCore):
    """A session with one client, from the greeting to the last reply."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(options)
        self._keywords = _NO_KEYWORDS
        self._hides_commands = False  # AUTH was tried; what follows may be a stray password
        self._mail = commands.Mail(None)  # asked about last
        self._refused_left = 0  # octets of a refused chunk that are still to come
        self._chunk_refusal = replies.BAD_SEQUENCE
        self._is_refused_by_driver = False
        self._farewell: Reply | None = None
        self._is_at_end_of_input = False

    @property
    def in_content(self) -> bool:
        """Whether a content has been accepted and has not ended."""
        return self._content is not None or self._reading is Reading.REFUSED_CHUNK

    def greet(self, reply: Reply | None = None) -> None:
        """Send the greeting, or a refusal to serve at all (a reply that is not positive)."""
        reason = "refused"
        if self._farewell is not None:
            reply, reason = self._farewell, "shutting down"
        elif self._options.check_early_talker and self._lines.has_octets:
            reply, reason = replies.EARLY_TALKER, "talked before the greeting"
        if reply is None:
            reply = Reply(220, (f"{self._options.hostname} {self._options.banner}",))
        self._reading = Reading.COMMAND
        self._send(reply if reply.is_positive else replace(reply, closes=True), reason)

    def receive_data(self, octets: bytes) -> None:
        """Take octets from the client; ``next_event`` says what they mean."""
        if not self._is_over and self._reading is not Reading.HANDSHAKE:
            self._lines.feed(octets)

    def receive_eof(self) -> None:
        """Note that the client sends no more; complete commands are still executed."""
        self._is_at_end_of_input = True

    def next_event(self) -> events.ServerEvent | None:
        """Return the next event, or None: more octets, or an answer, are needed."""
        while not self._events:
            if self._question is not None or self._is_over:
                return None
            if self._farewell is not None and self._is_between_commands():
                self._send(replace(self._farewell, closes=True), "shutting down")
            elif not self._READERS[self._reading](self):
                if not self._is_at_end_of_input:
                    return None
                self._end("end of input")
        return self._events.popleft()

    def accept(self, reply: Reply | None = None) -> None:
        """Answer the open question with yes, by ``reply`` or the usual one."""
        question = self._take_question()
        self._ACCEPTED[type(question)](self, question, reply)

    def refuse(self, reply: Reply) -> None:
        """Answer the open question with no."""
        question = self._take_question()
        if isinstance(question, events.ContentStarted) and self._chunk is not None:
            self._refuse_chunk(self._chunk.size, reply, is_driver=True)
            return
        if isinstance(question, (events.AuthAttempted, events.AuthLookup)):
            self._refuse_auth(reply)
            return
        if isinstance(question, events.MessageEnded):
            self._close_transaction()
        self._count_error(reply)
        self._send(reply)

    def tls_started(self, channel_binding: bytes | None = None) -> None:
        """Note that TLS is up: everything said before is forgotten (RFC 3207 §4.2).

        Args:
            channel_binding: Its tls-server-end-point (RFC 5929 §4), None if there is none; without
                it no mechanism that binds is offered.
        """
        self._session.encrypt()
        self._channel_binding = channel_binding
        self._lines.clear()
        self._keywords = _NO_KEYWORDS
        self._hides_commands = False
        if self._reading is Reading.HANDSHAKE:  # otherwise TLS came before the greeting
            self._reading = Reading.COMMAND

    def shut_down(self, reply: Reply = replies.SHUTTING_DOWN) -> None:
        """End the session as soon as it is between commands; a content may finish.

        Pump ``next_event`` afterwards: the session may be over at once.
        """
        self._farewell = reply

    def _is_between_commands(self) -> bool:
        is_idle = self._reading is Reading.COMMAND or self._reading is Reading.RESPONSE
        return is_idle and self._content is None

    # Reading: one step each; False means that more octets are needed.

    def _read_nothing(self) -> bool:
        return False

    def _read_command(self) -> bool:
        lines = self._lines
        waiting = len(lines.octets) - lines.position
        if not waiting:  # as after every answer, if the client does not pipeline
            return False
        if self._session.state is _CONNECTED and lines.starts_with(_TLS_HANDSHAKE):
            self._fail("", replies.TLS_ON_PLAIN_PORT, "TLS on a port without it")
            return True
        line = b""
        try:
            limit = self._options.max_command_line
            if waiting > limit and lines.begins(b"AUTH "):  # it may bring a long response along
                limit = max(limit, MAX_EXCHANGE_LINE)
                taken = lines.take_line(limit, replies.RESPONSE_TOO_LONG)
            else:
                taken = lines.take_line(limit)
            if taken is None:
                return False
            line = taken
            if not self._errors or not self._is_worn_out():
                command = commands.parse_command(line, self._keywords)
                kind = type(command)
                self._hides_commands = kind is commands.Auth
                self._HANDLERS[kind](self, command)
        except RefusedError as error:
            if not self._is_worn_out():
                self._hides_commands |= line[:5].upper() == b"AUTH "
                shown = "" if self._hides_commands else _shown(line)
                self._fail(shown, error.reply, "not SMTP")
        return True

    def _read_content(self) -> bool:
        content = self._content
        if content is None or not (self._lines.has_octets or content.is_chunk_complete):
            return False
        has_ended = content.read(self._lines)
        is_whole = has_ended and content.is_last_chunk
        if piece := content.take(is_last=is_whole):
            self._events.append(events.ContentReceived(piece))
        fault = content.fault
        if fault is not None and (has_ended or content.is_excessive):
            self._discard(replace(fault, closes=not has_ended or content.is_excessive))
        elif is_whole and self._envelope is not None:
            self._reading = _COMMAND
            self._content = None
            self._ask(events.MessageEnded(self._envelope, content.facts))
        elif has_ended:
            self._reading = Reading.COMMAND
            self._session.advance(Verb.BDAT)
            self._send(replies.CHUNK_ACCEPTED)
        return True

    def _discard(self, reply: Reply) -> None:
        """Refuse the content that arrived."""
        self._close_transaction()
        self._reading = Reading.COMMAND
        self._events.append(events.ContentDiscarded(reply, reply.text))
        self._count_error(reply)
        self._send(reply, "too much content")

    def _read_refused_chunk(self) -> bool:
        # RFC 3030 §2: the octets of a refused chunk are read; they must not become commands.
        used = min(self._refused_left, len(self._lines.octets) - self._lines.position)
        self._lines.position += used
        self._refused_left -= used
        if self._refused_left:
            return False
        self._reading = Reading.COMMAND
        if not self._is_refused_by_driver:
            self._events.append(events.CommandFailed(Verb.BDAT.value, self._chunk_refusal))
        self._count_error(self._chunk_refusal)
        self._send(self._chunk_refusal, "too much content")
        return True

    # Commands.

    def _on_hello(self, command: commands.Hello) -> None:
        if self._lets_pass(Verb.EHLO if command.is_extended else Verb.HELO):
            self._ask(events.HelloReceived(command.name, command.is_extended))

    def _on_starttls(self, _: commands.StartTls) -> None:
        if not self._options.starttls and not self._session.is_encrypted:
            self._fail(Verb.STARTTLS.value, replies.NOT_IMPLEMENTED)
        elif self._lets_pass(Verb.STARTTLS):
            self._ask(events.TlsRequested())

    def _on_mail(self, command: commands.Mail) -> None:
        if not self._lets_pass(_MAIL):
            return
        options, size = self._options, command.size
        if options.max_messages and self._messages >= options.max_messages:
            self._fail(Verb.MAIL.value, replies.TOO_MANY_MESSAGES, "too many messages")
        elif size is not None and size > options.max_message_size:
            self._fail(Verb.MAIL.value, replies.CONTENT_TOO_LARGE)  # RFC 1870 §6.1
        else:
            self._mail = command
            self._ask(
                events.MailReceived(
                    command.reverse_path,
                    size,
                    command.body,
                    command.smtputf8,
                    command.ret,
                    command.envelope_id,
                )
            )

    def _on_rcpt(self, command: commands.Rcpt) -> None:
        transaction, recipient = self._transaction, command.recipient
        if not self._lets_pass(_RCPT) or transaction is None:
            return
        limit = self._options.max_recipients
        if limit and len(transaction.recipients) >= limit:
            self._fail(Verb.RCPT.value, replies.TOO_MANY_RECIPIENTS)
        elif not transaction.mail.smtputf8 and not commands.is_ascii(recipient.address):
            self._fail(Verb.RCPT.value, replies.RECIPIENT_NEEDS_SMTPUTF8)  # RFC 6531 §3.5
        else:
            self._ask(events.RecipientReceived(recipient))

    def _on_data(self, _: commands.Data) -> None:
        if self._lets_pass(_DATA):
            self._begin_content()

    def _on_bdat(self, command: commands.Bdat) -> None:
        verb = Verb.BDAT_LAST if command.is_last else Verb.BDAT
        refusal = self._session.refusal(verb)
        if not self._options.chunking:
            refusal = replies.NOT_IMPLEMENTED
        if refusal is not None:
            self._refuse_chunk(command.size, refusal)
        elif command.size > excess_limit(self._options):
            self._fail(Verb.BDAT.value, replies.CONTENT_TOO_LARGE_CLOSING, "too much content")
        else:
            self._chunk = command
            if self._content is None:
                self._begin_content()
            else:
                self._content.start_chunk(command.size, is_last=command.is_last)
                self._reading = Reading.CONTENT

    def _refuse_chunk(self, size: int, reply: Reply, *, is_driver: bool = False) -> None:
        """Refuse BDAT once its octets have arrived; its transaction is over (RFC 3030 §2)."""
        if size > excess_limit(self._options):
            reply = replace(reply, closes=True)
            size = 0
        self._close_transaction()
        self._refused_left = size
        self._chunk_refusal = reply
        self._is_refused_by_driver = is_driver
        self._reading = Reading.REFUSED_CHUNK

    def _begin_content(self) -> None:
        if self._transaction is not None:
            self._envelope = self._transaction.envelope()
            self._ask(events.ContentStarted(self._envelope, self._transaction.mail.size))

    def _on_rset(self, _: commands.Rset) -> None:
        if self._lets_pass(Verb.RSET):
            self._drop_transaction("reset")
            self._send(replies.OK)

    def _on_noop(self, _: commands.Noop) -> None:
        if self._lets_pass(Verb.NOOP):
            self._send(replies.OK)

    def _on_vrfy(self, command: commands.Vrfy) -> None:
        if self._lets_pass(Verb.VRFY):
            self._ask(events.VerifyReceived(command.text))

    def _on_expn(self, _: commands.Expn) -> None:
        if self._lets_pass(Verb.EXPN):
            self._fail(Verb.EXPN.value, replies.EXPN_REFUSED)

    def _on_help(self, _: commands.Help) -> None:
        if self._lets_pass(Verb.HELP):
            self._send(replies.HELP)

    def _on_quit(self, _: commands.Quit) -> None:
        self._send(replies.QUIT, "quit")

    # Answers of the driver.

    def _accept_hello(self, question: events.HelloReceived, reply: Reply | None) -> None:
        self._drop_transaction("reset")  # RFC 5321 §4.1.4
        is_extended = question.is_extended
        self._session.advance(Verb.EHLO if is_extended else Verb.HELO)
        is_encrypted = self._session.is_encrypted
        self._keywords = _NO_KEYWORDS
        if is_extended:
            self._keywords = offered_keywords(self._options, is_encrypted=is_encrypted)
        self._send(
            reply
            or hello_reply(
                self._options,
                is_extended=is_extended,
                is_encrypted=is_encrypted,
                has_binding=self._channel_binding is not None,
            )
        )

    def _accept_tls(self, _: events.TlsRequested, reply: Reply | None) -> None:
        # What followed the command came in the clear, from anybody (CVE-2011-0411).
        self._lines.clear()
        self._reading = Reading.HANDSHAKE
        self._send(reply or replies.START_TLS)

    def _accept_mail(self, _: events.MailReceived, reply: Reply | None) -> None:
        self._session.advance(_MAIL)
        self._transaction = ServerTransaction(self._mail)
        self._send(reply or replies.SENDER_ACCEPTED)

    def _accept_rcpt(self, question: events.RecipientReceived, reply: Reply | None) -> None:
        self._session.advance(_RCPT)
        if self._transaction is not None:
            self._transaction.recipients.append(question.recipient)
        self._send(reply or replies.RECIPIENT_ACCEPTED)

    def _accept_content(self, _: events.ContentStarted, reply: Reply | None) -> None:
        self._content = IncomingContent(self._options, is_chunked=self._chunk is not None)
        self._reading = _CONTENT
        if self._chunk is None:
            self._send(reply or replies.START_CONTENT)
        else:
            self._content.start_chunk(self._chunk.size, is_last=self._chunk.is_last)

    def _accept_message(self, _: events.MessageEnded, reply: Reply | None) -> None:
        self._session.advance(_DATA if self._chunk is None else Verb.BDAT_LAST)
        self._close_transaction()
        self._messages += 1
        self._junk_commands = 0
        self._send(reply or replies.MESSAGE_ACCEPTED)

    def _accept_verify(self, _: events.VerifyReceived, reply: Reply | None) -> None:
        self._send(reply or replies.VERIFY_UNSURE)

    _READERS: ClassVar[dict[Reading, Callable[[ServerConnection], bool]]] = {
        Reading.NOTHING: _read_nothing,
        Reading.HANDSHAKE: _read_nothing,
        Reading.COMMAND: _read_command,
        Reading.RESPONSE: AuthenticatingCore._read_response,  # noqa: SLF001 - inherited
        Reading.CONTENT: _read_content,
        Reading.REFUSED_CHUNK: _read_refused_chunk,
    }

    # The key says which type the handler takes, which a type checker cannot express.
    _HANDLERS: ClassVar[dict[type[commands.Command], Callable[[ServerConnection, Any], None]]] = {
        commands.Hello: _on_hello,
        commands.StartTls: _on_starttls,
        commands.Auth: AuthenticatingCore._on_auth,  # noqa: SLF001 - inherited
        commands.Mail: _on_mail,
        commands.Rcpt: _on_rcpt,
        commands.Data: _on_data,
        commands.Bdat: _on_bdat,
        commands.Rset: _on_rset,
        commands.Noop: _on_noop,
        commands.Vrfy: _on_vrfy,
        commands.Expn: _on_expn,
        commands.Help: _on_help,
        commands.Quit: _on_quit,
    }

    _ACCEPTED: ClassVar[
        dict[type[events.ServerEvent], Callable[[ServerConnection, Any, Reply | None], None]]
    ] = {
        events.HelloReceived: _accept_hello,
        events.TlsRequested: _accept_tls,
        events.AuthAttempted: AuthenticatingCore._accept_auth,  # noqa: SLF001 - inherited
        events.MailReceived: _accept_mail,
        events.RecipientReceived: _accept_rcpt,
        events.ContentStarted: _accept_content,
        events.MessageEnded: _accept_message,
        events.VerifyReceived: _accept_verify,
    }


def _shown(line: bytes) -> str:
    """Return the beginning of a line for a log, unusual characters escaped."""
    verb = line.split(b" ", 1)[0][:32]
    return "".join(chr(octet) if 0x20 < octet < 0x7F else f"\\x{octet:02x}" for octet in verb)  # noqa: PLR2004
