"""What new mail must not use up: memory, its budget, the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given, strategies as st

from pillarbox.intake.budget import ByteBudget
from pillarbox.intake.guards import Guards
from pillarbox.intake.memory import MemoryGuard, memory_limit
from pillarbox.intake.reserve import DiskReserve, reserve_for
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.store import MemoryStore

MIB = 1024 * 1024


def test_room_is_given_in_the_order_of_asking() -> None:
    """Who asks later does not overtake who waits, even with a smaller wish."""
    budget = ByteBudget(100)
    got: list[str] = []
    assert budget.take(80)
    budget.wait(60, lambda: got.append("large"))
    assert not budget.take(10)
    budget.wait(10, lambda: got.append("small"))
    budget.give_back(80)
    assert got == ["large", "small"]
    assert budget.used == 70


def test_one_wish_larger_than_everything_is_granted_alone() -> None:
    """A content larger than the whole budget comes in when nothing else does."""
    budget = ByteBudget(100)
    assert budget.take(500)
    assert not budget.take(1)
    budget.give_back(500)
    assert budget.take(1)


def test_who_gives_up_waiting_is_not_given_room() -> None:
    """A forgotten wish is never granted, and blocks nobody."""
    budget = ByteBudget(100)
    budget.take(100)
    got: list[str] = []

    def first() -> None:
        got.append("first")

    budget.wait(90, first)
    budget.wait(10, lambda: got.append("second"))
    budget.forget(first)
    budget.give_back(100)
    assert got == ["second"]


@given(st.lists(st.integers(1, 120), max_size=30))
def test_the_budget_is_kept_and_everybody_is_served(wishes: list[int]) -> None:
    """More than the limit is only given to one alone, and all waiters get their turn."""
    budget = ByteBudget(100)
    held: list[int] = []
    served = 0
    for wish in wishes:
        if budget.take(wish):
            held.append(wish)
            served += 1
        else:
            budget.wait(wish, lambda wish=wish: held.append(wish))
        assert budget.used <= 100 or len(held) == 1
    while held:
        served = max(served, len(held))
        budget.give_back(held.pop(0))
        assert budget.used <= 100 or len(held) == 1
    assert budget.used == 0


def test_memory_is_short_when_the_process_is_large(tmp_path: Path) -> None:
    """Resident memory over the limit counts, looked at twice a second at most."""
    statm = tmp_path / "statm"
    statm.write_text("1000 10 5 1 0 90 0\n")
    guard = MemoryGuard(limit=20 * 4096, statm=statm)
    assert not guard.is_short(now=0.0)
    statm.write_text("1000 21 5 1 0 90 0\n")
    assert not guard.is_short(now=0.1)
    assert guard.is_short(now=0.6)
    statm.write_text("1000 10 5 1 0 90 0\n")
    assert not guard.is_short(now=1.2)


def test_the_least_of_the_limits_of_control_groups_holds(tmp_path: Path) -> None:
    """A limit on any folder above our group counts, in version 1 and in version 2."""
    own = tmp_path / "cgroup"
    own.write_text("0::/system.slice/pillarbox.service\n4:memory:/box\n3:cpu:/other\n")
    slice_ = tmp_path / "fs" / "system.slice"
    service = slice_ / "pillarbox.service"
    service.mkdir(parents=True)
    service.joinpath("memory.max").write_text("max\n")
    slice_.joinpath("memory.max").write_text(f"{300 * MIB}\n")
    assert memory_limit(tmp_path / "fs", own) == 300 * MIB
    box = tmp_path / "fs" / "memory" / "box"
    box.mkdir(parents=True)
    box.joinpath("memory.limit_in_bytes").write_text(f"{200 * MIB}\n")
    assert memory_limit(tmp_path / "fs", own) == 200 * MIB


def test_without_limits_the_machine_is_the_limit(tmp_path: Path) -> None:
    """Missing files mean that nothing is limited but by what is there."""
    assert memory_limit(tmp_path, tmp_path / "none") > 64 * MIB


def test_the_default_reserve_leaves_a_small_disk_usable() -> None:
    """Two messages or 5 % of the disk, but never more than half of what is free."""
    assert reserve_for(free=100_000, disk=200_000, max_message_size=1_000) == 10_000
    assert reserve_for(free=100_000, disk=200_000, max_message_size=20_000) == 40_000
    assert reserve_for(free=10_000, disk=10_000_000, max_message_size=20_000) == 5_000


def test_mail_waits_outside_while_the_disk_is_low() -> None:
    """Below the reserve MAIL gets 452 4.3.1, and it is taken again once there is room."""

    async def scenario() -> list[str]:
        disk = MemoryDisk(capacity=1_000)
        reserve = DiskReserve(MemoryStore("main", lambda: 0.0, disk), 400)
        guards = Guards(reserve=reserve, memory=MemoryGuard(limit=10**15), budget=ByteBudget(10**6))
        seen = []
        for capacity in (1_000, 300, 1_000):
            disk.capacity = capacity
            await reserve.look()
            seen.append(str(guards.refusal(0.0) or "taken"))
        reserve.spend(700)  # between two looks, what is being written counts
        seen.append(str(guards.refusal(0.0) or "taken"))
        return seen

    low = "452 4.3.1 Insufficient system storage, try again later"
    assert asyncio.run(scenario()) == ["taken", low, "taken", low]


def test_mail_is_put_off_while_memory_is_short() -> None:
    """Above the memory limit MAIL gets 421 4.3.2."""
    guards = Guards(
        reserve=DiskReserve(MemoryStore("main", lambda: 0.0), 1),
        memory=MemoryGuard(limit=1),
        budget=ByteBudget(1),
    )
    refusal = guards.refusal(0.0)
    assert refusal is not None
    assert (refusal.code, str(refusal.enhanced), refusal.closes) == (421, "4.3.2", True)
