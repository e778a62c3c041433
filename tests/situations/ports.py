"""Networks that do something to port 25, and what `check port25` says of them."""

from __future__ import annotations

import contextlib
import functools
import socket

from tests.scripted_server import Script, Talk
from tests.situations.serving import serving, silent_port
from tests.situations.situation import Healthy, Situation, Told, of_remarks

from pillarbox.checkup.catalog.hosting import hosting_of
from pillarbox.checkup.probes.port25 import Port25Question, ask_port25
from pillarbox.checkup.rules.port25 import judge_port25
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual

__all__ = ["BROKEN", "HEALTHY"]

_ZONE = "a.example. A 127.0.0.1\nb.example. A 127.0.0.1\nc.example. A 127.0.0.1"


async def _greets(talk: Talk) -> None:
    await talk.say("220 mx.example ESMTP")
    await talk.goodbye()


async def _turns_away(talk: Talk) -> None:
    await talk.say("554 5.7.1 You are not allowed to connect. IP listed on zen.spamhaus.org")


async def _says_nothing(talk: Talk) -> None:
    await talk.hear()


def _look(
    *scripts: Script | None, other: bool = True, nobody: bool = False, hosting: str = ""
) -> Told:
    """Try mail servers that follow scripts; None stands for one that a firewall hides."""

    async def run() -> Told:
        async with contextlib.AsyncExitStack() as stack:

            async def port_of(script: Script | None) -> int:
                hidden = silent_port() if script is None else serving(script)
                return await stack.enter_async_context(hidden)

            closed = stack.enter_context(socket.socket())
            closed.bind(("127.0.0.1", 0))
            shut: int = closed.getsockname()[1]
            names = ("a.example", "b.example")
            servers = [(name, await port_of(one)) for name, one in zip(names, scripts, strict=True)]
            submission = await port_of(_greets if other else None)
            nobody_port = await port_of(_greets) if nobody else shut
            question = Port25Question(
                servers=tuple(servers),
                others=(("c.example", submission),),
                nobody=("127.0.0.1", nobody_port),
                hosting=hosting_of([hosting]),
            )
            return of_remarks(judge_port25(await ask_port25(question, ZoneResolver(_ZONE))).remarks)

    return run_virtual(run())


_OPEN = functools.partial(_look, _greets, _greets)


def _broken(name: str, cause: str, fix: str, look: functools.partial[Told]) -> Situation:
    return Situation(
        name=name,
        command="check port25",
        look=look,
        cause=f"PB-P25-{cause}",
        fix=fix,
        mended=_OPEN,
    )


BROKEN: tuple[Situation, ...] = (
    _broken("port 25 dropped", "002", "smart host on port", functools.partial(_look, None, None)),
    _broken(
        "port 25 dropped by a hosting provider",
        "002",
        "lift the block",
        functools.partial(_look, None, None, hosting="Hetzner"),
    ),
    _broken(
        "port 25 taken by a proxy",
        "003",
        "smart host on port",
        functools.partial(_look, _greets, _greets, nobody=True),
    ),
    _broken(
        "an address that everybody turns away",
        "004",
        "block lists",
        functools.partial(_look, _turns_away, _turns_away),
    ),
    _broken(
        "port 25 that opens and stays mute",
        "005",
        "inspection",
        functools.partial(_look, _says_nothing, _says_nothing),
    ),
    _broken(
        "no network at all",
        "006",
        "network",
        functools.partial(_look, None, None, other=False),
    ),
)
HEALTHY: tuple[Healthy, ...] = (
    Healthy(name="port 25 is open", command="check port25", look=_OPEN),
    Healthy(
        name="one mail server of two is down",
        command="check port25",
        look=functools.partial(_look, _greets, None),
    ),
)
