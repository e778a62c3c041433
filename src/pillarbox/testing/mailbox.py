"""The mail of the program under test: the ``mail`` fixture of pytest and unittest.

A message is available as soon as the client has its 250. Methods block, so a test that shares an
event loop with the sending program awaits ``wait_for_async`` instead.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Selection, Summary
from pillarbox.policy.behavior import Break, SessionStage
from pillarbox.sandbox.service import Sandbox
from pillarbox.sandbox.transcript import Line, Transcript
from pillarbox.store.port import MessageId
from pillarbox.testing.message import CaughtMessage
from pillarbox.testing.server import MailServer
from pillarbox.testing.wanted import Pattern, Wanted

__all__ = ["Mailbox", "shared_mailbox"]

_LISTED: Final = 20  # mails that an error names
_SESSIONS: Final = 3  # of which an error says how they ended
_MOST_LINES: Final = 6  # of these
_LAST_LINES: Final = 4
_REFUSING: Final = ("4", "5")  # what a reply begins with (RFC 5321 §4.2.1)


class Mailbox:
    """The mail that a test server has caught, and the server's behavior."""

    def __init__(self, server: MailServer) -> None:
        """Use a running server."""
        self._server = server
        self._changed = threading.Condition()
        self._caught: dict[MessageId, CaughtMessage] = {}
        self._waited_for: set[MessageId] = set()
        self._arrivals = 0  # how often mail came
        self._wakers: list[Callable[[], None]] = []  # of those who wait in an event loop
        self._cleared_at = 0.0  # seconds since 1970: what ended before is another test's
        server.call(self._listen)

    # --- where it is ------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The name of the server."""
        return self._server.host

    @property
    def port(self) -> int:
        """The port for SMTP: in the clear, or with STARTTLS."""
        return self._server.port

    @property
    def tls_port(self) -> int:
        """The port for SMTP with TLS from the first octet."""
        return self._server.tls_port

    @property
    def certificate(self) -> Path | None:
        """The file with the certificate that a client has to trust to verify the server."""
        return self._server.certificate

    @property
    def url(self) -> str:
        """The server as a URL, for programs that use an ``EMAIL_URL``."""
        return f"smtp://{self.host}:{self.port}"

    @property
    def page(self) -> str:
        """The web page with the caught mail; "" unless the option ``http`` enables it."""
        return self._server.page

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which programs find the server."""
        return {"EMAIL_URL": self.url, "SMTP_HOST": self.host, "SMTP_PORT": str(self.port)}

    # --- what came --------------------------------------------------------------------

    @property
    def messages(self) -> tuple[CaughtMessage, ...]:
        """All caught mail, the oldest first."""
        with self._changed:
            return tuple(self._caught.values())

    def wait_for(
        self,
        *,
        to: Pattern | None = None,
        from_: Pattern | None = None,
        subject: Pattern | None = None,
        text: Pattern | None = None,
        where: Callable[[CaughtMessage], bool] | None = None,
        timeout: float = 5.0,
    ) -> CaughtMessage:
        """Return the oldest matching mail, waiting for it if necessary.

        A mail is returned once: the next call waits for another one.

        Args:
            to: A recipient of the envelope, of To or of Cc: a whole address, or a part of one.
            from_: The author or the reverse-path, likewise.
            subject: What the subject contains, whatever the case; or a regular expression.
            text: What the plain text, or the words of the HTML, contain.
            where: Any other condition, as a function of the mail.
            timeout: Seconds to wait.

        Raises:
            AssertionError: None arrived; the error lists what did arrive.
        """
        wanted = Wanted(to=to, from_=from_, subject=subject, text=text, where=where)
        message = self._next(wanted, timeout)
        if message is None:
            raise AssertionError(self._nothing(wanted, timeout) + _hint_of_loop())
        return message

    async def wait_for_async(
        self,
        *,
        to: Pattern | None = None,
        from_: Pattern | None = None,
        subject: Pattern | None = None,
        text: Pattern | None = None,
        where: Callable[[CaughtMessage], bool] | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - as in wait_for
    ) -> CaughtMessage:
        """Like ``wait_for``, without blocking the event loop or using a thread."""
        wanted = Wanted(to=to, from_=from_, subject=subject, text=text, where=where)
        message = await self._next_async(wanted, timeout)
        if message is None:
            raise AssertionError(self._nothing(wanted, timeout))
        return message

    def expect_none(
        self,
        *,
        to: Pattern | None = None,
        from_: Pattern | None = None,
        subject: Pattern | None = None,
        text: Pattern | None = None,
        where: Callable[[CaughtMessage], bool] | None = None,
        within: float = 0.0,
    ) -> None:
        """Assert that no mail matches, except those already returned.

        Args:
            to: As in ``wait_for``, like the others.
            from_: Likewise.
            subject: Likewise.
            text: Likewise.
            where: Likewise.
            within: Seconds to wait for one; 0 if the program has already sent its mail.

        Raises:
            AssertionError: One arrived.
        """
        wanted = Wanted(to=to, from_=from_, subject=subject, text=text, where=where)
        message = self._next(wanted, within)
        if message is not None:
            raise AssertionError(f"No {wanted} was expected, but {message!r} came.")

    def clear(self) -> None:
        """Discard all mail."""
        self._gone(self._server.call(self._clear))

    # --- failing on purpose -----------------------------------------------------------

    def fail_next(
        self,
        *,
        rcpt: str = "",
        sender: str = "",
        at: str = "",
        code: int = 451,
        enhanced: str = "",
        text: str = "",
        times: int = 1,
    ) -> None:
        """Refuse the next matching command or message.

        Args:
            rcpt: A recipient, or a pattern such as ``*@example.com``; "": any.
            sender: A sender, likewise.
            at: The stage: "CONNECT", "HELO", "AUTH", "MAIL", "RCPT", "DATA", or "DOT" for the end
                of the content. By default MAIL if only a sender is given, otherwise RCPT.
            code: The reply, from 400 to 599.
            enhanced: Its enhanced status code, such as "5.1.1".
            text: The text of the reply.
            times: How often; 0: until ``stop_failing``.

        Raises:
            PermanentError: The arguments are invalid.
        """
        usual = "MAIL" if sender and not rcpt else "RCPT"
        self._add_rule(
            at or usual,
            times,
            code=code,
            enhanced=enhanced,
            text=text,
            recipient=rcpt,
            sender=sender,
        )

    def delay(
        self, seconds: float, *, at: str = "RCPT", rcpt: str = "", sender: str = "", times: int = 0
    ) -> None:
        """Wait before replies; the arguments are those of ``fail_next``, and so are the errors."""
        self._add_rule(at, times, delay=seconds, recipient=rcpt, sender=sender)

    def disconnect(
        self,
        *,
        at: str = "DATA",
        rcpt: str = "",
        sender: str = "",
        times: int = 1,
        reset: bool = False,
    ) -> None:
        """Break the connection; the arguments are those of ``fail_next``, and so are the errors.

        Args:
            at: Where: at "DATA", within the content; at "DOT", once it is complete.
            rcpt: A recipient.
            sender: A sender.
            times: How often; 0: until ``stop_failing``.
            reset: Whether by a TCP reset, instead of an orderly end.
        """
        end = Break.RESET if reset else Break.CLOSE
        self._add_rule(at, times, disconnect=end, recipient=rcpt, sender=sender)

    def stop_failing(self) -> None:
        """Remove all failures."""
        self._server.call(lambda sandbox: sandbox.failing.clear())

    def _add_rule(self, at: str, times: int, **fields: Any) -> None:
        try:
            stage = SessionStage(at.lower())
        except ValueError:
            stages = ", ".join(stage.name for stage in SessionStage)
            raise PermanentError(f"there is no {at!r} to fail at, but {stages}") from None

        async def add(sandbox: Sandbox) -> None:
            sandbox.failing.fail_next(stage=stage, count=times, **fields)

        self._server.call(add)

    # --- within -----------------------------------------------------------------------

    async def _listen(self, sandbox: Sandbox) -> None:
        sandbox.inbox.on_kept(self._kept)
        sandbox.inbox.on_gone(self._gone)

    async def _clear(self, sandbox: Sandbox) -> tuple[MessageId, ...]:
        self._cleared_at = sandbox.clock.now()
        return (await sandbox.remove(Selection())).ids

    def _kept(self, summaries: Sequence[Summary]) -> None:
        with self._changed:
            for summary in summaries:
                self._caught[summary.id] = self._message(summary)
            self._arrivals += 1
            self._changed.notify_all()
            for wake in self._wakers:
                wake()

    def _gone(self, messages: Sequence[MessageId]) -> None:
        with self._changed:
            for message in messages:
                self._caught.pop(message, None)
                self._waited_for.discard(message)

    def _message(self, summary: Summary) -> CaughtMessage:
        call = self._server.call

        def read() -> bytes:
            return call(lambda sandbox: sandbox.content(summary.id)) or b""

        def recall() -> list[str]:
            session = call(lambda sandbox: sandbox.transcript(summary.session))
            return _shown(session.lines) if session else []

        return CaughtMessage(summary, read, recall)

    def _next(self, wanted: Wanted, timeout: float) -> CaughtMessage | None:
        """Return the oldest matching mail not returned before, once there is one."""
        self._server.require_own_process()
        until = time.monotonic() + timeout
        looked_at: set[MessageId] = set()
        while True:
            seen = self._arrivals
            message = self._take(wanted, looked_at)
            if message is not None:
                return message
            with self._changed:
                left = until - time.monotonic()
                if not self._changed.wait_for(lambda: self._arrivals != seen, max(left, 0.0)):  # noqa: B023 - asked at once
                    return None

    async def _next_async(self, wanted: Wanted, timeout: float) -> CaughtMessage | None:  # noqa: ASYNC109 - as in wait_for
        """Like ``_next``, in an event loop and without a thread."""
        self._server.require_own_process()
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        looked_at: set[MessageId] = set()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(changed.set)

        with self._changed:
            self._wakers.append(wake)
        try:
            async with asyncio.timeout(timeout):
                while (message := self._take(wanted, looked_at)) is None:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return None
        finally:
            with self._changed:
                self._wakers.remove(wake)
        return message

    def _take(self, wanted: Wanted, looked_at: set[MessageId]) -> CaughtMessage | None:
        """Return the oldest mail that fits and nobody has, of those not looked at before."""
        with self._changed:
            new = [(n, m) for n, m in self._caught.items() if n not in looked_at]
        # Without the lock: the content of a mail comes from the thread that takes it, too.
        for number, message in new:
            looked_at.add(number)
            if number in self._waited_for or wanted.difference(message):
                continue
            with self._changed:
                if number in self._caught and number not in self._waited_for:
                    self._waited_for.add(number)
                    return message
        return None

    def _nothing(self, wanted: Wanted, timeout: float) -> str:
        return f"No {wanted} came within {timeout:g} s. {self._what_came(wanted)}"

    def _what_came(self, wanted: Wanted) -> str:
        messages = self.messages
        if messages:
            shown = [self._line(each, wanted) for each in messages[-_LISTED:]]
            left_out = len(messages) - len(shown)
            more = f"\n  and {left_out} before" if left_out else ""
            what = f"{_number(len(messages), 'mail')} came:{more}\n" + "\n".join(shown)
        else:
            what = "No mail came at all."
        sessions = [
            session
            for session in self._server.call(_sessions_without_mail)
            if session.lines and session.lines[-1].at >= self._cleared_at
        ]
        return "\n".join([what, *map(_ending, sessions[:_SESSIONS])])

    def _line(self, message: CaughtMessage, wanted: Wanted) -> str:
        at = message.caught_at.strftime("%H:%M:%S.%f")[:-3]
        sender, to = message.envelope_from or "<>", ", ".join(message.envelope_to)
        is_old = message.summary.id in self._waited_for
        why = "waited for before" if is_old else wanted.difference(message)
        reason = f" ({why})" if why else ""
        return f"  {at} from {sender} to {to}: {message.subject!r}{reason}"


_starting: Final = threading.Lock()


def shared_mailbox() -> Mailbox:
    """Return the mailbox of this process, whose server is started once and stopped at its end."""
    with _starting:
        return _mailbox_of(os.getpid())


@cache
def _mailbox_of(process: int) -> Mailbox:
    """Return the mailbox of a process: one that was forked has none of its parent's threads."""
    del process
    server = MailServer()
    server.start()
    atexit.register(server.stop)
    return Mailbox(server)


async def _sessions_without_mail(sandbox: Sandbox) -> tuple[Transcript, ...]:
    return sandbox.sessions_without_mail()


def _hint_of_loop() -> str:
    """Return what to do where the program that sends may have had no chance to."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return ""
    return "\nThe event loop of this thread stood still meanwhile: await wait_for_async() in it."


def _ending(session: Transcript) -> str:
    at = datetime.fromtimestamp(session.started_at, UTC).strftime("%H:%M:%S")
    lines = _shown(_telling(session.lines)[:_MOST_LINES])
    return "\n    ".join([f"A session at {at} brought no mail:", *lines])


def _shown(lines: Sequence[Line]) -> list[str]:
    return [f"{line.direction} {line.text}" for line in lines]


def _telling(lines: Sequence[Line]) -> list[Line]:
    """Return what was refused, with what was asked, and what happened; or how it ended."""
    found: list[Line] = []
    for before, line in pairwise(lines):
        if line.direction == "S" and line.text[:1] in _REFUSING:
            found += [before, line]
        elif line.direction == "-":
            found.append(line)
    return found or [*lines[-_LAST_LINES:]]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
