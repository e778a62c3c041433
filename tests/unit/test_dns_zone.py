"""DNS from a zone file and from the cache."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pillarbox.dns.cache import CachingResolver
from pillarbox.dns.zone import ZoneResolver
from pillarbox.errors import PermanentError
from pillarbox.lab.clock import LabClock, run_virtual
from pillarbox.mailauth.resolver import Answer, MxRecord, Outcome

ZONE = r"""
$TTL 60
$ORIGIN one.test.
@      IN SOA ns hostmaster 1 2 3 4 30
@      MX 20 b
@      MX 10 a
a      A 192.0.2.1
a      AAAA 2001:db8::1
*.wild MX 5 a
alias  CNAME @
round  CNAME round
deep.empty A 192.0.2.2
bad    MX 10 a\000b
odd    MX 10 a\032b
odd    MX 20 a
$ORIGIN two.test.
@      IN SOA ns hostmaster 1 2 3 4 7
txt    TXT "v=spf1 " "-all"
$ORIGIN 2.0.192.in-addr.arpa.
1      PTR A.One.Test.
9      PTR evil\010name.test.
;! fail broken.test
;! timeout silent.test
"""


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("one.test", Outcome.FOUND),
        ("ONE.test.", Outcome.FOUND),
        ("alias.one.test", Outcome.FOUND),
        ("x.y.wild.one.test", Outcome.FOUND),
        ("a.one.test", Outcome.NO_SUCH_DATA),
        ("empty.one.test", Outcome.NO_SUCH_DATA),
        ("none.one.test", Outcome.NO_SUCH_NAME),
        ("a\0b.test", Outcome.NO_SUCH_NAME),
        ("x" * 64 + ".test", Outcome.NO_SUCH_NAME),
        ("round.one.test", Outcome.UNAVAILABLE),
        ("bad.one.test", Outcome.UNAVAILABLE),
        ("mx.broken.test", Outcome.UNAVAILABLE),
        ("silent.test", Outcome.UNAVAILABLE),
    ],
)
def test_outcomes_are_told_apart(name: str, outcome: Outcome) -> None:
    """No such name, no such data and no answer are three different things."""
    answer = run_virtual(ZoneResolver(ZONE).mx(name))
    assert answer.outcome is outcome


def test_records_are_sorted_and_hostile_ones_left_out() -> None:
    """Exchangers come by preference; a name with a control character or a space is dropped."""
    resolver = ZoneResolver(ZONE)
    best = asyncio.run(resolver.mx("one.test"))
    assert best.records == (MxRecord(10, "a.one.test"), MxRecord(20, "b.one.test"))
    assert asyncio.run(resolver.mx("odd.one.test")).records == (MxRecord(20, "a.one.test"),)
    assert asyncio.run(resolver.ptr("192.0.2.1")).records == ("a.one.test",)
    assert asyncio.run(resolver.ptr("192.0.2.9")).outcome is Outcome.UNAVAILABLE


def test_addresses_and_texts() -> None:
    """IPv6 comes before IPv4, and the strings of a TXT record are joined."""
    resolver = ZoneResolver(ZONE)
    assert asyncio.run(resolver.addresses("a.one.test")).records == ("2001:db8::1", "192.0.2.1")
    assert asyncio.run(resolver.txt("txt.two.test")).records == (b"v=spf1 -all",)


def test_negative_answers_last_as_the_zone_says() -> None:
    """RFC 2308 §5: the SOA's minimum is the time of a negative answer."""
    resolver = ZoneResolver(ZONE)
    assert asyncio.run(resolver.mx("none.one.test")).ttl == 30
    assert asyncio.run(resolver.mx("none.two.test")).ttl == 7


def test_a_file_with_a_mistake_names_the_line(tmp_path: Path) -> None:
    """A broken file is refused, and a reload that fails keeps the old answers."""
    with pytest.raises(PermanentError, match="line:2"):
        ZoneResolver("a.test. A 192.0.2.1\nb.test. A nonsense\n")
    path = tmp_path / "zone"
    path.write_text(ZONE)
    resolver = ZoneResolver.from_file(path)
    path.write_text("b.test. A nonsense\n")
    with pytest.raises(PermanentError):
        resolver.reload()
    assert asyncio.run(resolver.mx("one.test")).records


class Counting:
    """A resolver that counts what it is asked."""

    def __init__(self, ttl: float, outcome: Outcome = Outcome.FOUND) -> None:
        self.asked = 0
        self._ttl, self._outcome = ttl, outcome

    async def mx(self, name: str) -> Answer[Any]:
        self.asked += 1
        await asyncio.sleep(1)
        return Answer(name=name, type="MX", outcome=self._outcome, ttl=self._ttl)

    addresses = txt = ptr = tlsa = mx


@pytest.mark.parametrize(
    ("ttl", "outcome", "kept"),
    [
        (100.0, Outcome.FOUND, 99.0),
        (1e9, Outcome.FOUND, 86_000.0),
        (100.0, Outcome.NO_SUCH_NAME, 99.0),
        (1e9, Outcome.NO_SUCH_DATA, 3_500.0),
        (1e9, Outcome.UNAVAILABLE, 8.0),
    ],
)
def test_answers_are_kept_for_their_time(ttl: float, outcome: Outcome, kept: float) -> None:
    """Every kind of answer is remembered, within bounds, and no longer."""

    async def main() -> None:
        source = Counting(ttl, outcome)
        cache = CachingResolver(source, LabClock())
        await cache.mx("a.test")
        await asyncio.sleep(kept)
        await cache.mx("A.test.")
        assert source.asked == 1
        await asyncio.sleep(90_000)
        await cache.mx("a.test")
        assert source.asked == 2

    run_virtual(main())


