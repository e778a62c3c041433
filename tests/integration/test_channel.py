"""Channels carry messages of all sizes to servers of all kinds, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.client_dialog import envelope
from tests.scripted_server import Talk, dial, message, serve

from pillarbox.config.settings import TlsMode
from pillarbox.errors import TemporaryError
from pillarbox.net.channel import OpenFailed
from pillarbox.net.transaction import Content, Stage, Transaction

Run = Callable[[Coroutine[Any, Any, None]], None]

LARGE = b"".join(b".%06d %s\r\n" % (number, b"x" * 60) for number in range(20_000))


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test on both event loops."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return run


def streamed(content: bytes, *, piece: int = 50_001, fails: bool = False) -> Transaction:
    """Return a message whose content is read piece by piece."""

    async def read() -> AsyncIterator[bytes]:
        for start in range(0, len(content), piece):
            await asyncio.sleep(0)
            if fails and start:
                raise TemporaryError("the store is down")
            yield content[start : start + piece]

    return Transaction(envelope=envelope(), content=Content(len(content), read=read))


async def read_chunks(talk: Talk) -> bytes:
    """Read BDAT up to LAST, answering each chunk."""
    content = b""
    while True:
        words = (await talk.hear("BDAT")).split()
        content += await talk.reader.readexactly(int(words[1]))
        await talk.say("250 ok")
        if words[-1] == "LAST":
            return content


def test_a_channel_takes_message_after_message(run: Run) -> None:
    """One connection, greeted once, carries several messages."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello()
        got.extend([await talk.take(), await talk.take(), await talk.take()])
        await talk.goodbye()

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint)
            assert channel.greeting_lines == ("mx.test ESMTP",)
            assert channel.peer_address == "127.0.0.1"
            for number in range(3):
                result = await channel.transact(message(content=b"%d\r\n" % number))
                assert result.outcomes[0].is_delivered
                assert result.is_reusable
            await channel.quit()
            assert not channel.is_usable

    run(main())
    assert got == [b"0\r\n.\r\n", b"1\r\n.\r\n", b"2\r\n.\r\n"]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_large_content_arrives_whole_by_data(is_streamed: bool, run: Run) -> None:
    """Megabytes go piece by piece; dots are doubled across pieces."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        got.append(await take_all(talk))
        await talk.goodbye()

    async def take_all(talk: Talk) -> bytes:
        for verb in ("MAIL", "RCPT", "DATA"):
            await talk.hear(verb)
        await talk.say("250 ok", "250 ok", "354 go")
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += await talk.reader.read(65536)
        await talk.say("250 kept")
        return content

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint)
            asked = streamed(LARGE) if is_streamed else message(content=LARGE)
            result = await channel.transact(asked)
            assert result.outcomes[0].is_delivered
            assert f"> ({len(LARGE)} octets)" in result.conversation
            await channel.quit()

    run(main())
    assert got[0].removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")[1:] == LARGE


def test_a_large_content_arrives_whole_by_bdat(run: Run) -> None:
    """With CHUNKING the pieces go as they are."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING", "CHUNKING")
        await talk.hear("MAIL")
        await talk.hear("RCPT")
        await talk.say("250 ok", "250 ok")
        got.append(await read_chunks(talk))
        await talk.goodbye()

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint)
            assert (await channel.transact(streamed(LARGE))).outcomes[0].is_delivered
            await channel.quit()

    run(main())
    assert got == [LARGE]


def test_a_content_that_cannot_be_read_is_cut_off_for_good(run: Run) -> None:
    """A store that fails in the middle ends the connection; the server keeps nothing."""
    got: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello("PIPELINING")
        for verb in ("MAIL", "RCPT", "DATA"):
            await talk.hear(verb)
        await talk.say("250 ok", "250 ok", "354 go")
        try:
            while piece := await talk.reader.read(65536):
                got.append(piece)
        except ConnectionError:
            pass

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint)
            with pytest.raises(TemporaryError, match="the store is down"):
                await channel.transact(streamed(LARGE, fails=True))
            assert channel.closing_reason == "the content could not be read: the store is down"
            assert not channel.is_usable
            await asyncio.sleep(0.02)

    run(main())
    assert not b"".join(got).endswith(b"\r\n.\r\n")


def test_lmtp_goes_over_a_unix_socket(tmp_path: Path, run: Run) -> None:
    """A local store is spoken to by LMTP, with a reply for each recipient."""

    async def script(talk: Talk) -> None:
        await talk.say("220 store")
        await talk.hear("LHLO")
        await talk.say("250-store", "250 PIPELINING")
        for verb in ("MAIL", "RCPT", "RCPT", "DATA"):
            await talk.hear(verb)
        await talk.say("250 ok", "250 ok", "250 ok", "354 go")
        await talk.content()
        await talk.say("250 2.1.5 kept", "452 4.2.2 full")
        await talk.goodbye()

    async def main() -> None:
        async with serve(script, path=tmp_path / "lmtp") as endpoint:
            channel = await dial(endpoint, is_lmtp=True)
            result = await channel.transact(message("a@b.test", "b@b.test"))
            assert [outcome.is_delivered for outcome in result.outcomes] == [True, False]
            await channel.quit()

    run(main())


@pytest.mark.parametrize(
    ("words", "stage"), [("554 5.7.1 go away", Stage.GREETING), ("550 5.7.1 who", Stage.HELLO)]
)
def test_a_refusal_at_the_door_is_told_with_the_servers_words(
    words: str, stage: Stage, run: Run
) -> None:
    """The reply, the stage and the conversation come with the error."""

    async def script(talk: Talk) -> None:
        if stage is Stage.HELLO:
            await talk.say("220 mx.test")
            await talk.hear("EHLO")
        await talk.say(words)

    async def main() -> None:
        async with serve(script) as endpoint:
            with pytest.raises(OpenFailed) as caught:
                await dial(endpoint)
        assert (caught.value.stage, str(caught.value.reply)) == (stage, words)
        assert caught.value.conversation[-1] == f"< {words}"

    run(main())


def test_a_server_that_is_not_there_is_told(run: Run) -> None:
    """Nobody listens: the stage is CONNECT, and the words say so."""

    async def script(talk: Talk) -> None:
        await talk.hello()

    async def main() -> None:
        async with serve(script) as endpoint:
            pass
        with pytest.raises(OpenFailed, match="connection refused") as caught:
            await dial(endpoint, tls=TlsMode.OPPORTUNISTIC)
        assert caught.value.stage is Stage.CONNECT
        assert caught.value.reply is None

    run(main())


def test_a_server_that_ignores_quit_is_left(run: Run) -> None:
    """Goodbye is said, and a close without a word is answer enough."""

    async def script(talk: Talk) -> None:
        await talk.hello()
        await talk.hear("QUIT")

    async def main() -> None:
        async with serve(script) as endpoint:
            channel = await dial(endpoint)
            await channel.quit()
            assert channel.closing_reason == "the server closed the connection"

    run(main())
