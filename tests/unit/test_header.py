"""The header scanner."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.message.header import HeaderEnd, HeaderLimits, HeaderRefused, scan_header
from pillarbox.message.identification import make_message_id, read_message_id

SUITES = sorted(Path(__file__).parents[2].parent.glob("shared/suites/mime-*"))
MESSAGE = (
    b"Received: from a\r\n\tby b; date\r\nSubject: one\r\n  two \r\n"
    b"RECEIVED : from c\r\nX-Empty:\r\n\r\nbody\r\n"
)


def test_fields_are_found_in_order_whatever_their_case() -> None:
    """Names are compared without case, values unfold, and every offset is exact."""
    header = scan_header(MESSAGE)
    assert header.names == (b"received", b"subject", b"received", b"x-empty")
    assert header.get(b"subject") == b"one  two"
    assert header.get_all(b"received") == (b"from a\tby b; date", b"from c")
    assert (header.count(b"received"), header.get(b"x-empty"), header.get(b"to")) == (2, b"", None)
    assert header.end is HeaderEnd.EMPTY_LINE
    assert MESSAGE[header.size :] == b"body\r\n"
    assert b"".join(MESSAGE[f.start : f.end] for f in header.fields) == MESSAGE[: header.size - 2]


@pytest.mark.parametrize(
    ("content", "size", "end"),
    [
        (b"", 0, HeaderEnd.END_OF_OCTETS),
        (b"\r\n", 2, HeaderEnd.EMPTY_LINE),
        (b"\r\nA: b\r\n", 2, HeaderEnd.EMPTY_LINE),
        (b"hello world\r\n", 0, HeaderEnd.NO_FIELD),
        (b" A: b\r\n\r\n", 0, HeaderEnd.NO_FIELD),
        (b": nameless\r\n", 0, HeaderEnd.NO_FIELD),
        (b"A: b\r\nhello\r\n\r\n", 6, HeaderEnd.NO_FIELD),
        (b"A: b\r\n", 6, HeaderEnd.END_OF_OCTETS),
        (b"A: b\r\n\r", 6, HeaderEnd.END_OF_OCTETS),
        (b"A: b\r\nSubj", 6, HeaderEnd.END_OF_OCTETS),
        (b"A: b", 4, HeaderEnd.END_OF_OCTETS),
        (b"From ann Sat\r\nA: b\r\n\r\nx", 22, HeaderEnd.EMPTY_LINE),
        (b"A: b\nB: c\r\n\r\n", 13, HeaderEnd.EMPTY_LINE),
    ],
)
def test_header_ends_where_real_servers_end_it(content: bytes, size: int, end: HeaderEnd) -> None:
    """An empty line, a line that is no field, or the end of the octets ends a header."""
    header = scan_header(content)
    assert (header.size, header.end) == (size, end)


def test_mbox_line_is_no_part_of_the_header() -> None:
    """A "From " line at the start is stepped over, and its size is told."""
    header = scan_header(b"From ann Sat Nov 21\r\nA: b\r\n\r\n")
    assert (header.first_field, header.names) == (21, (b"a",))


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"A: b\r\n" * 1_001, "550 5.6.0"),
        (b"A: " + b"x" * 128 * 1024 + b"\r\n\r\n", "550 5.6.0"),
        (b"A: " + b"x" * 1024 * 1024, "550 5.6.0"),
        ((b"A: " + b"x" * 1_000 + b"\r\n") * 300, "552 5.3.4"),
        ((b"A: " + b"\r\n x" * 10_000 + b"\r\n") * 10, "552 5.3.4"),
    ],
)
def test_too_large_headers_are_refused_with_a_reply(content: bytes, reply: str) -> None:
    """F05: a header over a limit is refused; the reply says which one."""
    with pytest.raises(HeaderRefused) as refused:
        scan_header(content)
    assert str(refused.value.reply).startswith(reply)


def test_header_of_exactly_the_limit_is_taken() -> None:
    """A limit is the last size that is taken."""
    content = b"A: b\r\n\r\n"
    assert scan_header(content, HeaderLimits(max_size=8, max_fields=1)).size == 8
    with pytest.raises(HeaderRefused):
        scan_header(content, HeaderLimits(max_size=7))


def test_strange_names_are_fields_like_others() -> None:
    """F05: ``__proto__`` is a name and nothing more."""
    header = scan_header(b"__proto__: x\r\nconstructor: y\r\n\r\n")
    assert header.get(b"__proto__") == b"x"


def test_message_id_is_made_and_read_back() -> None:
    """What we write as Message-ID is what we read, with its angle brackets."""
    made = make_message_id("0abc", "mäil.example")
    header = scan_header(b"Message-ID:\r\n " + made + b" (comment)\r\n\r\n")
    assert read_message_id(header) == "<0abc@xn--mil-qla.example>"


@pytest.mark.parametrize(
    "value", [b"", b"no brackets", b"<two words@x>", b"<" + b"x" * 2_000 + b">", b"<\x1b[31m@x>"]
)
def test_what_is_no_message_id_reads_as_nothing(value: bytes) -> None:
    """A malformed Message-ID is no Message-ID."""
    assert read_message_id(scan_header(b"Message-ID: " + value + b"\r\n\r\n")) == ""


@pytest.mark.parametrize("suite", SUITES or [None], ids=lambda suite: suite and suite.name)
def test_odd_mails_of_other_projects_have_a_header(suite: Path | None) -> None:
    """Every collected mail scans, and its fields and body are all of its octets."""
    if suite is None:
        pytest.skip("the collected mails (shared/suites/mime-*) are not on this machine")
    scanned = 0
    for path in suite.rglob("*"):
        if not path.is_file() or path.suffix in {".md", ".py", ".json"} or "LICENSE" in path.name:
            continue
        content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        header = scan_header(
            content,
            HeaderLimits(
                max_size=len(content) + 1, max_fields=10**6, max_field_size=len(content) + 1
            ),
        )
        fields = b"".join(content[field.start : field.end] for field in header.fields)
        assert len(fields) + header.first_field <= header.size <= len(content)
        scanned += 1
    assert scanned
