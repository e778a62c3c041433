"""Parts of the sandbox by themselves: changes, sockets, users, records, labels."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.config.settings import SandboxAuth, SandboxSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.events.types import ConnectionClosed, MessageAccepted
from pillarbox.node.sandbox_sockets import PortTaken, bind_sandbox, shown
from pillarbox.node.sandbox_web import web_settings
from pillarbox.sandbox.changes import Change, ChangeKind, Changes
from pillarbox.sandbox.logins import read_logins
from pillarbox.sandbox.recording import Book
from pillarbox.sandbox.tagging import clean_tag, read_tag_rules
from pillarbox.sandbox.transcript import MOST_LINES, decode, encode, transcribe
from pillarbox.sandbox.users import is_right, read_users
from pillarbox.smtp.observed import ObservedServerConnection
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.replies import OK
from pillarbox.smtp.server import ServerConnection
from pillarbox.store.port import MessageId

# --- changes ------------------------------------------------------------------------


def new(number: int) -> Change:
    return Change(kind=ChangeKind.NEW, ids=(MessageId(number),))


def test_every_subscriber_hears_every_change_in_order() -> None:
    """What is published after a subscription has begun is read in order, by all."""

    async def run() -> None:
        changes = Changes()
        changes.publish(new(0))
        with changes.subscribe() as one, changes.subscribe() as two:
            for number in range(1, 4):
                changes.publish(new(number))
            assert await anext(one) == new(1)
            assert one.take() == (new(2), new(3))
            assert two.take() == (new(1), new(2), new(3))
            reading = asyncio.ensure_future(anext(one))
            await asyncio.sleep(0)
            changes.publish(new(4))
            assert await reading == new(4)
        assert changes.subscribers == 0

    asyncio.run(run())


@pytest.mark.parametrize("mails", [1, 1_000])
def test_a_reader_that_is_too_slow_is_told_to_look_anew(mails: int) -> None:
    """What waits for one reader is bounded in changes and in mails; the rest is one RELOAD."""
    changes = Changes()
    with changes.subscribe() as slow:
        for _ in range(10_000):
            changes.publish(Change(kind=ChangeKind.UPDATE, ids=(MessageId(1),) * mails))
        waiting = slow.take()
    assert len(waiting) <= 257
    assert sum(len(change.ids) for change in waiting) <= 6_000
    assert ChangeKind.RELOAD in {change.kind for change in waiting}


# --- sockets ------------------------------------------------------------------------


def test_localhost_is_every_loopback_address_with_one_port() -> None:
    """With port 0, 127.0.0.1 and ::1 get the same port, and are shown as one address."""
    bound = bind_sandbox(SandboxSettings(http=("localhost:0",), pop3=()), is_alone=False)
    try:
        ports = {sock.getsockname()[1] for sock in bound.http}
        assert len(ports) == 1
        assert {sock.getsockname()[0] for sock in bound.http} <= {"127.0.0.1", "::1"}
        assert bound.smtp == ()
    finally:
        bound.close()


def test_a_port_that_is_taken_leaves_nothing_bound() -> None:
    """When one address cannot be bound, the others are let go, and the error says how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        free = socket.create_server(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        own = SandboxSettings(smtp=(f"127.0.0.1:{port}",), http=(f"127.0.0.1:{taken}",), pop3=())
        with pytest.raises(PortTaken, match=f"127.0.0.1:{taken}") as refused:
            bind_sandbox(own, is_alone=True)
        assert "--http localhost:0" in refused.value.fix
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("text", ["localhost", "1025", "localhost:99999", "no such host.test:25"])
def test_an_address_that_is_none_is_told_of(text: str) -> None:
    """The error names the setting."""
    with pytest.raises(PermanentError, match=r"sandbox\.smtp"):
        bind_sandbox(SandboxSettings(smtp=(text,), http=(), pop3=()), is_alone=True)


def test_addresses_are_shown_as_people_write_them() -> None:
    """Both loopback addresses are localhost; one alone is itself."""
    assert shown(["127.0.0.1:1", "[::1]:1"]) == ("localhost:1",)
    assert shown(["127.0.0.1:1", "[::1]:2", "0.0.0.0:3"]) == (
        "127.0.0.1:1",
        "[::1]:2",
        "0.0.0.0:3",
    )


def test_who_may_look_is_taken_over_by_the_pages(tmp_path: Path) -> None:
    """Users of the settings and of a file, the token, names and the path reach the web server."""
    file = tmp_path / "users"
    file.write_text("bob:from-file\n")
    own = SandboxSettings(
        http_users=("ann:secret",),
        http_users_file=file,
        http_token="t0ken",
        allowed_hosts=("Mail.Internal",),
        webroot="mail/",
        label="mine",
    )
    web = web_settings(own)
    assert web.users == {"ann": "secret", "bob": "from-file"}
    assert web.tokens == {"t0ken"}
    assert "mail.internal" in web.hosts
    assert (web.webroot, web.title) == ("/mail", "pillarbox sandbox mine")
    usual = web_settings(SandboxSettings())
    assert (usual.webroot, usual.users, usual.tokens) == ("", {}, frozenset())
    assert usual.is_open


# --- users and labels ---------------------------------------------------------------


def test_users_are_read_and_checked() -> None:
    """A password may hold colons, and is compared whole."""
    users = read_users(["ann:a:b", "", "# no", "bob:ü"], "test")
    assert users == {"ann": "a:b", "bob": "ü"}
    assert is_right(users["ann"], "a:b")
    assert not is_right(users["ann"], "a")
    for wrong in ("ann", ":x", "ann:", "ann:$2b$x", "ann:{SHA}x", "ann:$argon2id$x"):
        with pytest.raises(PermanentError):
            read_users([wrong], "test")


def test_a_login_that_nobody_is_offered_cannot_be_needed() -> None:
    """With `none` and require_auth every mail would be refused, which is told at the start."""
    with pytest.raises(PermanentError, match=r"sandbox\.require_auth"):
        read_logins(SandboxSettings(auth=SandboxAuth.NONE, require_auth=True))
    assert read_logins(SandboxSettings(auth=SandboxAuth.REFUSE, require_auth=True)) == {}


@given(st.text(max_size=300))
def test_tags_are_harmless_whatever_they_were(text: str) -> None:
    """What becomes a tag is short, has no markup, and stays itself."""
    tag = clean_tag(text)
    assert len(tag) <= 100
    assert not set(tag) & set("<>\"'&,:/\\\r\n\t\0")
    assert tag == tag.strip()
    assert clean_tag(tag) == tag


@pytest.mark.parametrize("rule", ["", "x", ": x", "x:", "x: subjekt:y", "<>: y"])
def test_a_rule_for_tags_that_cannot_be_is_an_error(rule: str) -> None:
    """A rule needs a tag and a search that can be meant."""
    with pytest.raises(PermanentError):
        read_tag_rules(SandboxSettings(tags=(rule,)), 0.0)


# --- records ------------------------------------------------------------------------

_COMMANDS = [
    b"EHLO x",
    b"NOOP",
    b"MAIL FROM:<a@x>",
    b"RSET",
    b"AUTH PLAIN",
    b"nonsense",
    b"\xff",
    b"",
]


class _Clock:
    def __init__(self) -> None:
        self._times: Iterator[int] = itertools.count(1)

    def __call__(self) -> float:
        return float(next(self._times))


@given(st.lists(st.sampled_from(_COMMANDS), max_size=150))
def test_an_overheard_session_is_the_same_session(commands: list[bytes]) -> None:
    """The observer changes no reply and no event, and its record is bounded."""
    options = ServerOptions(hostname="x", auth_mechanisms=("PLAIN",), auth_before_tls=True)
    book = Book(_Clock(), lambda _event: None)
    observed = ObservedServerConnection(options, book.observe("1", "c", "l"))
    plain = ServerConnection(options)
    said: list[list[object]] = [[], []]
    for connection, heard in zip((plain, observed), said, strict=True):
        connection.greet()
        for command in commands:
            connection.receive_data(command + b"\r\n")
            while (event := connection.next_event()) is not None:
                heard.append(event)
                if connection.is_awaiting:
                    connection.accept() if "Auth" not in type(
                        event
                    ).__name__ else connection.refuse(OK)
            heard.append(connection.data_to_send())
    assert said[0] == said[1]
    transcript = book.get("1")
    assert transcript is not None
    assert len(transcript.lines) <= MOST_LINES + 1


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"AUTH PLAIN AHUAc2VjcmV0", "AUTH PLAIN ****"),
        (b"auth  plain  AHUAc2VjcmV0", "auth  plain ****"),
        (b"AUTH\tPLAIN\tAHUAc2VjcmV0", "AUTH PLAIN ****"),
        (b" AUTH PLAIN AHUAc2VjcmV0 more", "AUTH PLAIN ****"),
        (b"PASS secret", "PASS ****"),
        (b"AUTH PLAIN", "AUTH PLAIN"),
        (b"NOOP secret", "NOOP secret"),
    ],
)
def test_no_spelling_of_a_login_is_overheard_with_its_secret(line: bytes, shown: str) -> None:
    """Tabs, blanks, the commands of POP3: what stands behind them is not kept."""
    book = Book(_Clock(), lambda _event: None)
    options = ServerOptions(hostname="x", auth_mechanisms=("PLAIN",), auth_before_tls=True)
    connection = ObservedServerConnection(options, book.observe("1", "c", "l"))
    connection.greet()
    connection.receive_data(line + b"\r\n")
    connection.next_event()
    transcript = book.get("1")
    assert transcript is not None
    said = [each.text for each in transcript.lines if each.direction == "C"]
    assert [" ".join(text.split()) for text in said] == [" ".join(shown.split())]


