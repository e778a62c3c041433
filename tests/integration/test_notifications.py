"""Notifications to senders, from the deliverer's side (RFC 3461)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from msgspec.structs import replace
from tests.delivery_rig import DAY, Rig
from tests.key_table import ED25519, KeyTable, record_of

from pillarbox.authenticity.signing import OwnSignatures
from pillarbox.config.settings import Settings
from pillarbox.events.types import (
    DsnCreated,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
)
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.ring import KeyRing
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import Caught
from pillarbox.mailauth import dkim
from pillarbox.policy.key_life import KeyCause
from pillarbox.policy.queue import RecipientState
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Notify
from pillarbox.store.port import KeptMessage

S = RecipientState


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


class AtOnce(Executor):
    """Does in its caller's thread what it is given: threads know no virtual time."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*args, **kwargs))
        return done


def test_a_notification_is_signed_where_a_key_fits() -> None:
    """The domain of its From field has a key: its signature verifies; without one it goes as is."""
    key = KeptKey.new("ours.test", "s1", ED25519.private_key, 0.0).must(KeyCause.FORCED, 0.0)
    table = KeyTable({"s1._domainkey.ours.test": (record_of(ED25519),)})

    async def main() -> None:
        async with Rig() as rig:
            settler = rig.deliverer._settler
            now = rig.lab.clock.now
            signatures = OwnSignatures(lambda: KeyRing(Settings(), keys), AtOnce(), now)
            settler.notices = dataclasses.replace(settler.notices, sign=signatures)
            for count, keys in enumerate(([], [key]), 1):
                await send(rig, None, "reject550@one.test", sender="ann@sender.test")
                dsn = await told(rig, count)
                results = await dkim.verify(dsn.content, table, now=now())
                assert [each.result.value for each in results] == ["pass"] * len(keys)

    run_virtual(main())


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


def test_failures_at_several_sites_are_told_in_one_notification() -> None:
    """What fails at one site waits for the message's other recipients, and all is told at once."""

    async def main() -> None:
        async with Rig() as rig:
            message = await send(
                rig,
                None,
                "reject550@one.test",
                "551@two.test",
                "bob@null.test",
                "slow-3s@one.test",
                sender="ann@sender.test",
            )
            dsn = await told(rig)
            for recipient in (b"reject550@one.test", b"551@two.test", b"bob@null.test"):
                assert b"Final-Recipient: rfc822; " + recipient in dsn.content
            assert dsn.content.count(b"Remote-MTA: dns; mx.one.test") == 1
            assert dsn.content.count(b"Remote-MTA: dns; mx.two.test") == 1
            assert b"slow-3s@one.test" not in dsn.content
            await asyncio.sleep(60)
            assert len(rig.told(DsnCreated)) == 1
            states = [await rig.state(message, index) for index in range(4)]
            assert states == [S.BOUNCED] * 3 + [S.DELIVERED]

    run_virtual(main())


def test_a_slow_site_delays_the_notification_of_others_for_a_moment_only() -> None:
    """After ten seconds the sender is told of what is known; the rest comes later."""

    async def main() -> None:
        async with Rig() as rig:
            recipients = ("reject550@one.test", "551@one.test", "slow-60s@two.test")
            began = rig.lab.clock.now()
            await send(rig, None, *recipients, sender="ann@sender.test")
            dsn = await told(rig)
            assert 9 < rig.told(DsnCreated)[0].at - began < 12
            assert dsn.content.count(b"Final-Recipient") == 2
            await rig.wait_for(RecipientDelivered)
            assert len(rig.told(DsnCreated)) == 1

    run_virtual(main())


def test_what_waits_for_others_is_written_when_we_stop() -> None:
    """A failure that waits to be told is on disk, with its notification, after a stop."""

    async def main() -> None:
        async with Rig() as rig:
            recipients = ("reject550@one.test", "slow-60s@two.test")
            message = await send(rig, None, *recipients, sender="ann@broken.test")
            await rig.wait_for(RecipientBounced)
            assert await rig.state(message) is S.IN_FLIGHT
            await rig.deliverer.stop(0.5)
            assert await rig.state(message) is S.BOUNCED
            dsns = [kept for kept in rig.disk.messages.values() if kept.origin == "dsn"]
            assert [kept.bounce_of for kept in dsns] == [message.id]

    run_virtual(main())


def test_a_notification_follows_the_aliases_of_its_sender() -> None:
    """A sender that is an alias of ours stands for others; one that is nobody is told nothing."""

    async def main() -> None:
        async with Rig() as rig:
            rig.aliases = {
                "list@ours.test": ("ann@sender.test", "eve@sender.test"),
                "nobody@ours.test": (),
            }
            await send(rig, None, "reject550@one.test", sender="nobody@ours.test")
            await rig.wait_for(RecipientBounced)
            await send(rig, None, "reject550@one.test", sender="list@ours.test")
            dsn = await told(rig)
            addressees = [str(one.address) for one in dsn.envelope.recipients]
            assert addressees == ["ann@sender.test", "eve@sender.test"]
            assert b"\r\nTo: <list@ours.test>\r\n" in dsn.content
            assert len(rig.told(DsnCreated)) == 1

    run_virtual(main())


def test_a_notification_that_cannot_be_made_stops_no_other() -> None:
    """A defect is told; its message stays in flight on disk, and the next one is settled."""
    defects: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: defects.append(context["message"]))
        async with Rig() as rig:

            def addressees(sender: Mailbox) -> tuple[Mailbox, ...]:
                if sender.local_part == "odd":
                    raise RuntimeError("what now?")
                return (sender,)

            rig.deliverer.use(rig.delivery, rig.queue, rig.routes, rig.queue_for, addressees)
            odd = await send(rig, None, "reject550@one.test", sender="odd@sender.test")
            await rig.wait_for(RecipientBounced)
            await send(rig, None, "reject550@one.test", sender="ann@sender.test")
            await told(rig)
            assert await rig.state(odd) is S.IN_FLIGHT

    run_virtual(main())
    assert defects == ["a notification could not be made"]
