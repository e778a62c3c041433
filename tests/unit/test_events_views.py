"""Views of events: JSON, text, the log, the story of a message."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.errors import PermanentError
from pillarbox.events.encode import decode, encode, message_of
from pillarbox.events.history import tell
from pillarbox.events.log import BACKLOG_OCTETS, FLUSH_OCTETS, LogLevel, LogWriter
from pillarbox.events.text import UNSAFE, escape, show_event, show_time
from pillarbox.events.types import (
    ALL_EVENTS,
    AttemptMade,
    CommandRefused,
    ConnectionOpened,
    Event,
    MessageAccepted,
    NodeStopped,
    RecipientDeferred,
    RecipientDelivered,
    RecipientRefused,
)

OPENED = ConnectionOpened(at=1.5, session="s1", listener="mx", client="192.0.2.1")
ACCEPTED = MessageAccepted(
    at=1_700_000_000.25,
    message="0123456789abc",
    session="s1",
    listener="submission",
    client="192.0.2.1",
    sender="ann@example.org",
    recipients=["bob@example.net", "carol@example.net"],
    size=4096,
)


def refused(text: str) -> CommandRefused:
    return CommandRefused(at=1.0, session="s", command=text, reply=text)


# --- JSON --------------------------------------------------------------------------


@given(st.text())
def test_an_event_is_one_safe_line_and_comes_back(text: str) -> None:
    """Whatever a peer said, its event is one line without controls, and decodes to itself."""
    line = encode(refused(text))
    assert not UNSAFE.search(line.decode())
    assert decode(line) == refused(text)


def test_a_lone_surrogate_does_not_raise() -> None:
    """What UTF-8 cannot say is written as an escape: a sink never raises."""
    assert b"udce4" in encode(refused("\udce4"))


def test_the_event_comes_first_and_defaults_are_left_out() -> None:
    """A log line begins with what happened."""
    assert encode(NodeStopped(at=2.0, is_clean=True)) == (
        b'{"event":"node.stopped","at":2.0,"is_clean":true}'
    )


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"event":"new.kind","at":1}', b"\xff", b"[" * 999]
)
def test_what_is_not_known_is_none(payload: bytes) -> None:
    """An entry of a newer version does not break the reader."""
    assert decode(payload) is None


def test_names_of_events_are_unique() -> None:
    """Two kinds of events never share a name."""
    tags = [kind.__struct_config__.tag for kind in ALL_EVENTS]
    assert len(set(tags)) == len(tags)
    assert all(isinstance(tag, str) and re.fullmatch(r"[a-z]+\.[a-z_]+", tag) for tag in tags)


def test_only_events_of_messages_have_one() -> None:
    """The journal files an event under its message."""
    assert message_of(ACCEPTED) == "0123456789abc"
    assert message_of(OPENED) == ""


# --- text --------------------------------------------------------------------------


def test_times_are_utc_with_milliseconds() -> None:
    """A time reads as RFC 3339."""
    assert show_time(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    assert show_time(0.9999) == "1970-01-01T00:00:00.999Z"


def test_a_text_line_names_what_happened_and_its_fields() -> None:
    """People read the same event as programs do."""
    assert show_event(ACCEPTED) == (
        "2023-11-14T22:13:20.250Z message.accepted message=0123456789abc session=s1 "
        "listener=submission client=192.0.2.1 sender=ann@example.org "
        "recipients=bob@example.net,carol@example.net size=4096"
    )


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\r\nb", r'"a\r\nb"'),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028x", r'"\u2028x"'),
        ("\ufeffx", r"\ufeffx"),
        ("\U000e0041", r"\U000e0041"),
        ("\x00\x7f", r"\x00\x7f"),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("", '""'),
        ("back\\slash", '"back\\\\slash"'),
        ("grüße", "grüße"),
    ],
)
def test_hostile_texts_cannot_forge_a_line(hostile: str, shown: str) -> None:
    """Line ends, escape sequences and turned writing come out as escapes."""
    assert show_event(refused(hostile)).endswith(f"command={shown} reply={shown}")


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    """Nothing that was escaped can break a line or steer a terminal."""
    assert not UNSAFE.search(escape(text))
    assert len(escape(text).splitlines()) <= 1


# --- the log -----------------------------------------------------------------------


def test_events_are_written_together_and_soon(tmp_path: Path) -> None:
    """A line is not written at once, but within a few hundredths of a second."""

    async def scenario() -> None:
        log = LogWriter(tmp_path / "log")
        log(OPENED)
        log(ACCEPTED)
        assert (tmp_path / "log").read_bytes() == b""
        await asyncio.sleep(0.06)
        lines = (tmp_path / "log").read_bytes().splitlines()
        assert [decode(line) for line in lines] == [OPENED, ACCEPTED]
        log.close()

    asyncio.run(scenario())


def test_a_log_without_a_loop_writes_at_once(tmp_path: Path) -> None:
    """What happens before the loop runs and after it has ended is logged as well."""
    log = LogWriter(tmp_path / "log", is_json=False)
    log(OPENED)
    assert (tmp_path / "log").read_text() == show_event(OPENED) + "\n"
    log.close()
    log.close()


def test_an_encoded_event_is_not_encoded_again(tmp_path: Path) -> None:
    """The journal's encoding serves the log; the text log makes its own line."""
    for is_json, expected in ((True, b"{}"), (False, show_event(OPENED).encode())):
        path = tmp_path / str(is_json)
        log = LogWriter(path, is_json=is_json)
        log(OPENED, b"{}")
        assert path.read_bytes() == expected + b"\n"
        log.close()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (
            LogLevel.ALL,
            ["connection.opened", "message.accepted", "recipient.refused", "command.refused"],
        ),
        (LogLevel.NOTICE, ["message.accepted", "recipient.refused", "command.refused"]),
        (LogLevel.WARNING, ["command.refused"]),
    ],
)
def test_levels_leave_out_what_is_routine(
    tmp_path: Path, level: LogLevel, expected: list[str]
) -> None:
    """A higher level writes less, and never leaves out a warning."""
    log = LogWriter(tmp_path / "log", level=level)
    refused_recipient = RecipientRefused(
        at=1.0, session="s", client="c", sender="a", recipient="b", reply="550", reason="unknown"
    )
    for event in (OPENED, ACCEPTED, refused_recipient, refused("x")):
        log(event)
    log.close()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == expected