def test_equal_questions_are_asked_once() -> None:
    """A thousand who ask at the same time share one question, also when one gives up."""

    async def main() -> None:
        source = Counting(60)
        cache = CachingResolver(source, LabClock())
        impatient = asyncio.ensure_future(cache.mx("a.test"))
        others = [asyncio.ensure_future(cache.mx("a.test")) for _ in range(1000)]
        await asyncio.sleep(0.5)
        impatient.cancel()
        assert all(answer.outcome is Outcome.FOUND for answer in await asyncio.gather(*others))
        assert source.asked == 1

    run_virtual(main())


def test_the_cache_is_bounded() -> None:
    """What was used last stays; the rest is forgotten."""

    async def main() -> None:
        source = Counting(60_000)
        cache = CachingResolver(source, LabClock(), capacity=2)
        for name in ("a", "b", "a", "c", "a"):
            await cache.mx(name)
        assert source.asked == 3
        await cache.mx("b")
        assert source.asked == 4

    run_virtual(main())


def test_the_weight_of_the_cache_is_bounded() -> None:
    """Names with 64 KiB of text do not fill the memory as fifty thousand answers would."""

    async def main() -> None:
        lines = " ".join(['"' + "x" * 255 + '"'] * 250)
        zone = ZoneResolver(f"*.test. 60 TXT {lines}\nsmall.example. TXT a\n")
        cache = CachingResolver(zone, LabClock(), capacity=100)
        for number in range(10):
            await cache.txt(f"n{number}.test")
        assert len(cache._answers) == 1
        cache.clear()
        for _ in range(3):
            await cache.txt("small.example")
        assert (len(cache._answers), cache._weight) == (1, 1)

    run_virtual(main())


def test_an_address_alone_is_asked_for_by_its_family() -> None:
    """Who needs A does not hear of AAAA, from the zone and through the cache."""

    async def main() -> None:
        cache = CachingResolver(ZoneResolver(ZONE), LabClock())
        assert (await cache.a("a.one.test")).records == ("192.0.2.1",)
        assert (await cache.aaaa("a.one.test")).records == ("2001:db8::1",)
        assert (await cache.aaaa("deep.empty.one.test")).outcome is Outcome.NO_SUCH_DATA

    run_virtual(main())


def test_a_question_may_hold_any_printable_character() -> None:
    """Names that the macros of SPF make are asked for as they are: a backslash is no escape."""
    resolver = ZoneResolver(
        r"a\\000b.one.test. TXT found" + "\n" + r"x\032y.one.test. TXT found" + "\n"
    )
    assert asyncio.run(resolver.txt(r"a\000b.one.test")).records == (b"found",)
    assert asyncio.run(resolver.txt("x y.one.test")).records == (b"found",)
    for name in ("a\nb.test", "a..test", "", ".", "\x7f.test", "a" * 300):
        assert asyncio.run(resolver.txt(name)).outcome is Outcome.NO_SUCH_NAME


def test_a_zone_can_count_as_signed() -> None:
    """What is marked is authenticated, also what it does not hold; an alias needs both ends."""
    resolver = ZoneResolver(
        "a.safe.test. TLSA 3 1 0 00ff\nb.safe.test. CNAME a.plain.test.\n"
        "c.safe.test. CNAME a.safe.test.\na.plain.test. TLSA 3 1 0 00ff\n;! signed safe.test\n"
    )
    for name, is_signed in {
        "a.safe": 1,
        "b.safe": 0,
        "c.safe": 1,
        "a.plain": 0,
        "x.safe": 1,
    }.items():
        answer = asyncio.run(resolver.tlsa(f"{name}.test"))
        assert answer.is_authenticated is bool(is_signed)
    (record,) = asyncio.run(resolver.tlsa("a.safe.test")).records
    assert (record.usage, record.selector, record.matching, record.data) == (3, 1, 0, b"\x00\xff")


def test_names_of_others_may_stand_in_a_zone() -> None:
    """A fully qualified name outside of $ORIGIN is read as it stands."""
    zone = ZoneResolver('$TTL 60\n$ORIGIN one.test.\n@ A 192.0.2.1\nspf.other.test. TXT "x"\n')
    assert asyncio.run(zone.txt("spf.other.test")).records == (b"x",)


def test_a_zone_with_a_soa_says_nothing_of_other_zones() -> None:
    """Names in no zone of the file are no answer, and not missing; those in it are missing."""
    zone = ZoneResolver("$TTL 60\n$ORIGIN one.test.\n@ SOA ns h 1 2 3 4 5\n@ A 192.0.2.1\n")
    assert asyncio.run(zone.txt("spf.other.test")).outcome is Outcome.UNAVAILABLE
    assert asyncio.run(zone.txt("none.one.test")).outcome is Outcome.NO_SUCH_NAME
    # A domain without DMARC would never be told so if this were left open.
    assert asyncio.run(zone.txt("_dmarc.test")).outcome is Outcome.NO_SUCH_NAME
    assert asyncio.run(zone.txt("_dmarc.other.test")).outcome is Outcome.UNAVAILABLE