def test_a_record_reads_as_it_was_written() -> None:
    """Packed and read again, a record gives the same lines; written ones are let go of."""
    book = Book(_Clock(), lambda _event: None)
    recording = book.observe("1", "127.0.0.1", "sandbox")
    for number in range(300):
        recording.said(b"NOOP %d" % number)
        recording.replied(OK)
    recording.brought(b"Subject: x\r\n\r\n" + b"x" * 5_000)
    recording.ended()
    record = recording.record()
    assert transcribe(decode(encode(record))) == recording.transcript()
    book.hear(
        MessageAccepted(
            at=1.0, message="m", session="1", listener="l", client="c", sender="", recipients=[],
            size=1, message_id="",
        )
    )  # fmt: skip
    book.hear(ConnectionClosed(at=1.0, session="1", listener="l", client="c", reason="quit"))
    finished = book.finished()
    assert list(finished) == ["1"]
    assert book.get("1") is not None
    book.written(finished)
    assert not book.has_finished
    assert book.get("1") is None
    assert (book.caught, book.caught_octets) == (1, 1)


def test_settings_have_the_ports_that_everybody_knows() -> None:
    """1025, 8025 and 1110, as Mailpit's, on loopback alone."""
    own = Settings().sandbox
    assert (own.smtp, own.http, own.pop3) == (
        ("localhost:1025",),
        ("localhost:8025",),
        ("localhost:1110",),
    )
