"""What senders are told of deliveries and failures, and how (RFC 3461, RFC 3464, RFC 6533)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace
from tests.delivery_rig import MX, Rig
from tests.scripted_server import Script, Talk
from tests.scripted_site import said, send, site

from pillarbox.config.settings import RouteKind, RouteSettings
from pillarbox.events.types import DsnCreated, RecipientBounced, RecipientDelivered
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import Caught
from pillarbox.policy.queue import RecipientState
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Notify, Ret
from pillarbox.smtp.options import ServerOptions
from pillarbox.store.port import KeptMessage

S = RecipientState
BODY = b"The body, which is not for everybody's eyes.\r\n"
CONTENT = b"Subject: hello\r\n\r\n" + BODY


def in_rig(test: Callable[[Rig], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Rig(**options) as rig:
            await test(rig)

    run_virtual(main())


def with_envelope(message: KeptMessage, **changes: Any) -> KeptMessage:
    return replace(message, envelope=replace(message.envelope, **changes))


async def dsn_of(rig: Rig) -> Caught:
    """Return the only notification."""
    await rig.wait_for(DsnCreated)
    (dsn,) = await rig.server("mx.sender.test").wait_for(1)
    return dsn


def parts_of(dsn: Caught) -> list[EmailMessage]:
    """Return the text, the status and the original of a notification."""
    parsed = message_from_bytes(dsn.content, policy=SMTPUTF8)
    assert parsed.get_content_type() == "multipart/report"
    return cast("list[EmailMessage]", parsed.get_payload())


# --- success ------------------------------------------------------------------------


def test_delivery_into_a_mailbox_is_told_as_delivered(tmp_path: Path) -> None:
    """RFC 3461 §5.2.2: who asked for SUCCESS hears "delivered" where the mailbox is ours."""
    maildir = RouteSettings(kind=RouteKind.MAILDIR, path=tmp_path / "{local}")

    async def test(rig: Rig) -> None:
        await send(rig, rig.message("bob@store.test"), route="store", notify=Notify.SUCCESS)
        dsn = await dsn_of(rig)
        assert dsn.envelope.reverse_path is None
        assert b"Action: delivered\r\n" in dsn.content
        assert b"Status: 2.0.0\r\n" in dsn.content
        assert len(list((tmp_path / "bob" / "new").iterdir())) == 1

    in_rig(test, routes={"mx": MX, "store": maildir})


def test_lmtp_speaks_for_the_mailbox() -> None:
    """A 250 of an LMTP server after the dot is a final delivery."""

    async def store(talk: Talk) -> None:
        await talk.say("220 store.test LMTP")
        await talk.hear("LHLO")
        await talk.say("250 store.test")
        await talk.take()
        await talk.goodbye()

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.4.1", store, port=24):
            await send(rig, rig.message("bob@store.test"), route="store", notify=Notify.SUCCESS)
            dsn = await dsn_of(rig)
            assert b"Action: delivered\r\n" in dsn.content
            await asyncio.sleep(10)

    lmtp = RouteSettings(kind=RouteKind.LMTP, host="127.0.4.1")
    in_rig(test, routes={"mx": MX, "store": lmtp})


def test_success_ends_with_us_where_the_next_server_lacks_dsn() -> None:
    """RFC 3461 §5.2.2: the sender hears "relayed", once, and the body is not returned."""

    async def test(rig: Rig) -> None:
        rig.server("mx.one.test").options = ServerOptions(hostname="mx.one.test", dsn=False)
        message = rig.message("bob@one.test", content=CONTENT)
        await send(rig, message, notify=Notify.SUCCESS | Notify.FAILURE)
        dsn = await dsn_of(rig)
        assert b"Action: relayed\r\n" in dsn.content
        assert b"Remote-MTA: dns; mx.one.test\r\n" in dsn.content
        assert BODY not in dsn.content
        await asyncio.sleep(60)
        assert len(rig.told(DsnCreated)) == 1

    in_rig(test)


def test_who_did_not_ask_hears_nothing_of_a_success() -> None:
    """Without NOTIFY=SUCCESS a server that lacks DSN is no reason to write."""

    async def test(rig: Rig) -> None:
        rig.server("mx.one.test").options = ServerOptions(hostname="mx.one.test", dsn=False)
        await send(rig, rig.message("bob@one.test"))
        await rig.wait_for(RecipientDelivered)
        await asyncio.sleep(10)
        assert not rig.told(DsnCreated)

    in_rig(test)


# --- what a report holds ------------------------------------------------------------


@pytest.mark.parametrize(
    ("ret", "kind", "has_body"),
    [
        (Ret.FULL, "message/rfc822", True),
        (Ret.HEADERS, "text/rfc822-headers", False),
        (None, "message/rfc822", True),
    ],
)
def test_ret_decides_what_comes_back(ret: Ret | None, kind: str, *, has_body: bool) -> None:
    """RFC 3461 §4.3: RET=FULL returns the message with a failure, RET=HDRS its header only."""

    async def test(rig: Rig) -> None:
        message = rig.message("reject550@one.test", content=CONTENT)
        await send(rig, with_envelope(message, ret=ret))
        dsn = await dsn_of(rig)
        _, _, original = parts_of(dsn)
        assert original.get_content_type() == kind
        assert b"Subject: hello" in original.as_bytes()
        assert (BODY in dsn.content) is has_body

    in_rig(test)


def test_envid_and_orcpt_come_back_as_the_sender_gave_them() -> None:
    """RFC 3464 §2.2.1, §2.3.1: the report names the sender's envelope and first address."""

    async def test(rig: Rig) -> None:
        message = with_envelope(rig.message("reject550@one.test"), envelope_id="order 4711+x")
        await send(rig, message, original="rfc822;Bob+2Bnews@list.test")
        dsn = await dsn_of(rig)
        _, status, _ = parts_of(dsn)
        about, recipient = cast("list[EmailMessage]", status.get_payload())
        assert about["Original-Envelope-Id"] == "order 4711+x"
        assert about["Reporting-MTA"] == "dns; ours.test"
        assert recipient["Original-Recipient"] == "rfc822; Bob+news@list.test"
        assert recipient["Final-Recipient"] == "rfc822; reject550@one.test"
        assert recipient["Action"] == "failed"
        assert recipient["Status"] == "5.1.1"
        assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")

    in_rig(test)


