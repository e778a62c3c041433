"""Rates: how they are written, what they let through, and how they outlive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from pillarbox.config.settings import OverRate, RateSettings, RateSubject
from pillarbox.limits.ledger import RateLedger
from pillarbox.limits.meter import Meter
from pillarbox.limits.rates import RateTable
from pillarbox.policy.rate import Rate, parse_rate
from pillarbox.policy.ruling import Action
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.notes import MemoryNotes
from pillarbox.store.port import StoreUnavailable

NOON = 1_800_014_400.0  # half a day of UTC has passed


@pytest.mark.parametrize(
    ("text", "amount", "period"),
    [
        ("10/s", 10, 1.0),
        ("500/h", 500, 3600.0),
        ("5000 / day", 5000, 86400.0),
        ("20/10 min", 20, 600.0),
        ("7/2days", 7, 2 * 86400.0),
        ("1/Minute", 1, 60.0),
    ],
)
def test_a_rate_is_written_as_people_do(text: str, amount: int, period: float) -> None:
    """An amount, a slash, and a period with or without a number."""
    assert parse_rate(text) == Rate(amount, period)


@pytest.mark.parametrize(
    "text", ["", "10", "/s", "0/s", "10/0 s", "10/week", "10/8 days", "-1/s", "1.5/s", "10/s/s"]
)
def test_what_is_no_rate_is_told_apart(text: str) -> None:
    """Nothing is guessed, and no period is too short or too long to be kept."""
    assert parse_rate(text) is None


def test_a_rate_is_shown_in_words() -> None:
    """Replies and events say what the limit is."""
    shown = [str(parse_rate(text)) for text in ("10/s", "20/10 min", "1/day", "5/90 s")]
    assert shown == ["10 per second", "20 per 10 minutes", "1 per day", "5 per 90 seconds"]


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    """The whole amount at once, then one in each part of the period; the wait is exact."""
    meter = Meter("m", Rate(5, 10.0))
    for _ in range(5):
        assert meter.wait("a", 100.0) == 0.0
        meter.charge("a", 100.0)
    assert meter.wait("a", 100.0) == pytest.approx(2.0)
    assert meter.wait("a", 101.0) == pytest.approx(1.0)
    assert meter.wait("a", 102.0) == 0.0
    assert meter.wait("b", 100.0) == 0.0
    assert meter.wait("a", 90.0) > 0.0  # a clock that is set back lets nobody in


def test_any_number_of_subjects_takes_bounded_memory() -> None:
    """The table keeps those that were used last, and forgets the others."""
    meter = Meter("m", Rate(1, 86400.0), size=10_000)
    for number in range(200_000):
        meter.charge(f"{number}", 0.0)
    assert 5_000 <= len(meter) <= 10_000
    assert meter.wait("199999", 0.0) > 0.0
    assert meter.wait("0", 0.0) == 0.0


def table(now: Callable[[], float], **rates: RateSettings) -> RateTable:
    return RateTable(rates, now)


def test_all_rates_that_fit_have_to_be_kept() -> None:
    """What one of them defers is counted by none, and each is named in its ruling."""
    rates = table(
        lambda: 0.0,
        small=RateSettings(subject=RateSubject.CREDENTIAL, messages=("2/h",)),
        large=RateSettings(subject=RateSubject.ALL, messages=("3/h",)),
    )
    ann, bob = (rates.allowance("in", "192.0.2.1", name) for name in ("ann", "bob"))
    assert ann is not None
    assert bob is not None
    assert ann.message() is None
    assert ann.message() is None
    refused = ann.message()
    assert refused is not None
    assert refused.by == "rate small"
    assert str(refused.reply) == "451 4.7.1 Too many messages, try again in 1800 seconds"
    assert bob.message() is None  # ann's third was not counted for all
    refused = bob.message()
    assert refused is not None
    assert refused.by == "rate large"
    assert refused.reason == "more than 3 per hour (messages) of everybody"


@pytest.mark.parametrize(
    ("subject", "same", "other"),
    [
        (RateSubject.ADDRESS, "2001:db8::1", "2001:db8:0:1::1"),
        (RateSubject.ADDRESS, "192.0.2.1", "192.0.2.2"),
    ],
)
def test_addresses_count_as_their_network_does(subject: RateSubject, same: str, other: str) -> None:
    """All addresses of an IPv6 /64 are one client; an IPv4 address is one by itself."""
    rates = table(lambda: 0.0, r=RateSettings(subject=subject, recipients=("1/h",)))
    neighbor = same + "7" if ":" in same else same
    first, second, third = (rates.allowance("in", each, "") for each in (same, neighbor, other))
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.recipient() is None
    ruling = second.recipient()
    assert ruling is not None
    assert ruling.reply is not None
    assert ruling.reply.code == 452
    assert third.recipient() is None
    assert first.message() is None


def test_a_rate_holds_for_whom_it_says() -> None:
    """Listeners, credentials and networks choose; without a rate there is nothing to ask."""
    settings = RateSettings(
        subject=RateSubject.CREDENTIAL,
        messages=("1/h",),
        listeners=("in",),
        credentials=("shop-*",),
        except_credentials=("shop-big",),
        except_networks=("10.0.0.0/8",),
    )
    rates = table(lambda: 0.0, r=settings)
    assert rates.allowance("in", "192.0.2.1", "shop-1") is not None
    for listener, client, identity in (
        ("out", "192.0.2.1", "shop-1"),
        ("in", "10.1.1.1", "shop-1"),
        ("in", "192.0.2.1", "shop-big"),
        ("in", "192.0.2.1", "ann"),
        ("in", "192.0.2.1", ""),
    ):
        assert rates.allowance(listener, client, identity) is None


def test_mail_that_waits_gets_its_turn_one_after_the_other() -> None:
    """With ``queue`` everything is taken, each a slot later; a wait that is too long is not."""
    settings = RateSettings(
        subject=RateSubject.CREDENTIAL,
        messages=("1/min",),
        over=OverRate.QUEUE,
        longest_wait=150.0,
    )
    allowance = table(lambda: 1000.0, r=settings).allowance("in", "192.0.2.1", "ann")
    assert allowance is not None
    assert allowance.message() is None
    due = []
    for _ in range(2):
        ruling = allowance.message()
        assert ruling is not None
        assert ruling.action is Action.NOTE
        due.append(ruling.not_before)
    assert due == [1060.0, 1120.0]
    last = allowance.message()
    assert last is not None
    assert last.action is Action.DEFER


def test_a_reload_keeps_the_counts_of_rates_that_stay() -> None:
    """A rate of the same name and amount goes on; a changed one begins anew."""
    kept = RateSettings(subject=RateSubject.ALL, messages=("1/h",))
    before = table(lambda: 0.0, a=kept, b=kept)
    allowance = before.allowance("in", "192.0.2.1", "")
    assert allowance is not None
    allowance.message()
    changed = RateSettings(subject=RateSubject.ALL, messages=("2/h",))
    after = RateTable({"a": kept, "b": changed}, lambda: 0.0, before=before)
    waits = [meter.wait("all", 0.0) > 0.0 for meter in after.meters]
    assert waits == [True, False]


def notes() -> MemoryNotes:
    return MemoryNotes(MemoryDisk(), lambda: None)


def test_a_day_is_remembered_over_a_restart() -> None:
    """What was used today still counts for a node that begins anew."""

    async def restart() -> tuple[float, float]:
        kept, rate = notes(), Rate(100, 86400.0)
        first = Meter("m", rate)
        ledger = RateLedger(kept, lambda: NOON, is_shared=False)
        for _ in range(99):
            first.charge("ann", NOON)
        await ledger.settle([first])
        second = Meter("m", rate)
        await ledger.load([second])
        before = second.wait("ann", NOON)
        second.charge("ann", NOON)
        return before, second.wait("ann", NOON)

    before, after = asyncio.run(restart())
    assert before == 0.0
    assert after > 0.0


def test_two_nodes_share_a_rate() -> None:
    """After one interval each counts what the other has used, whoever came first."""

    async def share() -> list[float]:
        kept, rate = notes(), Rate(100, 3600.0)
        ledgers = [RateLedger(kept, lambda: NOON, is_shared=True) for _ in range(2)]
        meters = [Meter("m", rate) for _ in range(2)]
        for meter in meters:
            for _ in range(50):
                meter.charge("ann", NOON)
        for _ in range(2):
            for ledger, meter in zip(ledgers, meters, strict=True):
                meter.charge("ann", NOON)
                await ledger.settle([meter])
        late = Meter("m", rate)
        late.charge("ann", NOON)
        await RateLedger(kept, lambda: NOON, is_shared=True).settle([late])
        return [meter.wait("ann", NOON) for meter in (*meters, late)]

    assert all(wait > 0.0 for wait in asyncio.run(share()))


def test_what_was_used_in_the_window_before_fades() -> None:
    """A node that comes late takes the last window as even: half way through, half counts."""

    async def late() -> float:
        kept, rate = notes(), Rate(100, 7200.0)
        start = NOON - NOON % 7200.0
        first = Meter("m", rate)
        for _ in range(100):
            first.charge("ann", start - 1.0)
        await RateLedger(kept, lambda: start - 1.0, is_shared=True).settle([first])
        second, now = Meter("m", rate), start + 3600.0
        await RateLedger(kept, lambda: now, is_shared=True).load([second])
        for _ in range(50):
            assert second.wait("ann", now) == 0.0
            second.charge("ann", now)
        return second.wait("ann", now)

    assert asyncio.run(late()) > 0.0


def test_nothing_is_lost_while_the_store_is_down() -> None:
    """What could not be added is added when the store is back, once."""
    disk, is_down = MemoryDisk(), True

    def check() -> None:
        if is_down:
            raise StoreUnavailable("down")

    async def play() -> list[int]:
        nonlocal is_down
        kept = MemoryNotes(disk, check)
        meter, ledger = Meter("m", Rate(5, 3600.0)), RateLedger(kept, lambda: NOON, is_shared=True)
        for _ in range(3):
            meter.charge("ann", NOON)
            with suppress(StoreUnavailable):
                await ledger.settle([meter])
        is_down = False
        for _ in range(2):
            await ledger.settle([meter])
        return [note.amount for note in await kept.all("rate m", now=NOON)]

    assert asyncio.run(play()) == [3]
