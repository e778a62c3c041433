"""Limits and time-outs of listeners, and what becomes of clients that go beyond them."""

from __future__ import annotations

import contextlib
import errno
import resource
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.receiving import Rig, Wire, any_certificate, listener, receiving, wait_until

from pillarbox.config.settings import LimitSettings, ListenerKind
from pillarbox.events.types import ConnectionOpened, ConnectionRefused
from pillarbox.intake.memory import MemoryGuard
from pillarbox.receive import listener as listener_module

KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=("127.0.0.0/8",)),
}
BOTH_LOOPS = pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
HEADER = b"From: x@third.test\r\nTo: ann@local.test\r\n\r\n"


def begin(wire: Wire) -> None:
    """Go as far as the 354."""
    wire.hello()
    wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
    assert wire.codes(3) == ["250", "250", "354"]


def has_reply(wire: Wire) -> bool:
    """Whether something has come from the server."""
    return bool(select.select([wire.sock], [], [], 0)[0])


# --- connections -------------------------------------------------------------------


def test_connections_over_the_limit_are_turned_away_and_others_stay() -> None:
    """421 4.3.2 for one too many; those who are here go on, and room is filled again."""
    with receiving(limits=LimitSettings(connections=2, stress_timeout=9)) as rig:
        with rig.client() as one, rig.client() as two:
            one.hello()
            two.hello()
            with rig.client() as three:
                assert three.reply().startswith("421 4.3.2")
                assert three.rest() == b""
            assert one.ask("NOOP").startswith("250")
            one.ask("QUIT")
        wait_until(lambda: rig.receiver.connections["mx"] == 0)
        with rig.client() as again:
            assert again.reply().startswith("220")
        assert len(rig.named(ConnectionRefused)) == 1


def test_one_client_cannot_take_all_connections() -> None:
    """421 4.7.0 for a client with too many, and trusted networks are not counted."""
    kinds = {**KINDS, "other": listener()}
    with (
        receiving(kinds, limits=LimitSettings(connections_per_client=1)) as rig,
        rig.client() as one,
        rig.client("submission") as two,
        rig.client("submission") as three,
    ):
        one.hello()
        two.hello()
        three.hello()
        with rig.client() as refused:
            assert refused.reply().startswith("421 4.7.0")
        assert one.ask("NOOP").startswith("250")
        one.ask("QUIT")
        wait_until(lambda: rig.receiver.connections["mx"] == 0)
        with rig.client() as again:
            assert again.reply().startswith("220")


def test_one_client_cannot_connect_all_the_time() -> None:
    """More new connections in a minute than allowed get 421 4.7.0."""
    with receiving(limits=LimitSettings(connection_rate_per_client=3)) as rig:
        greetings = []
        for _ in range(5):
            with rig.client() as wire:
                greetings.append(wire.reply()[:9])
        assert [each[:3] for each in greetings] == ["220"] * 3 + ["421"] * 2
        assert rig.named(ConnectionRefused)[0].reason == "too many new connections"


@BOTH_LOOPS
def test_a_storm_of_connections_leaves_nothing_behind(on_uvloop: bool) -> None:
    """Connections that are reset before or after the greeting are forgotten."""
    with receiving(on_uvloop=on_uvloop) as rig:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for number in range(200):
            sock = socket.create_connection(rig.address())
            if number % 2:
                sock.recv(100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        wait_until(lambda: rig.receiver.connections["mx"] == 0)
        wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before + 1)
        with rig.client() as wire:
            wire.hello()


class ShortOfFiles:
    """A listening socket on which accepting fails for want of file descriptors, at first."""

    def __init__(self, sock: socket.socket, failures: int) -> None:
        self._sock = sock
        self.failures = failures
        self.asked = 0

    def accept(self) -> Any:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@BOTH_LOOPS
