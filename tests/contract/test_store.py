"""What every store promises, tried on each."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.mail import NOW, deferred, delivered, kept_message, message_id
from tests.stores import PLACES, Place

from pillarbox.errors import PermanentError
from pillarbox.findings import Level
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import BodyType, Envelope, Notify, Recipient, Ret, TlsRequired
from pillarbox.store.port import (
    Batch,
    BodyDamaged,
    Change,
    Changed,
    Fenced,
    JournalEntry,
    KeptMessage,
    MessageId,
    Selection,
    StartMark,
    Store,
    StoreUnavailable,
    Way,
)

NOTHING: frozenset[tuple[MessageId, int]] = frozenset()
_S = RecipientState


@pytest.fixture(params=list(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """One of the places, empty."""
    return PLACES[request.param](tmp_path)


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Store]:
    """Open a store, and close it cleanly."""
    store = place.store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def run(place: Place, steps: Callable[[Store], Awaitable[None]]) -> None:
    """Run steps with an open store."""

    async def main() -> None:
        async with opened(place) as store:
            await steps(store)

    asyncio.run(main())


async def content(store: Store, message: KeptMessage) -> bytes:
    """Read a whole body."""
    return b"".join([chunk async for chunk in store.body(message.id)])


async def due(store: Store, now: float = NOW, **options: object) -> list[tuple[str, MessageId]]:
    """Return the destination and message of each recipient that a load reads."""
    wanted = {"limit": 100, "per_queue": 100, "exclude": NOTHING, **options}
    return [
        (work.queue.destination, work.message.id)
        for work in await store.load(now=now, **wanted)  # type: ignore[arg-type]
        for _ in work.recipients
    ]


async def states(store: Store, message: KeptMessage) -> list[RecipientState]:
    """Return the states of a message's recipients."""
    kept = await store.message(message.id)
    assert kept is not None
    return [recipient.state for recipient in kept.recipients]


# --- keeping ---------------------------------------------------------------------------


def test_a_kept_message_comes_back_as_it_was(place: Place) -> None:
    """Every field of a message survives, the strangest values included."""

    async def steps(store: Store) -> None:
        message = replace(
            kept_message("bob@example.org", sender=None),
            envelope=Envelope(
                reverse_path=None,
                recipients=(
                    Recipient(Mailbox('b"o b\\', "EXAMPLE.org")),
                    Recipient(Mailbox("josé", "bücher.example"), Notify.NEVER, "utf-8;x"),
                    Recipient(Mailbox("postmaster", ""), Notify.SUCCESS | Notify.FAILURE),
                    Recipient(Mailbox("x", "[IPv6:2001:db8::1]")),
                ),
                body=BodyType.BINARY_MIME,
                smtputf8=True,
                ret=Ret.HEADERS,
                envelope_id="QQ 314",
            ),
            recipients=tuple(
                replace(
                    kept_message().recipients[0],
                    index=index,
                    queue=QueueKey("lane", f"d{index}.example", "mx", "192.0.2.9"),
                    delay_notified=index == 1,
                    last_reply="451 4.3.0 Grüße",
                    crashes=index,
                    attempts=index,
                )
                for index in range(4)
            ),
            has_8bit=True,
            has_long_lines=True,
            checksum=2**32 - 1,
            bounce_of=MessageId(2**63 - 1),
            message_id_header="<😀@x>",
        )
        await store.commit(Batch(keep=[message]))
        assert await store.message(message.id) == replace(message, content=None)
        (work, *_) = await store.load(now=NOW, limit=9, per_queue=9, exclude=NOTHING)
        assert replace(work.message, content=None) == replace(message, content=None)

    run(place, steps)


