"""Logins: how many sessions a second, and what 200 wrong passwords at once do to the others."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import uvloop

from bench.load import SourceFailedError
from bench.phases import Bench, percentile
from bench.rows import Row
from bench.targets import LOGIN, Mode, PillarboxWithLogins, Target

_CLIENTS: Final = 20  # that log in one session after the other
_SECONDS: Final = 3.0
_WRONG: Final = 200  # logins at once
_EVERY: Final = 0.005  # seconds between two looks at the loop's lag
_LOOKS: Final = 400

_RIGHT_RESPONSE: Final = b64encode(b"\0%b\0%b" % LOGIN)
_WRONG_RESPONSE: Final = b64encode(b"\0%b\0wrong" % LOGIN[0])


def logins(bench: Bench) -> list[Row]:
    """Measure sessions with a login, and what a bystander waits while passwords are guessed."""
    with (
        bench.running([PillarboxWithLogins], Mode.ACCEPT) as (target,),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        before = target.meter.cpu_seconds()
        sessions, seconds = runner.run(_sessions(target))
        cpu = target.meter.cpu_seconds() - before
        lags = runner.run(_lags_under_guesses(target))
    return [
        Row(
            target=target.name,
            phase="sessions with a login",
            connections=_CLIENTS,
            rate_median=sessions / seconds,
            rate_min=sessions / seconds,
            rate_max=sessions / seconds,
            cpu_s_per_1000=cpu / sessions * 1000,
            note="connect, EHLO, AUTH PLAIN, QUIT; sessions a second",
        ),
        Row(
            target=target.name,
            phase="greeting and EHLO",
            connections=_WRONG,
            p50_ms=percentile(lags, 0.50) * 1000,
            p99_ms=percentile(lags, 0.99) * 1000,
            note=f"while {_WRONG} wrong passwords are checked; longest {max(lags) * 1000:.1f} ms",
        ),
    ]


class _Client:
    """Says one line after the other, each after the reply to the one before."""

    def __init__(self, target: Target, source: str = "127.0.0.1") -> None:
        self._target = target
        self._source = source

    async def open(self) -> None:
        """Connect, and greet."""
        self._replies, self._commands = await asyncio.open_connection(
            self._target.address, self._target.port, local_addr=(self._source, 0)
        )
        await self.reply()
        await self.ask(b"EHLO client.example")

    async def ask(self, command: bytes) -> bytes:
        """Return the last line of the reply to a command."""
        self._commands.write(command + b"\r\n")
        return await self.reply()

    async def reply(self) -> bytes:
        """Return the last line of the next reply."""
        while True:
            line = await self._replies.readline()
            if line[3:4] != b"-":
                return line

    def close(self) -> None:
        """Hang up."""
        self._commands.close()


async def _sessions(target: Target) -> tuple[int, float]:
    """Return how many sessions logged in, in how many seconds; the first login is not counted."""
    await _log_in(target)
    began = time.perf_counter()
    counts = await asyncio.gather(*(_log_in_for(target, _SECONDS) for _ in range(_CLIENTS)))
    return sum(counts), time.perf_counter() - began


async def _log_in_for(target: Target, seconds: float) -> int:
    end = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < end:
        await _log_in(target)
        count += 1
    return count


async def _log_in(target: Target) -> None:
    client = _Client(target)
    await client.open()
    reply = await client.ask(b"AUTH PLAIN " + _RIGHT_RESPONSE)
    if not reply.startswith(b"235"):
        raise SourceFailedError(f"the login was answered {reply!r}")
    await client.ask(b"QUIT")
    client.close()


async def _lags_under_guesses(target: Target) -> Sequence[float]:
    """Return how long a bystander waits to be served while many guess passwords."""
    guessers = [_Client(target, f"127.0.1.{number + 1}") for number in range(_WRONG)]
    await asyncio.gather(*(guesser.open() for guesser in guessers))
    guesses = asyncio.gather(
        *(guesser.ask(b"AUTH PLAIN " + _WRONG_RESPONSE) for guesser in guessers)
    )
    lags: list[float] = []
    while not guesses.done() and len(lags) < _LOOKS:
        bystander = _Client(target)
        began = time.perf_counter()
        await bystander.open()
        lags.append(time.perf_counter() - began)
        bystander.close()
        await asyncio.sleep(_EVERY)
    await guesses
    for guesser in guessers:
        guesser.close()
    return lags
