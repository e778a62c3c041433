"""URLs of mail servers, as environments and settings hold them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.config.mail_url import MailUrlInvalid, parse_mail_url
from pillarbox.config.settings import TlsMode


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, TlsMode.OPPORTUNISTIC),
        ("smtp://mail.example.com:587", "mail.example.com", 587, TlsMode.STARTTLS),
        ("smtp://u:p@mail.example.com", "mail.example.com", 587, TlsMode.STARTTLS),
        ("smtp://u:p@localhost:1025", "localhost", 1025, TlsMode.OPPORTUNISTIC),
        ("smtp://[::1]:1025/", "::1", 1025, TlsMode.OPPORTUNISTIC),
        ("smtp+starttls://mail.example.com:2525", "mail.example.com", 2525, TlsMode.STARTTLS),
        ("smtp+tls://mail.example.com", "mail.example.com", 25, TlsMode.STARTTLS),
        ("smtps://mail.example.com", "mail.example.com", 465, TlsMode.IMPLICIT),
        ("smtp+ssl://mail.example.com:4650", "mail.example.com", 4650, TlsMode.IMPLICIT),
        ("smtp://mail.example.com?tls=never", "mail.example.com", 25, TlsMode.NONE),
        ("smtp://mail.example.com:587?tls=may", "mail.example.com", 587, TlsMode.OPPORTUNISTIC),
        ("smtp://localhost?tls=require", "localhost", 25, TlsMode.STARTTLS),
    ],
)
def test_the_scheme_says_how_tls_is_had(url: str, host: str, port: int, tls: TlsMode) -> None:
    """Ports and TLS follow from the scheme, the port and the user, unless they are said."""
    parsed = parse_mail_url(url)
    assert (parsed.host, parsed.port, parsed.tls) == (host, port, tls)
    assert not parsed.warning


def test_smtps_on_the_submission_port_is_starttls_with_a_warning() -> None:
    """As Django users mean it."""
    parsed = parse_mail_url("smtps://mail.example.com:587")
    assert parsed.tls is TlsMode.STARTTLS
    assert "smtp+starttls://" in parsed.warning


def test_user_and_password_are_decoded_and_not_shown() -> None:
    """Percent encoding is undone; the password appears in no text of the value."""
    parsed = parse_mail_url("smtp://a%40b.test:p%3A%2Fw@mail.example.com")
    assert (parsed.user, parsed.password) == ("a@b.test", "p:/w")
    assert str(parsed) == "smtp://a@b.test:***@mail.example.com:587"
    assert "p:/w" not in repr(parsed)


def test_options_follow_the_question_mark() -> None:
    """An authority, a name for the certificate and a time-out."""
    parsed = parse_mail_url("smtp://h?ca=/etc/ca.pem&servername=mx.test&timeout=2.5")
    assert (parsed.ca, parsed.tls_name, parsed.timeout) == (Path("/etc/ca.pem"), "mx.test", 2.5)


@pytest.mark.parametrize(
    "url",
    [
        *("", "mail.example.com", "http://h", "smtp://", "smtp://h/path", "smtp://h#x"),
        *("smtp://h:0x", "smtp://h:99999", "smtp://h?tls=yes", "smtps://h?tls=never"),
        *("smtp://h?timeout=soon", "smtp://h?timeout=0", "smtp://h?colour=red", "smtp://h\r\nx"),
        "smtp://" + "h" * 3_000,
    ],
)
def test_what_cannot_be_meant_is_refused(url: str) -> None:
    """With a sentence that shows no password."""
    with pytest.raises(MailUrlInvalid) as refused:
        parse_mail_url(url.replace("//h", "//u:secret@h"))
    assert "secret" not in str(refused.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else is raised."""
    for url in (text, f"smtp://{text}", f"smtp://h?{text}"):
        with contextlib.suppress(MailUrlInvalid):
            parse_mail_url(url)
