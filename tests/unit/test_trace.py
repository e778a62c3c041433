"""Trace fields and dates."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from pillarbox.message.header import scan_header
from pillarbox.message.trace import (
    ReceivedTrace,
    Session,
    format_date,
    transmission_type,
)
from pillarbox.smtp.address import Mailbox

BOB = Mailbox("bob", "example.org")
AT = 1_795_233_600.9


def received(**facts: str) -> ReceivedTrace:
    session = {"helo": "mail.example.net", "address": "192.0.2.1", "hostname": "mx.example.org"}
    return ReceivedTrace(Session(**session | facts))


def test_received_field_names_who_how_and_for_whom() -> None:
    """A Received field has the clauses of RFC 5321 §4.4 and the TLS clause of RFC 8314 §4.3."""
    trace = received(
        name="out.example.net", tls_version="TLSv1.3", tls_cipher="TLS_AES_256_GCM_SHA384"
    )
    assert trace.field(queue_id="0abc", at=AT, recipient=BOB) == (
        b"Received: from mail.example.net (out.example.net [192.0.2.1])\r\n"
        b"\tby mx.example.org with ESMTPS id 0abc\r\n"
        b"\tfor <bob@example.org> tls TLS_AES_256_GCM_SHA384;\r\n"
        b"\tSat, 21 Nov 2026 04:00:00 +0000\r\n"
    )


def test_several_recipients_are_not_told_of_each_other() -> None:
    """Without a single recipient there is no "for" clause (RFC 5321 §7.6)."""
    assert b" for " not in received().field(queue_id="0abc", at=AT).replace(b"\t", b" ")


def test_older_cipher_names_go_into_a_comment() -> None:
    """What is not a registered suite name is no ``tls`` clause."""
    field = received(tls_version="TLSv1.2", tls_cipher="ECDHE-RSA-AES256-GCM-SHA384").field(
        queue_id="0abc", at=AT
    )
    assert b"\r\n\t(TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384);" in field


@pytest.mark.parametrize(
    "helo",
    ["", "x\r\nSubject: forged", "a (b) c", "evil)", "\x1b[31m", "h" * 64_000, "müller.example"],
)
def test_hostile_greeting_stays_in_its_place(helo: str) -> None:
    """D16: whatever a client says at HELO, the field is one field of ASCII in short lines."""
    field = received(helo=helo, address="2001:db8::1").field(queue_id="0abc", at=AT, recipient=BOB)
    assert scan_header(field + b"\r\n").names == (b"received",)
    assert field.isascii()
    assert max(map(len, field.split(b"\r\n"))) <= 300
    assert field.count(b"(") == field.count(b")") == 1
    assert b"[IPv6:2001:db8::1]" in field


def test_utf8_recipient_is_shown_only_in_utf8_mail() -> None:
    """Without SMTPUTF8 the header stays ASCII (RFC 6531 §4.3)."""
    recipient = Mailbox("žan", "example.org")
    trace = received()
    assert trace.field(queue_id="1", at=AT, recipient=recipient).isascii()
    field = trace.field(queue_id="1", at=AT, recipient=recipient, is_utf8=True)
    assert "with UTF8SMTP id 1\r\n\tfor <žan@example.org>".encode() in field


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"is_extended": False}, "SMTP"),
        ({"is_extended": True}, "ESMTP"),
        ({"is_extended": True, "is_tls": True}, "ESMTPS"),
        ({"is_extended": True, "is_authenticated": True}, "ESMTPA"),
        ({"is_extended": True, "is_tls": True, "is_authenticated": True}, "ESMTPSA"),
        ({"is_extended": True, "is_tls": True, "is_utf8": True}, "UTF8SMTPS"),
        ({"is_extended": True, "is_lmtp": True}, "LMTP"),
        ({"is_extended": True, "is_lmtp": True, "is_tls": True}, "LMTPS"),
        ({"is_extended": True, "is_lmtp": True, "is_utf8": True}, "UTF8LMTP"),
    ],
)
def test_transmission_types_are_the_registered_ones(facts: dict[str, bool], name: str) -> None:
    """The "with" clause uses the names of RFC 3848 and RFC 6531 §4.3."""
    assert transmission_type(**facts) == name


@pytest.mark.parametrize("at", [0, 951_782_400, 1_709_164_800, 1_795_233_600, 4_102_444_799])
def test_dates_are_those_of_rfc_5322(at: int) -> None:
    """Dates agree with the standard library's, leap days included."""
    assert format_date(at) == format_datetime(datetime.fromtimestamp(at, UTC))


def test_impossible_times_still_have_a_date() -> None:
    """A clock that is far off never stops mail."""
    assert format_date(-5).endswith("1970 00:00:00 +0000")
    assert format_date(1e15).endswith("9999 23:59:59 +0000")
