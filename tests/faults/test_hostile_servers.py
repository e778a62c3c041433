"""Servers that misbehave on the wire: no recipient is lost, none is delivered by mistake
(rows I01 to I10, over real sockets).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import pytest
from tests.scripted_server import BRISK, PATIENT, Talk, dial, message, serve

from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.transaction import RecipientOutcome, Stage

STEPS = (
    (Stage.GREETING, "", "220 mx.test"),
    (Stage.HELLO, "EHLO", "250 mx.test"),
    (Stage.MAIL, "MAIL", "250 ok"),
    (Stage.RECIPIENT, "RCPT", "250 ok"),
    (Stage.DATA, "DATA", "354 go"),
    (Stage.FINAL, "", "250 kept"),
)


async def close(talk: Talk) -> None:
    """Hang up."""
    talk.writer.close()


async def reset(talk: Talk) -> None:
    """Hang up with a reset."""
    sock = talk.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.close()


async def say_421(talk: Talk) -> None:
    """Say that the service closes."""
    await talk.say("421 4.3.2 shutting down")
    await talk.reader.read()


async def say_nothing(talk: Talk) -> None:
    """Wait until the client has had enough."""
    await talk.reader.read()


async def drip(talk: Talk) -> None:
    """Send a reply octet by octet, each within the client's patience."""
    for octet in b"250-" + b"x" * 1000:
        talk.writer.write(bytes([octet]))
        await talk.writer.drain()
        await asyncio.sleep(0.03)


async def flood(talk: Talk) -> None:
    """Send a line that does not end."""
    for _ in range(256):
        talk.writer.write(b"2" * 4096)
        await talk.writer.drain()


async def promise(talk: Talk) -> None:
    """Send continuation lines that do not end."""
    for _ in range(10_000):
        talk.writer.write(b"250-more\r\n" * 100)
        await talk.writer.drain()


FAULTS = (close, reset, say_421, say_nothing, drip, flood, promise)


