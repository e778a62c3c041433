"""Real listeners on loopback, in a thread of their own, for tests that are plain clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import argon2
import uvloop

from pillarbox.access.assembly import build_access
from pillarbox.access.node_key import NodeKey
from pillarbox.clock import SystemClock
from pillarbox.config.settings import (
    AuthSettings,
    GuessSettings,
    HarvestSettings,
    IntakeSettings,
    LimitSettings,
    ListenerKind,
    ListenerSettings,
    NodeSettings,
    OwnerSettings,
    PolicySettings,
    RateSettings,
    RuleSettings,
    Settings,
)
from pillarbox.events.types import Event, Sink
from pillarbox.intake.budget import ByteBudget
from pillarbox.intake.door import Door
from pillarbox.intake.guards import Guards
from pillarbox.intake.inspection import Inspector
from pillarbox.intake.memory import MemoryGuard
from pillarbox.intake.reserve import DiskReserve
from pillarbox.intake.stamp import Stamper
from pillarbox.limits.rates import RateTable
from pillarbox.policy.queue import QueueKey
from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.receive.catching import Catching
from pillarbox.receive.checks import Check, Checks
from pillarbox.receive.guesses import Guesses
from pillarbox.receive.misbehavior import Misbehavior
from pillarbox.receive.receiver import Receiver
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.reply import Reply
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.store import MemoryStore
from pillarbox.store.port import KeptMessage

T = TypeVar("T")
HOSTNAME = "mx.local.test"
PASSWORD = "correct horse"

# Who logs in may use every sender, unless a test says whose they are.
EVERYBODYS = {"all": OwnerSettings(senders=("*",), credentials=("*",))}

LOCAL_TEST = LocalDomain(
    name="local.test",
    recipients=frozenset({"ann", "bob"}),
    aliases={
        "team": (Mailbox("ann", "local.test"), Mailbox("carol", "elsewhere.test")),
        "both": (Mailbox("ann", "local.test"), Mailbox("bob", "local.test")),
    },
)


def listener(kind: ListenerKind = ListenerKind.MX, **settings: Any) -> ListenerSettings:
    """Return the settings of a listener on a free port of loopback."""
    return ListenerSettings(kind=kind, bind=("127.0.0.1:0",), **settings)


def user_file(directory: Path, **passwords: str) -> Path:
    """Write a user file with hashes that are quick to check."""
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    path = directory / "users"
    path.touch(mode=0o600)
    path.write_text("".join(f"{user}:{hasher.hash(word)}\n" for user, word in passwords.items()))
    return path


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(10)
        self._input = b""

    def send(self, *lines: str | bytes) -> None:
        """Send lines, or octets as they are."""
        self.sock.sendall(
            b"".join(line if isinstance(line, bytes) else line.encode() + b"\r\n" for line in lines)
        )

    def reply(self) -> str:
        """Return the next reply, its lines joined by newlines; "" at the end of input."""
        lines: list[str] = []
        while True:
            while b"\r\n" not in self._input:
                try:
                    octets = self.sock.recv(65_536)
                except ConnectionResetError:
                    octets = b""
                if not octets:
                    return "\n".join(lines)
                self._input += octets
            line, self._input = self._input.split(b"\r\n", 1)
            lines.append(line.decode())
            if line[3:4] != b"-":
                return "\n".join(lines)

    def ask(self, line: str | bytes) -> str:
        """Send a command and return its reply."""
        self.send(line)
        return self.reply()

    def codes(self, count: int) -> list[str]:
        """Return the codes of the next replies."""
        return [self.reply()[:3] for _ in range(count)]

    def hello(self) -> str:
        """Read the greeting, say EHLO, and return its reply."""
        assert self.reply().startswith("220 ")
        return self.ask("EHLO client.test")

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Say STARTTLS and make the handshake."""
        assert self.ask("STARTTLS").startswith("220 ")
        self.sock = context.wrap_socket(self.sock, server_hostname=HOSTNAME)

    def rest(self) -> bytes:
        """Return everything up to the end of input."""
        octets, self._input = self._input, b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.sock.recv(65_536):
                octets += piece
        return octets