@pytest.mark.parametrize("required", TlsRequired)
def test_what_a_sender_asks_of_tls_comes_back_with_the_message(
    place: Place, required: TlsRequired
) -> None:
    """RFC 8689 §4.1: it is kept as long as the message is, and such mail waits apart."""

    async def steps(store: Store) -> None:
        plain = kept_message(lane="tenant")
        (recipient,) = plain.recipients
        message = replace(
            plain,
            envelope=replace(plain.envelope, tls_required=required),
            recipients=(replace(recipient, queue=recipient.queue.apart(required)),),
        )
        await store.commit(Batch(keep=[message]))
        assert await store.message(message.id) == replace(message, content=None)
        (work,) = await store.load(now=NOW, limit=9, per_queue=9, exclude=NOTHING)
        assert work.message.envelope.tls_required is required
        assert work.queue.tls_required is required

    run(place, steps)


def test_mail_outlives_a_clean_stop(place: Place) -> None:
    """What was kept is there after closing and opening, with its body, and is no suspect."""

    async def main() -> None:
        message = kept_message()
        async with opened(place) as store:
            await store.commit(Batch(keep=[message]))
        async with opened(place) as store:
            assert await due(store) == [("example.org", message.id)]
            assert await content(store, message) == message.content
            assert await store.suspects() == ()

    asyncio.run(main())


def test_an_empty_body_can_be_kept(place: Place) -> None:
    """A message without a single octet is a message."""

    async def steps(store: Store) -> None:
        message = kept_message(content=b"")
        await store.commit(Batch(keep=[message]))
        assert await content(store, message) == b""

    run(place, steps)


def test_a_batch_is_kept_whole_or_not_at_all(place: Place) -> None:
    """A batch with one message that cannot be kept leaves nothing behind, and the next works."""

    async def steps(store: Store) -> None:
        first, second, third = kept_message(), kept_message("x@new.example"), kept_message()
        await store.commit(Batch(keep=[first]))
        with pytest.raises(PermanentError):
            await store.commit(Batch(keep=[second, first], settle=[delivered(first)]))
        assert await store.message(second.id) is None
        assert await states(store, first) == [_S.QUEUED]
        await store.commit(Batch(keep=[second, third]))
        assert len(await due(store)) == 3

    run(place, steps)


def test_many_messages_share_a_commit(place: Place) -> None:
    """A batch of any size is kept, with queues that are new and queues that are not."""

    async def steps(store: Store) -> None:
        batch = [kept_message(f"a@d{n % 37}.example", "b@both.example") for n in range(211)]
        await store.commit(Batch(keep=batch))
        await store.commit(Batch(start=[StartMark(m.id, (0, 1)) for m in batch]))
        results = [delivered(m, i) for m in batch for i in (0, 1)]
        await store.commit(Batch(settle=results))
        assert await due(store, limit=1000) == []
        assert await store.count(now=NOW) == ()

    run(place, steps)


def test_a_closed_store_says_so(place: Place) -> None:
    """A store that is not open raises StoreUnavailable, and closing it again does nothing."""

    async def main() -> None:
        store = place.store()
        with pytest.raises(StoreUnavailable):
            await store.commit(Batch(keep=[kept_message()]))
        await store.open()
        await store.close()
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.message(message_id())
        assert not store.has_failed

    asyncio.run(main())


# --- large bodies ----------------------------------------------------------------------


def test_a_large_body_comes_in_chunks(place: Place) -> None:
    """Chunks written before become the body of the message that is kept, in their order."""

    async def steps(store: Store) -> None:
        whole = bytes(range(256)) * 1000
        message = kept_message(content=whole, is_large=True)
        for number, begin in enumerate(range(0, len(whole), 65536)):
            await store.write_chunk(message.id, number, whole[begin : begin + 65536])
        assert await store.message(message.id) is None
        await store.commit(Batch(keep=[message]))
        chunks = [chunk async for chunk in store.body(message.id)]
        assert b"".join(chunks) == whole
        assert max(map(len, chunks)) <= 65536
        await store.commit(Batch(settle=[delivered(message)]))
        with pytest.raises(BodyDamaged):
            await content(store, message)

    run(place, steps)


def test_discarded_chunks_are_gone(place: Place) -> None:
    """A large message whose chunks were discarded cannot be kept."""

    async def steps(store: Store) -> None:
        message = kept_message(content=b"x" * 70_000, is_large=True)
        await store.write_chunk(message.id, 0, b"x" * 70_000)
        await store.discard_chunks(message.id)
        await store.discard_chunks(message.id)
        with pytest.raises(PermanentError):
            await store.commit(Batch(keep=[message]))

    run(place, steps)


