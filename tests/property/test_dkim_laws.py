"""What holds for DKIM whatever strangers write: a result or the documented error, never another."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, strategies as st
from tests.key_table import ED25519, KeyTable

from pillarbox.errors import PermanentError
from pillarbox.mailauth import dkim
from pillarbox.mailauth.dkim.explanation import explain_answer
from pillarbox.mailauth.dkim.record import parse_key_record
from pillarbox.mailauth.resolver import Answer, Outcome
from pillarbox.mailauth.tag_list import TagListError, parse_tag_list

NOW = 1_800_000_000.0
TABLE = KeyTable.of(ED25519)

_NAMES = st.sampled_from([*"abcdhilqstvxzpkn", "bh", "b h", ""])
_VALUES = st.one_of(
    st.sampled_from(
        ["1", "rsa-sha256", "ed25519-sha256", "example.org", "e1", "from", "from:to", "DKIM1",
         "relaxed/relaxed", "simple", "@example.org", "AAAA", "A" * 43 + "=", "-1", "9" * 80, "y:s"]
    ),
    st.text(max_size=20),
)  # fmt: skip
_LISTS = st.lists(st.tuples(_NAMES, _VALUES), max_size=14).map(
    lambda pairs: "; ".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "replace")
)
_OCTETS = st.one_of(_LISTS, st.binary(max_size=200))


@given(_OCTETS)
def test_any_signature_field_gets_a_result(value: bytes) -> None:
    """A field of any octets is judged, and does not pass."""
    field = b"DKIM-Signature: " + value.replace(b"\r\n", b" ") + b"\r\n"
    message = field + b"From: ann@example.org\r\n\r\nHello.\r\n"
    for result in asyncio.run(dkim.verify(message, TABLE, now=NOW)):
        assert not result.is_pass
        assert result.reason


@given(_OCTETS)
def test_any_key_record_is_read_or_refused(record: bytes) -> None:
    """A record of any octets is a key or an ``Unverifiable``, and can be explained."""
    with suppress(dkim.Unverifiable):
        assert parse_key_record(record).bits
    answer = Answer(
        name="s._domainkey.example.org", type="TXT", outcome=Outcome.FOUND, records=(record,)
    )
    explanation = explain_answer(answer)
    assert explanation.findings or explanation.is_fine


@given(_OCTETS)
def test_any_tag_list_is_read_or_refused(octets: bytes) -> None:
    """Octets are a tag list, which prints as one again, or a ``TagListError``."""
    with suppress(TagListError):
        tags = parse_tag_list(octets)
        printed = "; ".join(f"{name}={value}" for name, value in tags.items()).encode()
        assert parse_tag_list(printed) == tags


@given(st.binary(max_size=300), st.one_of(st.none(), st.binary(min_size=1, max_size=10)))
def test_any_file_is_a_private_key_or_refused(octets: bytes, passphrase: bytes | None) -> None:
    """Octets are a key, or a ``PermanentError``."""
    with suppress(PermanentError):
        dkim.read_private_key(octets, passphrase)
    with suppress(PermanentError):
        dkim.read_private_key(b"-----BEGIN PRIVATE KEY-----\n" + octets, passphrase)


@given(st.binary(max_size=300), st.sampled_from(list(dkim.Canonicalization)), st.data())
def test_what_was_signed_passes_until_an_octet_is_changed(
    body: bytes, way: dkim.Canonicalization, data: st.DataObject
) -> None:
    """A message of any octets passes; under simple, no octet of its body can be replaced."""
    form = dkim.SignatureForm(header_canonicalization=way, body_canonicalization=way)
    start = b"From: ann@example.org\r\nSubject: a\r\n\r\n"
    field = dkim.sign(start + body, [ED25519], now=NOW, form=form)
    (result,) = asyncio.run(dkim.verify(field + start + body, TABLE, now=NOW))
    assert result.is_pass
    stripped = body.rstrip(b"\r\n")
    if way is dkim.Canonicalization.SIMPLE and stripped:
        place = data.draw(st.integers(0, len(stripped) - 1))
        changed = bytearray(body)
        changed[place] ^= 0x40
        (result,) = asyncio.run(dkim.verify(field + start + changed, TABLE, now=NOW))
        assert result.result is dkim.Result.FAIL
