"""Who guesses passwords is banned; nobody is shut out of an account from where he comes."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from pillarbox.config.settings import GuessSettings, HarvestSettings
from pillarbox.events.types import ClientBanned, ClientUnbanned, Event, LoginsSprayed
from pillarbox.limits.ban_keeper import BanKeeper
from pillarbox.receive.clients import show_client, shown_key
from pillarbox.receive.guesses import Ban, Guesses
from pillarbox.receive.harvest import Harvest
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.notes import MemoryNotes

HOME, EVE = "192.0.2.1", "203.0.113.9"


def fail(guesses: Guesses, client: str, count: int, now: float = 0.0, user: str = "ann") -> None:
    for _ in range(count):
        guesses.failed(client, user, now)


def test_a_ban_comes_after_many_failures_and_ends() -> None:
    """It is told, it holds for its time, and the next is twice as long."""
    events: list[Event] = []
    guesses = Guesses(GuessSettings(ban_after=5, ban_time=100.0), sink=events.append)
    fail(guesses, EVE, 4)
    assert not guesses.turns_away(EVE, 0.0)
    fail(guesses, EVE, 1)
    assert guesses.turns_away(EVE, 0.0)
    assert guesses.are_too_many(EVE, "ann", 99.0)
    assert not guesses.turns_away(EVE, 100.0)
    assert not guesses.turns_away("203.0.113.10", 0.0)
    fail(guesses, EVE, 10, 101.0)
    (first, second) = events
    assert isinstance(first, ClientBanned)
    assert isinstance(second, ClientBanned)
    assert (first.until, second.until, second.times) == (100.0, 301.0, 2)


def test_an_ipv6_client_is_banned_with_its_64() -> None:
    """Another address of the /64 is the same client; another /64 is not."""
    guesses = Guesses(GuessSettings(ban_after=3))
    for number in range(3):
        guesses.failed(f"2001:db8::{number + 1}", "ann", 0.0)
    assert guesses.turns_away("2001:db8::ffff", 1.0)
    assert not guesses.turns_away("2001:db8:0:1::1", 1.0)
    assert [ban.client for ban in guesses.bans(1.0)] == ["2001:db8::/64"]
    assert guesses.lift("2001:db8::/64", 1.0) == "2001:db8::/64"


def test_a_known_address_is_never_shut_out_of_its_account() -> None:
    """A ban and an attack on the account leave alone who has come in from there lately."""
    guesses = Guesses(GuessSettings(ban_after=3, account_failures=10, known_for=1000.0))
    guesses.succeeded(HOME, "Ann", 0.0)
    fail(guesses, HOME, 30, 1.0)
    for number in range(50):
        guesses.failed(f"198.51.100.{number}", "ann", 1.0)
    assert not guesses.turns_away(HOME, 2.0)
    assert not guesses.are_too_many(HOME, "ann", 2.0)
    assert not guesses.is_closed(HOME, "ann", 2.0)
    assert guesses.are_too_many(HOME, "bob", 2.0)  # the ban counts for all other accounts
    assert guesses.is_closed("198.51.100.200", "ann", 2.0)
    assert not guesses.is_closed("198.51.100.200", "bob", 2.0)
    assert guesses.are_too_many(HOME, "ann", 1001.0)  # known no more


def test_failures_from_known_addresses_do_not_close_an_account() -> None:
    """A program with an old password hurts nobody but itself."""
    guesses = Guesses(GuessSettings(account_failures=10, ban_after=0))
    guesses.succeeded(HOME, "ann", 0.0)
    fail(guesses, HOME, 1000, 1.0)
    assert not guesses.is_closed(EVE, "ann", 1.0)


def test_networks_may_be_exempt_from_bans() -> None:
    """Behind a webmail server are all users; their guesses are slow all the same."""
    guesses = Guesses(GuessSettings(ban_after=3, except_networks=("192.0.2.0/24",)))
    fail(guesses, HOME, 10)
    assert not guesses.turns_away(HOME, 0.0)
    assert guesses.failed(HOME, "ann", 0.0) == 8.0


def test_a_spray_over_many_accounts_is_noticed_once() -> None:
    """Many names from many addresses, each seldom; a guess at one account is none."""
    events: list[Event] = []
    settings = GuessSettings(spray_accounts=20, spray_addresses=5)
    guesses = Guesses(settings, sink=events.append)
    for number in range(100):
        guesses.failed(f"198.51.100.{number % 10}", f"user{number}", float(number))
    (spray,) = events
    assert isinstance(spray, LoginsSprayed)
    assert (spray.accounts, spray.clients, spray.finding) == (20, 10, "PB-AUTH-001")
    assert guesses.spray.is_going_on(100.0)
    assert not guesses.spray.is_going_on(5000.0)
    guesses.failed(EVE, "ann", 101.0)
    assert len(events) == 1
    alone: list[Event] = []
    guesses = Guesses(settings, sink=alone.append)
    for number in range(300):
        guesses.failed(f"198.51.100.{number % 250}", "ann", float(number))
    assert alone == []


def octets() -> int:
    return psutil.Process().memory_info().rss


def test_any_number_of_addresses_takes_bounded_memory() -> None:
    """Harvesting is counted for as many clients as there is room, whoever tries to fill it."""
    harvest, before = Harvest(), octets()
    for number in range(300_000):
        harvest.asked(f"{number >> 16}.{number >> 8 & 255}.{number & 255}.1", 0.0)
    assert len(harvest) <= 100_000
    assert octets() - before < 64 * 2**20


def try_many(addresses: int) -> None:
    guesses = Guesses(GuessSettings(ban_after=1, spray_addresses=0), key=b"k")
    before = octets()
    for number in range(addresses):
        client = f"{number >> 16}.{number >> 8 & 255}.{number & 255}.1"
        guesses.failed(client, f"user{number}", 0.0)
    sizes = guesses.sizes
    assert sizes["clients"] <= 100_000
    assert sizes["accounts"] <= 100_000
    assert sizes["bans"] <= 10_000
    assert octets() - before < 128 * 2**20


def test_guesses_from_everywhere_take_bounded_memory() -> None:
    """Clients, accounts and bans each have a table with an end."""
    try_many(150_000)


@pytest.mark.slow
def test_guesses_from_a_million_addresses_take_bounded_memory() -> None:
    """The same at full length."""
    try_many(1_000_000)


def test_known_addresses_are_bounded_for_each_user() -> None:
    """One account cannot push out what is known of others."""
    guesses = Guesses(GuessSettings(ban_after=1))
    guesses.succeeded(HOME, "ann", 0.0)
    for number in range(10_000):
        guesses.succeeded(f"10.{number >> 8}.{number & 255}.1", "eve", 1.0)
    assert guesses.sizes["known"] == 33
    guesses.failed(HOME, "ann", 2.0)
    assert not guesses.are_too_many(HOME, "ann", 2.0)


def test_bans_and_known_addresses_outlive_a_restart_and_reach_other_nodes() -> None:
    """They are kept in the store; a ban that one node lifts is lifted at the other."""
    settings = GuessSettings(ban_after=2, ban_time=1000.0)
    notes = MemoryNotes(MemoryDisk(), lambda: None)
    now = 5000.0
    events: list[Event] = []

    async def play() -> None:
        one, two = Guesses(settings, key=b"k"), Guesses(settings, key=b"k", sink=events.append)
        keep_one, keep_two = (
            BanKeeper(each, notes, lambda: now, lambda: 1000.0) for each in (one, two)
        )
        one.succeeded(HOME, "ann", now)
        fail(one, EVE, 2, now)
        fail(one, "2001:db8::1", 2, now)
        await keep_one.settle()
        await keep_two.settle()
        assert two.turns_away(EVE, now)
        assert two.turns_away("2001:db8::2", now)
        fail(two, HOME, 5, now)
        assert not two.are_too_many(HOME, "ann", now)
        assert await keep_one.lift(EVE)
        assert not await keep_one.lift(EVE)
        await keep_two.settle()
        assert not two.turns_away(EVE, now)
        assert two.turns_away("2001:db8::2", now)

    asyncio.run(play())
    assert [type(event) for event in events] == [ClientBanned, ClientUnbanned]


def test_a_client_is_shown_as_it_is_read() -> None:
    """What ``auth bans`` prints can be given to ``auth unban``."""
    for shown in ("192.0.2.1", "2001:db8:1:2::/64", "::/64"):
        assert show_client(shown_key(shown)) == shown
    assert show_client(shown_key("::ffff:192.0.2.1")) == "192.0.2.1"
    guesses = Guesses()
    guesses.put([Ban("2001:db8::/64", 0.0, 10.0, 20)])
    assert guesses.turns_away("2001:db8::5", 1.0)


def test_harvesting_gets_slow_and_ends() -> None:
    """The first unknown recipients cost nothing, then each takes longer, then comes the end."""
    harvest = Harvest(HarvestSettings(free_unknown=2, longest_delay=1.0, end_after=6))
    delays = [harvest.asked(EVE, 0.0) for _ in range(7)]
    assert delays == [0.0, 0.0, 0.5, 1.0, 1.0, 1.0, None]
    assert harvest.asked(HOME, 0.0) == 0.0
    assert harvest.asked(EVE, 1000.0) == 0.0


def test_who_is_on_this_machine_is_not_slowed_as_a_harvester() -> None:
    """Loopback may ask for any number of recipients, unless the configuration says otherwise."""
    harvest = Harvest(HarvestSettings(free_unknown=0, end_after=2))
    assert {harvest.asked("127.0.0.9", 0.0) for _ in range(5)} == {0.0}
    harvest.use(HarvestSettings(free_unknown=0, end_after=2, except_networks=()))
    assert harvest.asked("127.0.0.9", 0.0) is None


def test_a_spray_does_not_hide_behind_guesses_at_one_account() -> None:
    """However often one account fails meanwhile, the others are seen."""
    events: list[Event] = []
    settings = GuessSettings(spray_accounts=20, spray_addresses=5, ban_after=0)
    guesses = Guesses(settings, sink=events.append)
    fail(guesses, EVE, 500)
    for number in range(20):
        guesses.failed(f"198.51.100.{number}", f"user{number}", 1.0)
    assert [type(event) for event in events] == [LoginsSprayed]


def test_guesses_at_keys_close_no_account() -> None:
    """All API keys share one user name, and whoever guesses at them must not shut all out."""
    guesses = Guesses(GuessSettings(account_failures=10, ban_after=5))
    for number in range(100):
        guesses.failed(f"198.51.100.{number}", "apikey", 0.0)
        guesses.failed(f"198.51.100.{number}", "", 0.0)
    assert not guesses.is_closed(HOME, "apikey", 0.0)
    assert not guesses.is_closed(HOME, "", 0.0)
    fail(guesses, EVE, 5, user="apikey")
    assert guesses.turns_away(EVE, 0.0)  # the client is banned all the same