def test_chunks_of_a_dead_process_are_swept(place: Place) -> None:
    """Chunks for which no message was kept do not outlive the process that wrote them."""

    async def main() -> None:
        message = kept_message(content=b"x" * 70_000, is_large=True)
        async with opened(place) as store:
            await store.write_chunk(message.id, 0, b"x" * 70_000)
            crashed = place.after_crash()
            async with opened(crashed) as again:
                with pytest.raises(PermanentError):
                    await again.commit(Batch(keep=[message]))

    asyncio.run(main())


def test_a_missing_chunk_is_damage(place: Place) -> None:
    """A body with a hole is never handed out whole."""

    async def steps(store: Store) -> None:
        message = kept_message(content=b"x" * 131072, is_large=True)
        await store.write_chunk(message.id, 0, b"x" * 65536)
        await store.commit(Batch(keep=[message]))
        with pytest.raises(BodyDamaged):
            await content(store, message)
        assert [f.level for f in await store.verify()] == [Level.ERROR]

    run(place, steps)


def test_a_damaged_body_never_leaves(place: Place) -> None:
    """A body whose octets have changed raises BodyDamaged before any of its last chunk."""

    async def main() -> None:
        message = kept_message(content=b"Subject: x\r\n\r\nOriginal.\r\n")
        other = kept_message()
        async with opened(place) as store:
            await store.commit(Batch(keep=[message, other]))
            assert await store.verify() == ()
        place.damage(b"Original.", b"Tampered.")
        async with opened(place) as store:
            with pytest.raises(BodyDamaged):  # and it has one chunk only
                await anext(store.body(message.id))
            assert await content(store, other) == other.content
            (finding,) = await store.verify()
            assert finding.code == "PB-STORE-003"

    asyncio.run(main())


# --- delivering ------------------------------------------------------------------------


def test_an_attempt_is_marked_and_settled(place: Place) -> None:
    """Start puts a recipient in flight and counts; settle records what came of it."""

    async def steps(store: Store) -> None:
        message = kept_message("a@example.org", "b@example.org")
        await store.commit(Batch(keep=[message]))
        await store.commit(Batch(start=[StartMark(message.id, (0, 1))]))
        assert await states(store, message) == [_S.IN_FLIGHT, _S.IN_FLIGHT]
        assert await due(store, NOW + 1e6) == []
        await store.commit(Batch(settle=[delivered(message, 0), deferred(message, 1)]))
        kept = await store.message(message.id)
        assert kept is not None
        first, second = kept.recipients
        assert (first.state, first.attempts, first.next_attempt_at) == (_S.DELIVERED, 1, None)
        assert first.last_reply == "250 2.0.0 Ok"
        assert (second.state, second.attempts) == (_S.QUEUED, 1)
        assert second.next_attempt_at == NOW + 300
        assert await due(store, NOW + 299) == []
        assert await due(store, NOW + 300) == [("example.org", message.id)]
        assert await content(store, message) == message.content

    run(place, steps)


def test_a_bounce_and_its_notification_are_one_commit(place: Place) -> None:
    """A settlement can carry a new message; the old body goes with the last recipient."""

    async def steps(store: Store) -> None:
        message = kept_message()
        dsn = replace(kept_message("ann@example.com", sender=None), bounce_of=message.id)
        await store.commit(Batch(keep=[message]))
        bounced = replace(delivered(message), state=_S.BOUNCED)
        await store.commit(Batch(settle=[bounced], keep=[dsn]))
        assert await states(store, message) == [_S.BOUNCED]
        assert await due(store) == [("example.com", dsn.id)]
        with pytest.raises(BodyDamaged):
            await content(store, message)

    run(place, steps)


def test_keep_start_and_settle_may_share_a_commit(place: Place) -> None:
    """In one batch messages are kept first, then marks set, then results written."""

    async def steps(store: Store) -> None:
        message = kept_message()
        await store.commit(
            Batch(
                keep=[message],
                start=[StartMark(message.id, (0,))],
                settle=[delivered(message)],
            )
        )
        assert await states(store, message) == [_S.DELIVERED]

    run(place, steps)


