"""BIMI: a logo is looked for with care, and only a harmless one may be shown."""

from __future__ import annotations

import asyncio
import gzip
import time

import pytest
from hypothesis import given, strategies as st
from tests.authentic_mail import zone

from pillarbox.errors import PermanentError, PillarboxError, TemporaryError
from pillarbox.mailauth import dmarc
from pillarbox.mailauth.bimi import (
    Bimi,
    BimiResult,
    LogoFetcher,
    check_logo,
    find_bimi,
    parse_bimi_record,
    read_selector,
)

RECORD = "v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/vmc.pem"


def svg(inside: str = "", attributes: str = "", *, before: str = "") -> bytes:
    return (
        f'{before}<svg version="1.2" baseProfile="tiny-ps" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 64 64" {attributes}>'
        f"<title>Example</title>{inside}</svg>"
    ).encode()


class Shelf:
    """A fetcher with one thing on it."""

    def __init__(self, found: bytes | PillarboxError) -> None:
        self.found = found
        self.asked: list[tuple[str, int]] = []

    async def fetch(self, url: str, *, max_size: int) -> bytes:
        self.asked.append((url, max_size))
        if isinstance(self.found, PillarboxError):
            raise self.found
        return self.found


def find(
    policy: str,
    *records: str,
    author: str = "example.com",
    sender: str = "example.com",
    selector: str = "default",
    fetcher: LogoFetcher | None = None,
) -> Bimi:
    resolver = zone(f'_dmarc.example.com. TXT "v=DMARC1; {policy}"', *records)

    async def run() -> Bimi:
        judged = await dmarc.evaluate(
            [author], spf=dmarc.SpfIdentifier(sender, "pass"), dkim=[], resolver=resolver
        )
        return await find_bimi(judged, resolver, selector=selector, fetcher=fetcher)

    return asyncio.run(run())


def at(name: str, text: str = RECORD) -> str:
    return f'{name}. TXT "{text}"'


# --- finding it -------------------------------------------------------------------------------


def test_a_record_is_found_with_its_certificate() -> None:
    """A domain that enforces DMARC and passes shows its logo."""
    found = find("p=reject", at("default._bimi.example.com"))
    assert (found.result, found.domain) == (BimiResult.PASS, "example.com")
    assert found.has_certificate
    assert found.evidence == (f"default._bimi.example.com: {RECORD}",)


def test_the_organization_speaks_for_its_subdomains() -> None:
    """A subdomain without a record of its own has that of its organization."""
    found = find("p=reject", at("default._bimi.example.com"), author="news.example.com")
    assert (found.result, found.domain, len(found.evidence)) == (BimiResult.PASS, "example.com", 2)


@pytest.mark.parametrize(
    ("policy", "sender"),
    [
        ("p=none", "example.com"),
        ("p=reject; sp=none", "example.com"),
        ("p=reject; t=y", "example.com"),
        ("p=quarantine; pct=50", "example.com"),
        ("p=reject", "evil.test"),
    ],
)
def test_without_enforced_dmarc_nothing_is_asked(policy: str, sender: str) -> None:
    """Nobody borrows a logo, and a domain that does not enforce has none."""
    shelf = Shelf(svg())
    found = find(policy, at("default._bimi.example.com"), sender=sender, fetcher=shelf)
    assert (found.result, found.evidence, shelf.asked) == (BimiResult.SKIPPED, (), [])


@pytest.mark.parametrize(
    ("records", "result"),
    [
        ((), BimiResult.NONE),
        ((at("default._bimi.example.com", "v=spf1 -all"),), BimiResult.NONE),
        ((at("default._bimi.example.com"),) * 1, BimiResult.PASS),
        (
            (at("default._bimi.example.com"), at("default._bimi.example.com", RECORD + ";")),
            BimiResult.FAIL,
        ),
        ((at("default._bimi.example.com", "v=BIMI1; l=; a="),), BimiResult.DECLINED),
        ((at("default._bimi.example.com", "v=BIMI1; l="),), BimiResult.DECLINED),
        ((at("default._bimi.example.com", "v=BIMI1"),), BimiResult.FAIL),
        ((at("default._bimi.example.com", "v=BIMI1; l=http://a.test/x"),), BimiResult.FAIL),
        ((";! fail default._bimi.example.com",), BimiResult.TEMPORARY_ERROR),
    ],
)
def test_what_is_published_decides(records: tuple[str, ...], result: BimiResult) -> None:
    """No record, two records, a refusal, a mistake and silent DNS are told apart."""
    found = find("p=reject", *records)
    assert found.result is result
    assert found.reason


@pytest.mark.parametrize(
    ("field", "selector"),
    [
        (None, "default"),
        (b"v=BIMI1; s=Brand", "brand"),
        (b"v=BIMI1; s=a.b", "default"),
        (b"v=BIMI1; s=../x", "default"),
        (b"s=brand", "default"),
        (b"\xff", "default"),
        (b"v=BIMI1; s=" + b"a" * 10_000, "default"),
    ],
)
def test_a_message_may_name_a_selector(field: bytes | None, selector: str) -> None:
    """A selector is one plain label, or it is not heeded."""
    assert read_selector(field) == selector


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.svg",
        "https://user@example.com/a.svg",
        "https://example.com:25/a.svg",
        "https://localhost/a.svg",
        "https://[::1]/a.svg",
        "https://exa mple.com/",
        "https://example.com/\u2028",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https://",
        "//example.com/a.svg",
        "https://example.com/" + "a" * 3000,
        "https://[example.com/",
    ],
)
def test_only_plain_https_urls_are_taken(url: str) -> None:
    """No user, no other port or scheme, no bare host, nothing that could be misread."""
    record = parse_bimi_record(f"v=BIMI1; l={url}")
    assert record is not None
    assert record.location == ""
    assert record.problems


