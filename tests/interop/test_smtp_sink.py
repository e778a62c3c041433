"""Our client against Postfix's smtp-sink, in all manners that it can be told to have."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.loopback import own_address, wait_for_greeting
from tests.peers import require
from tests.scripted_server import dial, message

from pillarbox.net.endpoint import Endpoint
from pillarbox.net.transaction import RecipientOutcome, Stage

PORT = 2525


@contextmanager
def sink(*options: str) -> Iterator[str]:
    """Run smtp-sink on an address of its own."""
    require("smtp-sink")
    address = own_address()
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    command = ["smtp-sink", *user, *options, f"{address}:{PORT}", "100"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield address
        finally:
            process.terminate()


async def outcomes(address: str) -> tuple[RecipientOutcome, ...]:
    """Send two messages over one channel; return the outcomes of the last."""
    await wait_for_greeting(address, PORT)
    channel = await dial(Endpoint("sink.test", address, PORT))
    await channel.transact(message("a@b.test", "b@b.test"))
    result = await channel.transact(
        message("a@b.test", "b@b.test", content=b".\r\n..\r\n" * 20_000)
    )
    await channel.quit()
    return result.outcomes


@pytest.mark.parametrize("options", [(), ("-p",), ("-e",), ("-a",), ("-8",)], ids=str)
def test_smtp_sink_takes_our_mail(options: tuple[str, ...]) -> None:
    """With and without PIPELINING, ESMTP, AUTH and 8BITMIME."""
    with sink(*options) as address:
        done = asyncio.run(outcomes(address))
    assert [outcome.is_delivered for outcome in done] == [True, True]


def test_smtp_sink_speaks_lmtp() -> None:
    """By LMTP there is a reply for each recipient."""
    with sink("-L") as address:

        async def main() -> None:
            await wait_for_greeting(address, PORT)
            channel = await dial(Endpoint("sink.test", address, PORT), is_lmtp=True)
            result = await channel.transact(message("a@b.test", "b@b.test"))
            assert [outcome.is_delivered for outcome in result.outcomes] == [True, True]
            await channel.quit()

        asyncio.run(main())


@pytest.mark.parametrize(
    ("option", "command", "stage", "code"),
    [
        ("-f", "MAIL", Stage.MAIL, 500),
        ("-r", "MAIL", Stage.MAIL, 450),
        ("-f", "RCPT", Stage.RECIPIENT, 500),
        ("-r", "DATA", Stage.DATA, 450),
        ("-f", ".", Stage.FINAL, 500),
    ],
)
def test_smtp_sink_refuses_at_a_stage(option: str, command: str, stage: Stage, code: int) -> None:
    """A refusal is told at its stage, also for a second message on the same connection."""
    with sink(option, command) as address:
        done = asyncio.run(outcomes(address))
    assert [outcome.reply.code for outcome in done if outcome.reply] == [code, code]
    assert {outcome.stage for outcome in done} == {stage}


@pytest.mark.parametrize(("command", "is_uncertain"), [("MAIL", False), (".", True)])
def test_smtp_sink_hangs_up_at_a_stage(command: str, is_uncertain: bool) -> None:
    """A lost connection is uncertain behind the final dot, and nowhere else."""
    with sink("-q", command) as address:

        async def main() -> tuple[RecipientOutcome, ...]:
            await wait_for_greeting(address, PORT)
            channel = await dial(Endpoint("sink.test", address, PORT))
            return (await channel.transact(message())).outcomes

        [outcome] = asyncio.run(main())
    assert (outcome.reply, outcome.is_uncertain) == (None, is_uncertain)
