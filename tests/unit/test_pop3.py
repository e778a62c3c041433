"""POP3 without a network: what is said, and what is answered (RFC 1939, 2449, 2595, 5034)."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, strategies as st

from pillarbox.sandbox.pop3.connection import (
    LoginAttempted,
    MailWanted,
    Pop3Connection,
    Pop3Options,
    SessionEnded,
    TlsRequested,
    UpdateWanted,
)
from pillarbox.sandbox.pop3.maildrop import Item, Maildrop
from pillarbox.sandbox.pop3.session import COMMANDS, State, Verb
from pillarbox.store.port import MessageId

CONTENT = b"Subject: one\r\n\r\n.first\r\nsecond\r\n..third\r\n"
ITEMS = [Item(MessageId(number), 10 * number, f"uid{number}") for number in (1, 2, 3)]
LOGIN = b"USER ann\r\nPASS x\r\n"


def converse(
    *octets: bytes,
    options: Pop3Options | None = None,
    content: bytes | None = CONTENT,
    are_gone: bool = True,
) -> tuple[str, list[object]]:
    """Say something to a server that lets everybody in; return its replies and its events."""
    connection = Pop3Connection(options or Pop3Options())
    events: list[object] = []
    for piece in octets:
        connection.receive_data(piece)
        while (event := connection.next_event()) is not None:
            events.append(event)
            match event:
                case LoginAttempted(password="wrong"):
                    connection.deny()
                case LoginAttempted():
                    connection.admit(Maildrop(ITEMS))
                case MailWanted():
                    connection.give(content)
                case UpdateWanted():
                    connection.updated(are_gone=are_gone)
                case TlsRequested():
                    connection.tls_started()
    return connection.data_to_send().decode(), events


def replies(*octets: bytes, **options: object) -> list[str]:
    """Return the lines that come back, the greeting and the login left out."""
    said, _ = converse(LOGIN, *octets, **options)  # type: ignore[arg-type]
    return said.splitlines()[3:]


def test_every_command_has_a_rule_and_a_handler() -> None:
    """The table is whole, and no command may come in every state."""
    assert set(COMMANDS) == set(Verb)
    for rule in COMMANDS.values():
        assert rule.states
        assert rule.states <= {State.AUTHORIZATION, State.TRANSACTION}


def test_a_maildrop_is_listed() -> None:
    """STAT, LIST and UIDL agree (RFC 1939 §5, §7)."""
    assert replies(b"STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 3\r\n") == [
        "+OK 3 60",
        *("+OK 3 messages", "1 10", "2 20", "3 30", "."),
        "+OK 2 20",
        *("+OK 3 messages", "1 uid1", "2 uid2", "3 uid3", "."),
        "+OK 3 uid3",
    ]


def test_a_mail_is_stuffed() -> None:
    """Lines that begin with a dot get another one (RFC 1939 §3)."""
    assert replies(b"RETR 1\r\n") == [
        f"+OK {len(CONTENT)} octets",
        *("Subject: one", "", "..first", "second", "...third", "."),
    ]


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (0, []),
        (1, ["..first"]),
        (2, ["..first", "second"]),
        (99, ["..first", "second", "...third"]),
    ],
)
def test_top_is_the_header_and_some_lines(lines: int, body: list[str]) -> None:
    """TOP n 0 is the header alone, and more lines than there are is all of it."""
    assert replies(b"TOP 1 %d\r\n" % lines)[1:] == ["Subject: one", "", *body, "."]


@pytest.mark.parametrize("content", [b"", b".", b"no end", b"\r\n", b"\r\n.\r\n"])
def test_any_content_ends_once(content: bytes) -> None:
    """Whatever a mail is, one line with a dot ends it, and it is the last."""
    lines = replies(b"RETR 1\r\nNOOP\r\n", content=content)
    assert lines.count(".") == 1
    assert lines[-2:] == [".", "+OK"]


def test_marked_mail_is_not_there_until_rset() -> None:
    """DELE marks; a marked mail has no number any more; RSET takes marks away."""
    assert replies(b"DELE 2\r\nDELE 2\r\nRETR 2\r\nLIST\r\nSTAT\r\nRSET\r\nSTAT\r\n") == [
        "+OK Message 2 deleted",
        "-ERR No such message",
        "-ERR No such message",
        *("+OK 2 messages", "1 10", "3 30", "."),
        "+OK 2 40",
        "+OK 3 messages",
        "+OK 3 60",
    ]


def test_only_quit_deletes() -> None:
    """A connection that is lost deletes nothing (RFC 1939 §6)."""
    _, events = converse(LOGIN, b"DELE 1\r\nDELE 3\r\n", b"")
    assert [type(each) for each in events] == [LoginAttempted, SessionEnded]
    said, events = converse(LOGIN, b"DELE 1\r\nDELE 3\r\nQUIT\r\n")
    assert events[1:] == [UpdateWanted((ITEMS[0], ITEMS[2])), SessionEnded()]
    assert said.endswith("+OK Goodbye\r\n")
    said, _ = converse(LOGIN, b"DELE 1\r\nQUIT\r\n", are_gone=False)
    assert said.endswith("-ERR [SYS/TEMP] Some deleted messages were not removed\r\n")


def test_a_server_can_refuse_to_delete() -> None:
    """With the option, DELE is refused for good."""
    lines = replies(b"DELE 1\r\nSTAT\r\n", options=Pop3Options(may_delete=False))
    assert lines == ["-ERR [SYS/PERM] Nothing is deleted here by POP3", "+OK 3 60"]


def test_a_mail_that_is_gone_is_an_error_and_no_end() -> None:
    """Somebody else has removed it; the session goes on."""
    assert replies(b"RETR 1\r\nNOOP\r\n", content=None) == ["-ERR The message is gone", "+OK"]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"RETR\r\n", "-ERR Wrong number of arguments"),
        (b"RETR 0\r\n", "-ERR No such message"),
        (b"RETR 4\r\n", "-ERR No such message"),
        (b"RETR -1\r\n", "-ERR No such message"),
        (b"RETR 99999999999999999999\r\n", "-ERR No such message"),
        ("RETR ²\r\n".encode(), "-ERR No such message"),
        (b"TOP 1\r\n", "-ERR Wrong number of arguments"),
        (b"TOP 1 x\r\n", "-ERR The number of lines is none"),
        (b"USER ann\r\n", "-ERR Not after the login"),
        (b"STLS\r\n", "-ERR Not after the login"),
        (b"FOO\r\n", "-ERR Unknown command"),
        (b"\r\n", "-ERR Unknown command"),
        (b"\xff\r\n", "-ERR Unknown command"),
        (b"NOOP\0\r\n", "-ERR Unknown command"),
        (b"noop\r\n", "+OK"),
        (b"NOOP\n", "+OK"),
    ],
)
def test_what_is_wrong_is_said(line: bytes, reply: str) -> None:
    """Each mistake has an answer, and nothing that was sent is repeated."""
    assert replies(line) == [reply]


@pytest.mark.parametrize("command", [b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"RSET", b"NOOP"])
def test_nothing_is_shown_before_the_login(command: bytes) -> None:
    """The maildrop is closed until somebody is let in."""
    said, events = converse(command + b"\r\n")
    assert said.splitlines()[1:] == ["-ERR Not before the login"]
    assert not events


def test_passwords_may_hold_blanks() -> None:
    """RFC 1939 §7: the argument of PASS is the rest of the line."""
    _, events = converse(b"USER ann b\r\nPASS  two  words \r\n")
    assert events == [LoginAttempted("ann b", " two  words ")]


def test_a_wrong_password_has_a_code_and_needs_user_again() -> None:
    """RFC 3206 §4: [AUTH]; PASS alone is out of order."""
    said, _ = converse(b"USER ann\r\nPASS wrong\r\nPASS x\r\n")
    assert said.splitlines()[2:] == ["-ERR [AUTH] Wrong user or password", "-ERR USER comes first"]


def test_guessing_comes_to_an_end() -> None:
    """After ten failures the session is over."""
    said, events = converse(b"USER ann\r\nPASS wrong\r\n" * 100)
    assert said.count("-ERR [AUTH]") == 10
    assert events[-1] == SessionEnded()


PLAIN = b64encode(b"\0ann\0x y")


@pytest.mark.parametrize(
    "octets", [b"AUTH PLAIN " + PLAIN + b"\r\n", b"AUTH plain\r\n" + PLAIN + b"\r\n"]
)
def test_auth_plain_logs_in(octets: bytes) -> None:
    """With an initial response or without (RFC 5034 §4)."""
    said, events = converse(octets)
    assert events == [LoginAttempted("ann", "x y")]
    assert said.endswith("+OK 3 messages, 60 octets\r\n")


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"AUTH PLAIN\r\n*\r\n", "-ERR AUTH was canceled"),
        (b"AUTH PLAIN\r\n!!!\r\n", "-ERR The response is malformed"),
        (b"AUTH PLAIN eA==\r\n", "-ERR The response is malformed"),
        (b"AUTH CRAM-MD5\r\n", "-ERR Unknown mechanism"),
    ],
)
def test_auth_that_fails_leaves_the_session_as_it_was(octets: bytes, reply: str) -> None:
    """The next command is read as a command."""
    said, events = converse(octets + b"STAT\r\n")
    assert said.splitlines()[-2:] == [reply, "-ERR Not before the login"]
    assert not events


def test_capabilities_follow_the_state() -> None:
    """STLS is offered before a login and before TLS, where there is TLS (RFC 2595 §4)."""
    options = Pop3Options(has_tls=True)
    said, _ = converse(b"CAPA\r\n", options=options)
    for name in ("TOP", "UIDL", "USER", "SASL PLAIN", "PIPELINING", "STLS", "RESP-CODES"):
        assert f"\r\n{name}\r\n" in said
    for octets in (b"STLS\r\n", LOGIN):
        said, _ = converse(octets, b"CAPA\r\n", options=options)
        assert "\r\nSTLS\r\n" not in said.rpartition("+OK Cap")[2]


def test_tls_does_not_come_after_utf8() -> None:
    """RFC 6856 §2.1: UTF8 is announced, turned on, and TLS would have had to come before."""
    said, _ = converse(b"CAPA\r\nUTF8\r\nSTLS\r\n", options=Pop3Options(has_tls=True))
    assert "\r\nUTF8 USER\r\n" in said
    assert said.splitlines()[-2:] == ["+OK UTF-8 it is", "-ERR TLS comes before UTF8"]


def test_what_came_behind_stls_is_not_read() -> None:
    """CVE-2011-0411: commands in the clear never count as encrypted ones."""
    said, events = converse(
        b"USER eve\r\nSTLS\r\nPASS x\r\n", b"PASS y\r\n", options=Pop3Options(has_tls=True)
    )
    assert events == [TlsRequested()]
    assert said.splitlines()[2:] == ["+OK Begin TLS", "-ERR USER comes first"]


@pytest.mark.parametrize("start", [b"", b"AUTH PLAIN ", b"AUTH PLAIN\r\n"])
def test_endless_lines_find_no_room(start: bytes) -> None:
    """A line without an end is cut off, and the session with it."""
    connection = Pop3Connection(Pop3Options())
    connection.receive_data(start)
    events = []
    for _ in range(100):
        connection.receive_data(b"x" * 1_000)
        events.append(connection.next_event())
    assert SessionEnded() in events
    assert connection.data_to_send().endswith(b"-ERR The line is too long\r\n")
    assert len(connection._input) == 0


COMMAND = st.sampled_from(
    [
        *(verb.value.encode() for verb in Verb),
        *(b"USER ann", b"PASS x", b"RETR 1", b"TOP 1 1", b"DELE 2", b"LIST 9", b"AUTH PLAIN"),
        *(PLAIN, b"*", b"", b"\xff\xfe"),
    ]
)


@given(st.lists(COMMAND, max_size=12), st.data())
def test_any_split_gives_the_same_session(lines: list[bytes], data: st.DataObject) -> None:
    """However the octets are cut, the same replies and events come."""
    octets = b"".join(line + b"\r\n" for line in lines)
    options = Pop3Options(has_tls=False)
    cut = data.draw(st.integers(0, len(octets)))
    pieces = [piece for piece in (octets[:cut], octets[cut:]) if piece]
    whole = [octets] if octets else []
    assert converse(*pieces, options=options) == converse(*whole, options=options)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_octets_raise(pieces: list[bytes]) -> None:
    """Whatever comes, it is answered or waited for."""
    converse(*(piece for piece in pieces if piece), b"")