def test_a_result_of_nobody_is_an_error(place: Place) -> None:
    """Settling a recipient that is not kept raises, instead of being forgotten."""

    async def steps(store: Store) -> None:
        message = kept_message()
        with pytest.raises(PermanentError):
            await store.commit(Batch(settle=[delivered(message)]))
        await store.commit(Batch(keep=[message]))
        with pytest.raises(PermanentError):
            await store.commit(Batch(settle=[delivered(message, 1)]))

    run(place, steps)


def test_a_reply_that_cannot_be_stored_does_not_lose_a_result(place: Place) -> None:
    """A peer's reply with NUL and broken Unicode is kept as well as it can be."""

    async def steps(store: Store) -> None:
        message = kept_message()
        await store.commit(Batch(keep=[message]))
        result = replace(delivered(message), last_reply="250 \0 \udc80 ok")
        await store.commit(Batch(settle=[result]))
        assert await states(store, message) == [_S.DELIVERED]

    run(place, steps)


def test_a_late_deferral_does_not_bring_back_a_canceled_recipient(place: Place) -> None:
    """A held or canceled recipient stays so when an attempt under way was deferred."""

    async def steps(store: Store) -> None:
        held, canceled, sent = kept_message(), kept_message(), kept_message()
        await store.commit(Batch(keep=[held, canceled, sent]))
        for message, change in (
            (held, Change.HOLD),
            (canceled, Change.CANCEL),
            (sent, Change.CANCEL),
        ):
            selection = Selection(messages=frozenset({message.id}))
            await store.change(selection, change, now=NOW)
        await store.commit(
            Batch(
                start=[StartMark(m.id, (0,)) for m in (held, canceled, sent)],
                settle=[deferred(held), deferred(canceled), delivered(sent)],
            )
        )
        assert await states(store, held) == [_S.HELD]
        assert await states(store, canceled) == [_S.CANCELED]
        assert await states(store, sent) == [_S.DELIVERED]  # it did happen

    run(place, steps)


def test_nothing_is_due_later_than_a_time(place: Place) -> None:
    """Retries from before the clock went back are brought near, in parts; what waits by intent stays."""

    async def steps(store: Store) -> None:
        late = [kept_message(due=NOW + 90_000 + n) for n in range(4_000)]
        tried = [
            replace(each, recipients=(replace(each.recipients[0], attempts=1),)) for each in late
        ]
        ahead = [kept_message(at=NOW + 80_000 + n, due=NOW + 80_000 + n) for n in range(100)]
        soon, held = kept_message(due=NOW + 50), kept_message()
        intended = kept_message(due=NOW + 99_000)
        await store.commit(Batch(keep=[*tried, *ahead, soon, held, intended]))
        chosen = Selection(messages=frozenset({held.id}))
        await store.change(chosen, Change.HOLD, now=NOW)
        total = 0
        while part := await store.bring_near(now=NOW + 1, latest=NOW + 100):
            total += part
        assert total == 4_100
        assert await store.next_due_at(after=NOW + 50) == NOW + 100
        assert await store.next_due_at(after=NOW + 100) == NOW + 99_000
        assert await store.next_due_at(after=NOW) == NOW + 50
        assert await states(store, held) == [_S.HELD]

    run(place, steps)


# --- crashes ---------------------------------------------------------------------------


