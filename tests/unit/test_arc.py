"""ARC: what those who handed a message on say, validated, sealed and believed with care."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

import pytest
from tests.authentic_mail import NOW, key_of, message, zone

from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth import arc, dkim
from pillarbox.mailauth.arc import ChainStatus
from pillarbox.mailauth.authres import AuthenticationResults, MethodResult, Property
from pillarbox.message.header import scan_header

HOPS = ("one.example", "two.example", "three.example")


def resolver(*lines: str) -> ZoneResolver:
    return zone(*lines, signers=HOPS)


def validate(octets: bytes, asked: ZoneResolver | None = None) -> arc.Chain:
    return asyncio.run(arc.validate(octets, asked or resolver()))


def said(domain: str, result: str = "pass", author: str = "example.net") -> AuthenticationResults:
    return AuthenticationResults(
        f"mx.{domain}", (MethodResult("dmarc", result, (Property("header", "from", author),)),)
    )


def seal(
    octets: bytes, domain: str, *, result: str = "pass", asked: ZoneResolver | None = None
) -> bytes:
    """Return a message as a hop hands it on."""
    header = scan_header(octets)
    sealer = arc.Sealer(key_of(domain))
    prepared = arc.prepare(header)
    body = dkim.BodyHashes(prepared.wanted | sealer.wanted)
    body.feed(octets[header.size :])
    chain = asyncio.run(prepared.conclude(body, asked or resolver()))
    fields = sealer.seal(header, body, chain=chain, said=said(domain, result), now=NOW)
    return fields + octets


def test_a_message_without_sets_has_no_chain() -> None:
    """Most mail has none, which is no fault."""
    assert validate(message()).status is ChainStatus.NONE


@pytest.mark.parametrize("hops", [1, 2, 3, 12, 50])
def test_what_is_sealed_validates(hops: int) -> None:
    """A chain of up to fifty hops passes (RFC 8617 §4.2.1)."""
    octets = message()
    for number in range(hops):
        octets = seal(octets, HOPS[number % 3])
    chain = validate(octets)
    assert chain.status is ChainStatus.PASS
    assert [one.instance for one in chain.sets] == list(range(1, hops + 1))
    assert chain.sealers[:3] == HOPS[: min(hops, 3)]


def test_a_full_chain_is_not_sealed() -> None:
    """The fifty-first hop adds nothing."""
    octets = message()
    for number in range(50):
        octets = seal(octets, HOPS[number % 3])
    assert seal(octets, "one.example") == octets


def test_a_set_has_its_fields_on_top() -> None:
    """Seal, signature and results, in the order of RFC 8617 §5.1."""
    octets = seal(message(), "one.example")
    assert scan_header(octets).names[:3] == (
        b"arc-seal",
        b"arc-message-signature",
        b"arc-authentication-results",
    )
    assert b"cv=none" in octets
    assert b"cv=pass" in seal(octets, "two.example")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda octets: octets.replace(b"Hello", b"Hullo"), "the body was changed"),
        (lambda octets: octets.replace(b"Greetings", b"Greedings"), "message signature does not fit"),
        (lambda octets: b"From: other@example.net\r\n" + octets, "message signature does not fit"),
        (lambda octets: octets.replace(b"dmarc=pass", b"dmarc=fail", 1), "seal does not fit"),
        (lambda octets: octets.replace(b"cv=none", b"cv=pass", 1), "cannot be in this place"),
        (lambda octets: octets.replace(b"i=1;", b"i=3;"), "i=1 is missing, of 3"),
        (lambda octets: octets.replace(b"i=1;", b"i=0;"), "no i= from 1 to 50"),
        (lambda octets: octets.replace(b"i=1;", b"i=51;"), "no i= from 1 to 50"),
        (lambda octets: octets.replace(b"i=1;", b"i=01;"), "no i= from 1 to 50"),
        (lambda octets: octets.replace(b"cv=none", b"cv=x", 1), "not none, pass or fail"),
        (lambda octets: octets.replace(b"s=sel", b"s=no"), "no key"),
        (lambda octets: re.sub(rb"ARC-Seal: i=1[^A]*", b"", octets), "is missing"),
        (lambda octets: octets[: octets.index(b"From:")] * 2 + octets, "two "),
        (lambda octets: octets.replace(b"\tbh=", b"\tl=3; bh="), "body was changed"),
    ],
)  # fmt: skip
def test_a_broken_chain_fails_with_its_reason(
    change: Callable[[bytes], bytes], reason: str
) -> None:
    """Gaps, changes, wrong numbers and doubles are all told apart."""
    octets = change(seal(seal(message(), "one.example"), "two.example"))
    chain = validate(octets)
    assert chain.status is ChainStatus.FAIL
    assert re.search(reason, chain.reason), chain.reason


def test_more_than_fifty_sets_are_not_read() -> None:
    """A thousand sets cost no more than their count."""
    one = b"ARC-Seal: i=%d; cv=pass; a=rsa-sha256; d=x.test; s=x; b=QUJD\r\n"
    octets = b"".join(one % (number % 50 + 1) for number in range(900)) + message()
    began = time.process_time()
    chain = validate(octets)
    assert chain.reason == "there are 900 sets; 50 are allowed"
    assert time.process_time() - began < 4.0


def test_silent_dns_is_told_apart() -> None:
    """A chain whose key cannot be had is not good now, and nobody seals over it."""
    octets = seal(message(), "one.example")
    broken = zone(";! fail one.example", signers=("two.example",))
    chain = validate(octets, broken)
    assert (chain.status, chain.is_temporary) == (ChainStatus.FAIL, True)
    assert seal(octets, "two.example", asked=broken) == octets


def test_a_failure_is_sealed_once_and_stays() -> None:
    """The hop that sees a break says so over its own set alone, and the chain is over."""
    changed = seal(message(), "one.example").replace(b"Hello", b"Hullo")
    sealed = seal(changed, "two.example")
    assert b"cv=fail" in sealed
    chain = validate(sealed)
    assert (chain.status, chain.reason) == (
        ChainStatus.FAIL,
        "set 2 says that the chain was broken (cv=fail)",
    )
    assert seal(sealed, "three.example") == sealed


def test_what_a_forwarder_may_add_breaks_nothing() -> None:
    """Trace fields on top, and list fields, leave the newest set whole."""
    octets = seal(message(), "one.example")
    assert validate(b"Received: by x; now\r\nX-Spam: no\r\n" + octets).status is ChainStatus.PASS


@pytest.mark.parametrize(
    ("trusted", "first", "second", "instance"),
    [
        ({"one.example", "two.example"}, "pass", "fail", 1),
        ({"one.example", "two.example"}, "pass", "pass", 1),
        ({"two.example"}, "pass", "pass", 2),
        ({"two.example"}, "pass", "fail", None),
        ({"one.example"}, "pass", "pass", None),
        (set[str](), "pass", "pass", None),
        ({"example"}, "pass", "pass", None),
    ],
)
def test_only_named_sealers_are_believed(
    trusted: set[str], first: str, second: str, instance: int | None
) -> None:
    """A set counts if its sealer and all after it are trusted (RFC 8617 §7.2.1)."""
    octets = seal(seal(message(), "one.example", result=first), "two.example", result=second)
    voucher = arc.find_voucher(validate(octets), "example.net", trusted)
    assert (voucher.instance if voucher else None) == instance


def test_a_voucher_is_for_its_author_only() -> None:
    """Somebody else's pass vouches for nobody, and neither does a broken chain."""
    octets = seal(message(), "one.example")
    trusted = {"one.example"}
    assert arc.find_voucher(validate(octets), "bank.example", trusted) is None
    assert arc.find_voucher(validate(octets + b"x"), "example.net", trusted) is None
    assert arc.find_voucher(validate(message()), "example.net", trusted) is None


def test_any_cut_of_the_body_gives_the_same_chain() -> None:
    """The body may come octet by octet."""
    octets = seal(message(body=b" a \r\n\r\n\tb\r\n\r\n"), "one.example")
    header = scan_header(octets)
    prepared = arc.prepare(header)
    body = dkim.BodyHashes(prepared.wanted)
    for place in range(header.size, len(octets)):
        body.feed(octets[place : place + 1])
    assert asyncio.run(prepared.conclude(body, resolver())).status is ChainStatus.PASS
