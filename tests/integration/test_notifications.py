"""Notifications to senders, from the deliverer's side (RFC 3461)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.delivery_rig import DAY, Rig

from pillarbox.events.types import (
    DsnCreated,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import Caught
from pillarbox.smtp.envelope import Notify
from pillarbox.store.port import KeptMessage


async def send(
    rig: Rig, notify: Notify | None, *recipients: str, sender: str | None
) -> KeptMessage:
    message = rig.message(*recipients, sender=sender)
    envelope = message.envelope
    asked = tuple(replace(one, notify=notify) for one in envelope.recipients)
    message = replace(message, envelope=replace(envelope, recipients=asked))
    await rig.group.keep(message)
    rig.deliverer.offer(message)
    return message


async def told(rig: Rig, count: int = 1, *, within: float = 60.0) -> Caught:
    await rig.wait_for(DsnCreated, count, within=within)
    return (await rig.server("mx.sender.test").wait_for(count))[-1]


def test_a_failure_is_told_to_the_sender() -> None:
    """One notification tells of all recipients that failed together, with the server's words."""

    async def main() -> None:
        async with Rig() as rig:
            await send(
                rig,
                None,
                "reject550@one.test",
                "bob@one.test",
                "551@one.test",
                sender="ann@sender.test",
            )
            dsn = await told(rig)
            assert dsn.envelope.reverse_path is None
            assert str(dsn.envelope.recipients[0].address) == "ann@sender.test"
            assert b"Action: failed" in dsn.content
            assert b"Status: 5.1.1" in dsn.content
            assert b"Status: 5.1.6" in dsn.content
            assert b"bob@one.test" not in dsn.content
            assert b"Subject: hello" in dsn.content
            assert len(rig.told(DsnCreated)) == 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("sender", "notify"),
    [
        (None, None),
        ("ann@sender.test", Notify.NEVER),
        ("ann@sender.test", Notify.SUCCESS),
    ],
)
def test_nobody_is_told_who_did_not_ask(sender: str | None, notify: Notify | None) -> None:
    """The null sender never hears of a failure, and no sender against NOTIFY."""

    async def main() -> None:
        async with Rig() as rig:
            await send(rig, notify, "reject550@one.test", sender=sender)
            await rig.wait_for(RecipientBounced)
            await asyncio.sleep(60)
            assert not rig.told(DsnCreated)
            assert not rig.server("mx.sender.test").messages

    run_virtual(main())


def test_a_delay_is_told_once_after_four_hours() -> None:
    """The sender hears of a delay after four hours, once, and of the failure after five days."""

    async def main() -> None:
        async with Rig() as rig:
            message = await send(rig, None, "defer450@one.test", sender="ann@sender.test")
            dsn = await told(rig, within=DAY)
            delay = rig.told(DsnCreated)[0].at - message.accepted_at
            assert 4 * 3600 <= delay < 9 * 3600
            assert b"Action: delayed" in dsn.content
            assert b"Will-Retry-Until:" in dsn.content
            dsn = await told(rig, 2, within=6 * DAY)
            assert b"Action: failed" in dsn.content
            assert b"Status: 5.4.7" in dsn.content
            assert [event.action for event in rig.told(DsnCreated)] == ["delayed", "failed"]

    run_virtual(main())


def test_success_is_passed_on_to_a_server_that_knows_dsn() -> None:
    """RFC 3461 §5.2.1: where the next server took NOTIFY over, we say nothing."""

    async def main() -> None:
        async with Rig() as rig:
            await send(rig, Notify.SUCCESS, "bob@one.test", sender="ann@sender.test")
            await rig.wait_for(RecipientDelivered)
            await asyncio.sleep(10)
            assert not rig.told(DsnCreated)

    run_virtual(main())


def test_a_dsn_and_its_bounce_are_one_commit() -> None:
    """The notification is in the store as soon as the recipient is bounced there."""

    async def main() -> None:
        async with Rig() as rig:
            message = await send(rig, None, "bob@nowhere.test", sender="ann@broken.test")
            await rig.wait_for(RecipientDeferred)
            dsns = [kept for kept in rig.disk.messages.values() if kept.origin == "dsn"]
            assert [kept.bounce_of for kept in dsns] == [message.id]

    run_virtual(main())