def test_what_was_in_flight_at_a_crash_is_due_and_suspect(place: Place) -> None:
    """After an unclean stop attempts under way are queued again and listed; others are not."""

    async def main() -> None:
        async with opened(place) as store:
            flying, waiting = kept_message("a@x.example", "b@y.example"), kept_message()
            await store.commit(Batch(keep=[flying, waiting]))
            await store.commit(Batch(start=[StartMark(flying.id, (0, 1))]))
            crashed = place.after_crash()
            async with opened(crashed) as again:
                suspects = await again.suspects()
                assert {(w.message.id, w.queue.destination) for w in suspects} == {
                    (flying.id, "x.example"),
                    (flying.id, "y.example"),
                }
                assert await states(again, flying) == [_S.QUEUED, _S.QUEUED]
                assert len(await due(again)) == 3
                assert await again.count_crash(flying.id, (0, 1)) == 1
                assert await again.count_crash(flying.id, (0,)) == 2
                kept = await again.message(flying.id)
                assert kept is not None
                assert [r.crashes for r in kept.recipients] == [2, 1]
                assert [r.attempts for r in kept.recipients] == [1, 1]
            async with opened(crashed) as again:
                assert await again.suspects() == ()

    asyncio.run(main())


def test_who_only_looks_leaves_suspects_to_the_next(place: Place) -> None:
    """A close that keeps suspects leaves them as they were, but for what was changed."""

    async def main() -> None:
        async with opened(place) as store:
            kept, held = kept_message("a@x.example", "b@x.example"), kept_message("c@x.example")
            await store.commit(Batch(keep=[kept, held]))
            marks = [StartMark(kept.id, (0, 1)), StartMark(held.id, (0,))]
            await store.commit(Batch(start=marks))
            crashed = place.after_crash()
            for _ in range(2):
                visited = crashed.store()
                await visited.open()
                assert kept.id in {work.message.id for work in await visited.suspects()}
                chosen = Selection(messages=frozenset({held.id}))
                await visited.change(chosen, Change.HOLD, now=NOW)
                await visited.close(keep_suspects=True)
            async with opened(crashed) as again:
                works = await again.suspects()
                assert {(w.message.id, r.index) for w in works for r in w.recipients} == {
                    (kept.id, 0),
                    (kept.id, 1),
                }
                assert await states(again, kept) == [_S.QUEUED] * 2
                assert await states(again, held) == [_S.HELD]
            visited = crashed.store()
            await visited.open()
            await visited.close(keep_suspects=True)
            async with opened(crashed) as again:
                assert await again.suspects() == ()

    asyncio.run(main())


def test_a_store_has_one_owner(place: Place) -> None:
    """A second opening is refused, or fences the first out for good."""

    async def main() -> None:
        async with opened(place) as first:
            second = place.store()
            try:
                await second.open()
            except PermanentError:
                await first.commit(Batch(keep=[kept_message()]))
                return
            await second.commit(Batch(keep=[kept_message()]))
            for _ in range(2):
                with pytest.raises(Fenced):
                    await first.commit(Batch(keep=[kept_message()]))
            with pytest.raises(Fenced):
                await first.heartbeat(now=NOW)
            await second.close()

    asyncio.run(main())


# --- fairness --------------------------------------------------------------------------


def test_each_queue_gets_its_share(place: Place) -> None:
    """A large queue gives no more than per_queue, and the longest due come first."""

    async def steps(store: Store) -> None:
        big = [kept_message("a@big.example", due=NOW - n) for n in range(30)]
        small = kept_message("a@small.example", due=NOW - 1)
        await store.commit(Batch(keep=[*big, small]))
        found = await due(store, per_queue=3)
        oldest = [("big.example", m.id) for m in (big[29], big[28], big[27])]
        assert found == [*oldest, ("small.example", small.id)]

    run(place, steps)


def test_every_queue_gets_its_turn(place: Place) -> None:
    """Loads that go on behind the last queue reach all of them, and wrap around."""

    async def steps(store: Store) -> None:
        names = [f"d{n:02}.example" for n in range(10)]
        batch = [kept_message(f"a@{name}") for name in names for _ in range(9)]
        await store.commit(Batch(keep=batch))
        seen: list[str] = []
        after: QueueKey | None = None
        for _ in range(7):
            work = await store.load(now=NOW, limit=4, per_queue=2, exclude=NOTHING, after=after)
            seen += [w.queue.destination for w in work for _ in w.recipients]
            after = work[-1].queue
        assert seen == [name for name in (*names, *names[:4]) for _ in range(2)]

    run(place, steps)


