"""The server's side of POP3 without I/O: octets in, events out, octets to send.

    connection.receive_data(octets)
    while (event := connection.next_event()) is not None:
        ...  # answer it
    transport.write(connection.data_to_send())

While an event is unanswered, ``next_event`` returns None, and what the client pipelines is
buffered; the driver stops reading. Guarantees: no input raises; memory is bounded
by the line limit and by what is read at a time; nothing that a client sent is repeated to
it. Misuse by the driver raises RuntimeError.

RFC 1939; RFC 2449 (CAPA, response codes, pipelining); RFC 2595 §4 (STLS); RFC 3206 (codes of
failed logins); RFC 5034 (AUTH); RFC 6856 §2 (UTF8). A mail with UTF-8 in its header is given as it
was caught, whether the client has asked for UTF8 or not: a sandbox shows what was sent.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, TypeVar

from msgspec import Struct

from pillarbox.sandbox.pop3.maildrop import Item, Maildrop
from pillarbox.sandbox.pop3.session import COMMANDS, State, Verb

__all__ = [
    "Event",
    "LoginAttempted",
    "MailWanted",
    "Pop3Connection",
    "Pop3Options",
    "SessionEnded",
    "TlsRequested",
    "UpdateWanted",
]

_MOST_LINE: Final = 255  # octets, CRLF included (RFC 2449 §4)
_MOST_RESPONSE: Final = 12_288  # octets of a line of an exchange (RFC 4954 §4 has the number)
_MOST_FAILURES: Final = 10  # logins and unknown commands, then it is over
_MOST_NUMBER: Final = 9  # digits
_PARTS: Final = 3  # of a PLAIN message (RFC 4616 §2)

T = TypeVar("T")
Argument = list[str]


class Pop3Options(Struct, frozen=True, kw_only=True):
    """What a session offers."""

    banner: str = "pillarbox POP3 server ready"
    timestamp: str = ""  # "<...@...>", never the same twice (RFC 1939 §7); "": APOP is not offered
    implementation: str = "pillarbox"
    has_tls: bool = False  # STLS is offered
    may_delete: bool = True


class LoginAttempted(Struct, frozen=True):
    """Somebody says who it is; ``admit`` or ``deny``."""

    user: str
    password: str = ""
    digest: str = ""  # of APOP, in hexadecimal; then there is no password


class TlsRequested(Struct, frozen=True):
    """STLS was answered with +OK: send that, make the handshake, and call ``tls_started``."""


class MailWanted(Struct, frozen=True):
    """A mail is wanted; ``give`` it, or None where it is gone."""

    item: Item
    lines: int | None  # of the body, behind the header (TOP); None: all of it (RETR)


class UpdateWanted(Struct, frozen=True):
    """These are to be deleted, and the session is over; ``updated`` says whether they are."""

    items: tuple[Item, ...]


class SessionEnded(Struct, frozen=True):
    """There is nothing more to read: send what is left, then close."""


Event = LoginAttempted | TlsRequested | MailWanted | UpdateWanted | SessionEnded


class Pop3Connection:
    """One client's session, from the greeting to the last reply."""

    def __init__(self, options: Pop3Options) -> None:
        self._options = options
        self._state = State.AUTHORIZATION
        self._maildrop = Maildrop()
        self._input = bytearray()
        self._output = bytearray()
        self._question: Event | None = None
        self._events: deque[Event] = deque()
        self._is_encrypted = False
        self._is_utf8 = False
        self._is_at_end_of_input = False
        self._user: str | None = None
        self._failures = 0
        self._ok(f"{options.banner} {options.timestamp}")

    # --- what the driver calls -------------------------------------------------------

    def receive_data(self, octets: bytes) -> None:
        """Take octets from the client; none at all means that it sends no more."""
        if not octets:
            self._is_at_end_of_input = True
        elif self._state is not State.CLOSED:
            self._input += octets

    def data_to_send(self) -> bytes:
        """Return, once, what is to go to the client."""
        output, self._output = bytes(self._output), bytearray()
        return output

    def next_event(self) -> Event | None:
        """Return the next event, or None: more octets, or an answer, are needed."""
        while not self._events:
            if self._question is not None or self._state is State.CLOSED or not self._read_line():
                return None
        return self._events.popleft()

    def _read_line(self) -> bool:
        """Act on the next line; return whether there was one, or an end."""
        line = self._take_line()
        if line is None:
            if self._is_at_end_of_input:
                self._end()  # RFC 1939 §6: without QUIT nothing is deleted
            return self._state is State.CLOSED
        if self._state is State.RESPONSE:
            self._on_response(line)
        else:
            self._on_line(line)
        return True

    def _ask(self, question: Event) -> None:
        self._question = question
        self._events.append(question)

    def _end(self) -> None:
        if self._state is not State.CLOSED:
            self._state = State.CLOSED
            self._question = None
            self._input.clear()
            self._events.append(SessionEnded())

    def admit(self, maildrop: Maildrop) -> None:
        """Let somebody in, to a maildrop."""
        self._answered(LoginAttempted)
        self._maildrop = maildrop
        self._state = State.TRANSACTION
        self._ok(f"{maildrop.count} messages, {maildrop.octets} octets")

    def deny(self, reason: str = "[AUTH] Wrong user or password") -> None:
        """Let somebody not in."""
        self._answered(LoginAttempted)
        self._state = State.AUTHORIZATION
        self._fail(reason)

    def tls_started(self) -> None:
        """Take note that TLS is up: all that was said before is forgotten (RFC 2595 §4)."""
        self._answered(TlsRequested)
        self._is_encrypted = True
        self._user = None
        self._input.clear()

    def give(self, content: bytes | None) -> None:
        """Answer ``MailWanted``."""
        wanted = self._answered(MailWanted)
        if content is None:
            self._error("The message is gone")
            return
        if wanted.lines is not None:
            content = _top(content, wanted.lines)
        self._ok(f"{len(content)} octets")
        self._output += _stuffed(content)

    def updated(self, *, are_gone: bool) -> None:
        """Answer ``UpdateWanted``."""
        self._answered(UpdateWanted)
        if are_gone:
            self._ok("Goodbye")
        else:
            self._error("[SYS/TEMP] Some deleted messages were not removed")
        self._end()

    def _answered(self, kind: type[T]) -> T:
        question, self._question = self._question, None
        if not isinstance(question, kind):
            raise RuntimeError(f"the open question is no {kind.__name__}")  # noqa: TRY004 - misuse
        return question

    # --- lines -----------------------------------------------------------------------

    def _take_line(self) -> bytes | None:
        limit = _MOST_RESPONSE if self._expects_secret() else _MOST_LINE
        end = self._input.find(b"\n", 0, limit)
        if end < 0:
            if len(self._input) >= limit:
                # Whoever sends endless lines gets no room for them.
                self._error("The line is too long")
                self._end()
            return None
        line = bytes(self._input[:end]).removesuffix(b"\r")
        del self._input[: end + 1]
        return line

    def _expects_secret(self) -> bool:
        return self._state is State.RESPONSE or self._input[:5].upper() == b"AUTH "

    def _on_line(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = ""
        word, _, rest = text.partition(" ")
        verb = _VERBS.get(word.upper())
        if verb is None or not text.isprintable():
            self._fail("Unknown command")
            return
        rule = COMMANDS[verb]
        arguments = [rest] if rule.takes_rest and rest else rest.split()
        if self._state not in rule.states:
            self._error(f"Not {'before' if self._is_before else 'after'} the login")
        elif not rule.least <= len(arguments) <= rule.most:
            self._error("Wrong number of arguments")
        else:
            self._HANDLERS[verb](self, arguments)

    @property
    def _is_before(self) -> bool:
        return self._state is State.AUTHORIZATION

    # --- AUTHORIZATION ---------------------------------------------------------------

    def _on_user(self, arguments: Argument) -> None:
        self._user = arguments[0]
        self._ok("Password, please")

    def _on_pass(self, arguments: Argument) -> None:
        user, self._user = self._user, None
        if user is None:
            self._error("USER comes first")
        else:
            self._ask(LoginAttempted(user, arguments[0]))

    def _on_apop(self, arguments: Argument) -> None:
        if not self._options.timestamp:
            self._fail("APOP is not offered")
        else:
            self._ask(LoginAttempted(arguments[0], digest=arguments[1]))

    def _on_auth(self, arguments: Argument) -> None:
        if not arguments:  # RFC 1734 and old clients: which mechanisms are there?
            self._ok("Mechanisms follow")
            self._lines(["PLAIN"])
        elif arguments[0].upper() != "PLAIN":
            self._fail("Unknown mechanism")
        elif len(arguments) > 1:
            self._on_response(arguments[1].encode())
        else:
            self._state = State.RESPONSE
            self._output += b"+ \r\n"

    def _on_response(self, line: bytes) -> None:
        self._state = State.AUTHORIZATION
        if line == b"*":
            self._error("AUTH was canceled")  # RFC 5034 §4
            return
        try:
            parts = b64decode(line, validate=True).decode().split("\0")
        except (binascii.Error, UnicodeDecodeError):
            parts = []
        if len(parts) != _PARTS or not (parts[1] and parts[2]):
            self._fail("The response is malformed")
        else:
            self._ask(LoginAttempted(parts[1], parts[2]))

    def _on_stls(self, _: Argument) -> None:
        if self._is_encrypted:
            self._error("TLS is up already")
        elif self._is_utf8:
            self._error("TLS comes before UTF8")  # RFC 6856 §2.1
        elif not self._options.has_tls:
            self._error("TLS is not offered")
        else:
            self._ok("Begin TLS")
            self._input.clear()  # what came behind it came from whomever (CVE-2011-0411)
            self._ask(TlsRequested())

    def _on_utf8(self, _: Argument) -> None:
        self._is_utf8 = True
        self._ok("UTF-8 it is")

    def _on_capa(self, _: Argument) -> None:
        offers_tls = self._options.has_tls and not self._is_encrypted and self._is_before
        self._ok("Capabilities follow")
        self._lines(
            [
                "TOP",
                "UIDL",
                "USER",
                "SASL PLAIN",
                "RESP-CODES",
                "AUTH-RESP-CODE",
                "PIPELINING",
                "UTF8 USER",
                "EXPIRE NEVER",
                *(["STLS"] if offers_tls else []),
                f"IMPLEMENTATION {self._options.implementation}",
            ]
        )

    # --- TRANSACTION -----------------------------------------------------------------

    def _on_stat(self, _: Argument) -> None:
        self._ok(f"{self._maildrop.count} {self._maildrop.octets}")

    def _on_list(self, arguments: Argument) -> None:
        self._list(arguments, lambda item: str(item.size))

    def _on_uidl(self, arguments: Argument) -> None:
        self._list(arguments, lambda item: item.uid)

    def _list(self, arguments: Argument, show: Callable[[Item], str]) -> None:
        if not arguments:
            self._ok(f"{self._maildrop.count} messages")
            self._lines(f"{number} {show(item)}" for number, item in self._maildrop)
            return
        number, item = self._find(arguments[0])
        if item is not None:
            self._ok(f"{number} {show(item)}")

    def _on_retr(self, arguments: Argument) -> None:
        _, item = self._find(arguments[0])
        if item is not None:
            self._ask(MailWanted(item, None))

    def _on_top(self, arguments: Argument) -> None:
        lines = _number(arguments[1])
        if lines is None:
            self._error("The number of lines is none")
            return
        _, item = self._find(arguments[0])
        if item is not None:
            self._ask(MailWanted(item, lines))

    def _on_dele(self, arguments: Argument) -> None:
        if not self._options.may_delete:
            self._error("[SYS/PERM] Nothing is deleted here by POP3")
            return
        number, item = self._find(arguments[0])
        if item is not None:
            self._maildrop.delete(number)
            self._ok(f"Message {number} deleted")

    def _on_noop(self, _: Argument) -> None:
        self._ok()

    def _on_rset(self, _: Argument) -> None:
        self._maildrop.reset()
        self._ok(f"{self._maildrop.count} messages")

    def _on_quit(self, _: Argument) -> None:
        deleted = self._maildrop.deleted
        if self._state is State.TRANSACTION and deleted:
            self._state = State.UPDATE
            self._ask(UpdateWanted(deleted))
        else:
            self._ok("Goodbye")
            self._end()

    def _find(self, text: str) -> tuple[int, Item | None]:
        number = _number(text) or 0
        item = self._maildrop.get(number)
        if item is None:
            self._error("No such message")
        return number, item

    # --- replies ---------------------------------------------------------------------

    def _ok(self, text: str = "") -> None:
        self._output += f"+OK {text}".rstrip().encode() + b"\r\n"

    def _error(self, text: str) -> None:
        self._output += f"-ERR {text}\r\n".encode()

    def _fail(self, text: str) -> None:
        """Say what is wrong, and end a session in which too much is."""
        self._error(text)
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            self._end()

    def _lines(self, lines: Iterable[str]) -> None:
        self._output += "".join(f"{line}\r\n" for line in lines).encode() + b".\r\n"

    _HANDLERS: ClassVar[dict[Verb, Callable[[Pop3Connection, Argument], None]]] = {
        Verb.USER: _on_user,
        Verb.PASS: _on_pass,
        Verb.APOP: _on_apop,
        Verb.AUTH: _on_auth,
        Verb.STLS: _on_stls,
        Verb.UTF8: _on_utf8,
        Verb.CAPA: _on_capa,
        Verb.STAT: _on_stat,
        Verb.LIST: _on_list,
        Verb.UIDL: _on_uidl,
        Verb.RETR: _on_retr,
        Verb.TOP: _on_top,
        Verb.DELE: _on_dele,
        Verb.NOOP: _on_noop,
        Verb.RSET: _on_rset,
        Verb.QUIT: _on_quit,
    }


_VERBS: Final = {verb.value: verb for verb in Verb}


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_NUMBER
    return int(text) if is_number else None


def _top(content: bytes, lines: int) -> bytes:
    """Return the header, the empty line and so many lines of the body (RFC 1939 §7)."""
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return content
    position = end + 4
    for _ in range(lines):
        found = content.find(b"\r\n", position)
        if found < 0:
            return content
        position = found + 2
    return content[:position]


def _stuffed(content: bytes) -> bytes:
    """Return a content as it goes over the wire (RFC 1939 §3)."""
    ended = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    stuffed = ended.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n"
