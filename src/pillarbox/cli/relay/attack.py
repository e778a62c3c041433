"""Asks a live listener to relay, in every known form, without sending a message.

A plain client on a blocking socket: what a server must not take cannot be said by a client
that keeps to the rules. It stops behind RCPT; ``on_taken`` is for those who go on in a lab.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pillarbox.policy.relay_forms import PROOF_USER, Scene, recipient_forms, sender_forms

__all__ = ["Attack", "Shot", "Target", "Wire", "attack"]

_SECONDS: Final = 10.0  # for a reply
_TRIES: Final = 40  # for one shot: a listener turns away who connects too often
_LONGEST_WAIT: Final = 2.0
_LONGEST_REPLY: Final = 64 * 1024
_TAKEN: Final = "2"
_REFUSED: Final = "5"
_NO_ANSWER: Final = ""
_HELLO: Final = f"EHLO {PROOF_USER}.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A listener, and from where it is attacked."""

    listener: str
    kind: str
    host: str
    port: int
    source: str  # the address that our end is bound to
    announced: str = ""  # the address that a PROXY header gives us; "" without one
    has_implicit_tls: bool = False
    uses_starttls: bool = False
    how: str = ""  # what this address proves, in a sentence

    @property
    def place(self) -> str:
        """Where it is, for people."""
        where = f"{self.host} port {self.port}"
        return f"{where} behind STARTTLS" if self.uses_starttls else where

    @property
    def client(self) -> str:
        """The address that the listener decides about."""
        return self.announced or self.source


@dataclass(frozen=True, slots=True)
class Shot:
    """One sender with one recipient, and the reply to RCPT."""

    form: str
    sender: str
    recipient: str
    reply: str


@dataclass(slots=True)
class Attack:
    """What came of attacking one target."""

    target: Target
    shots: int = 0
    replies: Counter[str] = field(default_factory=Counter)  # by their first line
    taken: list[Shot] = field(default_factory=list)
    unclear: list[Shot] = field(default_factory=list)  # neither taken nor refused for good

    def record(self, shot: Shot) -> None:
        """Take note of a reply."""
        self.shots += 1
        self.replies[shot.reply.split("\n", 1)[0][:80] or "no answer"] += 1
        if shot.reply.startswith(_TAKEN):
            self.taken.append(shot)
        elif not shot.reply.startswith(_REFUSED):
            self.unclear.append(shot)


class Wire:
    """A connection on which anything can be said."""

    def __init__(self, target: Target) -> None:
        """Connect, and read the greeting.

        Raises:
            OSError: There is no connection.
        """
        self._input = b""
        self._socket = socket.create_connection(
            (target.host, target.port), timeout=_SECONDS, source_address=(target.source, 0)
        )
        try:
            if target.announced:
                self._socket.sendall(_proxy_header(target))
            if target.has_implicit_tls:
                self._socket = _any_certificate().wrap_socket(self._socket)
            self.greeting = self.reply()
        except OSError:
            self._socket.close()
            raise

    def ask(self, line: str) -> str:
        """Send a line, and return the reply; "" where the connection is lost."""
        try:
            self._socket.sendall(line.encode() + b"\r\n")
        except OSError:
            return _NO_ANSWER
        return self.reply()

    def reply(self) -> str:
        """Return the next reply, its lines joined by newlines; "" at the end of input."""
        lines: list[str] = []
        while (line := self._line()) is not None:
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)
        return _NO_ANSWER

    def start_tls(self) -> bool:
        """Say STARTTLS and make the handshake; return whether the listener wants to."""
        if not self.ask("STARTTLS").startswith("220"):
            return False
        self._socket = _any_certificate().wrap_socket(self._socket)
        return True

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def _line(self) -> str | None:
        while b"\n" not in self._input:
            try:
                octets = self._socket.recv(4096)
            except OSError:
                return None
            if not octets or len(self._input) > _LONGEST_REPLY:
                return None
            self._input += octets
        line, self._input = self._input.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")


def attack(target: Target, scene: Scene, on_taken: Callable[[Wire], None] | None = None) -> Attack:
    """Ask a listener for every recipient, from every sender.

    Args:
        target: Which, and from where.
        scene: The names to ask with.
        on_taken: Called after a recipient was taken, before the next is tried.

    Raises:
        OSError: The listener cannot be reached.
    """
    done = Attack(target)
    with contextlib.closing(_Session(target)) as session:
        for sender, form, recipient, parameter in _shots(scene):
            reply = session.fire(sender + parameter, recipient)
            done.record(Shot(form, sender + parameter, recipient, reply))
            if on_taken is not None and reply.startswith(_TAKEN) and session.wire is not None:
                on_taken(session.wire)
    return done


def _shots(scene: Scene) -> Iterator[tuple[str, str, str, str]]:
    for sender in sender_forms(scene):
        for form in recipient_forms(scene):
            yield sender, form.name, form.path, ""
            if not form.path.isascii():
                yield sender, form.name, form.path, " SMTPUTF8"


class _Session:
    """Connections to one target, one after the other: a server ends what errs too often."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.wire: Wire | None = None

    def fire(self, sender: str, recipient: str) -> str:
        """Return the reply to RCPT, on a new connection where the old one has ended."""
        reply = _NO_ANSWER
        for number in range(_TRIES):
            if self.wire is None:
                self._connect(number)
            reply = self._fire_once(sender, recipient)
            if reply and not reply.startswith("421"):
                return reply
            self.close()
        return reply

    def _connect(self, number: int) -> None:
        wire = Wire(self._target)
        if not wire.greeting.startswith("220"):
            wire.close()
            time.sleep(min(0.05 * 2**number, _LONGEST_WAIT))
            return
        wire.ask(_HELLO)
        if self._target.uses_starttls and wire.start_tls():
            wire.ask(_HELLO)
        self.wire = wire

    def _fire_once(self, sender: str, recipient: str) -> str:
        if self.wire is None:
            return _NO_ANSWER
        for line in ("RSET", f"MAIL FROM:{sender}"):
            reply = self.wire.ask(line)
            if not reply or reply.startswith("421"):
                return reply
        # Also where MAIL was refused: a server that takes a recipient then is what we look for.
        return self.wire.ask(f"RCPT TO:{recipient}")

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
            self.wire = None


def _proxy_header(target: Target) -> bytes:
    """Return a header of the PROXY protocol, version 1."""
    family, ours = ("TCP6", "::1") if ":" in target.announced else ("TCP4", "127.0.0.1")
    return f"PROXY {family} {target.announced} {ours} 40000 {target.port}\r\n".encode()


def _any_certificate() -> ssl.SSLContext:
    # Nothing secret is said, and it is no matter to whom.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
