"""How an SPF record gets within the limit of ten look-ups: the lasting ways before flattening."""

from __future__ import annotations

import asyncio

from pillarbox.dns.zone import ZoneResolver
from pillarbox.keyring.publication import zone_strings
from pillarbox.mailauth.spf import Result, Slimming, check_host, slim, survey

ZONE = """
$TTL 60
$ORIGIN example.
mail A 192.0.2.25
corp MX 10 mail
big TXT "v=spf1 include:a.big include:b.big include:c.big include:d.big ~all"
"""
PARTS = """
a.big TXT "v=spf1 ip4:198.51.100.0/25 ~all"
b.big TXT "v=spf1 ip4:198.51.100.128/25 ~all"
c.big TXT "v=spf1 ip6:2001:db8:1::/48 a:mail.example ~all"
d.big TXT "v=spf1 mx:corp.example ~all"
small TXT "v=spf1 ip4:203.0.113.0/24 ~all"
e1 TXT "v=spf1 exists:%{i}.list.example ~all"
"""


def slimmed(record: str, more: str = "") -> tuple[Slimming, ZoneResolver]:
    """Return the ways for a record, and a resolver that answers as if they were gone."""
    text = ZONE.replace("a.big", "a.big.example").replace("b.big", "b.big.example")
    text = text.replace("c.big", "c.big.example").replace("d.big", "d.big.example")
    zone = f'{text}{PARTS}{more}\norg TXT "{record}"\n'

    async def look() -> Slimming:
        return slim(await survey("org.example", ZoneResolver(zone)))

    found = asyncio.run(look())
    published = [line for line in zone.splitlines() if not line.startswith("org ")]
    published += [
        f"{name.removesuffix('.example')} TXT {zone_strings(text)}"
        for name, text in found.flattened
    ]
    return found, ZoneResolver("\n".join(published) + "\n")


SMALL = " ".join(f"include:s{n}.example" for n in range(1, 7))
FULL = f"v=spf1 include:big.example {SMALL} include:small.example ~all"
HOSTS = "".join(f"w{n} A 192.0.2.{n}\n" for n in range(1, 9)) + "".join(
    f's{n} TXT "v=spf1 ip4:10.0.0.{n} ~all"\n' for n in range(1, 7)
)


def test_the_dearest_term_is_written_down_and_no_more() -> None:
    """One include is frozen to get within the limit; the others stay as they are."""
    found, _ = slimmed(FULL, HOSTS)
    assert found.frozen == ("include:big.example",)
    ((name, text),) = found.flattened
    assert name == "org.example"
    assert "ip4:198.51.100.0/24" in text  # both halves as one
    assert "include:small.example" in text
    assert found.lookups <= 10


def test_the_flattened_record_says_the_same() -> None:
    """Who passed before passes after, and nobody else does."""
    found, resolver = slimmed(FULL, HOSTS)
    assert found.flattened

    async def result(ip: str) -> Result:
        checked = await check_host(
            ip, "org.example", "ann@org.example", resolver, helo="x", now=0.0
        )
        return checked.result

    for ip in ("198.51.100.9", "198.51.100.200", "192.0.2.25", "2001:db8:1::1", "203.0.113.7"):
        assert asyncio.run(result(ip)) is Result.PASS, ip
    assert asyncio.run(result("192.0.2.200")) is Result.SOFTFAIL


def test_what_can_go_comes_first() -> None:
    """Terms that find nothing, stand elsewhere, or are covered, are named with what they save."""
    record = (
        "v=spf1 ip4:192.0.2.0/24 include:big.example include:a.big.example a:w1.example"
        " a:nowhere.example ptr include:gone.example ~all"
    )
    found, _ = slimmed(record, HOSTS + "gone A 192.0.2.9\n")
    assert {saving.term: saving.why for saving in found.removable} == {
        "include:a.big.example": "a.big.example is included elsewhere",
        "a:w1.example": "its addresses stand in the record already",
        "a:nowhere.example": "it finds nothing",
        "ptr": "receivers pass it over",
        "include:gone.example": "gone.example publishes no SPF record",
    }
    assert found.includes[0].term == "include:big.example"
    assert found.frozen == ()


def test_what_depends_on_the_message_is_never_written_down() -> None:
    """A macro cannot be flattened; where nothing else can, there is no such record."""
    includes = " ".join(f"include:e{n}.example" for n in range(1, 8))
    more = "".join(f'e{n} TXT "v=spf1 exists:%{{i}}.l{n}.example ~all"\n' for n in range(2, 8))
    found, _ = slimmed(f"v=spf1 {includes} ~all", more)
    assert found.frozen == ()
    assert found.flattened == ()


def test_a_long_record_is_cut_into_several() -> None:
    """No record is longer than what fits into an answer over UDP."""
    hosts = " ".join(f"ip4:10.{n}.0.{n}" for n in range(99))[:599].rpartition(" ")[0].ljust(600)
    record = f"v=spf1 include:long.example {SMALL} ~all"
    found, _ = slimmed(
        record,
        f'{HOSTS}long TXT "v=spf1 {hosts[:200]}" "{hosts[200:400]}" "{hosts[400:600]}" " include:big.example ~all"\n',
    )
    assert len(found.flattened) > 1
    assert all(len(text) <= 450 for _, text in found.flattened)
