"""Time of reading mail that was made to take long: linear, and under a second a mebibyte."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, strategies as st

from pillarbox.message.codes import codes_in
from pillarbox.message.explanations import explain_field
from pillarbox.message.links import links_in
from pillarbox.message.mail import read_mail
from pillarbox.message.mbox import read_mbox, write_mbox
from pillarbox.message.plain import html_to_text
from pillarbox.message.summary import summarize

MEBIBYTE: Final = 2**20
PAGE: Final = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
PARTS: Final = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def field(name: bytes, start: bytes, unit: bytes) -> Callable[[int], bytes]:
    """Return a maker of mails with one long field."""
    return lambda size: name + b": " + start + unit * (size // len(unit)) + b"\r\n\r\nx"


def body(header: bytes, unit: bytes) -> Callable[[int], bytes]:
    """Return a maker of mails with a long body."""
    return lambda size: header + unit * (size // len(unit))


HOSTILE: Final[dict[str, Callable[[int], bytes]]] = {
    # header fields
    "semicolons in quotes": field(b"Content-Type", b'a; a="', b";"),
    "parameters without end": field(b"Content-Type", b"a/b", b';a="'),
    "parameters in pieces": lambda size: (
        b"Content-Type: a/b" + b"".join(b"; a*%d*=x" % n for n in range(size // 12)) + b"\r\n\r\n"
    ),
    "blanks before parameters": field(b"Content-Type", b"a/b;x=y", b" "),
    "names without values": field(b"Content-Type", b"a/b;x=y", b" a"),
    "backslashes": field(b"Content-Disposition", b'a; filename="', b"\\"),
    "addresses": field(b"To", b"", b"a@b.c,"),
    "broken addresses": field(b"To", b"", b"a <b>>, "),
    "nested comments": field(b"From", b"", b"("),
    "closed comments": field(b"From", b"", b"()"),
    "quotation marks": field(b"To", b"[", b'"'),
    "escaped quotation marks": field(b"To", b"[", b'"\\\\'),
    "angle brackets": field(b"To", b"[", b"<"),
    "groups": field(b"To", b"", b"a:"),
    "beginnings of encoded words": field(b"Subject", b"", b"=?"),
    "encoded words without end": field(b"Subject", b"", b"=?a?q?x"),
    "short encoded words": field(b"Subject", b"", b"=?a?q?x?= "),
    "encoded names": field(b"From", b"", b"=?utf-8?q?a?= <a@b.c>,"),
    "folds": field(b"Subject", b"", b"\r\n a"),
    "blanks": field(b"Subject", b"a", b" "),
    "references": field(b"References", b"", b"<a@b> "),
    "dates": field(b"Date", b"", b"1 "),
    "fields": body(b"", b"a:b\r\n"),
    "fields without names": body(b"", b":\r\n"),
    "lines that are no fields": body(b"", b"abc\r\n"),
    "proto": body(b"", b"__proto__: x\r\n"),
    # parts
    "delimiters": body(PARTS, b"--b\r\n"),
    "lines like delimiters": body(PARTS, b"--bx\r\n"),
    "delimiters of no one": body(PARTS, b"\r\n--"),
    "nested multiparts": lambda size: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(size // 60)
    ),
    "nested messages": body(b"", b"Content-Type: message/rfc822\r\n\r\n"),
    "parts with large headers": body(PARTS, b"--b\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
    "base64 in pieces": body(b"Content-Transfer-Encoding: base64\r\n\r\n", b"QQ=="),
    "base64 of nothing": body(b"Content-Transfer-Encoding: base64\r\n\r\n", b"="),
    "quoted-printable": body(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b"=Z"),
    "blanks in quoted-printable": body(
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b" \t"
    ),
    # character sets
    "bad UTF-8": body(b"Content-Type: text/plain; charset=utf-8\r\n\r\n", b"\xff"),
    "bad windows-1252": body(b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n", b"\x81"),
    "bad Big5": body(b"Content-Type: text/plain; charset=big5\r\n\r\n", b"\xff"),
    "shifts of iso-2022-jp": body(
        b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", b"\x1b$B\x1b(B"
    ),
    "escapes of iso-2022-kr": body(
        b"Content-Type: text/plain; charset=iso-2022-kr\r\n\r\n", b"\x1b\x0e\x0f"
    ),
    "hz": body(b"Content-Type: text/plain; charset=hz-gb-2312\r\n\r\n", b"~{~}"),
    "bad UTF-16": body(b"Content-Type: text/plain; charset=utf-16\r\n\r\n", b"\xd8\x00"),
    # text and pages
    "flowed text": body(b"Content-Type: text/plain; format=flowed\r\n\r\n", b">a \r\n"),
    "words of codes": body(b"\r\n", b"code 1234\r\n"),
    "codes in one line": body(b"\r\n", b"code 123456 "),
    "addresses of the web": body(b"\r\n", b"http://"),
    "brackets behind addresses": body(b"\r\nhttp://x/", b")"),
    "tags": body(PAGE, b"<a href='x'>"),
    "tags without end": body(PAGE, b"<a "),
    "quotes in tags": body(PAGE, b"<a '<a \""),
    "attributes": body(PAGE + b"<a ", b"a="),
    "comments": body(PAGE, b"<!--"),
    "scripts": body(PAGE, b"<script>"),
    "heads": body(PAGE, b"<head>"),
    "less-than signs": body(PAGE, b"<"),
    "entities": body(PAGE, b"&amp;"),
    "numbers without end": body(PAGE + b"&#", b"9"),
    "addresses in styles": body(PAGE, b"url("),
    "sets of images": body(PAGE + b"<img srcset='", b"a,"),
    "references to parts": body(PAGE, b"cid:a "),
    # calendars
    "events": body(b"Content-Type: text/calendar\r\n\r\n", b"BEGIN:VEVENT\r\nEND:VEVENT\r\n"),
    "parameters of events": body(b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nA", b';A="'),
    "folds of events": body(b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nA:", b"\r\n "),
}


def read_all(octets: bytes) -> None:
    """Do with a mail all that is done with one."""
    mail = read_mail(octets)
    summarize(octets)
    links_in(mail)
    codes_in(mail)
    for each in mail.fields:
        explain_field(each.name, each.value)
    for node in mail.tree.walk():
        assert isinstance(node.text, str)
    html_to_text(mail.html or "")


def spent(octets: bytes) -> float:
    """Return the least CPU seconds of two tries."""
    tries = []
    gc.disable()  # what it costs depends on all else that is in memory
    try:
        for _ in range(2):
            began = time.process_time()
            read_all(octets)
            tries.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(tries)


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_takes_linear_time(name: str) -> None:
    """A mebibyte takes some seconds at most, and twice as much no more than thrice as long."""
    for _ in range(4):  # the machine has others to serve, and they come and go
        half = spent(HOSTILE[name](MEBIBYTE // 8))
        whole = spent(HOSTILE[name](MEBIBYTE // 4))
        if whole < min(2.0, 3.0 * max(half, 0.02)):
            return
    pytest.fail(f"{whole:.3f} s for a quarter of a mebibyte, {half:.3f} s for half as much")


@given(st.binary(max_size=400))
def test_no_mail_crashes(octets: bytes) -> None:
    """Any octets are read, alone and as the parts of a mail."""
    read_all(octets)
    for header in (
        PAGE,
        PARTS + b"--b\r\n",
        b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n",
    ):
        read_all(header + octets)


PIECES: Final = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"--b", b"--b--", b"Content-Type: ", b"multipart/mixed; boundary=b", b"text/html",
     b"message/rfc822", b"; charset=", b"; name*0*=", b"utf-8'", b"=?utf-8?q?", b"=41?=", b"<a href=", b">",
     b"Content-Transfer-Encoding: base64", b"quoted-printable", b"From: ", b"a@b.c", b'"', b"\\", b"(", b")",
     b"Subject: ", b"Content-Disposition: attachment; filename=", b"../", b"\x00", b"\xff", b" ", b"x" * 80]
)  # fmt: skip


@given(st.lists(PIECES, max_size=60))
def test_no_mail_of_known_pieces_crashes(pieces: list[bytes]) -> None:
    """What mail is made of may stand in any order; each part lies within its parent."""
    octets = b"".join(pieces)
    read_all(octets)
    root = read_mail(octets).tree
    for node in root.walk():
        for child in node.children:
            assert child.octets is not node.octets or (
                node.body_start <= child.start <= child.body_start <= child.end <= node.end
            )


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_what_is_written_to_a_mailbox_is_read_back(bodies: list[bytes]) -> None:
    """A mailbox gives back its mails octet for octet, with a line end at the end of each."""
    mails = [
        b"Subject: x\r\n\r\n" + each.replace(b"\r", b"").replace(b"\n", b"\r\n") for each in bodies
    ]
    box = b"".join(write_mbox((mail, "a@example.org", 0.0) for mail in mails))
    expected = [mail if mail.endswith(b"\r\n") else mail + b"\r\n" for mail in mails]
    assert list(read_mbox(box)) == expected
