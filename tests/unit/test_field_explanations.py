"""Header fields, explained."""

from __future__ import annotations

import pytest

from pillarbox.message.explanations import explain_field
from pillarbox.message.field_purposes import PURPOSES

READINGS = [
    ("Received",
     ("from a.example (a.example [192.0.2.1]) by mx.example.net with ESMTPS id 1 for <b@example.net>; "
     "Sat, 21 Nov 2026 10:00:00 +0100"),
     {"came from": "a.example (a.example [192.0.2.1])", "taken by": "mx.example.net",
      "protocol": "ESMTPS: encrypted with TLS", "in UTC": "Sat, 21 Nov 2026 09:00:00"}),
    ("Return-Path", "<>", {"sender": "empty: this is itself a bounce or a notice, and nothing answers it"}),
    ("DKIM-Signature", "v=1; a=rsa-sha1; d=example.org; s=sel; h=From : To; t=1763719200; b=YWJj ZGVm",
     {"signed by": "example.org", "signed fields": "From, To", "signature": "YWJjZGVm",
      "signed at": "Fri, 21 Nov 2025 10:00:00 UTC", "key stands at": "sel._domainkey.example.org",
      "algorithm": "rsa-sha1, broken: receivers no longer accept it"}),
    ("Authentication-Results", "mx.example.net; spf=pass smtp.mailfrom=a@b.c; dkim=temperror",
     {"checked by": "mx.example.net", "DKIM (is the signature whole)": "could not be checked at that time"}),
    ("ARC-Seal", "i=2; a=rsa-sha256; cv=pass; d=example.org; s=s",
     {"place in the chain": "2", "chain so far": "pass"}),
    ("List-Unsubscribe", "<mailto:u@example.org>, <https://example.org/u>",
     {"by mail": "u@example.org", "on the web": "https://example.org/u"}),
    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click", {"means": "one click is enough"}),
    ("Content-Type", 'text/plain; charset="utf-8"; format=flowed',
     {"kind": "text/plain", "character set": "utf-8"}),
    ("Content-Transfer-Encoding", "BASE64", {"written": "in 64 letters; it takes a third more room"}),
    ("Content-Disposition", "attachment; filename=a.pdf",
     {"place": "attached, to be saved", "file": "a.pdf"}),
    ("Auto-Submitted", "auto-replied", {"means": "a program wrote it as an answer"}),
    ("Message-ID", "<1@example.org>", {"made at": "example.org"}),
    ("Date", "nonsense", {"date": "not a date in the standard's form"}),
    ("X-Priority", "1 (Highest)", {"means": "highest"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "readings"), READINGS)
def test_what_a_field_says_is_read(name: str, value: str, readings: dict[str, str]) -> None:
    """What machines write for machines is put into words."""
    found = {each.label: each.text for each in explain_field(name, value).readings}
    assert {label: found.get(label) for label in readings} == readings


@pytest.mark.parametrize("name", PURPOSES)
def test_each_purpose_is_a_sentence(name: str) -> None:
    """A purpose is for beginners: a sentence or two, and where it is defined."""
    known = explain_field(name.title(), "x")
    assert known.what.endswith(".")
    assert known.what[0].isupper() or known.what[0] == "“"
    assert known.standard


def test_fields_of_ones_own_are_told_apart_from_the_unknown() -> None:
    """X- may be anything; for other names there is no answer."""
    assert explain_field("X-Anything", "1").what
    assert not explain_field("Anything", "1").what


def test_long_values_are_cut() -> None:
    """Neither the number of readings nor their length follows the sender's wish."""
    found = explain_field("List-Unsubscribe", "<https://x.example/>," * 10_000)
    assert len(found.readings) <= 40
    assert all(
        len(each.text) <= 300
        for each in explain_field("Received-SPF", "pass " + "x" * 9_000).readings
    )
