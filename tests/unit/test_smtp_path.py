"""Addresses off the wire: which are taken, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import (
    AddressError,
    parse_forward_path,
    parse_mailbox,
    parse_reverse_path,
)

SUITES = Path("../shared/suites")


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("a@b.test", "a", "b.test"),
        ('"u@T"@local.test', "u@T", "local.test"),
        ('"u\\@T"@local.test', "u@T", "local.test"),
        ("u@[192.0.2.1]", "u", "[192.0.2.1]"),
        ("u@[IPv6:2001:db8::1]", "u", "[IPv6:2001:db8::1]"),
        ("é@bücher.test", "é", "bücher.test"),
        ("@a.test,@b.test:u@c.test", "u", "c.test"),
        ("x" * 64 + "@b.test", "x" * 64, "b.test"),
        ("PostMaster", "PostMaster", ""),
    ],
)
def test_an_address_is_read(text: str, local_part: str, domain: str) -> None:
    """RFC 5321 §4.1.2: each form of mailbox is taken; a source route is dropped."""
    assert parse_forward_path(text) == Mailbox(local_part, domain)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 65 + "@b.test",
        "a@" + ".".join(["x" * 60] * 5),
        "a@" + "x" * 64 + ".test",
        "@b.test",
        '""@b.test',
        "a..b@b.test",
        ".a@b.test",
        '"a b"@b.test',
        "x@d:25",
        "x@d/..",
        "a@b@c",
        "u@third.test.",
        "u@-a.test",
        "u@[256.0.0.1]",
        "u@[IPv6:fe80::1%eth0]",
        "u@[IPv6:::g]",
        "u@[2001:db8::1]",
        "u@[x-tag:content]",
        "u@third。test",
        "u@thirdtest\uff20l",
        "u(c)@third.test",
        "u%T",
        "T!u",
        "|/bin/sh",
        "a@b.test\r\nRCPT TO:<c@d>",
        "a\0@b.test",
        "u@T >",
        "a\u0085@b.test",
        "a\u2028@b.test",
        "",
    ],
)
def test_a_malformed_address_is_refused(text: str) -> None:
    """E39, E40: what is no mailbox, or too long, raises AddressError."""
    with pytest.raises(AddressError):
        parse_forward_path(text)


def test_the_null_reverse_path_is_empty() -> None:
    """RFC 5321 §4.5.5: ``<>`` is no mailbox."""
    assert parse_reverse_path("") is None


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=30))
def test_printing_and_parsing_is_identity(local_part: str) -> None:
    """What is printed is read as the same mailbox."""
    mailbox = Mailbox(local_part, "b.test")
    if len(str(mailbox)) <= 64 + len("@b.test"):
        assert parse_mailbox(str(mailbox)) == mailbox


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    """No text raises anything else, and what is taken can be printed and read again."""
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert parse_mailbox(str(mailbox)) == mailbox


def _accepts(text: str) -> bool:
    try:
        parse_mailbox(text)
    except AddressError:
        return False
    return True


# What we judge otherwise, and why.
ISEMAIL_DEVIATIONS = {
    '""@iana.org': "no mailbox has an empty name",
    '"test\\ test"@iana.org': "no mailbox has a space in its name",
    "test@[IPv6:1111:2222:3333:4444:5555:6666::8888]": "deprecated, and clear all the same",
}


def _with_controls(text: str) -> str:
    """Return the text with the control characters that the vectors write as symbols."""
    return "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2420 else c for c in text)


def test_the_isemail_vectors_agree() -> None:
    """Each address of isemail is judged as its category says, but for three that we name."""
    path = SUITES / "address-isemail/test/tests.xml"
    if not path.exists():
        pytest.skip("no ../shared/suites/address-isemail")
    smtp = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}
    wrong = set()
    for test in ET.parse(path).getroot().iter("test"):  # noqa: S314 - a file of our own
        address = _with_controls(test.findtext("address") or "")
        if _accepts(address) != (test.findtext("category") in smtp):
            wrong.add(address)
    assert wrong == set(ISEMAIL_DEVIATIONS)


def test_the_email_validator_vectors_agree() -> None:
    """Every valid address of email-validator is taken, but for display names and spaces."""
    path = SUITES / "address-email-validator/test_syntax.json"
    if not path.exists():
        pytest.skip("no ../shared/suites/address-email-validator")
    cases = json.loads(path.read_text(encoding="utf-8"))
    valid = [
        case[0]
        for name in ("test_email_valid", "test_email_valid_intl_local_part")
        for case in cases[name]["cases"]
    ]
    assert [text for text in valid if " " not in text and not _accepts(text)] == []
