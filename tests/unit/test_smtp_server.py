"""Limits of the server's side, and how its driver ends a session."""

from __future__ import annotations

import tracemalloc

import pytest
from tests.server_driver import OPTIONS, Driver

from pillarbox.smtp import events
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.server import ServerConnection, ServerOptions

ENVELOPE = b"EHLO x.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
SMALL = ServerOptions(hostname="mx.local.test", max_message_size=1_000, max_text_line=600)


@pytest.mark.parametrize(
    ("octets", "code"),
    [(512, "250 2.0.0"), (2_048, "250 2.0.0"), (2_049, "500 5.5.2"), (65_536, "500 5.5.2")],
)
def test_a_command_line_has_a_limit(octets: int, code: str) -> None:
    """D01: a line of 2048 octets with its CRLF is taken, a longer one is refused."""
    driver = Driver().greet()
    driver.feed(b"NOOP " + b"x" * (octets - 7) + b"\r\nNOOP\r\n")
    assert driver.codes[1:] == [code, "250 2.0.0"]


def test_a_line_without_end_costs_no_memory() -> None:
    """D02: a command without a newline is counted, not kept, and ends the session at 64 KiB."""
    driver = Driver().greet()
    for _ in range(65):
        driver.feed(b"x" * 1_024)
    assert driver.codes[-1] == "500 5.5.2"
    assert driver.connection.is_over
    assert isinstance(driver.events[-1], events.SessionEnded)


def test_a_content_without_newline_costs_no_memory() -> None:
    """D02: 64 MiB of content in one line take less than 1 MiB more, and then the line is cut."""
    driver = Driver(SMALL).greet()
    driver.feed(ENVELOPE + b"DATA\r\n")
    piece = b"x" * 65_536
    tracemalloc.start()
    try:
        for _ in range(1_024):
            driver.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert driver.codes[-1] == "552 5.3.4"
    assert driver.connection.is_over


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x" * 998, "250 2.0.0"),
        (b"x" * 400 + b"\r\n" + b"y" * 594, "250 2.0.0"),
        (b"x" * 999, "552 5.3.4"),
        (b"a\0b", "550 5.6.0"),
        (b"a\rb", "550 5.5.2"),
        (b"a\nb", "550 5.5.2"),
    ],
)
def test_a_bad_content_is_refused_at_its_end(content: bytes, code: str) -> None:
    """D04, D11, A: what is wrong is told at the true end, and the session goes on."""
    options = ServerOptions(hostname="mx.local.test", max_message_size=1_000)
    driver = Driver(options).greet()
    driver.feed(ENVELOPE + b"DATA\r\n" + content + b"\r\n.\r\nNOOP\r\n")
    assert driver.codes[-2:] == [code, "250 2.0.0"]


@pytest.mark.parametrize(
    ("octets", "is_long"), [(998, False), (999, True), (1_001, True), (9_000, True)]
)
def test_long_lines_are_told(octets: int, is_long: bool) -> None:
    """D03: a line over 998 octets is taken and told as a fact, however it comes in."""
    for size in (1, 7, 10_000):
        driver = Driver().greet()
        driver.feed(ENVELOPE + b"DATA\r\nshort\r\n")
        content = b"x" * octets + b"\r\nshort\r\n.\r\n"
        driver.feed_all(content[at : at + size] for at in range(0, len(content), size))
        ended = next(event for event in driver.events if isinstance(event, events.MessageEnded))
        assert ended.facts.has_long_lines is is_long


def test_a_line_over_the_hard_limit_is_refused() -> None:
    """D03: above the configured limit a line gets 550 5.6.0."""
    options = ServerOptions(hostname="mx.local.test", max_text_line=2_000)
    driver = Driver(options).greet()
    driver.feed(ENVELOPE + b"DATA\r\n" + b"x" * 2_001 + b"\r\n.\r\n")
    assert driver.codes[-1] == "550 5.6.0"


def test_8bit_content_is_told() -> None:
    """D12: 8-bit content is taken without BODY=8BITMIME, and told as a fact."""
    driver = Driver().greet()
    driver.feed(ENVELOPE + b"DATA\r\n\xe9\r\n.\r\n")
    ended = next(event for event in driver.events if isinstance(event, events.MessageEnded))
    assert ended.facts.has_8bit


def test_tiny_chunks_make_no_crowd() -> None:
    """D08: chunks of one octet are gathered before they are handed out."""
    driver = Driver().greet()
    driver.feed(ENVELOPE)
    connection = driver.connection
    pieces = 0
    for _ in range(5_000):
        connection.receive_data(b"BDAT 1\r\nx")
        while (event := connection.next_event()) is not None:
            pieces += isinstance(event, events.ContentReceived)
            if connection.is_awaiting:
                connection.accept()
        connection.data_to_send()
    assert pieces == 1


def test_a_chunk_of_absurd_size_ends_the_session() -> None:
    """D08: nobody waits for the end of a chunk of 100 GB."""
    driver = Driver().greet()
    driver.feed(ENVELOPE + b"BDAT 99999999999\r\n")
    assert driver.codes[-1] == "552 5.3.4"
    assert driver.connection.is_over