def test_a_successor_follows_rotation(tmp_path: Path) -> None:
    """After a rename, new lines go to the new file, and none is lost."""
    path = tmp_path / "log"
    log = LogWriter(path)
    log(OPENED)
    path.rename(tmp_path / "log.1")
    after = LogWriter(path)
    after.succeed(log)
    after(ACCEPTED)
    after.close()
    assert decode((tmp_path / "log.1").read_bytes()) == OPENED
    assert decode(path.read_bytes()) == ACCEPTED


def test_a_log_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """The path and the reason are in the error."""
    with pytest.raises(PermanentError, match=r"none/log cannot be opened: .*No such file"):
        LogWriter(tmp_path / "none" / "log")


def test_a_successor_takes_what_could_not_be_written() -> None:
    """A pipe that nobody reads keeps lines back; the next log has them."""
    reading, writing = os.pipe()
    stuck = LogWriter(Path(f"/dev/fd/{writing}"))
    many = AttemptMade(at=7.0, message="m", recipients=[], route="r", conversation=["x" * 9_000])
    for _ in range(100):
        stuck(many)
    after_reading, after_writing = os.pipe()
    os.set_blocking(reading, False)
    taken = bytearray(os.read(reading, 1 << 20))
    after = LogWriter(Path(f"/dev/fd/{after_writing}"))
    after.succeed(stuck)
    os.set_blocking(after_reading, False)
    for _ in range(100):
        for pipe in (reading, after_reading):
            try:
                taken += os.read(pipe, 1 << 20)
            except BlockingIOError:
                after.flush()
    assert len(taken.splitlines()) == 100
    after.close()
    for descriptor in (reading, writing, after_reading, after_writing):
        os.close(descriptor)


