"""What is said of an SPF record itself."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.dns.zone import ZoneResolver
from pillarbox.findings import Level
from pillarbox.mailauth.spf import Survey, survey

MANY = " ".join(f"a:a{n}.org.example" for n in range(12))
ZONE = f"""
$TTL 60
$ORIGIN org.example.
good   TXT "v=spf1 mx include:_spf.big.example -all"
good   MX 10 mx
mx     A 192.0.2.1
mx     AAAA 2001:db8::1
many   TXT "v=spf1 {MANY} ~all"
*      A 192.0.2.9
open   TXT "v=spf1 mx ip4:10.0.0.0/8 +all"
open   MX 10 mx
mess   TXT "v=spf1 A:b.org.example a:b.org.example ip4:1.2.3 ptr ip4:192.0.2.0/24 ?all mx redirect=x.y"
bare   TXT "v=spf1 ip4:192.0.2.1"
gone   TXT "v=spf1 include:no.such.example a:a.no.example a:b.no.example a:c.no.example ip4:192.0.2.1 -all"
loop   TXT "v=spf1 redirect=loop.org.example"
twice  TXT "v=spf1 -all"
twice  TXT "v=spf1 ~all"
wait   TXT "v=spf1 include:x.broken.example ip4:192.0.2.1 -all"
takes  MX 10 mx
quiet  MX 0 .
full   A 192.0.2.3
full   TXT "v=spf1 a a a a a a a a a a -all"
moved  TXT "v=spf1 redirect=good.org.example"
macro  TXT "v=spf1 exists:%{{i}}._spf.%{{d}} -all"
$ORIGIN big.example.
_spf   TXT "v=spf1 include:n1.big.example ~all"
n1     TXT "v=spf1 ip4:198.51.100.0/24 ~all"
;! fail broken.example
"""


def surveyed(name: str) -> Survey:
    return asyncio.run(survey(f"{name}.org.example", ZoneResolver(ZONE)))


def codes(name: str) -> set[str]:
    return {finding.code.removeprefix("PB-SPF-") for finding in surveyed(name).findings}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("good", set()),
        ("moved", set()),
        ("macro", set()),
        ("many", {"004"}),
        ("full", {"005", "009"}),
        ("open", {"008", "011"}),
        ("mess", {"002", "008", "009", "010", "012"}),
        ("bare", {"007"}),
        ("gone", {"003", "006", "013"}),
        ("loop", {"003"}),
        ("twice", {"001"}),
        ("takes", {"001"}),
        ("wait", {"003"}),
    ],
)
def test_what_is_wrong_has_a_code(name: str, found: set[str]) -> None:
    """Each kind of mistake is found, and a good record is left alone."""
    assert codes(name) == found


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("good", "v=spf1 mx include:_spf.big.example -all"),
        ("moved", "v=spf1 redirect=good.org.example"),
        ("open", "v=spf1 mx ip4:10.0.0.0/8 ~all"),
        ("bare", "v=spf1 ip4:192.0.2.1 ~all"),
        ("gone", "v=spf1 ip4:192.0.2.1 -all"),
        ("wait", "v=spf1 include:x.broken.example ip4:192.0.2.1 -all"),
        ("mess", "v=spf1 A:b.org.example ptr ip4:192.0.2.0/24 ~all"),
        ("many", "v=spf1 ip4:192.0.2.9 ~all"),
        ("takes", "v=spf1 mx ~all"),
        ("quiet", "v=spf1 -all"),
    ],
)
def test_the_record_to_publish(name: str, record: str) -> None:
    """What is useless is left out, what is open is closed, and what costs too much is flattened."""
    assert surveyed(name).publish.lower() == record.lower()


def test_a_proposed_record_is_better() -> None:
    """Whoever publishes what is proposed hears of no error again."""
    for name in ("open", "bare", "gone", "mess", "many", "takes", "loop"):
        record = surveyed(name).publish.encode()
        again = asyncio.run(survey(f"{name}.org.example", ZoneResolver(ZONE), record=record))
        assert all(finding.level < Level.ERROR for finding in again.findings), name


def test_costs_add_up() -> None:
    """What an include costs is what it asks itself and all that is asked below it."""
    found = surveyed("good")
    assert [(node.term, node.cost) for _, node in found.root.walk() if node.cost] == [
        ("", 3),
        ("mx", 1),
        ("include:_spf.big.example", 2),
        ("include:n1.big.example", 1),
    ]
    assert (found.lookups, found.voids) == (3, 0)


def test_a_hostile_tree_is_bounded() -> None:
    """Includes that fan out without end are followed only so far."""

    def fan(mark: str) -> str:
        return " ".join(f"include:{mark}{n}.f" for n in range(12))

    zone = f'*.f. TXT "v=spf1 {fan("x")} -all"\nf.f. TXT "v=spf1 {fan("y")}"\n'
    found = asyncio.run(survey("f.f", ZoneResolver(zone)))
    assert sum(1 for _ in found.root.walk()) < 1000