def any_certificate() -> ssl.SSLContext:
    """Return a client's context that believes every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass
class Rig:
    """Listeners that run, and what they have done."""

    settings: Settings
    loop: asyncio.AbstractEventLoop
    receiver: Receiver
    door: Door
    store: Any
    disk: MemoryDisk
    thread: int = field(default_factory=threading.get_ident)  # of the loop
    _events: list[Event] = field(default_factory=list)
    _kept: list[KeptMessage] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """What has been told so far."""
        self._catch_up()
        return self._events

    @property
    def kept(self) -> list[KeptMessage]:
        """What has been kept so far."""
        self._catch_up()
        return self._kept

    def _catch_up(self) -> None:
        # A reply is sent before the rest of its callback has run.
        if self.loop.is_running() and threading.get_ident() != self.thread:
            self.call(lambda: None)

    def address(self, name: str = "mx") -> tuple[str, int]:
        """Return where a listener listens."""
        return self.receiver.addresses[name][0]

    @contextlib.contextmanager
    def client(self, name: str = "mx") -> Iterator[Wire]:
        """Connect a client."""
        with socket.create_connection(self.address(name), timeout=10) as sock:
            wire = Wire(sock)
            try:
                yield wire
            finally:
                wire.sock.close()

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread of the listeners."""

        async def called() -> T:
            return function()

        return self.wait(called())

    def wait(self, work: Awaitable[T]) -> T:
        """Wait for work on the loop of the listeners."""

        async def waited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), self.loop).result(20)

    def reasons(self) -> list[str]:
        """Return why connections have ended."""
        return [each.reason for each in self.events if "Closed" in type(each).__name__]

    def named(self, kind: type[Event]) -> list[Any]:
        """Return the events of a type."""
        return [event for event in self.events if type(event) is kind]

    def content(self, message: KeptMessage) -> bytes:
        """Return what the store holds of a message."""

        async def read() -> bytes:
            return b"".join([chunk async for chunk in self.store.body(message.id)])

        return self.wait(read())


