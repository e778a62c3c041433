"""One session of ``pillarbox talk``: steps in, explained lines out.

Each line is shown with what it does before it is sent, each reply with what it means. Secrets are
shown as ``****``. A missing reply or a closed connection ends the session with ``TalkEnded``; a
reply other than the expected one raises ``Unexpected``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pillarbox.checkup.facts.smtp import Mode
from pillarbox.checkup.probes.wire import StageFailed, Wire, failure_of
from pillarbox.checkup.talk.completion import Scene, Where
from pillarbox.checkup.talk.steps import (
    Authenticate,
    Expect,
    Pipeline,
    Raw,
    Say,
    SecureNow,
    SendContent,
    Step,
    Wait,
)
from pillarbox.diagnosis.dialog import DialogReader
from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.net.channel_binding import server_end_point
from pillarbox.smtp.client_authentication import ClientExchange
from pillarbox.smtp.client_extensions import Extensions, read_extensions
from pillarbox.smtp.client_replies import wire_lines
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.mechanism import ClientSetting
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret, Trait
from pillarbox.smtp.sasl.selection import Login, choose_mechanism
from pillarbox.smtp.stuffing import dot_stuff

__all__ = ["TalkEnded", "TalkLine", "TalkSession", "TalkTerms", "Unexpected"]

_HIDDEN: Final = "****"
_FIRST: Final = 2.0  # seconds for a reply to octets that may be no whole command
_MORE: Final = 0.3  # seconds in which further replies may come
_MOST_REPLIES: Final = 50  # to octets: a server could go on forever
_CHALLENGE: Final = 334
_GO_ON: Final = 354
_READY: Final = 220
_LINE_LENGTH: Final = 998  # octets (RFC 5321 §4.5.3.1.6)
_BDAT: Final = re.compile(r"BDAT +(\d{1,12})(?: +LAST)?", re.IGNORECASE)
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_INITIAL: Final = re.compile(r"(AUTH +\S+) +\S.*", re.IGNORECASE)

# Where a session is once a command was answered with 2xx.
_AFTER: Final = {
    "EHLO": Where.GREETED,
    "HELO": Where.GREETED,
    "LHLO": Where.GREETED,
    "MAIL": Where.SENDER,
    "RCPT": Where.RECIPIENT,
    "RSET": Where.GREETED,
    "AUTH": Where.GREETED,
}


class TalkEnded(TemporaryError):  # noqa: N818 - a talk ends, it does not err
    """The connection is gone, or a reply did not come in time."""


class Unexpected(PermanentError):  # noqa: N818 - the reply is, and no error of ours
    """A reply is not what a script expects."""


@dataclass(frozen=True, slots=True)
class TalkLine:
    """One line to show."""

    direction: str  # "C" we said it, "S" the server did, "-" it happened
    text: str  # without its line end, secrets masked
    note: str = ""  # what it does, or meant


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkTerms:
    """How a session is held."""

    host: str
    port: int
    mode: Mode
    hello: str
    context: ssl.SSLContext
    patience: float = 60.0  # seconds for a reply
    read_file: Callable[[str], bytes]
    ask_secret: Callable[[str], str]


@dataclass(slots=True)
class TalkSession:
    """An open connection, and what is known of it."""

    wire: Wire
    terms: TalkTerms
    on_line: Callable[[TalkLine], None]
    last: Reply | None = None
    is_over: bool = False
    is_secure: bool = False
    _where: Where = Where.CONNECTED
    _offered: Extensions = field(default_factory=Extensions)
    _reader: DialogReader = field(default_factory=DialogReader)
    _bdat_left: int = 0

    @property
    def scene(self) -> Scene:
        """What decides what can be said next."""
        return Scene(self._where, self._offered, self.is_secure, self.terms.hello)

    async def begin(self) -> None:
        """Make the handshake where TLS begins at once, and hear the greeting.

        Raises:
            TalkEnded: Neither came about.
        """
        if self.terms.mode is Mode.IMPLICIT:
            await self._secure()
        await self._hear("")

    async def do(self, step: Step) -> None:
        """Carry out one step.

        Raises:
            Unexpected: The last reply is another one than this step expects.
            TalkEnded: The connection is gone, or the reply does not come.
            PermanentError: It cannot be done now.
        """
        match step:
            case Expect():
                self._expect(step)
            case Say():
                await self._say(step.line)
            case SecureNow():
                await self._starttls()
            case Authenticate():
                await self._authenticate(step)
            case Pipeline():
                await self._pipeline(step.lines)
            case SendContent():
                await self._content(step)
            case Raw():
                await self._raw(step)
            case Wait():
                self._happened(f"waiting {step.seconds:g} s")
                await asyncio.sleep(step.seconds)

    # --- single lines ----------------------------------------------------------------

    async def _say(self, line: str) -> None:
        where = self._where
        shown = _HIDDEN if where is Where.CHALLENGED else _INITIAL.sub(rf"\1 {_HIDDEN}", line)
        self.on_line(TalkLine("C", shown, self._reader.said(shown)))
        await self._send(f"{line}\r\n".encode())
        if where is Where.CONTENT and line != ".":
            return
        if (piece := _BDAT.fullmatch(line)) is not None and int(piece[1]):
            self._bdat_left = int(piece[1])
            self._happened(f"now {self._bdat_left} octets have to follow: /raw ...")
            return
        verb = "AUTH" if where is Where.CHALLENGED else line.partition(" ")[0].upper()
        reply = await self._hear("." if where is Where.CONTENT else verb)
        if verb == "STARTTLS" and reply.code == _READY:
            await self._secure()
        elif verb == "QUIT":
            self.is_over = True

    async def _pipeline(self, lines: tuple[str, ...]) -> None:
        if not self._offered.pipelining:
            self._happened("the server does not offer PIPELINING, and may not understand this")
        for line in lines:
            self.on_line(TalkLine("C", line, self._reader.said(line)))
        await self._send("".join(f"{line}\r\n" for line in lines).encode())
        for line in lines:
            verb = line.partition(" ")[0].upper()
            await self._hear(verb)
            self.is_over = self.is_over or verb == "QUIT"

    async def _raw(self, step: Raw) -> None:
        octets = b64encode(step.octets) + b"\r\n" if step.in_base64 else step.octets
        shown = _HIDDEN if step.in_base64 else repr(octets)[2:-1]
        self.on_line(TalkLine("C", shown, "" if not step.in_base64 else self._reader.said(shown)))
        await self._send(octets)
        if self._bdat_left:
            self._bdat_left = max(self._bdat_left - len(octets), 0)
            if self._bdat_left:
                return
            await self._hear(".")
            return
        if self._where is Where.CHALLENGED:
            await self._hear("AUTH")
            return
        heard = 0
        with suppress(TimeoutError):  # octets may be several commands, or less than one
            while heard < _MOST_REPLIES:
                await self._hear("", patience=_MORE if heard else _FIRST)
                heard += 1
        if not heard:
            self._happened("no reply so far")

    # --- TLS and login ---------------------------------------------------------------

    async def _starttls(self) -> None:
        await self._say("STARTTLS")
        if self.is_secure:
            await self._say(f"EHLO {self.terms.hello}")

    async def _secure(self) -> None:
        name = self.terms.host
        try:
            async with asyncio.timeout(self.terms.patience):
                await self.wire.secure(self.terms.context, name)
        except (OSError, EOFError, ValueError) as error:
            failed = failure_of(error) if not isinstance(error, ValueError) else error
            raise TalkEnded(
                f"the TLS handshake failed: {failed}; `pillarbox check smtp {name}` says why,"
                " and --any-certificate goes on all the same"
            ) from error
        session = self.wire.session
        self.is_secure = True
        self._where = Where.CONNECTED
        self._offered = Extensions()
        verified = (
            "verified" if session.context.verify_mode is ssl.CERT_REQUIRED else "NOT verified"
        )
        cipher = (session.cipher() or ("",))[0]
        self._happened(f"TLS: {session.version()} {cipher}, certificate {verified}")

    async def _authenticate(self, step: Authenticate) -> None:
        login = self._login(step)
        name = choose_mechanism(
            login, self._offered.auth, is_secure=self.is_secure, refused=frozenset()
        )
        if name is None:
            offered = " ".join(sorted(self._offered.auth)) or "none"
            hint = "" if self.is_secure else "; without TLS no password is shown: /starttls first"
            raise PermanentError(f"no mechanism fits (the server offers: {offered}){hint}")
        exchange = ClientExchange(name, MECHANISMS[name].client(self._setting(login)))
        command, shows_secret = exchange.command()
        shown = f"AUTH {name} {_HIDDEN}" if shows_secret else command.decode().rstrip()
        self.on_line(TalkLine("C", shown, self._reader.said(shown)))
        await self._send(command)
        reply = await self._hear("AUTH")
        while reply.code == _CHALLENGE and not exchange.is_canceled:
            self.on_line(TalkLine("C", _HIDDEN, self._reader.said(_HIDDEN)))
            await self._send(exchange.respond(reply))
            reply = await self._hear("AUTH")
        if exchange.failure:
            self._happened(f"the login: {exchange.failure}")

    def _login(self, step: Authenticate) -> Login:
        known = MECHANISMS.get(step.mechanism)
        if step.mechanism and known is None:
            raise PermanentError(f"{step.mechanism} is none of {', '.join(MECHANISMS)}")
        is_token = known is not None and known.secret is Secret.TOKEN
        secret = self.terms.ask_secret(f"{'Token' if is_token else 'Password'} of {step.user}")
        binding = None
        if self.is_secure:
            certificate = self.wire.session.getpeercert(binary_form=True)
            binding = server_end_point(certificate) if certificate else None
        return Login(
            user=step.user,
            password="" if is_token else secret,
            token=secret if is_token else "",
            mechanisms=frozenset({step.mechanism} if step.mechanism else ()),
            channel_binding=binding,
            host=self.terms.host,
            port=self.terms.port,
        )

    def _setting(self, login: Login) -> ClientSetting:
        binds = {name for name, each in MECHANISMS.items() if each.trait is Trait.BINDS}
        return ClientSetting(
            user=login.user,
            password=login.password,
            token=login.token,
            nonce=secrets.token_urlsafe(18),
            channel_binding=login.channel_binding,
            offers_binding=not binds.isdisjoint(self._offered.auth),
            host=login.host,
            port=login.port,
        )

    # --- content ---------------------------------------------------------------------

    async def _content(self, step: SendContent) -> None:
        content = self.terms.read_file(step.file) if step.file else _letter(step.text)
        content = _LINE_END.sub(b"\r\n", content)  # as mail has them; /raw sends what is there
        if step.uses_bdat:
            await self._bdat(content, step.piece or max(len(content), 1))
            return
        if self._where is not Where.CONTENT:
            await self._say("DATA")
        if self.last is None or self.last.code != _GO_ON:
            return  # the reply has been shown, and says why
        self._happened(f"{len(content)} octets of content, and the final dot")
        self._reader.said(".")
        await self._send(dot_stuff(content))
        await self._hear(".")

    async def _bdat(self, content: bytes, piece: int) -> None:
        for at in range(0, max(len(content), 1), piece):
            octets = content[at : at + piece]
            last = " LAST" if at + piece >= len(content) else ""
            command = f"BDAT {len(octets)}{last}"
            self.on_line(TalkLine("C", command, self._reader.said(command)))
            await self._send(f"{command}\r\n".encode() + octets)
            reply = await self._hear("." if last else "BDAT")
            if not reply.is_positive:
                return

    # --- replies ---------------------------------------------------------------------

    async def _send(self, octets: bytes) -> None:
        try:
            await self.wire.send(octets)
        except OSError as error:
            raise TalkEnded(f"the connection is gone: {failure_of(error)}") from error

    async def _hear(self, verb: str, *, patience: float | None = None) -> Reply:
        """Return the next reply, shown with what it meant.

        Raises:
            TimeoutError: It does not come within a patience that was given.
            TalkEnded: It does not come at all.
        """
        limit = self.terms.patience if patience is None else patience
        try:
            async with asyncio.timeout(limit):
                reply = await self.wire.hear()
        except TimeoutError:
            if patience is not None:
                raise
            raise TalkEnded(f"no reply within {limit:.0f} s") from None
        except (OSError, EOFError, StageFailed) as error:
            raise TalkEnded(f"the connection is gone: {failure_of(error)}") from error
        self.last = reply
        for line in wire_lines(reply):
            self.on_line(TalkLine("S", line, self._meaning(line, reply)))
        if not reply.is_positive:
            self._explain(reply)
        self._follow(verb, reply)
        return reply

    def _meaning(self, line: str, reply: Reply) -> str:
        note = self._reader.replied(line)
        if reply.code == _CHALLENGE and (asked := _decoded(reply.text)):
            return f"The server asks, in base64: {asked}"
        return note

    def _follow(self, verb: str, reply: Reply) -> None:
        """Take note of where a reply has brought the session."""
        if reply.code == _CHALLENGE:
            self._where = Where.CHALLENGED
        elif reply.code == _GO_ON:
            self._where = Where.CONTENT
        elif verb == "." or (verb == "AUTH" and self._where is Where.CHALLENGED):
            self._where = Where.GREETED
        elif reply.is_positive:
            self._where = _AFTER.get(verb, self._where)
            if verb in {"EHLO", "LHLO"}:
                self._offered = read_extensions(reply)

    def _explain(self, reply: Reply) -> None:
        """Say what the catalog knows of a refusal."""
        told = explain(
            Observation(
                source=Source.REPLY,
                text=reply.text,
                code=reply.code,
                enhanced=reply.enhanced,
                host=self.terms.host,
            )
        )
        if told.causes:
            entry = told.causes[0].entry
            self.on_line(TalkLine("-", entry.title, entry.now))

    def _happened(self, text: str) -> None:
        self.on_line(TalkLine("-", text))

    def _expect(self, step: Expect) -> None:
        reply = self.last
        shown = "\n".join(wire_lines(reply)) if reply is not None else ""
        if reply is None or not step.fits(reply.code, shown):
            raise Unexpected(f"expected {step}, and the server said: {reply or 'nothing'}")


def _decoded(text: str) -> str:
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


def _letter(text: str) -> bytes:
    """Return a message with a text for its body."""
    body = text[:_LINE_LENGTH].replace("\r\n", "\n").replace("\n", "\r\n")
    return f"Subject: pillarbox talk\r\n\r\n{body}\r\n".encode()
