"""Bodies and fields as DKIM hashes them, to the octet."""

from __future__ import annotations

import hashlib
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from pillarbox.mailauth.dkim import Canonicalization
from pillarbox.mailauth.dkim.body import BodyHash, BodyHasher, BodyHashes
from pillarbox.mailauth.dkim.canonicalization import BodyCanonicalizer, canonical_field

SIMPLE, RELAXED = Canonicalization.SIMPLE, Canonicalization.RELAXED


def canonical(body: bytes, canonicalization: Canonicalization, *cuts: int) -> bytes:
    """Return a canonical body that came in pieces."""
    written: list[bytes] = []
    canonicalizer = BodyCanonicalizer(canonicalization, written.append)
    edges = [0, *sorted(cuts), len(body)]
    for start, stop in pairwise(edges):
        canonicalizer.feed(body[start:stop])
    canonicalizer.end()
    return b"".join(written)


def plainly(body: bytes, canonicalization: Canonicalization) -> bytes:
    """Do what RFC 6376 §3.4.3 and §3.4.4 say, in their order."""
    lines = body.split(b"\r\n")
    if canonicalization is RELAXED:
        lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"" if canonicalization is RELAXED else b"\r\n"
    return b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n\r\n", b"\r\n", b""),
        (b" ", b" \r\n", b""),
        (b" \t \r\n", b" \t \r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n", b"a\r\n"),
        (b"a \t\r\n \r\n", b"a \t\r\n \r\n", b"a\r\n"),
        (b" a  b\tc \r\n\r\nd\r\n", b" a  b\tc \r\n\r\nd\r\n", b" a b c\r\n\r\nd\r\n"),
        (b"\xff\x00 \xfe", b"\xff\x00 \xfe\r\n", b"\xff\x00 \xfe\r\n"),
        (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"a\r\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"a \r", b"a \r\r\n", b"a \r\r\n"),
        (b"\n", b"\n\r\n", b"\n\r\n"),
    ],
)
def test_odd_bodies_are_written_down_to_the_octet(
    body: bytes, simple: bytes, relaxed: bytes
) -> None:
    """Empty bodies, missing line ends, blanks at ends, 8-bit and lone CR and LF come out right."""
    assert canonical(body, SIMPLE) == simple
    assert canonical(body, RELAXED) == relaxed


_BODIES = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b"  ", b"a", b"\x80", b"\r\n\r\n"]),
    max_size=20,
).map(b"".join)


@given(_BODIES, st.sampled_from([SIMPLE, RELAXED]), st.lists(st.integers(0, 40), max_size=6))
def test_where_a_body_is_cut_makes_no_difference(
    body: bytes, canonicalization: Canonicalization, cuts: list[int]
) -> None:
    """Chunks cut anywhere, between CR and LF too, give what the plain reading of the RFC gives."""
    cuts = [min(cut, len(body)) for cut in cuts]
    assert canonical(body, canonicalization, *cuts) == plainly(body, canonicalization)


@given(st.binary(max_size=200), st.sampled_from([SIMPLE, RELAXED]))
def test_any_octets_have_a_canonical_form(body: bytes, canonicalization: Canonicalization) -> None:
    """Whatever the octets are, fed one by one, they are as the plain reading of the RFC says."""
    cuts = range(len(body))
    assert canonical(body, canonicalization, *cuts) == plainly(body, canonicalization)


@pytest.mark.parametrize(
    ("line", "relaxed"),
    [
        (b"A: X\r\n", b"a:X\r\n"),
        (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (b"SUBJect:\r\n \r\n", b"subject:\r\n"),
        (b"X:\xc3\xa4 \t b\r\n", b"x:\xc3\xa4 b\r\n"),
        (b"X: cut", b"x:cut\r\n"),
    ],
)
def test_relaxed_fields_lose_folds_and_case(line: bytes, relaxed: bytes) -> None:
    """RFC 6376 §3.4.2, and its example in §3.4.5; simple keeps a field as it is."""
    assert canonical_field(line, RELAXED) == relaxed
    assert canonical_field(line, SIMPLE) == line.removesuffix(b"\r\n") + b"\r\n"


@pytest.mark.parametrize("cut", range(14))
def test_the_hashes_of_first_octets_are_read_off_on_the_way(cut: int) -> None:
    """With l=, the hash is of so many octets of the canonical body, and its size is known."""
    body = b"ab   c\r\nmore\r\n"
    whole = b"ab c\r\nmore\r\n"
    limits = [*range(len(whole) + 1), 99]
    hasher = BodyHasher(RELAXED, limits=limits)
    hasher.feed(body[:cut])
    hasher.feed(body[cut:])
    for limit in limits:
        assert hasher.digest(limit) == hashlib.sha256(whole[:limit]).digest()
    assert hasher.digest() == hashlib.sha256(whole).digest()
    assert hasher.size == len(whole)


def test_hashes_that_several_want_are_computed_once() -> None:
    """Each gets what it wants, of the canonicalization and length that it wants."""
    wants = [BodyHash(SIMPLE), BodyHash(SIMPLE), BodyHash(RELAXED, 3), BodyHash(SIMPLE, 1)]
    hashes = BodyHashes(wants)
    hashes.feed(b"a \r\n")
    assert hashes.digest(BodyHash(SIMPLE)) == hashlib.sha256(b"a \r\n").digest()
    assert hashes.digest(BodyHash(SIMPLE, 1)) == hashlib.sha256(b"a").digest()
    assert hashes.digest(BodyHash(RELAXED, 3)) == hashlib.sha256(b"a\r\n").digest()
    assert hashes.size(BodyHash(SIMPLE, 1)) == 4
    with pytest.raises(KeyError):
        BodyHashes([BodyHash(SIMPLE)]).digest(BodyHash(RELAXED))


@pytest.mark.parametrize(
    "pattern", [b" ", b"\t ", b"\r\n", b"\r", b"\n", b" \r\n", b"\r\r\n", b"a  "]
)
@pytest.mark.parametrize("canonicalization", [SIMPLE, RELAXED])
def test_a_hostile_mebibyte_costs_little(
    pattern: bytes, canonicalization: Canonicalization
) -> None:
    """A MiB of blanks, line ends or halves of them is hashed in well under a second of CPU."""
    body = pattern * (1024 * 1024 // len(pattern))
    started = time.process_time()
    hasher = BodyHasher(canonicalization)
    hasher.feed(body)
    hasher.digest()
    in_pieces = BodyHasher(canonicalization)
    for start in range(0, len(body), 1000):
        in_pieces.feed(body[start : start + 1000])
    assert in_pieces.digest() == hasher.digest()
    assert time.process_time() - started < 6
