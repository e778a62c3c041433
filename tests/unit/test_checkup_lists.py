"""Block lists are asked as their terms want it, and what they do not answer is not known."""

from __future__ import annotations

import asyncio

from pillarbox.checkup.catalog.block_lists import block_lists
from pillarbox.checkup.facts.listing import Listing
from pillarbox.checkup.probes.block_lists import ask_lists
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual
from pillarbox.mailauth.evidence import RecordingResolver

SENDERS = tuple(f"192.0.2.{number}" for number in range(1, 30))


def asked(zone: str, addresses: tuple[str, ...] = SENDERS) -> tuple[list[str], tuple[Listing, ...]]:
    """Return the names that were asked for, and what came of it."""

    async def run() -> tuple[list[str], tuple[Listing, ...]]:
        loop = asyncio.get_running_loop()
        resolver = RecordingResolver(ZoneResolver(zone, timeout=60.0), loop.time)
        found = await ask_lists(addresses, "org.example", resolver)
        return [one.name for one in resolver.evidence], found

    return run_virtual(run())


def test_a_list_gets_a_few_questions_however_many_hosts_send() -> None:
    """At most six of addresses, and one of the domain."""
    names, _ = asked("")
    for one in block_lists():
        questions = [name for name in names if name.endswith(one.zone)]
        assert len(questions) == (6 if one.of == "addresses" else 1)


def test_a_list_that_will_not_answer_is_left_alone() -> None:
    """After its refusal nothing more is asked, and nobody counts as listed."""
    names, found = asked("1.2.0.192.zen.spamhaus.org. A 127.255.255.254")
    assert sum(name.endswith("zen.spamhaus.org") for name in names) == 1
    (zen,) = (one for one in found if one.list.zone == "zen.spamhaus.org")
    assert zen.codes == ()
    assert "public resolvers" in zen.refusal


def test_a_list_that_is_silent_hides_no_other() -> None:
    """Its time is its own; what others say is there."""
    zone = ";! timeout bl.spamcop.net\n1.2.0.192.zen.spamhaus.org. A 127.0.0.2"
    _, found = asked(zone, ("192.0.2.1",))
    assert {one.refusal for one in found if one.list.zone == "bl.spamcop.net"} == {
        "no answer in time"
    }
    assert [one.list.zone for one in found if one.codes] == ["zen.spamhaus.org"]


def test_every_list_has_its_terms_and_its_way_out() -> None:
    """Whoever is listed is told where to go."""
    for one in block_lists():
        assert one.delist.startswith("https://")
        assert one.terms
        assert one.of in {"addresses", "domains"}
        assert one.weight in {"heavy", "light"}
