"""Laws of failing on purpose: whatever the rules are, a session comes to an end and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st
from tests.receiving import HOSTNAME, listener, start_rig

from pillarbox.config.settings import ListenerKind, NodeSettings, Settings
from pillarbox.lab.clock import run_virtual
from pillarbox.policy.behavior import Break, SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox.failing import Failing

NAMES = ["bob", "550", "421", "greylist", "slow-2s", "slow-dot", "dot-451", "dot-421"]
NAMES += ["drop-after-dot", "drop-in-data", "drop", "reset", "discard", "bounce-later"]


class Nowhere:
    """A place for settings that keeps none."""

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return nothing."""
        del kind
        return {}

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write nothing."""


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what ``fail_next`` takes."""
    stage = draw(st.sampled_from(list(SessionStage)))
    fields: dict[str, Any] = {"stage": stage, "count": draw(st.integers(1, 3))}
    fields["every"] = draw(st.integers(1, 2))
    if draw(st.booleans()):
        fields["code"] = draw(st.sampled_from([421, 451, 550]))
    if draw(st.booleans()):
        fields["disconnect"] = draw(st.sampled_from(list(Break)))
    fields["delay"] = draw(st.sampled_from([0.0, 0.0, 1.0, 3.0]))
    if not fields.get("code") and fields.get("disconnect", Break.NONE) is Break.NONE:
        fields["delay"] = 1.0
    return fields


@st.composite
def dialogs(draw: st.DrawFn) -> list[bytes]:
    """Draw what a client says, cut into pieces anywhere."""
    said = b"EHLO x\r\n"
    for _ in range(draw(st.integers(1, 3))):
        said += b"MAIL FROM:<a@b.test>\r\n"
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)):
            said += b"RCPT TO:<%s@c.test>\r\n" % name.encode()
        if draw(st.booleans()):
            said += b"DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n"
        else:
            said += b"BDAT 4\r\nx\r\n\nBDAT 0 LAST\r\n"
    said += b"QUIT\r\n"
    cuts = sorted(draw(st.lists(st.integers(0, len(said)), max_size=6)))
    edges = [0, *cuts, len(said)]
    return [said[a:b] for a, b in itertools.pairwise(edges)]


async def session(chosen: list[dict[str, Any]], pieces: list[bytes], directory: Path) -> None:
    """Hold one session; it has to end by itself, and to leave nothing behind."""
    loop = asyncio.get_running_loop()
    failing = Failing(Nowhere(), now=loop.time, project_of=lambda *_: "inbox")
    for fields in chosen:
        failing.fail_next(**fields)
    settings_ = Settings(
        node=NodeSettings(hostname=HOSTNAME, directory=directory),
        listener={"mx": listener(ListenerKind.SANDBOX)},
    )
    rig = await start_rig(settings_, failing=failing)
    try:
        reader, writer = await asyncio.open_connection(*rig.address())
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(200):
                said = await reader.read(-1)
                assert said.isascii()
                assert all(line[:3].isdigit() for line in said.splitlines())
        writer.transport.abort()
        await asyncio.sleep(3)
        assert rig.receiver.connections["mx"] == 0
        assert rig.door.guards.budget.used == 0
    finally:
        await rig.receiver.stop(0.0)
        await rig.door.guards.reserve.stop()


@settings(max_examples=60)
@given(st.lists(rules(), max_size=4), dialogs())
def test_every_session_comes_to_an_end(chosen: list[dict[str, Any]], pieces: list[bytes]) -> None:
    """A pipelining client gets whole replies or the end; no room and no session is left."""
    with tempfile.TemporaryDirectory() as name:
        run_virtual(session(chosen, pieces, Path(name)))


@given(rules())
def test_what_fail_next_takes_is_a_rule(fields: dict[str, Any]) -> None:
    """The rules that are drawn here make sense."""
    assert FailingRule(id="x", **fields).behavior().stage is fields["stage"]