@contextlib.contextmanager
def receiving(
    listeners: dict[str, ListenerSettings] | None = None,
    *,
    limits: LimitSettings | None = None,
    intake: IntakeSettings | None = None,
    wrap: Callable[[MemoryStore], Any] | None = None,
    memory: MemoryGuard | None = None,
    users: dict[str, str] | None = None,
    rules: dict[str, RuleSettings] | None = None,
    owners: dict[str, OwnerSettings] | None = None,
    policy: PolicySettings | None = None,
    reserve: int = 0,
    on_uvloop: bool = False,
    inspectors: Sequence[Inspector] = (),
    checks: Sequence[Check] = (),
    rates: dict[str, RateSettings] | None = None,
    guessing: GuessSettings | None = None,
    harvesting: HarvestSettings | None = None,
    failing: Misbehavior | None = None,
) -> Iterator[Rig]:
    """Run listeners over a store in memory; ``wrap`` may put something in front of it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        settings = Settings(
            node=NodeSettings(hostname=HOSTNAME, directory=directory),
            limits=limits or LimitSettings(),
            intake=intake or IntakeSettings(),
            auth=AuthSettings(file=user_file(directory, **users) if users else None),
            policy=policy or PolicySettings(),
            listener=listeners or {"mx": listener()},
            rule=rules or {},
            rate=rates or {},
            guessing=guessing or GuessSettings(),
            harvesting=harvesting or HarvestSettings(),
            owner=EVERYBODYS if owners is None else owners,
        )
        ready: list[Rig] = []
        failed: list[BaseException] = []
        is_up, stop = threading.Event(), asyncio.Event()

        def run() -> None:
            factory = uvloop.new_event_loop if on_uvloop else asyncio.new_event_loop
            try:
                with asyncio.Runner(loop_factory=factory) as runner:
                    runner.run(serve())
            except BaseException as error:  # noqa: BLE001 - it is raised in the test
                failed.append(error)
            finally:
                is_up.set()

        async def serve() -> None:
            rig = await start_rig(settings, wrap, memory, reserve, inspectors, checks, failing)
            ready.append(rig)
            is_up.set()
            await stop.wait()
            await rig.receiver.stop(0.2)
            await rig.door.guards.reserve.stop()

        thread = threading.Thread(target=run)
        thread.start()
        is_up.wait(60)
        try:
            if ready:
                yield ready[0]
        finally:
            if ready and not failed:
                ready[0].loop.call_soon_threadsafe(stop.set)
            thread.join(20)
        if failed:
            raise failed[0]


async def start_rig(
    settings: Settings,
    wrap: Callable[[MemoryStore], Any] | None = None,
    memory: MemoryGuard | None = None,
    reserve: int = 0,
    inspectors: Sequence[Inspector] = (),
    checks: Sequence[Check] = (),
    failing: Misbehavior | None = None,
) -> Rig:
    """Start listeners on the running loop."""
    clock = SystemClock()
    disk = MemoryDisk()
    memory_store = MemoryStore("main", clock.now, disk)
    await memory_store.open()
    store = wrap(memory_store) if wrap else memory_store
    guards = Guards(
        reserve=DiskReserve(store, reserve),
        memory=memory or MemoryGuard(),
        budget=ByteBudget(settings.limits.bytes_in_flight),
    )
    await guards.reserve.start()
    events: list[Event] = []
    kept: list[KeptMessage] = []
    door = Door(
        store=store,
        group=GroupCommit(store),
        ids=IdMaker(0, clock.now),
        clock=clock,
        stamper=Stamper(settings.intake, HOSTNAME),
        queue_for=queue_for,
        guards=guards,
        sink=events.append,
        on_kept=kept.append,
        inspectors=inspectors,
    )
    receiver = Receiver(
        settings,
        hostname=HOSTNAME,
        domains=LocalDomains([LOCAL_TEST]),
        door=door,
        clock=clock,
        sink=events.append,
        checks=lambda _settings, _name: Checks(checks, lambda _name, _error: None),
        rates=lambda settings: RateTable(settings.rate, clock.now) if settings.rate else None,
        catching=None if failing is None else _catching(settings, door, events.append, failing),
    )
    receiver.start()
    loop = asyncio.get_running_loop()
    return Rig(settings, loop, receiver, door, store, disk, _events=events, _kept=kept)


class Deaf:
    """Listens to a session, and hears nothing."""

    def said(self, line: bytes) -> None:
        """Hear a command."""

    def replied(self, reply: Reply) -> None:
        """Hear a reply."""

    def brought(self, octets: bytes) -> None:
        """Hear a piece of a content."""

    def ended(self) -> None:
        """Hear that a content has ended."""


def _catching(settings: Settings, door: Door, sink: Sink, failing: Misbehavior) -> Catching:
    """Return the other end of sandbox listeners: the same door, and nobody listens in."""
    key = NodeKey(bytes(32), is_configured=False)
    return Catching(
        door=door,
        access=build_access(settings, directory=None, key=key, now=time.time),
        guesses=Guesses(key=bytes(32), sink=sink),
        limits=settings.limits,
        sink=sink,
        options=lambda options: options,
        observe=lambda _session, _client, _listener: Deaf(),
        failing=failing,
    )


def queue_for(sender: ReversePath, recipient: Mailbox) -> QueueKey:
    """Put every destination into a queue of its own."""
    del sender
    return QueueKey("", recipient.ascii_domain, "out", "")


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that happens in the thread of the listeners."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