async def outcome_of(fault_at: Stage, fault: object) -> RecipientOutcome:
    """Send a message to a server that fails at a stage; return what came of it."""

    async def script(talk: Talk) -> None:
        for stage, verb, reply in STEPS:
            if stage is Stage.FINAL:
                await talk.content()
            elif verb:
                await talk.hear(verb)
            if stage is fault_at:
                await fault(talk)  # type: ignore[operator]
                return
            await talk.say(reply)

    async with serve(script) as endpoint:
        try:
            needs_timeout = fault in {say_nothing, drip}
            channel = await dial(endpoint, timeouts=BRISK if needs_timeout else PATIENT)
        except OpenFailed as failure:
            return RecipientOutcome(False, failure.stage, failure.reply, failure.reason)
        result = await channel.transact(message())
        assert not result.is_reusable
        assert not channel.is_usable
        await channel.quit()
        return result.outcomes[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("stage", [step[0] for step in STEPS], ids=lambda stage: stage.value)
def test_i04_i06_i07_a_fault_at_a_stage_is_told_as_what_it_is(stage: Stage, fault: object) -> None:
    """I01, I03, I04, I06, I07: whatever goes wrong, wherever: nothing is delivered, the stage is
    right, only a 421 counts as a reply, and only behind the final dot it is uncertain.
    """
    started = time.monotonic()
    outcome = asyncio.run(outcome_of(stage, fault))
    assert not outcome.is_delivered
    assert outcome.stage is stage
    assert outcome.is_uncertain == (stage is Stage.FINAL and fault is not say_421)
    if fault is say_421:
        assert outcome.reply is not None
        assert outcome.reply.code == 421
    else:
        assert outcome.reply is None
        assert outcome.reason.startswith("the server ")
    assert time.monotonic() - started < 20


def test_i05_a_late_reply_finds_nobody() -> None:
    """I05: what comes after our time-out belongs to a connection that is gone; the next message
    goes over a new one and gets its own replies.
    """

    async def late(talk: Talk) -> None:
        await talk.hello()
        await talk.hear("MAIL")
        await asyncio.sleep(0.35)
        await talk.say("250 too late")
        assert await talk.reader.read() == b""

    async def good(talk: Talk) -> None:
        await talk.hello()
        await talk.hear("MAIL")
        await talk.say("550 5.7.1 not you")
        await talk.reader.read()

    async def main() -> None:
        async with serve(late, good) as endpoint:
            channel = await dial(endpoint, timeouts=BRISK)
            first = await channel.transact(message())
            assert "did not answer within 0.25 s" in first.outcomes[0].reason
            again = await channel.transact(message())
            assert again.outcomes[0].reason == first.outcomes[0].reason
            second = await (await dial(endpoint)).transact(message())
            assert str(second.outcomes[0].reply) == "550 5.7.1 not you"
            await asyncio.sleep(0.15)

    asyncio.run(main())


def test_i08_a_message_for_a_server_whose_chunking_is_a_lie_goes_by_data() -> None:
    """I08: CHUNKING, then 502: the same call sends the message anew over a fresh connection."""
    got: list[bytes] = []

    async def liar(talk: Talk) -> None:
        await talk.hello("PIPELINING", "CHUNKING")
        await talk.hear("MAIL")
        await talk.hear("RCPT")
        await talk.hear("BDAT")
        await talk.say("250 ok", "250 ok", "502 5.5.1 what")
        await talk.reader.read()

    async def honest(talk: Talk) -> None:
        await talk.hello("CHUNKING")
        got.append(await talk.take())
        await talk.goodbye()

    async def main() -> None:
        async with serve(liar, honest) as endpoint:
            channel = await dial(endpoint)
            result = await channel.transact(message(content=b".hi\r\n"))
            assert result.outcomes[0].is_delivered
            assert not result.is_reusable
            assert "< 502 5.5.1 what" in result.conversation
            assert "> DATA" in result.conversation

    asyncio.run(main())
    assert got == [b"..hi\r\n.\r\n"]


def test_i08_pipelining_that_is_none_ends_in_a_time_out() -> None:
    """I08: a server that loses what was pipelined is waited for, then left: a deferral."""

    async def forgetful(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        await talk.hear("MAIL")
        await talk.reader.read(1000)
        await talk.say("250 ok")
        await talk.reader.read()

    async def main() -> RecipientOutcome:
        async with serve(forgetful) as endpoint:
            channel = await dial(endpoint, timeouts=BRISK)
            return (await channel.transact(message())).outcomes[0]

    outcome = asyncio.run(main())
    assert (outcome.reply, outcome.stage, outcome.is_uncertain) == (None, Stage.RECIPIENT, False)


def test_a_server_that_takes_no_content_is_left_and_nothing_is_uncertain() -> None:
    """The block time-out ends a large content; what never left us cannot have arrived."""

    async def full(talk: Talk) -> None:
        talk.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await talk.hello("PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            await talk.hear(verb)
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await talk.say("250 ok", "250 ok", "354 go")
        await asyncio.sleep(0.6)

    async def main() -> RecipientOutcome:
        async with serve(full) as endpoint:
            channel = await dial(endpoint, timeouts=BRISK)
            content = (b"x" * 78 + b"\r\n") * 400_000
            return (await channel.transact(message(content=content))).outcomes[0]

    outcome = asyncio.run(main())
    assert outcome.stage is Stage.DATA
    assert not outcome.is_uncertain
    assert "did not take the content within 0.25 s" in outcome.reason


def test_an_idle_channel_notices_that_the_server_leaves() -> None:
    """A 421 or a close between two messages makes the channel unusable; its words are kept."""

    async def left(channel: Channel) -> None:
        async with asyncio.timeout(10):
            while channel.is_usable:  # noqa: ASYNC110 - a close has no event of its own
                await asyncio.sleep(0.005)

    async def main() -> None:
        async with serve(lambda talk: leave(talk, "421 4.4.2 idle")) as endpoint:
            channel = await dial(endpoint)
            await left(channel)
            assert channel.closing_reply is not None
            result = await channel.transact(message())
            assert result.outcomes[0].reply == channel.closing_reply
        async with serve(leave) as endpoint:
            channel = await dial(endpoint)
            await left(channel)
            assert channel.closing_reason == "the server closed the connection"

    async def leave(talk: Talk, *words: str) -> None:
        await talk.hello()
        await asyncio.sleep(0.03)
        await talk.say(*words)

    asyncio.run(main())


def test_a_canceled_message_closes_the_connection() -> None:
    """Whoever gives up on a message leaves no half transaction in the pool."""

    async def silent(talk: Talk) -> None:
        await talk.hello()
        await talk.reader.read()

    async def main() -> None:
        async with serve(silent) as endpoint:
            channel = await dial(endpoint)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await channel.transact(message())
            assert not channel.is_usable

    asyncio.run(main())