def test_lanes_share_a_load(place: Place) -> None:
    """A lane with many queues leaves the others their part; what they do not need it gets."""

    async def steps(store: Store) -> None:
        bulk = [kept_message(f"a@d{n}.example", lane="bulk") for n in range(50)]
        one = [kept_message("a@z.example", lane="zoe") for _ in range(2)]
        await store.commit(Batch(keep=bulk + one))
        work = await store.load(now=NOW, limit=10, per_queue=5, exclude=NOTHING)
        lanes = [w.queue.lane for w in work for _ in w.recipients]
        assert (lanes.count("bulk"), lanes.count("zoe")) == (8, 2)

    run(place, steps)


def test_what_the_caller_has_is_not_read_again(place: Place) -> None:
    """Excluded recipients are left out, and do not use up their queue's share."""

    async def steps(store: Store) -> None:
        batch = [kept_message(due=NOW - 10 + n) for n in range(6)]
        await store.commit(Batch(keep=batch))
        exclude = frozenset((m.id, 0) for m in batch[:3])
        assert [m for _, m in await due(store, exclude=exclude, per_queue=2)] == [
            batch[3].id,
            batch[4].id,
        ]

    run(place, steps)


def test_recipients_of_a_message_in_one_queue_are_one_piece_of_work(place: Place) -> None:
    """Work joins what can be sent in one transaction, and only what is due of it."""

    async def steps(store: Store) -> None:
        message = kept_message("a@x.example", "b@y.example", "c@x.example", "d@x.example")
        await store.commit(Batch(keep=[message], settle=[deferred(message, 3)]))
        work = await store.load(now=NOW, limit=9, per_queue=9, exclude=NOTHING)
        assert [(w.queue.destination, [r.index for r in w.recipients]) for w in work] == [
            ("x.example", [0, 2]),
            ("y.example", [1]),
        ]

    run(place, steps)


def test_the_store_knows_when_something_is_due_next(place: Place) -> None:
    """next_due_at is the earliest time behind the one asked for, or None."""

    async def steps(store: Store) -> None:
        assert await store.next_due_at(after=NOW) is None
        await store.commit(Batch(keep=[kept_message(due=NOW + n) for n in (7, 0, 3)]))
        assert await store.next_due_at(after=NOW) == NOW + 3
        assert await store.next_due_at(after=NOW + 3) == NOW + 7
        assert await store.next_due_at(after=NOW + 7) is None

    run(place, steps)


# --- seeing and steering ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [0, 1, 2]),
        (Selection(recipient="BOB@Example.org"), [0, 1]),
        (Selection(recipient="bob@example.net"), []),
        (Selection(recipient='"b b"@x.example'), [2]),
        (Selection(recipient_domain="X.example"), [1, 2]),
        (Selection(recipient_domain="x.example", recipient="bob@example.org"), []),
        (Selection(sender=""), [1]),
        (Selection(sender="Ann@EXAMPLE.com"), [0]),
        (Selection(accepted_before=NOW + 1), [0]),
        (Selection(accepted_after=NOW + 1), [1, 2]),
        (Selection(message_id_header="<other@x>"), [2]),
        (Selection(states=frozenset({_S.DELIVERED})), [3]),
        (Selection(states=frozenset({_S.DELIVERED, _S.QUEUED})), [0, 1, 2, 3]),
        (Selection(states=frozenset()), []),
        (Selection(messages=frozenset()), []),
    ],
)
def test_a_selection_finds_what_it_means(
    place: Place, selection: Selection, expected: list[int]
) -> None:
    """Every condition that is set must match, one recipient all of its own."""

    async def steps(store: Store) -> None:
        batch = [
            kept_message("bob@example.org"),
            kept_message("bob@example.org", "eve@x.example", sender=None, at=NOW + 1),
            replace(
                kept_message("b b@x.example", sender="x@y.example", at=NOW + 2),
                message_id_header="<other@x>",
            ),
            kept_message("bob@gone.example", at=NOW),
        ]
        await store.commit(Batch(keep=batch, settle=[delivered(batch[3])]))
        found = [message.id for message in await store.find(selection, limit=9)]
        assert found == sorted(batch[n].id for n in expected)

    run(place, steps)


