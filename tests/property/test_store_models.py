"""Whatever is done to them, the store in a file and the store in memory stay alike."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace
from tests.mail import NOW, kept_message

from pillarbox.errors import PermanentError
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.store.memory import MemoryStore
from pillarbox.store.port import (
    Batch,
    Change,
    KeptMessage,
    Selection,
    Settlement,
    StartMark,
    Store,
    Way,
)
from pillarbox.store.sqlite import SqliteStore

T = TypeVar("T")

LANES = st.sampled_from(("", "bulk"))
ADDRESSES = st.lists(
    st.sampled_from(("a@x.example", "B@x.example", "c@y.example", "d@z.example")),
    min_size=1,
    max_size=3,
)
TIMES = st.sampled_from((NOW - 60, NOW, NOW + 60))
SETTLED = st.sampled_from(
    [
        (RecipientState.DELIVERED, None),
        (RecipientState.BOUNCED, None),
        (RecipientState.UNCERTAIN, None),
        (RecipientState.UNCERTAIN, NOW + 30),
        (RecipientState.QUEUED, NOW + 30),
        (RecipientState.QUEUED, NOW - 30),
        (RecipientState.HELD, None),
    ]
)
SELECTIONS = st.builds(
    Selection,
    recipient=st.sampled_from((None, "b@x.example")),
    recipient_domain=st.sampled_from((None, "x.example", "y.example")),
    states=st.none() | st.frozensets(st.sampled_from(RecipientState)),
)


class StoresStayAlike(RuleBasedStateMachine):
    """Does the same to both, and compares what each shows."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.now = NOW
        self.memory = MemoryStore("main", lambda: NOW)
        self.file = SqliteStore(self.folder / "x.db", node="main", now=lambda: NOW)
        self.kept: list[KeptMessage] = []
        self.both(lambda store: store.open())

    def both(self, step: Any) -> Any:
        """Do a step with each store and return what both returned."""
        one, other = (self.run(step(store)) for store in (self.memory, self.file))
        assert one == other
        return one

    def run(self, step: Coroutine[Any, Any, T]) -> T | str:
        try:
            return self.loop.run_until_complete(step)
        except PermanentError as error:
            return type(error).__name__

    @rule(recipients=ADDRESSES, lane=LANES, due=TIMES)
    def keep(self, recipients: list[str], lane: str, due: float) -> None:
        message = kept_message(*recipients, lane=lane, due=due)
        self.both(lambda store: store.commit(Batch(keep=[message])))
        self.kept.append(message)

    @rule(data=st.data())
    def keep_twice(self, data: st.DataObject) -> None:
        if self.kept:
            again = data.draw(st.sampled_from(self.kept))
            new = kept_message()
            self.both(lambda store: store.commit(Batch(keep=[new, again])))
            # Unless the first has been swept, nothing of that batch may be there.
            self.kept.append(new)

    @rule(data=st.data(), outcome=SETTLED)
    def attempt(self, data: st.DataObject, outcome: tuple[RecipientState, float | None]) -> None:
        if not self.kept:
            return
        message = data.draw(st.sampled_from(self.kept))
        index = data.draw(st.integers(0, len(message.recipients)))  # one too far now and then
        mark = StartMark(message.id, (min(index, len(message.recipients) - 1),))
        self.both(lambda store: store.commit(Batch(start=[mark])))
        if data.draw(st.booleans()):
            result = Settlement(
                message=message.id,
                index=index,
                state=outcome[0],
                attempts=2,
                next_attempt_at=outcome[1],
                last_reply="250 Ok",
            )
            self.both(lambda store: store.commit(Batch(settle=[result])))

    @rule(
        selection=SELECTIONS,
        change=st.sampled_from(Change),
        way=st.sampled_from((None, Way("other", ""))),
    )
    def change(self, selection: Selection, change: Change, way: Way | None) -> None:
        self.both(lambda store: _sorted(store.change(selection, change, now=NOW, way=way)))

    @rule(selection=SELECTIONS, limit=st.integers(1, 5))
    def find(self, selection: Selection, limit: int) -> None:
        self.both(lambda store: store.find(selection, limit=limit))

    @rule(
        limit=st.integers(1, 6),
        per_queue=st.integers(1, 3),
        after=st.none() | st.just(QueueKey("", "x.example", "mx", "")),
        now=TIMES,
    )
    def load(self, limit: int, per_queue: int, after: QueueKey | None, now: float) -> None:
        exclude = frozenset((m.id, 0) for m in self.kept[::3])
        self.both(
            lambda store: _work(
                store.load(now=now, limit=limit, per_queue=per_queue, exclude=exclude, after=after)
            )
        )

    @rule()
    def restart(self) -> None:
        self.both(lambda store: store.close())
        self.both(lambda store: store.open())

    @rule()
    def sweep(self) -> None:
        for store in (self.memory, self.file):
            self.run(store.sweep(now=NOW + 9, keep_final=0, keep_journal=0))

    @invariant()
    def both_count_the_same(self) -> None:
        self.both(lambda store: store.count(now=NOW))
        self.both(lambda store: store.next_due_at(after=NOW))

    @invariant()
    def both_keep_the_same_bodies(self) -> None:
        for message in self.kept[-3:]:
            self.both(lambda store, m=message: _body(store, m))
            self.both(lambda store, m=message: store.message(m.id))

    def teardown(self) -> None:
        assert self.run(self.file.verify()) == ()
        self.both(lambda store: store.close())
        self.loop.close()
        shutil.rmtree(self.folder)


async def _sorted(step: Any) -> Any:
    return sorted((c.message, c.index, c.state, c.next_attempt_at) for c in await step)


async def _work(step: Any) -> Any:
    return [
        (replace(w.message, content=None), w.queue, [r.index for r in w.recipients])
        for w in await step
    ]


async def _body(store: Store, message: KeptMessage) -> bytes:
    return b"".join([chunk async for chunk in store.body(message.id)])


TestStoresStayAlike = StoresStayAlike.TestCase
TestStoresStayAlike.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