def test_the_logo_is_fetched_and_checked() -> None:
    """What is fetched is bounded, and what must not be shown fails."""
    shelf = Shelf(svg())
    assert (
        find("p=reject", at("default._bimi.example.com"), fetcher=shelf).result is BimiResult.PASS
    )
    assert shelf.asked == [("https://example.com/logo.svg", 32 * 1024)]
    bad = find("p=reject", at("default._bimi.example.com"), fetcher=Shelf(svg("<script/>")))
    assert bad.result is BimiResult.FAIL
    assert bad.logo_problems == ("the element 'script' is not in the profile",)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (PermanentError("it is at a private address"), BimiResult.FAIL),
        (TemporaryError("time-out"), BimiResult.TEMPORARY_ERROR),
    ],
)
def test_a_logo_that_cannot_be_had_is_said(error: PillarboxError, result: BimiResult) -> None:
    """A refused or failed fetch is a result with its reason."""
    found = find("p=reject", at("default._bimi.example.com"), fetcher=Shelf(error))
    assert (found.result, found.reason) == (result, f"the logo cannot be had: {error}")


# --- the logo ---------------------------------------------------------------------------------

SHAPES = (
    '<defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>'
    '<g fill="url(#g)"><path d="M0 0h64v64z"/><use xlink:href="#p"/></g><circle id="p" r="4"/>'
    "<desc>d</desc><style>.a{fill:#fff}</style>"
    '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>'
)


@pytest.mark.parametrize(
    "octets",
    [svg(), svg(SHAPES), gzip.compress(svg(SHAPES), mtime=0), svg(before='<?xml version="1.0"?>')],
)
def test_a_logo_of_the_profile_may_be_shown(octets: bytes) -> None:
    """Shapes, gradients and inner references are all that a logo needs."""
    assert check_logo(octets) == ()


@pytest.mark.parametrize(
    "octets",
    [
        svg("<script>alert(1)</script>"),
        svg('<metadata><script xmlns="http://www.w3.org/2000/svg"/></metadata>'),
        svg('<metadata><script xmlns="http://www.w3.org/1999/xhtml"/></metadata>'),
        svg('<x:script xmlns:x="http://www.w3.org/2000/svg"/>'),
        svg('<rect onclick="alert(1)"/>'),
        svg(attributes='onload="alert(1)"'),
        svg('<image href="https://evil.test/x.png"/>'),
        svg('<a xlink:href="https://evil.test/"><rect/></a>'),
        svg('<use xlink:href="https://evil.test/x.svg#a"/>'),
        svg('<use href="data:image/svg+xml,x"/>'),
        svg('<rect fill="url(https://evil.test/)"/>'),
        svg("<rect fill=\"URL ( '//evil.test')\"/>"),
        svg('<rect style="background:url(javascript:x)"/>'),
        svg("<style>@import 'https://evil.test';</style>"),
        svg("<style>a{b:\\75rl(x)}</style>"),
        svg('<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>'),
        svg('<animate attributeName="href" to="javascript:x"/>'),
        svg('<set attributeName="x"/>'),
        svg(before='<!DOCTYPE svg SYSTEM "file:///etc/passwd">'),
        svg(before='<!DOCTYPE svg [<!ENTITY a "b">]>'),
        svg(before='<?xml-stylesheet href="https://evil.test/x.css"?>'),
        svg('<g id="a"><use href="#b"/><use href="#b"/></g><g id="b"><use href="#a"/></g>'),
        svg("<g>" * 100 + "</g>" * 100),
        svg("<g/>" * 6_000),
        svg("<!--" + "x" * 40_000 + "-->"),
        gzip.compress(svg("<!--" + " " * 40_000_000 + "-->"), mtime=0),
        gzip.compress(svg(), mtime=0)[:20] + b"\xff" * 20,
        b"<html/>",
        b"<svg/>",
        b"",
        b"\xff\xd8\xff\xe0",
        svg().replace(b"tiny-ps", b"full"),
        svg().replace(b'version="1.2"', b'version="1.1"'),
        svg(attributes='x="0"'),
        svg().replace(b"<title>Example</title>", b""),
    ],
)
def test_whatever_could_run_fetch_or_grow_is_refused(octets: bytes) -> None:
    """Scripts, references to the outside, entities and bombs are never shown."""
    began = time.process_time()
    assert check_logo(octets)
    assert time.process_time() - began < 4.0


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_file_crashes(noise: bytes, place: int) -> None:
    """Whatever is fetched is taken or refused."""
    sound = svg(SHAPES)
    check_logo(sound[:place] + noise + sound[place:])
    check_logo(b"\x1f\x8b" + noise)
