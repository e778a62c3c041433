"""Laws of what reads headers: any octets, linear time."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given, strategies as st

from pillarbox.message.address_list import parse_address_list
from pillarbox.message.dsn_report import clean_text
from pillarbox.message.header import HeaderEnd, HeaderLimits, HeaderRefused, scan_header
from pillarbox.message.identification import read_message_id
from pillarbox.message.submission import check_submission, fix_submission
from pillarbox.message.trace import ReceivedTrace, Session

WIDE = HeaderLimits(max_size=1 << 30, max_fields=1 << 30, max_field_size=1 << 30)

# Octets that the scanner treats differently, more often than chance would give them.
OCTETS = st.lists(
    st.sampled_from(
        [
            b"A",
            b"Bcc",
            b"From",
            b":",
            b" ",
            b"\t",
            b"\r\n",
            b"\r",
            b"\n",
            b"\0",
            b"\xff",
            b"x@y",
            b"<",
        ]
    ),
    max_size=60,
).map(b"".join)


@given(OCTETS | st.binary(max_size=200))
def test_any_octets_have_a_header(content: bytes) -> None:
    """The fields, one after the other, are the header; nothing is raised."""
    header = scan_header(content, WIDE)
    position = header.first_field
    for field in header.fields:
        assert field.start == position
        assert content[field.start : field.end].lower().startswith(field.name)
        position = field.end
    separator = b"\r\n" if header.end is HeaderEnd.EMPTY_LINE else b""
    assert content[position : header.size] == separator
    read_message_id(header)
    check_submission(header)


@given(OCTETS, OCTETS)
def test_end_of_a_header_does_not_depend_on_what_follows(content: bytes, more: bytes) -> None:
    """A header that has ended stays the same with more octets behind it."""
    header = scan_header(content, WIDE)
    if header.end is not HeaderEnd.END_OF_OCTETS:
        again = scan_header(content + more, WIDE)
        assert (again.fields, again.size, again.end) == (header.fields, header.size, header.end)


@given(OCTETS)
def test_fixing_a_fixed_submission_changes_nothing(content: bytes) -> None:
    """What submission puts right is right: the second time there is nothing to do."""
    edit = fix_submission(scan_header(content), message_id=b"<1@h>", at=0)
    fixed = edit.apply(content)
    assert fixed.endswith(content[edit.body :])
    header = scan_header(fixed)
    assert {b"bcc", b"resent-bcc", b"return-path"}.isdisjoint(header.names)
    assert b"date" in header
    assert header.end is HeaderEnd.EMPTY_LINE
    assert fix_submission(header, message_id=b"<2@h>", at=0).apply(fixed) == fixed


@given(st.binary(max_size=300) | OCTETS)
def test_any_value_is_an_address_list_or_an_error(value: bytes) -> None:
    """Nothing is raised, and an error comes without addresses."""
    parsed = parse_address_list(value)
    assert not (parsed.error and parsed.addresses)


@given(st.text(), st.text(), st.text())
def test_any_session_gives_one_received_field(helo: str, name: str, address: str) -> None:
    """No claimed name, host name or address breaks out of the field."""
    session = Session(helo=helo, name=name, address=address, hostname="mx.example.org")
    field = ReceivedTrace(session).field(queue_id="1", at=0)
    header = scan_header(field + b"\r\n")
    assert header.names == (b"received",)
    assert header.size == len(field) + 2
    assert field.isascii()
    assert field.isascii()


@given(st.text())
def test_what_peers_say_is_shown_without_controls(text: str) -> None:
    """Clean text is one printable line."""
    assert clean_text(text).isprintable()


HOSTILE = [
    lambda n: b"a" * n,
    lambda n: b"a: " + b"\r\n" * n,
    lambda n: b"a:" + b"\r\n x" * n,
    lambda n: b"a:" + b"\r" * n,
    lambda n: b"a:x\n" * n,
    lambda n: b"a" * (n // 2) + b" " * (n // 2),
    lambda n: b"a:\r\n" * n,
    lambda n: b"To: " + b"(" * n + b"\r\n\r\n",
    lambda n: b"To: " + b"a@b," * n + b"\r\n\r\n",
    lambda n: b"To: " + b'"' * n + b"\r\n\r\n",
    lambda n: b"To: " + b'"' + b"\\" * n + b"\r\n\r\n",
    lambda n: b"To: " + b"a." * n + b"\r\n\r\n",
    lambda n: b"To: " + b"=?" * n + b"\r\n\r\n",
    lambda n: b"To: " + b"a:" * n + b"\r\n\r\n",
    lambda n: b"To: " + b"<@a,@b:" * n + b"\r\n\r\n",
    lambda n: b"To: " + b"((a)" * n + b"\r\n\r\n",
    lambda n: b"Message-ID: " + b"<" * n + b"\r\n\r\n",
    lambda n: b"Message-ID: " + b"<a" * n + b"\r\n\r\n",
]


def read_all(content: bytes) -> None:
    """Do to a message what a submission server does to its header."""
    try:
        header = scan_header(content, WIDE)
    except HeaderRefused:
        return
    read_message_id(header)
    fix_submission(header, message_id=b"<1@h>", at=0)
    for value in header.get_all(b"to"):
        parse_address_list(value)


def cost(make: Callable[[int], bytes], size: int) -> float:
    """Return the best of some runs in CPU seconds; what disturbs only makes them longer."""
    content = make(size)[:size] + b"\r\n\r\n"
    best = float("inf")
    for _ in range(5):
        start = process_time()
        read_all(content)
        best = min(best, process_time() - start)
    return best


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: repr(make(3))[:40])
def test_hostile_headers_cost_linear_time(make: Callable[[int], bytes]) -> None:
    """F07: 16 times the octets cost nowhere near 256 times the time."""
    small, large = cost(make, 4_000), cost(make, 64_000)
    # Linear is 16; quadratic 256. Below a millisecond the clock decides, not the code.
    assert large < 60 * max(small, 0.000_5)
