"""Group commit: who shares a commit, and who learns what when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from tests.failing_store import FailingStore
from tests.mail import NOW, delivered, kept_message

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.policy.queue import RecipientState
from pillarbox.store.group import GroupCommit
from pillarbox.store.memory import MemoryStore
from pillarbox.store.port import (
    Fenced,
    JournalEntry,
    Selection,
    StartMark,
    Store,
    StoreFull,
    StoreUnavailable,
)

Steps = Callable[[GroupCommit, FailingStore], Awaitable[None]]


def run(steps: Steps) -> None:
    """Run steps with an open store in memory."""

    async def main() -> None:
        store = FailingStore(MemoryStore("main", lambda: NOW))
        await store.open()
        group = GroupCommit(cast("Store", store))
        await steps(group, store)
        await group.drain()
        await store.close()

    asyncio.run(main())


def test_all_that_wait_share_one_commit() -> None:
    """A hundred messages, marks and results that come together are one commit."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        old = kept_message()
        await group.keep(old)
        waiting = [group.keep(kept_message()) for _ in range(100)]
        waiting.append(group.start([StartMark(old.id, (0,))]))
        waiting.append(group.settle([delivered(old)], [kept_message(sender=None)]))
        group.record([JournalEntry(NOW, old.id, b"{}")])
        await asyncio.gather(*waiting)
        assert store.calls.count("commit") == 2
        assert len(await store.find(Selection(), limit=1000)) == 101
        assert await store.history(old.id) == (b"{}",)

    run(steps)


def test_a_very_large_crowd_is_served_in_several_commits() -> None:
    """No more than 500 messages share a commit, and none is forgotten."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        await asyncio.gather(*(group.keep(kept_message()) for _ in range(1201)))
        assert store.calls.count("commit") == 3
        assert len(await store.find(Selection(), limit=2000)) == 1201

    run(steps)


def test_results_are_written_when_there_is_no_room_for_mail() -> None:
    """StoreFull refuses new mail; results of deliveries get through on their own."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        old = kept_message()
        await group.keep(old)
        store.fail("commit", StoreFull("no room"))
        kept, settled = group.keep(kept_message()), group.settle([delivered(old)])
        await settled
        with pytest.raises(StoreFull):
            await kept
        (state,) = (await store.message(old.id)).recipients
        assert state.state is RecipientState.DELIVERED

    run(steps)


@pytest.mark.parametrize("error", [StoreUnavailable("down"), Fenced("taken over")])
def test_a_store_that_is_down_fails_all(error: PillarboxError) -> None:
    """When nothing was written nobody hears of success, and the next commit may work."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        old = kept_message()
        await group.keep(old)
        store.fail("commit", error)
        kept, settled = group.keep(kept_message()), group.settle([delivered(old)])
        for future in (kept, settled):
            with pytest.raises(type(error)):
                await future
        assert store.calls.count("commit") == 2
        await group.keep(kept_message())

    run(steps)


def test_one_bad_message_does_not_refuse_the_others() -> None:
    """What cannot be stored fails by itself: mail, and results too."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        del store
        old = kept_message()
        await group.keep(old)
        good, bad = group.keep(kept_message()), group.keep(kept_message(message=old.id))
        settled, unknown = group.settle([delivered(old)]), group.settle([delivered(kept_message())])
        await good
        await settled
        for future in (bad, unknown):
            with pytest.raises(PermanentError):
                await future

    run(steps)


def test_a_defect_leaves_nobody_waiting() -> None:
    """Even when the store raises what it must not, all who wait hear that it failed."""

    async def main() -> None:
        store = FailingStore(MemoryStore("main", lambda: NOW))
        await store.open()
        store.fail("commit", cast("PillarboxError", ZeroDivisionError("a defect")))
        group = GroupCommit(cast("Store", store))
        futures = [group.keep(kept_message()), group.start([])]
        with pytest.raises(ZeroDivisionError):
            await group.drain()
        for future in futures:
            with pytest.raises(StoreUnavailable):
                await future
        await group.keep(kept_message())

    asyncio.run(main())


def test_a_sender_that_went_away_does_not_disturb() -> None:
    """A canceled waiter changes nothing for the others."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        del store
        gone, here = group.keep(kept_message()), group.keep(kept_message())
        gone.cancel()
        await here

    run(steps)


def test_a_defect_in_what_one_does_is_not_the_others() -> None:
    """Who raises when it is told is reported; the others hear of their commit all the same."""

    def stumble(_error: PillarboxError | None) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        store = FailingStore(MemoryStore("main", lambda: NOW))
        await store.open()
        defects: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: defects.append(context["exception"])
        )
        group = GroupCommit(cast("Store", store))
        group.hand_in(kept_message(), stumble)
        await group.keep(kept_message())
        assert [type(defect) for defect in defects] == [ZeroDivisionError]

    asyncio.run(main())


def test_the_next_commit_is_under_way_before_the_last_is_told() -> None:
    """Answers to a crowd do not hold up those who wait for the next commit."""

    async def steps(group: GroupCommit, store: FailingStore) -> None:
        order: list[str] = []
        for _ in range(501):  # one more than a commit takes
            group.hand_in(
                kept_message(), lambda _error: order.append(f"told after {len(commits())}")
            )

        def commits() -> list[str]:
            return [call for call in store.calls if call == "commit"]

        await group.drain()
        await asyncio.sleep(0)
        assert order == ["told after 2"] * 501

    run(steps)
