"""The parts of a message: found in any nesting, and never at more than they are worth."""

from __future__ import annotations

import base64
import email
import email.policy
import gzip
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, strategies as st

from pillarbox.mailauth.dmarc_report import (
    PublishedPolicy,
    Report,
    Row,
    build_report,
    pack_report,
    read_report_message,
)
from pillarbox.message.tree import FEW_PARTS, Node, leaves

REPORT = Report(
    organization="Example Org", email="d@example.org", report_id="1", begin=0, end=1,
    policy=PublishedPolicy(domain="example.net"),
    rows=(Row(source_ip="192.0.2.1", count=1, disposition="none", dkim="fail", spf="fail",
              header_from="example.net"),),
)  # fmt: skip
FILE = pack_report(REPORT, build_report(REPORT), receiver="mx.example.org")


def message_parts(octets: bytes) -> tuple[Node, ...]:
    return leaves(octets, FEW_PARTS)


def mail(*attachments: tuple[str, str, bytes]) -> bytes:
    """Return a message as Python's own library builds it."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"] = "d@example.org"
    message.set_content("A report for you.\n")
    for media_type, name, content in attachments:
        main, _, sub = media_type.partition("/")
        message.add_attachment(content, main, sub, filename=name)
    return message.as_bytes()


def test_a_plain_message_is_one_part() -> None:
    """Without MIME, the body is text."""
    (part,) = message_parts(b"Subject: x\r\n\r\nHello\r\n")
    assert (part.media_type, part.encoding, part.content) == ("text/plain", "7bit", b"Hello\r\n")


def test_attachments_are_found_with_their_names() -> None:
    """What another library builds is taken apart again, in order."""
    parts = message_parts(mail(("application/gzip", "räport.xml.gz", b"\x00\xff" * 99)))
    assert [(part.media_type, part.filename) for part in parts] == [
        ("text/plain", ""),
        ("application/gzip", "räport.xml.gz"),
    ]
    assert parts[1].content == b"\x00\xff" * 99


@pytest.mark.parametrize(
    ("encoding", "body", "content"),
    [
        (b"base64", b"SGVs\r\n bG8=", b"Hello"),
        (b" BASE64 ", b"SGVsbG8", b"Hello"),
        (b"base64", b"SGVsbG8=\r\n-- \r\nfooter?", b"Hello"),
        (b"base64", b"SGVsbG8=\r\nIQ==\r\n", b"Hello!"),
        (b"base64", b"A", b""),
        (b"base64", b"", b""),
        (b"quoted-printable", b"a=3Db=\r\nc", b"a=bc"),
        (b"8bit", b"\xff", b"\xff"),
        (b"x-unknown", b"x", b"x"),
    ],
)
def test_encodings_are_undone(encoding: bytes, body: bytes, content: bytes) -> None:
    """The encodings of RFC 2045 §6, as forgivingly as it asks for; others are not known."""
    (part,) = message_parts(b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body)
    assert part.content == content


def test_boundaries_are_whole_lines() -> None:
    """What only begins like a delimiter, or stands within a line, is content."""
    octets = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b \t\r\n\r\nx --b\r\n'
        b"--bb\r\ny\r\n--b\r\n--b\r\n\r\nz\r\n--b--\r\nepilogue\r\n--b\r\n\r\nno\r\n"
    )
    assert [part.body for part in message_parts(octets)] == [b"x --b\r\n--bb\r\ny", b"", b"z"]


def test_a_message_that_was_cut_off_has_its_last_part() -> None:
    """Without the last delimiter, the rest is the last part."""
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny"
    assert [part.body for part in message_parts(octets)] == [b"x", b"y"]


def nested(depth: int) -> bytes:
    if not depth:
        return b"\r\nx"
    inner = nested(depth - 1)
    return b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%b\r\n--b%d--" % (
        depth, depth, inner, depth,
    )  # fmt: skip


@pytest.mark.parametrize(("depth", "count"), [(1, 1), (8, 1), (9, 0), (500, 0)])
def test_what_nests_too_deep_is_left_alone(depth: int, count: int) -> None:
    """Eight levels are looked at, and a thousand cost nothing more."""
    assert len(message_parts(nested(depth))) == count


HOSTILE = (
    b"--b\r\n",
    b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
    b"--b\r\n\r\nx\r\n",
    b"--b",
    b"--bx\r\n",
    b"\r\n--",
    b"--b\r\nContent-Type: a/b;" + b"a=b;" * 50 + b"\r\n\r\n",
    b"--b\r\nContent-Disposition: x;" + b'"' * 50 + b"\r\n\r\n",
)


@pytest.mark.parametrize("filler", HOSTILE)
def test_hostile_messages_cost_little(filler: bytes) -> None:
    """A mebibyte of delimiters, headers or parameters is taken apart in a moment."""
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + filler * (2**20 // len(filler))
    began = time.process_time()
    assert len(message_parts(octets)) <= FEW_PARTS.max_parts
    read_report_message(octets)
    assert time.process_time() - began < 6.0


@given(st.binary(max_size=300))
def test_no_message_crashes(octets: bytes) -> None:
    """Any octets have parts that can be decoded."""
    for octets_with in (
        octets,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + octets,
    ):
        for part in message_parts(octets_with):
            assert isinstance(part.content, bytes)


# --- reports in mail --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("media_type", "name", "content"),
    [
        ("application/gzip", FILE.name, FILE.content),
        ("application/octet-stream", "x.xml.gz", FILE.content),
        ("application/zip", "", FILE.content),
        ("text/xml", "", build_report(REPORT)),
    ],
)
def test_reports_are_found_in_mail(media_type: str, name: str, content: bytes) -> None:
    """By type or by name, whichever is right."""
    (read,) = read_report_message(mail((media_type, name, content)))
    assert read.report == REPORT


def test_a_message_that_is_the_report_is_read() -> None:
    """Some send the file as the message itself."""
    octets = (
        b"From: x@y.test\r\nContent-Type: application/gzip; name=x.xml.gz\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(FILE.content)
    )
    assert read_report_message(octets)[0].report == REPORT


def test_a_message_without_a_report_has_none() -> None:
    """Other mail to the address is no error."""
    assert read_report_message(mail(("image/png", "x.png", b"x"))) == ()


def test_bombs_in_mail_are_refused() -> None:
    """Ten reports are read at most, and what grows is refused."""
    bomb = gzip.compress(bytes(50_000_000))
    began = time.process_time()
    read = read_report_message(mail(*(("application/gzip", f"{n}.gz", bomb) for n in range(30))))
    assert [one.report for one in read] == [None] * 10
    assert time.process_time() - began < 6.0