def test_a_cut_content_is_discarded() -> None:
    """D08: an end of input in a chunk, or before LAST, keeps nothing."""
    for octets in (b"BDAT 9\r\nabc", b"BDAT 3\r\nabc", b"DATA\r\nabc\r\n"):
        driver = Driver().greet()
        driver.feed(ENVELOPE + octets)
        driver.end_input()
        assert not driver.messages
        assert isinstance(driver.events[-2], events.ContentDiscarded)


def test_too_many_idle_commands_end_the_session() -> None:
    """D05: more than 100 NOOP, RSET and VRFY between two messages get 421 4.7.0."""
    driver = Driver().greet()
    driver.feed(b"NOOP\r\nRSET\r\n" * 51)
    assert driver.codes.count("250 2.0.0") == 100
    assert driver.codes[-1] == "421 4.7.0"


def test_an_early_talker_is_refused() -> None:
    """D09: octets before the greeting are answered by 554 5.5.0 where that is checked."""
    driver = Driver(ServerOptions(hostname="mx.local.test", check_early_talker=True))
    driver.feed(b"EHLO x\r\n")
    driver.greet()
    assert driver.codes == ["554 5.5.0"]
    assert driver.connection.is_over


def test_a_long_auth_line_is_refused() -> None:
    """C02: 12,288 octets are taken in an AUTH exchange, more get 500 5.5.6."""
    driver = Driver().greet()
    driver.feed(b"EHLO x\r\nAUTH PLAIN " + b"A" * 12_300 + b"\r\n")
    assert driver.codes[-1] == "500 5.5.6"
    driver.feed(b"AUTH PLAIN\r\n" + b"A" * 12_300 + b"\r\n")
    assert driver.codes[-1] == "500 5.5.6"


def test_a_stray_password_is_not_told() -> None:
    """K02: lines behind a refused AUTH may be secrets; no event shows them."""
    driver = Driver().greet()
    driver.feed(b"EHLO x\r\nAUTH NTLM\r\nc2VjcmV0\r\n")
    assert "c2VjcmV0" not in repr(driver.events)
    driver.feed(b"AUTH PLAIN AGEAc2VjcmV0\r\n")
    assert "secret" not in repr(driver.events)


def test_commands_in_one_segment_are_answered_in_one() -> None:
    """RFC 2920 §3.2: replies to pipelined commands leave together."""
    driver = Driver().greet()
    assert driver.feed(ENVELOPE + b"DATA\r\n").count(b"\r\n") > 4


def test_nothing_runs_while_a_question_is_open() -> None:
    """What is pipelined behind a question waits for its answer."""
    connection = ServerConnection(OPTIONS)
    connection.greet()
    connection.receive_data(b"EHLO x\r\nNOOP\r\n")
    assert isinstance(connection.next_event(), events.HelloReceived)
    assert connection.next_event() is None
    assert connection.is_awaiting
    connection.refuse(Reply.of(550, "5.7.1", "No"))
    assert connection.next_event() is None
    assert connection.data_to_send().endswith(b"250 2.0.0 OK\r\n")
    with pytest.raises(RuntimeError):
        connection.accept()


def test_shutting_down_lets_a_content_end() -> None:
    """A content under way gets its reply, then 421 4.3.2; between commands 421 comes at once."""
    driver = Driver().greet()
    driver.feed(ENVELOPE + b"DATA\r\nabc")
    driver.connection.shut_down()
    assert driver.pump() == b""
    driver.feed(b"\r\n.\r\nNOOP\r\n")
    assert driver.codes[-2:] == ["250 2.0.0", "421 4.3.2"]
    idle = Driver().greet()
    idle.connection.shut_down()
    idle.pump()
    assert idle.codes[-1] == "421 4.3.2"


def test_a_time_out_ends_the_session() -> None:
    """421 4.4.2, and the content under way is discarded."""
    driver = Driver().greet()
    driver.feed(ENVELOPE + b"DATA\r\nabc")
    driver.connection.time_out()
    driver.pump()
    assert driver.codes[-1] == "421 4.4.2"
    assert isinstance(driver.events[-2], events.ContentDiscarded)


def test_required_tls_and_authentication_come_first() -> None:
    """C01: before TLS 530 5.7.0, AUTH not shown; before AUTH 530 5.7.0 at MAIL."""
    options = ServerOptions(
        hostname="mx.local.test",
        starttls=True,
        require_tls=True,
        require_auth=True,
        auth_mechanisms=("PLAIN",),
    )
    driver = Driver(options).greet()
    assert b"AUTH" not in driver.feed(b"EHLO x\r\n")
    driver.feed(b"MAIL FROM:<>\r\nAUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n")
    assert b"AUTH PLAIN" in driver.feed(b"EHLO x\r\n")
    driver.feed(b"MAIL FROM:<>\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\n")
    assert driver.codes[2:5] == ["530 5.7.0", "530 5.7.0", "220 2.0.0"]
    assert driver.codes[-3:] == ["530 5.7.0", "235 2.7.0", "250 2.1.0"]