def test_messages_are_found_by_pages(place: Place) -> None:
    """Find goes on behind a message, with ids given too."""

    async def steps(store: Store) -> None:
        ids = sorted(message_id() for _ in range(5))
        await store.commit(Batch(keep=[kept_message(message=number) for number in ids]))
        for selection in (Selection(), Selection(messages=frozenset(ids))):
            first = await store.find(selection, limit=3)
            rest = await store.find(selection, limit=3, after=first[-1].id)
            assert [m.id for m in (*first, *rest)] == ids

    run(place, steps)


def test_an_operator_can_retry_hold_release_and_cancel(place: Place) -> None:
    """Each change reaches what it applies to, and says what became of it."""

    async def steps(store: Store) -> None:
        message, flying = kept_message("a@x.example", due=NOW + 50), kept_message("b@x.example")
        done = kept_message("c@x.example")
        await store.commit(Batch(keep=[message, flying, done], settle=[delivered(done)]))
        await store.commit(Batch(start=[StartMark(flying.id, (0,))]))
        everything = Selection(recipient_domain="x.example", states=frozenset(_S))
        told: list[tuple[MessageId, RecipientState, float | None]] = []
        for change in (Change.RETRY, Change.HOLD, Change.HOLD, Change.RELEASE, Change.CANCEL):
            told += [
                (changed.message, changed.state, changed.next_attempt_at)
                for changed in await store.change(everything, change, now=NOW + 1)
            ]
        assert told == [
            (message.id, _S.QUEUED, NOW + 1),
            (message.id, _S.HELD, None),
            (message.id, _S.QUEUED, NOW + 1),
            (message.id, _S.CANCELED, None),
        ]
        assert await states(store, flying) == [_S.IN_FLIGHT]
        assert await states(store, done) == [_S.DELIVERED]
        with pytest.raises(BodyDamaged):
            await content(store, message)

    run(place, steps)


def test_an_operator_can_give_mail_another_way(place: Place) -> None:
    """What is released or retried may stand in another queue after it, and is due there."""

    async def steps(store: Store) -> None:
        message, late = kept_message("a@x.example"), kept_message("b@x.example", due=NOW + 50)
        stays = kept_message("c@x.example")
        await store.commit(Batch(keep=[message, late, stays]))
        chosen = Selection(messages=frozenset({message.id}))
        old = message.recipients[0].queue
        new = QueueKey("", "x.example", "backup", "192.0.2.7")
        way = Way("backup", "192.0.2.7")
        await store.change(chosen, Change.HOLD, now=NOW)
        changed = await store.change(chosen, Change.RELEASE, now=NOW, way=way)
        assert changed == (Changed(message.id, 0, new, _S.QUEUED, NOW, old),)
        chosen = Selection(messages=frozenset({late.id}))
        assert len(await store.change(chosen, Change.RETRY, now=NOW, way=way)) == 1
        assert await store.change(chosen, Change.RETRY, now=NOW, way=way) == (
            Changed(late.id, 0, new, _S.QUEUED, NOW),
        )
        works = await store.load(now=NOW, limit=9, per_queue=9, exclude=frozenset())
        assert {(work.message.id, work.queue) for work in works} == {
            (message.id, new),
            (late.id, new),
            (stays.id, old),
        }
        again = kept_message("d@x.example")
        again = replace(again, recipients=(replace(again.recipients[0], queue=new),))
        await store.commit(Batch(keep=[again]))
        assert len(await due(store)) == 4

    run(place, steps)


def test_a_change_of_many_messages_reaches_all(place: Place) -> None:
    """A change is not limited to what fits in one transaction."""

    async def steps(store: Store) -> None:
        batch = [kept_message() for _ in range(1203)]
        await store.commit(Batch(keep=batch))
        assert len(await store.change(Selection(), Change.HOLD, now=NOW)) == 1203
        assert await due(store) == []

    run(place, steps)


