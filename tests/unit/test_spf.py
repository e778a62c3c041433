"""SPF: what the outside suite leaves open, the limits, the trace, the fields."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual
from pillarbox.mailauth import spf
from pillarbox.mailauth.evidence import PublishedResolver, RecordingResolver
from pillarbox.mailauth.resolver import Outcome
from pillarbox.mailauth.spf import Limits, Result, Spf, Tried
from pillarbox.mailauth.spf.macros import MacroError, parse_domain_spec
from pillarbox.smtp.address import Mailbox

MANY = "".join(f"many MX {n} mx{n}\nmx{n} A 192.0.2.{n}\n" for n in range(1, 12))
CHAIN = "".join(f'c{n} TXT "v=spf1 include:c{n + 1}.test.example -all"\n' for n in range(40))
ZONE = rf"""
$TTL 60
$ORIGIN test.example.
four        TXT "v=spf1 a mx ip4:198.51.100.0/25 -all"
four        A 192.0.2.1
four        AAAA 2001:db8::1
four        MX 10 four
mapped      TXT "v=spf1 ip4:192.0.2.1 ip6:::ffff:192.0.2.0/112 -all"
two         TXT "v=spf1 -all"
two         TXT "v=spf1 +all"
local       TXT "v=spf1 exists:%{{l}}.l.%{{d}} -all exp=why.%{{d}}"
why.local   TXT "%{{s}} may not"
ann+x.l.local A 127.0.0.2
*.l.local   A 127.0.0.2
big         TXT "v=spf1 mx:many.test.example -all"
{MANY}
loop        TXT "v=spf1 include:loop.test.example -all"
around      TXT "v=spf1 redirect=around.test.example"
{CHAIN}
void        TXT "v=spf1 a:v1.none.example a:v2.none.example a:v3.none.example -all"
voidmx      TXT "v=spf1 mx a:a.test.example -all"
voidmx      MX 1 a
voidmx      MX 2 b
voidmx      MX 3 c
a           A 192.0.2.7
b           A 192.0.2.8
c           A 192.0.2.9
bytes       TXT "v=spf1 a:\195\164.example -all"
dead        TXT "v=spf1 a:x.broken.example -all"
silent      TXT "v=spf1 include:x.silent.example -all"
ptr         TXT "v=spf1 ptr:hosts.example -all"
null        TXT "v=spf1 mx -all"
null        MX 0 .
xn--bcher-kva TXT "v=spf1 ip4:192.0.2.1 -all"
alias       CNAME four
huge        TXT {" ".join(['"' + "x" * 255 + '"'] * 200)}
hugespf     TXT "v=spf1 " {" ".join(['"' + "ip4:192.0.2.1 " * 18 + '"'] * 200)} "-all"
hostile     TXT "v=spf1 {"%{{l1r-}}" * 24}.x.test.example -all" "v"
$ORIGIN 2.0.192.in-addr.arpa.
50 PTR evil\010name.example.
51 PTR a.hosts.example.
52 PTR x.broken.example.
$ORIGIN hosts.example.
a  A 192.0.2.51
;! fail broken.example
;! timeout silent.example
"""
RESOLVER = ZoneResolver(ZONE)


def check(domain: str, ip: str = "192.0.2.99", sender: str = "", **options: Any) -> Spf:
    name = f"{domain}.test.example"
    return run_virtual(
        spf.check_host(ip, name, sender or f"ann@{name}", RESOLVER, helo="h.example", **options)
    )


@pytest.mark.parametrize(
    ("domain", "ip", "result"),
    [
        ("four", "192.0.2.1", Result.PASS),
        ("four", "2001:db8::1", Result.PASS),
        ("four", "::ffff:192.0.2.1", Result.PASS),
        ("four", "198.51.100.127", Result.PASS),
        ("four", "198.51.100.128", Result.FAIL),
        ("alias", "198.51.100.1", Result.PASS),
        ("mapped", "::ffff:192.0.2.2", Result.FAIL),
        ("two", "192.0.2.1", Result.PERMERROR),
        ("none", "192.0.2.1", Result.NONE),
        ("huge", "192.0.2.1", Result.NONE),
        ("hugespf", "192.0.2.1", Result.PASS),
        ("null", "192.0.2.1", Result.FAIL),
        ("bytes", "192.0.2.1", Result.PERMERROR),
        ("dead", "192.0.2.1", Result.TEMPERROR),
        ("silent", "192.0.2.1", Result.TEMPERROR),
        ("ptr", "192.0.2.50", Result.FAIL),
        ("ptr", "192.0.2.51", Result.PASS),
        ("ptr", "192.0.2.52", Result.FAIL),
    ],
)
def test_results(domain: str, ip: str, result: Result) -> None:
    """Addresses of both families, hostile records and failing DNS give the result of the RFC."""
    found = check(domain, ip)
    assert found.result is result, found.reason


@pytest.mark.parametrize(
    ("domain", "problem"),
    [
        ("loop", "include:loop.test.example"),
        ("around", "redirect=around.test.example"),
        ("c0", "include:c11.test.example"),
        ("big", "mx:many.test.example"),
        ("void", "a:v3.none.example"),
    ],
)
def test_what_costs_too_much_ends_with_permerror(domain: str, problem: str) -> None:
    """RFC 7208 §4.6.4: loops, long chains, too many exchangers and voids are cut off, by name."""
    asked = RecordingResolver(RESOLVER, lambda: 0.0)
    name = f"{domain}.test.example"
    found = asyncio.run(spf.check_host("192.0.2.99", name, f"a@{name}", asked))
    assert found.result is Result.PERMERROR
    assert problem in {found.problem, found.steps[-1].term}
    assert len(asked.evidence) <= 21


def test_exchangers_without_an_address_of_the_family_are_not_void() -> None:
    """A client with IPv6 does not break the records of domains that have only IPv4."""
    assert check("voidmx", "2001:db8::1").result is Result.FAIL


def test_a_check_is_over_in_time() -> None:
    """RFC 7208 §4.6.4: a server that does not answer costs 20 seconds, and is temporary."""
    found = check("silent", limits=Limits(seconds=1.0))
    assert found.result is Result.TEMPERROR
    assert "longer than 1 seconds" in found.reason


def test_the_identity_is_chosen_as_a_server_does() -> None:
    """RFC 7208 §2.4: the null reverse-path is checked as postmaster at HELO."""
    name = "four.test.example"
    by_path = asyncio.run(spf.check_sender("192.0.2.1", Mailbox("a", name), "x", RESOLVER))
    by_helo = asyncio.run(spf.check_sender("192.0.2.1", None, name, RESOLVER))
    literal = asyncio.run(spf.check_sender("192.0.2.1", None, "[192.0.2.1]", RESOLVER))
    assert (by_path.identity, by_path.result) == ("mailfrom", Result.PASS)
    assert (by_helo.identity, by_helo.sender) == ("helo", f"postmaster@{name}")
    assert literal.result is Result.NONE


def test_internationalized_senders() -> None:
    """RFC 8616 §4: U-labels are asked for as A-labels; a local part in UTF-8 matches no macro."""
    domain = "b\u00fccher.test.example"
    found = asyncio.run(spf.check_host("192.0.2.1", domain, f"\u00fc@{domain}", RESOLVER))
    assert (found.result, found.domain) == (Result.PASS, "xn--bcher-kva.test.example")
    assert check("local", sender="ann@local.test.example").result is Result.PASS
    strange = check("local", sender="\u00fc@local.test.example")
    assert (strange.result, strange.explanation) == (Result.FAIL, "")


def test_hostile_local_parts_are_asked_for_as_they_are_or_not_at_all() -> None:
    """A local part in a name is text: no escape, no empty label, no control character."""
    assert check("local", sender="ann+x@local.test.example").result is Result.PASS
    for local in (r"a\000b", "a b", "%{d}", '"', "a" * 64 + "b" * 300, "a..b", ".", "a\r\nb"):
        found = check("local", sender=f"{local}@local.test.example")
        assert found.result in {Result.PASS, Result.FAIL}
    assert check("local", sender="a..b@local.test.example").result is Result.FAIL
    assert check("hostile", sender=f"{'-' * 5000}@hostile.test.example").result is not None


def test_every_term_that_was_tried_is_told() -> None:
    """The steps are what an operator reads: in order, with the cost so far."""
    steps = check("four").steps
    assert [(step.term, step.tried) for step in steps] == [
        ("", Tried.FOLLOWED),
        ("a", Tried.NO_MATCH),
        ("mx", Tried.NO_MATCH),
        ("ip4:198.51.100.0/25", Tried.NO_MATCH),
        ("-all", Tried.MATCH),
    ]
    assert [step.lookups for step in steps] == [0, 1, 2, 2, 2]
    assert steps[1].note == "192.0.2.1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "%x",
        "%{",
        "%{d",
        "%{q}.example",
        "%{d0}.example",
        "a",
        "a.1",
        "a..",
        "%{d}a",
        "\u00fc.a",
    ],
)
def test_macro_strings_that_break_the_grammar(text: str) -> None:
    """RFC 7208 §7.1: what is no domain-spec is refused when the record is read."""
    with pytest.raises(MacroError):
        parse_domain_spec(text)


def test_macros_of_the_standard() -> None:
    """RFC 7208 §7.4: the examples of the standard, one by one."""
    values = {
        "s": "strong-bad@email.example.com",
        "l": "strong-bad",
        "o": "email.example.com",
        "d": "email.example.com",
        "i": "192.0.2.3",
        "v": "in-addr",
    }
    for text, expanded in {
        "%{s}": "strong-bad@email.example.com",
        "%{d4}": "email.example.com",
        "%{d3}": "email.example.com",
        "%{d2}": "example.com",
        "%{d1}": "com",
        "%{dr}": "com.example.email",
        "%{d2r}": "example.email",
        "%{l-}": "strong.bad",
        "%{lr}": "strong-bad",
        "%{lr-}": "bad.strong",
        "%{l1r-}": "strong",
        "%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com",
        "%{lr-}.lp._spf.%{d2}": "bad.strong.lp._spf.example.com",
        "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}": "3.2.0.192.in-addr.strong.lp._spf.example.com",
        "%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
        "%{d99999999999999999999}": "email.example.com",
    }.items():
        assert parse_domain_spec(text).expand(values) == expanded


def test_the_field_is_written_as_the_rfc_has_it() -> None:
    """RFC 7208 §9.1: a comment, then keys and values, folded, and quoted where they have to be."""
    field = spf.received_spf(check("four", "192.0.2.1"), "mx.us.example")
    assert field.startswith(b"Received-SPF: pass\r\n\t(mx.us.example: domain of ann@four")
    assert b"client-ip=192.0.2.1;" in field
    assert b'envelope-from="ann@four.test.example";' in field
    assert b"identity=mailfrom;\r\n\tmechanism=a\r\n" in field
    assert all(len(line) <= 90 for line in field.split(b"\r\n"))


def test_the_field_cannot_be_broken_out_of() -> None:
    """What a peer wrote ends no comment, no string and no line."""
    sender = '")(\r\nBcc: x\u00fc\\@four.test.example'
    for helo in ('a"b', "a)b", "x" * 5000):
        found = asyncio.run(
            spf.check_host("192.0.2.1", "four.test.example", sender, RESOLVER, helo=helo)
        )
        field = spf.received_spf(found, "mx.us.example")
        assert field.isascii()
        assert all(line.startswith(b"\t") for line in field.split(b"\r\n")[1:-1])


def test_what_dns_said_is_evidence() -> None:
    """Each answer that was used can be shown, also one that is not published yet."""
    asked = PublishedResolver(
        RESOLVER, lambda: 0.0, {"New.Test.Example.": b"v=spf1 a:four.test.example -all"}
    )
    found = asyncio.run(spf.check_host("192.0.2.1", "new.test.example", "a@b.example", asked))
    assert found.result is Result.PASS
    (said,) = asked.evidence
    assert (said.name, said.type, said.outcome) == ("four.test.example", "A", Outcome.FOUND)
    assert str(said) == "four.test.example A: 192.0.2.1"


@pytest.mark.parametrize(
    "term",
    [
        "a:a." + "a" * 60_000 + "!",
        "a:" + "a." * 30_000 + "!",
        "a:a." + "1" * 60_000,
        "a:a." + "-" * 60_000,
        "a:%{d" + "1" * 60_000,
        "a:" + "%{d" * 20_000,
        "exists:" + "%{l-}" * 12_000 + ".x.example",
        "exists:" + "%{lr-}." * 9_000 + "x.example",
        "a/" + "/1" * 30_000,
        "a" + "/" * 60_000,
        "x" * 60_000,
        "=" * 60_000,
        "ip4:" + "1." * 30_000,
        "ip6:" + ":" * 60_000,
        "ip6:" + "1" * 60_000,
        " ".join(["ip4:192.0.2.1"] * 4_000),
        " " * 60_000,
        "+" * 60_000,
        "redirect=" + "%{s}" * 15_000,
    ],
)
def test_hostile_records_are_cheap(term: str) -> None:
    """A record of 60 KB costs well under a second, whatever is in it."""
    local = "a-" * 120
    asked = PublishedResolver(
        RESOLVER, lambda: 0.0, {"hostile.example": f"v=spf1 {term} -all".encode()}
    )
    begin = time.process_time()
    found = asyncio.run(spf.check_host("192.0.2.1", "hostile.example", f"{local}@b.example", asked))
    assert time.process_time() - begin < 6.0
    assert found.result in {Result.PERMERROR, Result.FAIL, Result.PASS}
    begin = time.process_time()
    asyncio.run(spf.survey("hostile.example", asked))
    assert time.process_time() - begin < 6.0


def test_a_long_explanation_is_cut() -> None:
    """What a stranger says of a fail does not fill a reply."""
    published = {"e.example": b"v=spf1 -all exp=why.e.example", "why.e.example": b"%{s}" * 15_000}
    asked = PublishedResolver(RESOLVER, lambda: 0.0, published)
    found = asyncio.run(spf.check_host("192.0.2.1", "e.example", f"{'a' * 200}@e.example", asked))
    assert len(found.explanation) == 1000