def test_accepting_rests_when_file_descriptors_run_out(on_uvloop: bool) -> None:
    """EMFILE pauses accepting for a moment, without spinning, and the client is served then."""
    with receiving(on_uvloop=on_uvloop) as rig:
        accepts = rig.receiver._listeners["mx"]
        short = ShortOfFiles(accepts.sockets[0], failures=1)

        def fail() -> None:
            rig.loop.remove_reader(accepts.sockets[0])
            rig.loop.add_reader(accepts.sockets[0], accepts._accept, short)

        rig.call(fail)
        began = time.monotonic()
        with rig.client() as wire:
            assert wire.reply().startswith("220")
        assert time.monotonic() - began >= 0.08  # loops round their timers
        assert short.asked <= 4


@BOTH_LOOPS
def test_file_descriptors_are_kept_for_the_store_and_for_delivery(on_uvloop: bool) -> None:
    """Near the limit of the process clients get 421 4.3.2, and later they are served again."""
    with receiving(KINDS, on_uvloop=on_uvloop) as rig:
        accepts = rig.receiver._listeners["mx"]
        accepts._most_files = 0
        with rig.client() as wire:
            assert wire.reply().startswith("421 4.3.2")
        with rig.client("submission") as wire:
            assert wire.reply().startswith("220")
        accepts._most_files = 10_000
        with rig.client() as wire:
            assert wire.reply().startswith("220")