def test_a_reader_that_stops_reading_does_not_hold_up_the_node() -> None:
    """With a full pipe, events are kept up to a bound, then counted, and the count is told."""
    reading, writing = os.pipe()
    log = LogWriter(Path(f"/dev/fd/{writing}"))
    many = AttemptMade(at=7.0, message="m", recipients=[], route="r", conversation=["x" * 9_000])
    for _ in range(BACKLOG_OCTETS // 9_000 + 100):
        log(many)
    assert log.dropped >= 50

    os.set_blocking(reading, False)
    octets = bytearray()
    for _ in range(500):
        try:
            octets += os.read(reading, 1 << 20)
        except BlockingIOError:
            log.flush()
        if b"log.dropped" in octets:
            break
    lines = bytes(octets).splitlines()
    assert {json.loads(line)["event"] for line in lines} == {"attempt.made", "log.dropped"}
    assert json.loads(lines[-1])["count"] >= 50
    assert log.dropped == 0
    log.close()
    os.close(reading)
    os.close(writing)


def test_a_full_disk_costs_no_line_that_fits_the_backlog(tmp_path: Path) -> None:
    """A line that the disk took half of is completed once there is room."""
    path = tmp_path / "log"
    log = LogWriter(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
        for _ in range(5):
            log(OPENED)
        assert len(path.read_bytes()) == 150
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    log.close()
    assert [decode(line) for line in path.read_bytes().splitlines()] == [OPENED] * 5


def test_a_burst_is_written_before_the_timer(tmp_path: Path) -> None:
    """Much at once does not wait in memory for the timer."""

    async def scenario() -> None:
        log = LogWriter(tmp_path / "log")
        for _ in range(FLUSH_OCTETS // len(encode(ACCEPTED)) + 1):
            log(ACCEPTED)
        assert (tmp_path / "log").stat().st_size >= FLUSH_OCTETS
        log.close()

    asyncio.run(scenario())


# --- stories -----------------------------------------------------------------------


def test_a_story_reads_from_the_top() -> None:
    """Every chapter has its time, a word, a line, and an attempt its conversation."""
    events: list[Event] = [
        ACCEPTED,
        AttemptMade(
            at=1_700_000_001.0,
            message="m",
            recipients=["bob@example.net"],
            route="out",
            host="mx.example.net",
            address="192.0.2.7",
            seconds=0.5,
            conversation=["> EHLO a", "< 250 \x1b[31mok"],
        ),
        RecipientDeferred(
            at=1_700_000_002.0,
            message="m",
            recipient="bob@example.net",
            reply="451 4.3.0 later",
            stage="recipient",
            next_attempt_at=1_700_000_300.0,
        ),
        RecipientDelivered(
            at=1_700_000_301.0,
            message="m",
            recipient="bob@example.net",
            reply="250 ok",
            delay=301.0,
        ),
    ]
    accepted, attempt, deferred, delivered = tell(map(encode, events))
    assert accepted.text == (
        "<ann@example.org> to bob@example.net, carol@example.net; "
        "4,096 octets from 192.0.2.1 on submission"
    )
    assert attempt.text == (
        "bob@example.net at mx.example.net [192.0.2.7] by route out, in the clear; 0.50 s"
    )
    assert attempt.conversation == ("> EHLO a", r"< 250 \x1b[31mok")
    assert deferred.text == (
        "bob@example.net at recipient: 451 4.3.0 later; next attempt 2023-11-14T22:18:20Z"
    )
    assert delivered.text == "bob@example.net: 250 ok (after 301.0 s)"


def test_a_story_goes_on_behind_what_it_cannot_read() -> None:
    """An entry of a newer version is named, a broken one is said to be broken."""
    payloads = [b'{"event":"new.kind","at":5.0}', b"garbage", encode(OPENED)]
    assert [(each.at, each.what) for each in tell(payloads)] == [
        (5.0, "new.kind"),
        (0.0, "unreadable"),
        (1.5, "connection.opened"),
    ]


@pytest.mark.parametrize("kind", ALL_EVENTS, ids=lambda kind: str(kind.__struct_config__.tag))
def test_every_event_has_all_views(kind: type[Event]) -> None:
    """No event type is without its JSON, its text and its chapter."""
    values: dict[str, object] = {
        "float": 1.0,
        "int": 1,
        "str": "x",
        "bool": True,
        "list[str]": ["x"],
    }
    fields = {name: values[str(kind_)] for name, kind_ in annotations(kind).items()}
    event = kind(**fields)  # type: ignore[arg-type]
    assert decode(encode(event)) == event
    assert str(kind.__struct_config__.tag) in show_event(event)
    (chapter,) = tell([encode(event)])
    assert chapter.what


def annotations(kind: type[Event]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        merged |= {
            name: str(text).removesuffix(" | None")
            for name, text in vars(owner).get("__annotations__", {}).items()
        }
    return merged
