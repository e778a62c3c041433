"""Turns between lanes and queues."""

from __future__ import annotations

from tests.mail import kept_message

from pillarbox.deliver.lanes import Entry, Lanes, MailQueue
from pillarbox.policy.queue import QueueKey


def queue_of(lane: str, destination: str, *messages: Entry) -> MailQueue:
    queue = MailQueue(QueueKey(lane, destination, "mx", ""))
    queue.entries.extend(messages)
    return queue


def entry(*recipients: str, lane: str = "") -> Entry:
    message = kept_message(*recipients, lane=lane)
    return Entry(message, message.recipients, message.size)


def test_a_single_message_waits_for_one_turn_of_a_big_lane() -> None:
    """Ten thousand messages of one lane delay another lane's single mail by at most one turn."""
    lanes = Lanes([].append)
    lanes.attach(queue_of("bulk", "a", *(entry("x@a", lane="bulk") for _ in range(10_000))))
    single = entry("y@b", lane="single")
    lanes.attach(queue_of("single", "b", single))
    taken = [lanes.next(100) for _ in range(60)]
    assert single.message.id in {found[0].id for found in taken if found}


def test_a_single_message_waits_for_one_message_of_a_big_queue() -> None:
    """Within a lane the queues take turns, message by message."""
    lanes = Lanes([].append)
    lanes.attach(queue_of("", "a", *(entry("x@a") for _ in range(10_000))))
    single = entry("y@b")
    lanes.attach(queue_of("", "b", single))
    taken = [lanes.next(100) for _ in range(4)]
    assert single.message.id in {found[0].id for found in taken if found}


def test_recipients_of_a_message_in_other_queues_come_along() -> None:
    """A message whose recipients stand in several queues of a site is taken once."""
    message = kept_message("x@a", "y@b", "z@a")
    lanes = Lanes([].append)
    in_a = Entry(message, (message.recipients[0], message.recipients[2]), 10)
    in_b = Entry(message, (message.recipients[1],), 10)
    lanes.attach(queue_of("", "a", in_a))
    lanes.attach(queue_of("", "b", in_b))
    found = lanes.next(100)
    assert found is not None
    assert [kept.index for kept in found[1]] == [0, 1, 2]
    assert found[2] == 20
    assert lanes.next(100) is None


def test_a_message_with_many_recipients_goes_out_in_parts() -> None:
    """No transaction has more recipients than the route allows."""
    lanes = Lanes([].append)
    lanes.attach(queue_of("", "a", entry(*(f"x{number}@a" for number in range(250)))))
    sizes = []
    while (found := lanes.next(100)) is not None:
        sizes.append(len(found[1]))
    assert sizes == [100, 100, 50]


def test_empty_queues_are_let_go() -> None:
    """A queue that holds nothing is told of once, and costs no memory any more."""
    idle: list[MailQueue] = []
    lanes = Lanes(idle.append)
    queue = queue_of("", "a", entry("x@a"))
    lanes.attach(queue)
    assert lanes.next(1) is not None
    assert lanes.next(1) is None
    assert idle == [queue]
    assert not lanes