def test_strangers_may_use_fewer_file_descriptors_than_our_own_users() -> None:
    """A flood on mx leaves a tenth of the file descriptors to submission."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    mx = listener_module._most_files(ListenerKind.MX)
    submission = listener_module._most_files(ListenerKind.SUBMISSION)
    assert mx < submission < limit


# --- time --------------------------------------------------------------------------


@BOTH_LOOPS
@pytest.mark.parametrize("name", KINDS)
def test_a_client_that_says_nothing_is_told_and_disconnected(name: str, on_uvloop: bool) -> None:
    """421 4.4.2 after the time for a command, however far the session was."""
    limits = LimitSettings(command_timeout=0.15)
    with receiving(KINDS, limits=limits, on_uvloop=on_uvloop) as rig:
        with rig.client(name) as silent, rig.client(name) as greeted:
            greeted.hello()
            assert silent.reply().startswith("220")
            for wire in (silent, greeted):
                assert wire.reply().startswith("421 4.4.2")
                assert wire.rest() == b""
        wait_until(lambda: rig.reasons() == ["time-out: command"] * 2)


def test_part_of_a_command_buys_no_time() -> None:
    """An octet now and then does not hold a connection open (slow loris)."""
    with receiving(limits=LimitSettings(command_timeout=0.2)) as rig, rig.client() as wire:
        wire.hello()
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 20 and not has_reply(wire):
                wire.send(b"N")
                time.sleep(0.03)
        assert wire.reply().startswith("421 4.4.2")


@BOTH_LOOPS
@pytest.mark.parametrize("command", ["DATA", "BDAT 100000 LAST"])
def test_a_content_that_comes_too_slowly_is_cut(command: str, on_uvloop: bool) -> None:
    """The whole content has a time that grows with what has come; nothing is kept."""
    limits = LimitSettings(data_timeout=0.2, data_rate=10_000)
    with receiving(limits=limits, on_uvloop=on_uvloop) as rig, rig.client() as wire:
        wire.hello()
        wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", command)
        wire.codes(3 if command == "DATA" else 2)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 20 and not has_reply(wire):
                wire.send(b"x" * 10 + b"\r\n")
                time.sleep(0.02)
        assert wire.reply().startswith("421 4.4.2")
        wire.sock.close()
        wait_until(lambda: rig.reasons() == ["time-out: content"])
        assert not rig.kept
        assert rig.call(lambda: rig.door.guards.budget.used) == 0


def test_a_content_that_is_large_gets_more_time() -> None:
    """What keeps above the least rate is not cut, however long it takes."""
    limits = LimitSettings(data_timeout=0.4, data_rate=1_000)
    with receiving(limits=limits) as rig, rig.client() as wire:
        begin(wire)
        wire.send(HEADER, (b"x" * 70 + b"\r\n") * 100)  # seven seconds' worth
        for _ in range(5):
            time.sleep(0.1)
            wire.send((b"x" * 70 + b"\r\n") * 100)
        assert wire.ask(".").startswith("250")
        assert len(rig.kept) == 1


@BOTH_LOOPS
def test_a_client_that_takes_no_replies_is_cut(on_uvloop: bool) -> None:
    """Replies wait in a bounded buffer for a bounded time, and no more commands are read."""
    limits = LimitSettings(reply_timeout=0.2, commands=10**9, errors=10**9)
    with receiving(limits=limits, on_uvloop=on_uvloop) as rig:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(rig.address())
        sock.settimeout(0.05)
        sent = 0
        with sock, contextlib.suppress(ConnectionError):
            sock.send(b"EHLO x\r\n")
            end = time.monotonic() + 30
            while time.monotonic() < end and not rig.reasons():
                with contextlib.suppress(TimeoutError):
                    sent += sock.send(b"HELP\r\n" * 1_000)
        assert rig.reasons() == ["time-out: replies"]
        assert sent < 40_000_000


@BOTH_LOOPS
def test_under_stress_clients_have_to_hurry(on_uvloop: bool) -> None:
    """When nine tenths of the connections are in use, waiting ones get the short time-out."""
    limits = LimitSettings(connections=10, connections_per_client=99, stress_timeout=0.2)
    with receiving(limits=limits, on_uvloop=on_uvloop) as rig, contextlib.ExitStack() as stack:
        wires = []
        for _ in range(8):  # one less than there is stress with: nobody has to hurry yet
            wires.append(stack.enter_context(rig.client()))
            wires[-1].hello()
        wires.append(stack.enter_context(rig.client()))
        assert wires[0].reply().startswith("421 4.4.2")
        for wire in wires:
            wire.sock.close()
        wait_until(lambda: not rig.receiver._listeners["mx"].is_stressed)


def test_who_talks_before_the_greeting_is_turned_away() -> None:
    """With a delay before the greeting, early talkers get 554 5.5.0 and patient ones are served."""
    delays = {"long": listener(banner_delay=20.0), "mx": listener(banner_delay=0.15)}
    with receiving(delays) as rig:
        with rig.client("long") as early:
            early.send("EHLO early.test", "MAIL FROM:<x@third.test>")
            assert early.reply().startswith("554 5.5.0")
            assert early.rest() == b""
        began = time.monotonic()
        with rig.client() as patient:
            patient.hello()
            assert time.monotonic() - began >= 0.1
        wait_until(lambda: "talked before the greeting" in rig.reasons())


# --- octets ------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("in_content", [False, True])
def test_a_line_without_end_does_not_fill_the_memory(name: str, *, in_content: bool) -> None:
    """Ten mebibytes without a line end are refused, and held nowhere."""
    with receiving(KINDS) as rig, rig.client(name) as wire:
        if in_content:
            begin(wire)
            wire.send(HEADER)
        else:
            wire.hello()
        with contextlib.suppress(ConnectionError):
            for _ in range(160):
                wire.send(b"x" * 65_536)
            wire.send(b"\r\n.\r\n")
        assert wire.reply()[:3] in {"500", "550", ""}
        assert not rig.kept
        assert rig.disk.used() == 0


@pytest.mark.parametrize(
    ("size", "code"), [(513, "250"), (1_001, "250"), (2_049, "500"), (65_536, "500")]
)
def test_command_lines_are_held_to_their_limit(size: int, code: str) -> None:
    """Up to 2,048 octets a command is taken; a longer one is refused and the session lives."""
    with receiving() as rig, rig.client() as wire:
        wire.hello()
        assert wire.ask(b"NOOP " + b"x" * (size - 7) + b"\r\n").startswith(code)
        if size < 65_536:
            assert wire.ask("NOOP").startswith("250")


def test_errors_and_idle_commands_are_counted() -> None:
    """Twenty errors, or a hundred commands without mail, end the session with 421 4.7.0."""
    with receiving() as rig:
        for line, most in (("RUBBISH", 21), ("NOOP", 110)):
            with rig.client() as wire:
                wire.hello()
                wire.send(*[line] * most)
                replies = [wire.reply() for _ in range(most)]
                assert any(reply.startswith("421 4.7.0") for reply in replies)


# --- memory and disk ---------------------------------------------------------------


def test_contents_wait_for_memory_in_turn() -> None:
    """With the budget used up DATA waits for its 354 until another content has ended."""
    with receiving(limits=LimitSettings(bytes_in_flight=100_000)) as rig:
        with rig.client() as one, rig.client() as two:
            begin(one)
            two.hello()
            two.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
            assert two.codes(2) == ["250", "250"]
            two.sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                two.reply()
            two.sock.settimeout(10)
            assert one.ask(HEADER + b".\r\n").startswith("250")
            assert two.reply().startswith("354")
            assert two.ask(HEADER + b".\r\n").startswith("250")
        assert len(rig.kept) == 2


def test_a_client_that_leaves_while_it_waits_for_memory_is_forgotten() -> None:
    """Room is not given to somebody who has gone."""
    with receiving(limits=LimitSettings(bytes_in_flight=100_000)) as rig, rig.client() as one:
        begin(one)
        with rig.client() as two:
            two.hello()
            two.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
            assert two.codes(2) == ["250", "250"]
        wait_until(lambda: len(rig.reasons()) == 1)
        assert one.ask(HEADER + b".\r\n").startswith("250")
        assert rig.call(lambda: rig.door.guards.budget.used) == 0


def test_short_memory_puts_mail_off() -> None:
    """Above the memory limit MAIL gets 421 4.3.2."""
    with receiving(memory=MemoryGuard(limit=1)) as rig, rig.client() as wire:
        wire.hello()
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("421 4.3.2")
        assert wire.rest() == b""


def test_a_disk_below_the_reserve_puts_mail_off_until_there_is_room() -> None:
    """452 4.3.1 at MAIL, and the same session may send once the disk has room."""
    with receiving(reserve=10_000) as rig, rig.client() as wire:
        wire.hello()
        rig.disk.capacity = 5_000
        rig.wait(rig.door.guards.reserve.look())
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("452 4.3.1")
        rig.disk.capacity = 100_000
        rig.wait(rig.door.guards.reserve.look())
        wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
        assert wire.codes(3) == ["250", "250", "354"]
        assert wire.ask(HEADER + b".\r\n").startswith("250")


# --- the end -----------------------------------------------------------------------


@BOTH_LOOPS
def test_a_content_under_way_may_end_when_the_node_stops(on_uvloop: bool) -> None:
    """Idle clients get 421 4.3.2 at once, nobody new is let in, and the message gets its 250."""
    with receiving(on_uvloop=on_uvloop) as rig, rig.client() as idle, rig.client() as busy:
        idle.hello()
        begin(busy)
        busy.send(HEADER)
        address = rig.address()
        stopping = rig.loop.create_task
        done: list[object] = []

        def stop() -> None:
            stopping(rig.receiver.stop(5.0)).add_done_callback(done.append)

        rig.loop.call_soon_threadsafe(stop)
        assert idle.reply().startswith("421 4.3.2")
        with pytest.raises(ConnectionError):
            socket.create_connection(address)
        assert not done
        busy.send("The end.")
        replies = busy.ask(".")
        assert replies.startswith("250 2.0.0 OK")
        assert busy.reply().startswith("421 4.3.2")
        idle.sock.close()
        busy.sock.close()
        wait_until(lambda: done)
        assert len(rig.kept) == 1


def test_a_content_that_does_not_end_is_cut_after_the_grace() -> None:
    """Stopping takes no longer than it was told to; nothing of the message is kept."""
    with receiving() as rig, rig.client() as busy:
        begin(busy)
        busy.send(HEADER)
        began = time.monotonic()
        rig.wait(rig.receiver.stop(0.2))
        assert time.monotonic() - began < 15
        assert not rig.kept


# --- proxies -----------------------------------------------------------------------


def proxied(**settings: Any) -> dict[str, Any]:
    """Return listeners behind a proxy on loopback, in the clear and by TLS."""
    return {
        "mx": listener(proxies=("127.0.0.0/8",), **settings),
        "submissions": listener(
            ListenerKind.SUBMISSIONS,
            proxies=("127.0.0.0/8",),
            trusted_networks=("10.1.0.0/16",),
            **settings,
        ),
    }


@contextlib.contextmanager
def announced(rig: Rig, name: str, header: bytes) -> Iterator[Wire]:
    """Connect as a proxy, and announce a client."""
    with rig.client(name) as wire:
        wire.send(header)
        yield wire


V1 = b"PROXY TCP4 10.1.2.3 192.0.2.1 5000 25\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n"
    + struct.pack("!BBH", 0x21, 0x11, 12)
    + socket.inet_aton("10.1.2.3")
    + socket.inet_aton("192.0.2.1")
    + struct.pack("!HH", 5000, 25)
)


@BOTH_LOOPS
@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_proxy_says_who_the_client_is(header: bytes, on_uvloop: bool) -> None:
    """The announced address is in the trace field and the events, and is trusted if listed."""
    with receiving(proxied(), on_uvloop=on_uvloop) as rig:
        with announced(rig, "mx", header) as wire:
            begin(wire)
            assert wire.ask(HEADER + b".\r\n").startswith("250")
        with announced(rig, "submissions", header) as wire:
            wire.sock = any_certificate().wrap_socket(wire.sock)
            wire.hello()
            wire.ask("MAIL FROM:<x@third.test>")
            assert wire.ask("RCPT TO:<u@third.test>").startswith("250")
        assert b"([10.1.2.3])" in rig.content(rig.kept[0])
        assert [each.client for each in rig.named(ConnectionOpened)] == ["10.1.2.3"] * 2


def test_a_header_and_a_client_hello_in_one_segment_are_told_apart() -> None:
    """What follows the PROXY header belongs to the client, TLS included."""
    import ssl

    with receiving(proxied()) as rig, rig.client("submissions") as wire:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = any_certificate().wrap_bio(incoming, outgoing)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        wire.send(V1 + outgoing.read())
        incoming.write(wire.sock.recv(65_536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "octets",
    [b"EHLO client.test\r\n", b"PROXY TCP4 nonsense\r\n", V2[:14] + b"\xff\xff" + b"x" * 9_000],
    ids=["no header", "malformed", "monstrous"],
)
def test_a_proxy_without_a_header_is_disconnected(octets: bytes) -> None:
    """From a listed proxy the header is required; without it not even a greeting is sent."""
    with receiving(proxied()) as rig, rig.client() as wire:
        wire.send(octets)
        assert wire.rest() == b""
        wait_until(lambda: rig.receiver.connections["mx"] == 0)
        assert not rig.named(ConnectionOpened)


def test_a_proxy_that_says_nothing_is_disconnected() -> None:
    """The header has to come in the time for a handshake."""
    with receiving(proxied(), limits=LimitSettings(tls_timeout=0.1)) as rig, rig.client() as wire:
        assert wire.rest() == b""
        wait_until(lambda: rig.receiver.connections["mx"] == 0)


def test_from_others_the_header_is_an_error() -> None:
    """A client that announces itself, by PROXY, XCLIENT or XFORWARD, is not believed."""
    kinds = {"mx": listener(proxies=("10.0.0.0/8",))}
    with receiving(kinds) as rig, rig.client() as wire:
        wire.hello()
        assert wire.ask(V1).startswith("5")
        assert wire.ask("XCLIENT ADDR=10.1.2.3").startswith("5")
        assert wire.ask("XFORWARD ADDR=10.1.2.3").startswith("5")
        assert rig.named(ConnectionOpened)[0].client == "127.0.0.1"


def test_limits_count_the_announced_client_and_not_the_proxy() -> None:
    """A client over its limit is turned away while others come in by the same proxy."""
    limits = LimitSettings(connections_per_client=1)
    with receiving(proxied(), limits=limits) as rig, announced(rig, "mx", V1) as one:
        one.hello()
        with announced(rig, "mx", V2) as again:
            assert again.reply().startswith("421 4.7.0")
        with announced(rig, "mx", V1.replace(b"10.1.2.3", b"10.1.2.4")) as other:
            other.hello()
