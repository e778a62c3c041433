"""Laws of the server's side: any split, any octets, and one end of DATA."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from tests.server_driver import Driver, ServerOptions

from pillarbox.smtp import events
from pillarbox.smtp.stuffing import DotStuffer, dot_stuff

OPTIONS = ServerOptions(hostname="mx.local.test", max_message_size=4_000, max_text_line=2_000)
NORMALIZING = ServerOptions(hostname="mx.local.test", normalize_line_ends=True)
ENVELOPE = b"MAIL FROM:<a@third.test>\r\nRCPT TO:<b@local.test>\r\nDATA\r\n"
OPENING = b"EHLO client.test\r\n" + ENVELOPE
# What an attacker wants to have run as commands of a second message.
SMUGGLED = b"MAIL FROM:<evil@third.test>\r\nRCPT TO:<c@local.test>\r\nDATA\r\nsmuggled\r\n.\r\n"
ENDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\n\0",
    b"\v",
    b"\f",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
)
COMBINATIONS = tuple(itertools.product(ENDS, ENDS))
SMUGGLING_SUITE = Path("../shared/suites/smtp-smuggling/sequences.json")


def _attack(sequence: bytes) -> bytes:
    return OPENING + b"Subject: x\r\n\r\nfirst" + sequence + SMUGGLED


def _play(octets: bytes, pieces: tuple[int, ...] = (), options: ServerOptions = OPTIONS) -> Driver:
    driver = Driver(options).greet()
    cuts = sorted({0, len(octets), *(cut for cut in pieces if cut < len(octets))})
    driver.feed_all(octets[start:end] for start, end in itertools.pairwise(cuts))
    driver.end_input()
    return driver


def _seen(driver: Driver) -> tuple[object, ...]:
    return driver.events, driver.messages, driver.sent


def test_only_one_of_a_hundred_line_ends_makes_two_messages() -> None:
    """A12: of 10 by 10 line ends around a dot, only CRLF and CRLF make two messages."""
    twice = [pair for pair in COMBINATIONS if len(_play(_attack(b".".join(pair))).messages) > 1]
    assert twice == [(b"\r\n", b"\r\n")]


def test_normalizing_does_not_end_a_content_at_a_lone_lf() -> None:
    """A12 with normalizing: a dot line counts only where both line ends are CRLF."""
    plays = {pair: _play(_attack(b".".join(pair)), options=NORMALIZING) for pair in COMBINATIONS}
    assert [pair for pair, play in plays.items() if len(play.messages) > 1] == [(b"\r\n", b"\r\n")]


@pytest.mark.parametrize("pair", COMBINATIONS, ids=repr)
def test_a_false_end_stays_false_however_it_is_split(pair: tuple[bytes, bytes]) -> None:
    """A13: each of the hundred, cut at each octet around the dot, gives the same."""
    octets = _attack(b".".join(pair))
    whole = _seen(_play(octets))
    middle = octets.index(b"first") + 5
    for cut in range(middle - 2, middle + 14):
        assert _seen(_play(octets, (cut,))) == whole
    assert _seen(_play(octets, tuple(range(len(octets))))) == whole


def test_a_content_that_is_too_large_cannot_smuggle() -> None:
    """A14: a false end behind the size limit ends nothing; the true end gets the refusal."""
    driver = _play(_attack(b"x" * 900 + b"\r\n" + (b"y" * 500 + b"\r\n") * 10 + b"\n.\r\n"))
    assert not driver.messages
    assert "550 5.5.2" in driver.codes


def test_the_known_smuggling_sequences_give_one_message_at_most() -> None:
    """A01 to A11: the sequences of SMTP-Smuggling-Tools and smtpsmug do not end a content."""
    if not SMUGGLING_SUITE.exists():
        pytest.skip("no ../shared/suites/smtp-smuggling")
    suite = json.loads(SMUGGLING_SUITE.read_text(encoding="utf-8"))
    for sequence in (*suite["the_login"], *suite["hannob"].values()):
        for options in (OPTIONS, NORMALIZING):
            assert len(_play(_attack(sequence.encode("latin-1")), options=options).messages) <= 1


PIECES = st.sampled_from(
    [
        b"EHLO x\r\n",
        ENVELOPE,
        b"BDAT 4\r\n",
        b"BDAT 3 LAST\r\n",
        b"AUTH PLAIN\r\n",
        b"RSET\r\n",
        b"\r\n.\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b".",
        b"\0",
        b"abc",
        b"\xe9",
        b"x" * 700,
        b"y" * 2_100,
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=30).map(lambda pieces: OPENING + b"".join(pieces)),
    st.lists(st.integers(0, 6_000), max_size=12),
    st.booleans(),
)
def test_any_split_of_the_input_gives_the_same(
    octets: bytes, cuts: list[int], normalizes: bool
) -> None:
    """However the octets are cut, events, messages and replies are the same."""
    options = NORMALIZING if normalizes else OPTIONS
    assert _seen(_play(octets, tuple(cuts), options)) == _seen(_play(octets, (), options))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), PIECES), max_size=20))
def test_no_octets_raise(pieces: list[bytes]) -> None:
    """Whatever comes in, the session ends in an orderly way, and replies are whole lines."""
    driver = _play(b"".join(pieces))
    assert isinstance(driver.events[-1], events.SessionEnded)
    assert driver.sent.endswith(b"\r\n")


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b".", b"a", b"..", b"\r\n."]), max_size=20).map(b"".join))
def test_what_is_stuffed_is_unstuffed(content: bytes) -> None:
    """A content that is dot-stuffed and read again is the same, with its last line ended."""
    expected = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert _play(OPENING + dot_stuff(content)).messages == [expected]
    assert dot_stuff(content, has_only_line_ends=True) == dot_stuff(content)


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n.\r\n"]), max_size=20))
def test_stuffing_never_emits_a_lone_cr_or_lf(pieces: list[bytes]) -> None:
    """A16: whatever is stored, what goes out has whole line ends and one end of data."""
    stuffer = DotStuffer()
    sent = b"".join(map(stuffer.feed, pieces)) + stuffer.finish()
    assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
    assert (b"\r\n" + sent).index(b"\r\n.\r\n") == len(sent) - 3
    assert sent == dot_stuff(b"".join(pieces))
