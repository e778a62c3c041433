"""Laws that hold for the client whatever a server sends, and however it arrives."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st
from tests.client_dialog import Driver, envelope, play_from_ready

from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.client import ClientConnection
from pillarbox.smtp.client_commands import wire_path, xtext
from pillarbox.smtp.client_replies import MAX_REPLY_LINE, MAX_REPLY_SIZE, ReplyReader

OFFERS = st.sets(st.sampled_from(["PIPELINING", "CHUNKING", "SIZE 100000", "DSN", "8BITMIME"]))
CODES = st.sampled_from([220, 250, 251, 334, 354, 421, 450, 452, 500, 502, 503, 550, 552, 554])
REPLY = st.builds(lambda code, text: f"{code} {text}\r\n".encode(), CODES, st.just("2.0.0 words"))
NOISE = st.one_of(REPLY, REPLY, REPLY, st.binary(max_size=40))


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Split octets at these places."""
    ends = sorted({place % (len(octets) + 1) for place in places} | {0, len(octets)})
    return [octets[start:end] for start, end in itertools.pairwise(ends)]


def ready(offered: set[str], pieces: tuple[bytes, ...], *, is_lmtp: bool) -> Driver:
    """Return a driver that has sent its first commands."""
    connection = ClientConnection("client.test", is_lmtp=is_lmtp)
    driver = Driver(connection, envelope("a@b.test", "b@b.test", "c@b.test"), pieces=pieces)
    driver.receive(b"220 mx.test\r\n")
    keywords = "".join(f"250-{keyword}\r\n" for keyword in sorted(offered))
    driver.receive(f"250-mx.test\r\n{keywords}250 HELP\r\n".encode())
    return driver


def what_came_of(driver: Driver) -> object:
    """Return all that can be seen of a driver."""
    return (
        driver.connection.state,
        driver.connection.extensions,
        [(message.outcomes, message.is_reusable) for message in driver.settled],
        driver.ended,
    )


@given(
    OFFERS,
    st.booleans(),
    st.sampled_from([(), (b"one\r\n", b".two\r\n")]),
    st.lists(NOISE, max_size=12),
    st.lists(st.integers(min_value=0, max_value=1000), max_size=12),
)
def test_any_split_of_what_the_server_says_gives_the_same_outcomes(
    offered: set[str],
    is_lmtp: bool,
    pieces: tuple[bytes, ...],
    said: list[bytes],
    places: list[int],
) -> None:
    """Segments have no meaning: the outcomes are those of the octets in one piece."""
    octets = b"".join(said)
    whole = ready(offered, pieces, is_lmtp=is_lmtp)
    sent_whole = whole.receive(octets)
    parted = ready(offered, pieces, is_lmtp=is_lmtp)
    sent_parted = b"".join(parted.receive(piece) for piece in cut(octets, places))
    assert what_came_of(parted) == what_came_of(whole)
    if whole.ended is None:
        assert sent_parted == sent_whole


@given(
    OFFERS,
    st.booleans(),
    st.sampled_from([(), (b"one\r\n", b".two\r\n")]),
    st.lists(NOISE, max_size=12),
    st.booleans(),
)
def test_whatever_a_server_says_each_recipient_has_one_outcome(
    offered: set[str],
    is_lmtp: bool,
    pieces: tuple[bytes, ...],
    said: list[bytes],
    is_all_written: bool,
) -> None:
    """Nothing raises; when the connection is over there are exactly as many outcomes as
    recipients, none is delivered without a 2xx, and none is uncertain with a reply.
    """
    driver = ready(offered, pieces, is_lmtp=is_lmtp)
    for octets in said:
        driver.receive(octets)
    driver.connection.fail("the server closed the connection", is_all_written=is_all_written)
    driver.receive(b"")
    assert len(driver.settled) == 1
    assert len(driver.outcomes) == 3
    for outcome in driver.outcomes:
        if outcome.is_delivered:
            assert outcome.reply is not None
            assert outcome.reply.code // 100 == 2
        if outcome.is_uncertain:
            assert outcome.reply is None
            assert outcome.reason
        assert outcome.reply is not None or outcome.reason
    assert len(list(driver.settled[0].conversation)) <= 200


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_random_octets_never_raise_and_never_pile_up(pieces: list[bytes]) -> None:
    """The reader keeps at most one reply's worth of what it cannot use."""
    reader = ReplyReader()
    for piece in pieces:
        for reply in reader.feed(piece):
            assert 200 <= reply.code < 600
            assert all(line.isprintable() for line in reply.lines)
    assert len(reader._rest) <= MAX_REPLY_LINE
    assert reader._size <= MAX_REPLY_SIZE + MAX_REPLY_LINE


@given(st.text(max_size=40), st.text(max_size=40), st.booleans())
def test_no_address_writes_more_than_a_path(local: str, domain: str, smtputf8: bool) -> None:
    """Either nothing is written, or one path without a control character or a bare space."""
    path = wire_path(Mailbox(local, domain), smtputf8=smtputf8)
    if path is None:
        return
    assert path.startswith("<")
    assert path.endswith(">")
    octets = path.encode()
    assert not any(octet < 32 or octet == 127 for octet in octets)
    assert smtputf8 or path.isascii()
    inner = path[1:-1]
    if '"' not in inner:
        assert " " not in inner
        assert ">" not in inner


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=40))
def test_xtext_carries_every_ascii_text(text: str) -> None:
    """Decoding what was encoded gives the text, and nothing in it can end a parameter."""
    encoded = xtext(text)
    assert encoded is not None
    assert all("!" <= char <= "~" and char != "=" for char in encoded)
    decoded, rest = "", encoded
    while rest:
        if rest[0] == "+":
            decoded, rest = decoded + chr(int(rest[1:3], 16)), rest[3:]
        else:
            decoded, rest = decoded + rest[0], rest[1:]
    assert decoded == text


@given(
    st.binary(max_size=60).map(lambda octets: octets.replace(b"\r", b"").replace(b"\n", b"\r\n"))
)
def test_data_can_be_told_apart_from_its_end(content: bytes) -> None:
    """What the server reads up to the final dot, dots undone, is the content with a line end."""
    driver = Driver(ClientConnection("client.test"), content=content)
    play_from_ready(
        "C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA",
        driver,
    )
    sent = driver.receive(b"354 go\r\n")
    lines = sent.split(b"\r\n")
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    undone = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    assert undone == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")