def test_the_queue_is_counted_by_destination_state_and_age(place: Place) -> None:
    """The count has a number for each age, final states and abandoned attempts left out."""

    async def steps(store: Store) -> None:
        ages = (0, 299, 300, 601, 76_799, 76_800, 1e7)
        old = [kept_message("a@x.example", at=NOW - age) for age in ages]
        held, flying, done, lost, again = (kept_message("a@y.example") for _ in range(5))
        await store.commit(Batch(keep=[*old, held, flying, done, lost, again]))
        await store.change(Selection(messages=frozenset({held.id})), Change.HOLD, now=NOW)
        uncertain = replace(delivered(lost), state=_S.UNCERTAIN)
        retried = replace(deferred(again), state=_S.UNCERTAIN)
        await store.commit(
            Batch(
                start=[StartMark(flying.id, (0,))],
                settle=[delivered(done), uncertain, retried],
            )
        )
        counts = {(c.destination, c.state): c for c in await store.count(now=NOW)}
        assert counts["x.example", _S.QUEUED].ages == (2, 1, 1, 0, 0, 0, 0, 0, 1, 2)
        assert counts["x.example", _S.QUEUED].oldest_accepted_at == NOW - 1e7
        others = {key: sum(c.ages) for key, c in counts.items() if key[0] == "y.example"}
        assert others == {
            ("y.example", _S.HELD): 1,
            ("y.example", _S.IN_FLIGHT): 1,
            ("y.example", _S.UNCERTAIN): 1,
        }

    run(place, steps)


def test_a_history_is_what_was_recorded(place: Place) -> None:
    """A message's entries come back in their order, over commits, days and restarts."""

    async def main() -> None:
        message, other = message_id(), message_id()
        async with opened(place) as store:
            for number in range(4):
                at = NOW + number * 50_000
                entries = [
                    JournalEntry(at, message, b"mine %d" % number),
                    JournalEntry(at, other, b"yours"),
                    JournalEntry(at, None, b"nobody's"),
                ]
                await store.commit(Batch(record=entries))
            assert len(await store.history(message)) == 4
        async with opened(place) as store:
            assert await store.history(message) == (b"mine 0", b"mine 1", b"mine 2", b"mine 3")
            assert await store.history(message_id()) == ()

    asyncio.run(main())


# --- upkeep ----------------------------------------------------------------------------


def test_what_is_older_than_its_time_is_swept(place: Place) -> None:
    """Finished messages and whole days of the journal go; the queue stays, however old."""

    async def steps(store: Store) -> None:
        done, open_ = kept_message(), kept_message()
        entry = JournalEntry(NOW, done.id, b"{}")
        await store.commit(Batch(keep=[done, open_], record=[entry]))
        await store.history(done.id)
        await store.commit(Batch(settle=[delivered(done)]))
        assert await store.sweep(now=NOW, keep_final=10, keep_journal=86400) == 0
        later = NOW + 3 * 86400
        assert await store.sweep(now=later, keep_final=10, keep_journal=9 * 86400) > 0
        assert await store.message(done.id) is None
        assert await store.message(open_.id) is not None
        assert await store.history(done.id) == (b"{}",)
        while await store.sweep(now=later, keep_final=10, keep_journal=86400):
            pass
        assert await store.history(done.id) == ()

    run(place, steps)


def test_a_sound_store_has_no_findings(place: Place) -> None:
    """Verify finds nothing in a store with mail in every state."""

    async def steps(store: Store) -> None:
        batch = [kept_message() for _ in range(5)]
        await store.commit(Batch(keep=batch, settle=[delivered(batch[0]), deferred(batch[1])]))
        await store.change(Selection(messages=frozenset({batch[2].id})), Change.HOLD, now=NOW)
        await store.commit(Batch(start=[StartMark(batch[3].id, (0,))]))
        assert [f for f in await store.verify() if f.level is Level.ERROR] == []
        assert zlib.crc32(batch[4].content or b"") == batch[4].checksum

    run(place, steps)


def test_a_lone_store_adopts_nobody(place: Place) -> None:
    """A heartbeat is always possible, and nobody living is adopted."""

    async def steps(store: Store) -> None:
        await store.heartbeat(now=NOW)
        assert await store.adopt(now=NOW + 5, dead_after=60) == ()

    run(place, steps)
