"""Replies are read within bounds, and what is no reply is told so (rows I01, I02, I09)."""

from __future__ import annotations

import pytest

from pillarbox.smtp.client_extensions import read_extensions
from pillarbox.smtp.client_replies import ReplyReader, wire_lines
from pillarbox.smtp.reply import EnhancedCode, Reply


def read(octets: bytes) -> tuple[list[Reply], str]:
    reader = ReplyReader()
    return reader.feed(octets), reader.violation


def test_a_reply_of_one_line_is_read_with_its_enhanced_code() -> None:
    """The enhanced code is taken out of the text (RFC 2034)."""
    assert read(b"550 5.1.1 No such user\r\n") == (
        [Reply(550, ("No such user",), EnhancedCode(5, 1, 1))],
        "",
    )


def test_a_reply_of_several_lines_is_one_reply() -> None:
    """The lines come together, the enhanced code once."""
    replies, violation = read(b"250-2.1.0 one\r\n250-2.1.0 two\r\n250 2.1.0 three\r\n")
    assert violation == ""
    assert replies == [Reply(250, ("one", "two", "three"), EnhancedCode(2, 1, 0))]


@pytest.mark.parametrize("line", [b"250\r\n", b"250 \r\n", b"250\n"])
def test_a_reply_may_come_without_text(line: bytes) -> None:
    """A bare code is a reply, with a lone LF behind it as well."""
    assert read(line) == ([Reply(250, ("",))], "")


def test_i02_a_bare_enhanced_code_is_a_code_without_text() -> None:
    """I02: "550 5.7.2" has a code and no text (CVE-2026-43964)."""
    assert read(b"550 5.7.2\r\n") == ([Reply(550, ("",), EnhancedCode(5, 7, 2))], "")


def test_an_enhanced_code_of_another_class_is_text() -> None:
    """A 250 with 5.1.1 is a success whose text starts oddly (RFC 2034 §4)."""
    assert read(b"250 5.1.1 fine\r\n") == ([Reply(250, ("5.1.1 fine",))], "")


@pytest.mark.parametrize(
    "octets",
    [b"000 x\r\n", b"999 x\r\n", b"199 x\r\n", b"600 x\r\n", b"250x\r\n", b"25 0\r\n", b"\r\n"],
)
def test_i02_what_is_no_reply_is_a_violation(octets: bytes) -> None:
    """I02: codes outside 2xx to 5xx, and lines without a code, are not replies."""
    replies, violation = read(octets)
    assert replies == []
    assert "no reply" in violation


def test_i02_a_code_that_changes_within_a_reply_is_a_violation() -> None:
    """I02: 250- followed by 550 says two things at once."""
    replies, violation = read(b"250-fine\r\n550 not fine\r\n")
    assert replies == []
    assert "250, 550" in violation


def test_i01_a_line_without_end_is_cut_off() -> None:
    """I01: a megabyte without a line end is not gathered."""
    reader = ReplyReader()
    for _ in range(256):
        assert reader.feed(b"2" * 4096) == []
    assert "over 2048 octets" in reader.violation
    assert not reader.has_partial


def test_i01_a_reply_without_end_is_cut_off() -> None:
    """I01: the hundredth line that promises another one is the last that is read."""
    reader = ReplyReader()
    assert reader.feed(b"250-x\r\n" * 99) == []
    assert reader.violation == ""
    assert reader.feed(b"250-x\r\n") == []
    assert "over 100 lines" in reader.violation


def test_i01_long_lines_together_are_cut_off() -> None:
    """I01: no reply grows over 64 KiB, however few lines it has."""
    assert "65536 octets" in read((b"250-" + b"x" * 2000 + b"\r\n") * 40)[1]


def test_replies_before_a_violation_count() -> None:
    """What was well said before is not taken back."""
    replies, violation = read(b"250 ok\r\nHTTP/1.1 200 OK\r\n")
    assert replies == [Reply(250, ("ok",))]
    assert violation


def test_i09_text_that_is_not_printable_is_escaped() -> None:
    """I09: terminal codes, line ends and bidirectional overrides are shown, never obeyed."""
    octets = b"550 \x1b[31mred\x1b[0m \r x\ty\x00 \xe2\x80\xae <b>&\r\n"
    replies, _ = read(octets)
    assert replies[0].lines == (r"\x1b[31mred\x1b[0m \r x y\x00 \u202e <b>&",)


def test_i09_text_is_utf8_or_replaced() -> None:
    """I09: UTF-8 stays, other octets become replacement characters."""
    assert read("550 für dich\r\n".encode())[0][0].text == "für dich"
    assert read(b"550 f\xfcr\r\n")[0][0].text == "f\ufffdr"


def test_a_reply_can_be_shown_as_it_came() -> None:
    """The lines of the wire come back, code and enhanced code included."""
    octets = b"550-5.7.1 no\r\n550 5.7.1 way\r\n"
    assert wire_lines(read(octets)[0][0]) == ["550-5.7.1 no", "550 5.7.1 way"]


def test_extensions_are_read_in_any_case() -> None:
    """Keywords are not case sensitive (RFC 5321 §4.1.1.1)."""
    offered = read_extensions(
        Reply(
            250,
            (
                "mx.test hello",
                "pipelining",
                "Size 1000",
                "8BitMIME",
                "AUTH PLAIN login",
                "AUTH=XOAUTH2",
                "LIMITS RCPTMAX=20 mailmax=5 RCPTDOMAINMAX=1",
                "X-UNKNOWN 1",
                "",
            ),
        )
    )
    assert offered.name == "mx.test"
    assert offered.pipelining
    assert offered.eight_bit_mime
    assert not offered.chunking
    assert offered.max_size == 1000
    assert offered.auth == {"PLAIN", "LOGIN", "XOAUTH2"}
    assert (offered.max_recipients, offered.max_messages) == (20, 5)


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE -1", "SIZE x", "SIZE " + "9" * 5000])
def test_a_size_that_is_no_limit_is_none(size: str) -> None:
    """SIZE without a sensible number sets no limit (RFC 1870 §4)."""
    offered = read_extensions(Reply(250, ("mx.test", size)))
    assert offered.takes_size
    assert offered.max_size is None
