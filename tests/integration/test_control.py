"""The control socket: operations on a running node, and what it does with garbage."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.mail import NOW, kept_message
from tests.peers import open_to_others
from tests.running_control import RunningControl, running_control

from pillarbox.control import protocol as p
from pillarbox.control.client import ControlClient, NodeNotRunning
from pillarbox.control.operations import Operations
from pillarbox.control.server import ControlServer
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.events.encode import encode
from pillarbox.events.types import RecipientHeld, RecipientRetried
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.store.ids import show_id
from pillarbox.store.port import Batch, Change, JournalEntry, StoreUnavailable

Scenario = Callable[[RunningControl], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def run() -> None:
        async with running_control(folder) as control:
            await scenario(control)

    asyncio.run(run())


def test_only_its_user_can_open_the_socket(tmp_path: Path) -> None:
    """The socket has mode 0600 from its first moment, and goes away with the node."""

    async def scenario(control: RunningControl) -> None:
        mode = control.path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        await control.server.stop()
        await control.server.stop()
        assert not control.path.exists()

    play(tmp_path, scenario)


def test_status_joins_the_node_and_its_store(tmp_path: Path) -> None:
    """What runs and what waits come in one row."""

    async def scenario(control: RunningControl) -> None:
        await control.keep(kept_message("bob@example.org", "carol@example.org", at=NOW - 90))
        row, done = await control.ask(p.ShowStatus())
        assert isinstance(row, p.StatusRow)
        assert (row.is_running, row.pid, row.queue) == (True, 4711, {"queued": 2})
        assert row.oldest_accepted_at == pytest.approx(NOW - 90, abs=1)
        assert isinstance(done, p.Done)

    play(tmp_path, scenario)


def test_lists_show_the_recipients_that_match(tmp_path: Path) -> None:
    """A filter narrows the recipients that are shown, not only the messages."""

    async def scenario(control: RunningControl) -> None:
        await control.keep(
            kept_message("bob@example.org", "carol@example.net"),
            kept_message("dave@example.net", sender=None),
        )
        wanted = p.Filter(domain="EXAMPLE.net")
        rows = await control.ask(p.ListQueue(filter=wanted))
        shown = [
            (row.sender, [each.address for each in row.recipients])
            for row in rows
            if isinstance(row, p.MessageRow)
        ]
        assert shown == [("ann@example.com", ["carol@example.net"]), ("", ["dave@example.net"])]
        limited = await control.ask(p.ListQueue(filter=p.Filter(), limit=1))
        assert len(limited) == 2

    play(tmp_path, scenario)


def test_a_long_list_is_streamed_in_pages(tmp_path: Path) -> None:
    """More messages than a page come whole and in order."""

    async def scenario(control: RunningControl) -> None:
        messages = [kept_message(f"user{number}@example.org") for number in range(1203)]
        await control.keep(*messages)
        rows = await control.ask(p.ListQueue(filter=p.Filter(), limit=5000))
        ids = [row.message for row in rows if isinstance(row, p.MessageRow)]
        assert ids == sorted(show_id(message.id) for message in messages)

    play(tmp_path, scenario)


def test_a_change_reaches_all_that_match_and_the_scheduler(tmp_path: Path) -> None:
    """Held recipients are held in the store, followed by the scheduler, and in the history."""

    async def scenario(control: RunningControl) -> None:
        await control.keep(*(kept_message(f"u{n}@example.org") for n in range(700)))
        await control.keep(kept_message("other@example.net"))
        wanted = p.Filter(domain="example.org")
        (count,) = await control.ask(p.CountQueue(filter=wanted, change="hold"))
        (done,) = await control.ask(p.ChangeQueue(filter=wanted, change="hold"))
        assert isinstance(count, p.Done)
        assert isinstance(done, p.Done)
        assert count.count == done.count == 700
        assert control.live.followed == [(Change.HOLD, 500), (Change.HOLD, 200)]
        assert len(control.recorded) == 700
        assert isinstance(control.recorded[0], RecipientHeld)
        assert control.recorded[0].reason == "by an operator"
        (released,) = await control.ask(p.ChangeQueue(filter=p.Filter(), change="release"))
        assert isinstance(released, p.Done)
        assert released.count == 700

    play(tmp_path, scenario)


def test_released_mail_can_be_given_another_route(tmp_path: Path) -> None:
    """The route has to be a configured one, and only retry and release take any."""

    async def scenario(control: RunningControl) -> None:
        message = kept_message("bob@example.org")
        await control.keep(message)
        everything = p.Filter()
        with pytest.raises(PermanentError, match="hold takes no route"):
            await control.ask(p.ChangeQueue(filter=everything, change="hold", route="backup"))
        await control.ask(p.ChangeQueue(filter=everything, change="hold"))
        with pytest.raises(
            PermanentError, match="no route 'lost'; configured are: mx, backup, later"
        ):
            await control.ask(p.ChangeQueue(filter=everything, change="release", route="lost"))
        await control.ask(p.ChangeQueue(filter=everything, change="release", route="backup"))
        kept = await control.store.message(message.id)
        assert kept is not None
        (recipient,) = kept.recipients
        assert recipient.queue == QueueKey("", "example.org", "backup", "192.0.2.7")
        assert recipient.state is RecipientState.QUEUED
        (said,) = await control.ask(p.ChangeQueue(filter=everything, change="retry", route="later"))
        assert isinstance(said, p.Done)
        assert said.text.startswith("route later holds 1 of them again; `--route`")

    play(tmp_path, scenario)


def test_only_states_that_can_be_changed_are(tmp_path: Path) -> None:
    """Asking to release what is queued is refused with the states that could be released."""

    async def scenario(control: RunningControl) -> None:
        with pytest.raises(PermanentError, match="held"):
            await control.ask(p.ChangeQueue(filter=p.Filter(states=["queued"]), change="release"))
        with pytest.raises(PermanentError, match="'shred' is not one of"):
            await control.ask(p.ChangeQueue(filter=p.Filter(), change="shred"))
        with pytest.raises(PermanentError, match="'lost' is not a state"):
            await control.ask(p.ListQueue(filter=p.Filter(states=["lost"])))
        with pytest.raises(PermanentError, match="not a message id"):
            await control.ask(p.ListQueue(filter=p.Filter(messages=["x"])))

    play(tmp_path, scenario)


@pytest.mark.parametrize("how", ["id", "recipient", "header", "header without brackets"])
def test_a_story_is_found_by_what_people_have(tmp_path: Path, how: str) -> None:
    """A message id, a recipient, and a Message-ID header all lead to the history."""

    async def scenario(control: RunningControl) -> None:
        message = kept_message("bob@example.org")
        event = RecipientRetried(at=NOW, message=show_id(message.id), recipient="bob@example.org")
        entry = JournalEntry(NOW, message.id, encode(event))
        await control.store.commit(Batch(keep=[message], record=[entry]))
        what = {
            "id": show_id(message.id),
            "recipient": "BOB@example.org",
            "header": "<1@example.com>",
            "header without brackets": "1@example.com",
        }[how]
        head, row, done = await control.ask(p.ShowLog(what=what))
        assert isinstance(head, p.MessageRow)
        assert isinstance(row, p.EventRow)
        assert bytes(row.event) == encode(event)
        assert done == p.Done(count=1)

    play(tmp_path, scenario)


def test_a_recipient_with_much_mail_shows_the_newest(tmp_path: Path) -> None:
    """Of a hundred messages the last ones are told, oldest first."""

    async def scenario(control: RunningControl) -> None:
        messages = [kept_message("bob@example.org", at=NOW - 100 + n) for n in range(100)]
        await control.keep(*messages)
        rows = await control.ask(p.ShowLog(what="bob@example.org", limit=3))
        shown = [row.message for row in rows if isinstance(row, p.MessageRow)]
        assert shown == [show_id(message.id) for message in messages[-3:]]

    play(tmp_path, scenario)


def test_the_node_is_steered(tmp_path: Path) -> None:
    """Pause, resume, reload and stop reach the node; an error of the reload comes back."""

    async def scenario(control: RunningControl) -> None:
        await control.ask(p.Pause())
        assert control.live.is_paused
        await control.ask(p.Resume())
        assert not control.live.is_paused
        assert await control.ask(p.Reload()) == [p.Done(count=1, text="queue.lifetime")]
        control.live.reload_error = "line 3 is wrong"
        with pytest.raises(PermanentError, match="line 3 is wrong"):
            await control.ask(p.Reload())
        await control.ask(p.Stop())
        assert control.live.stopped == "asked by an operator"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 4096 + b"\n",
        b"\xff\xfe\xfd\n",
        b'{"do":"queue.list","filter":{"domain":5}}\n',
        b'{"do":"queue.list","surprise":1}\n',
        b'{"do":"no such thing"}\n',
        b'{"do":["stop"]}\n',
        b"[" * 100_000 + b"\n",
        b'{"do":"status"',
        b"x" * (p.MAX_LINE * 3),
        b"",
    ],
    ids=lambda octets: repr(octets[:30]),
)
def test_garbage_never_stops_the_node(tmp_path: Path, garbage: bytes) -> None:
    """What is no request is answered with a failure or closed; the next request works."""

    async def scenario(control: RunningControl) -> None:
        answer = await control.say(garbage)
        for line in answer.splitlines():
            assert isinstance(p.decode_row(line), p.Failure)
        assert len(await control.ask(p.ShowStatus())) == 2
        assert control.defects == []

    play(tmp_path, scenario)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_octets_reach_the_operations_unless_they_are_a_request(octets: bytes) -> None:
    """Anything decodes to a request or is refused by one kind of exception."""
    try:
        request = p.decode_request(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert type(request) in p.Request.__args__


def test_a_defect_is_answered_and_told(tmp_path: Path) -> None:
    """An exception that nobody expected ends one answer, not the node, and shows no secrets."""

    async def scenario(control: RunningControl) -> None:
        def broken(_: p.Request) -> AsyncIterator[p.Row]:
            raise ZeroDivisionError("secret detail")

        control.operations.run = broken  # type: ignore[method-assign]
        with pytest.raises(PermanentError, match="defect") as caught:
            await control.ask(p.ShowStatus())
        assert "secret" not in str(caught.value)
        assert isinstance(control.defects[0], ZeroDivisionError)

    play(tmp_path, scenario)


def test_a_store_that_is_down_is_temporary(tmp_path: Path) -> None:
    """The command line can tell that waiting may help."""

    async def scenario(control: RunningControl) -> None:
        async def down(**_: object) -> None:
            raise StoreUnavailable("the disk is away")

        control.store.count = down  # type: ignore[method-assign, assignment]
        with pytest.raises(TemporaryError, match="the disk is away"):
            await control.ask(p.SummarizeQueue())

    play(tmp_path, scenario)


def test_a_client_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    """Another request is answered while a long answer waits to be read."""

    async def scenario(control: RunningControl) -> None:
        await control.keep(*(kept_message(f"u{n}@example.org") for n in range(3000)))
        with socket.socket(socket.AF_UNIX) as lazy:
            lazy.connect(str(control.path))
            lazy.sendall(p.encode(p.ListQueue(filter=p.Filter(), limit=5000)) + b"\n")
            await asyncio.sleep(0.05)
            assert len(await control.ask(p.ShowStatus())) == 2

    play(tmp_path, scenario)


def test_the_socket_of_a_dead_node_is_replaced(tmp_path: Path) -> None:
    """After a kill, the next start takes the path over; while one lives, it does not."""
    path = tmp_path / "control"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    async def scenario(control: RunningControl) -> None:
        assert len(await control.ask(p.ShowStatus())) == 2
        second = ControlServer(control.path, control.operations, control.defects.append)
        with pytest.raises(PermanentError, match="another node answers"):
            await second.start()

    play(tmp_path, scenario)


def test_a_path_that_cannot_be_a_socket_is_an_error(tmp_path: Path) -> None:
    """A file in the way is not removed, and a path that is too long is named."""
    (tmp_path / "file").write_text("precious")
    operations = object.__new__(Operations)

    async def start(path: Path) -> None:
        await ControlServer(path, operations, print).start()

    with pytest.raises(PermanentError, match="is in the way"):
        asyncio.run(start(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(PermanentError, match=r"set control\.socket"):
        asyncio.run(start(tmp_path / ("x" * 120)))
    with pytest.raises(PermanentError, match="No such file"):
        asyncio.run(start(tmp_path / "none" / "control"))


def test_a_client_says_that_no_node_runs(tmp_path: Path) -> None:
    """No socket, and a socket without a node, are told apart from other errors."""
    with pytest.raises(NodeNotRunning):
        ControlClient(tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    with pytest.raises(NodeNotRunning):
        ControlClient(tmp_path / "control")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_client_of_another_user_is_told_so(tmp_path: Path) -> None:
    """Who may not use the socket hears what to do about it."""

    async def scenario(control: RunningControl) -> None:
        def as_nobody() -> None:
            with pytest.raises(PermanentError, match="as the node's user or as root"):
                ControlClient(control.path)

        open_to_others(tmp_path)
        os.seteuid(65_534)
        try:
            as_nobody()
        finally:
            os.seteuid(0)

    play(tmp_path, scenario)