def test_a_sender_in_utf8_is_told_in_utf8() -> None:
    """RFC 6533 §3: the report goes by SMTPUTF8 to an address outside of ASCII."""

    async def test(rig: Rig) -> None:
        message = rig.message("reject550@one.test", sender="jürgen@sender.test")
        await send(rig, with_envelope(message, smtputf8=True))
        dsn = await dsn_of(rig)
        assert dsn.envelope.smtputf8
        assert dsn.envelope.recipients[0].address == Mailbox("jürgen", "sender.test")
        assert "To: <jürgen@sender.test>\r\n".encode() in dsn.content
        _, status, _ = parts_of(dsn)
        assert status.get_content_type() == "message/global-delivery-status"

    in_rig(test)


# --- what the next server cannot take -----------------------------------------------


def old_server(*extensions: str) -> Script:
    """Offer few extensions, and take what comes."""

    async def script(talk: Talk) -> None:
        await talk.hello(*extensions)
        while verb := (await talk.hear())[:4]:
            if verb == "QUIT":
                break
            await talk.say("354 go" if verb == "DATA" else "250 ok")
            if verb == "DATA":
                await talk.content()
                await talk.say("250 kept")
        await talk.say("221 bye")

    return script


def test_8bit_content_is_not_given_to_a_server_without_8bitmime() -> None:
    """RFC 6152 §3: what cannot be encoded bounces with 5.6.3, and the sender is told."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", old_server("PIPELINING")) as talks:
            content = "Subject: Grüße\r\n\r\nhello\r\n".encode()
            message = rig.message("bob@one.test", content=content)
            message = await send(rig, replace(message, has_8bit=True))
            (event,) = await rig.wait_for(RecipientBounced)
            assert event.reply.startswith("554 5.6.3")
            assert await rig.state(message) is S.BOUNCED
            dsn = await dsn_of(rig)
            assert b"Status: 5.6.3\r\n" in dsn.content
            assert b"Remote-MTA" not in dsn.content
            await send(rig, rig.message("eve@one.test"))
            await rig.wait_for(RecipientDelivered, 2)
        assert sum(line.startswith("MAIL") for line in said(talks)) == 1

    in_rig(test, servers=("mx.sender.test",))


def test_8bit_parts_are_encoded_for_a_server_without_8bitmime() -> None:
    """RFC 6152 §3: the message is converted and arrives, and reads the same."""
    taken: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        for verb, reply in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
            assert "BODY" not in await talk.hear(verb)
            await talk.say(reply)
        taken.append(await talk.content())
        await talk.say("250 kept")
        await talk.goodbye()

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", script):
            content = "Subject: hello\r\n\r\nGrüße\r\n".encode()
            await send(rig, replace(rig.message("bob@one.test", content=content), has_8bit=True))
            await rig.wait_for(RecipientDelivered, 1)

    in_rig(test, servers=("mx.sender.test",))
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in taken[0]
    assert b"Gr=C3=BC=C3=9Fe\r\n" in taken[0]


def test_a_utf8_recipient_bounces_alone_where_smtputf8_is_missing() -> None:
    """RFC 6531 §3.2: the address fails with 5.6.7; the others of the transaction are served."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", old_server("8BITMIME")) as talks:
            message = await send(rig, rig.message("bøb@one.test", "eve@one.test"))
            (event,) = await rig.wait_for(RecipientBounced)
            assert event.reply.startswith("550 5.6.7")
            assert event.recipient == "bøb@one.test"
            dsn = await dsn_of(rig)
            assert b"Status: 5.6.7\r\n" in dsn.content
            assert dsn.content.isascii()
            assert [await rig.state(message, index) for index in range(2)] == [
                S.BOUNCED,
                S.DELIVERED,
            ]
        assert "RCPT TO:<eve@one.test>" in said(talks)

    in_rig(test, servers=("mx.sender.test",))


def test_a_message_in_utf8_bounces_where_smtputf8_is_missing() -> None:
    """What was submitted with SMTPUTF8 is never passed on without it."""

    async def test(rig: Rig) -> None:
        async with site(rig, "127.0.1.1", old_server("8BITMIME")) as talks:
            message = with_envelope(rig.message("bob@one.test"), smtputf8=True)
            await send(rig, message)
            (event,) = await rig.wait_for(RecipientBounced)
            assert event.reply.startswith("550 5.6.7")
            await dsn_of(rig)
            await asyncio.sleep(10)
        assert said(talks) == ["EHLO ours.test", "QUIT"]

    in_rig(test, servers=("mx.sender.test",))
