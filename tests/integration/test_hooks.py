"""Hooks: an operator's functions have a say, and can neither hang nor end a node."""

from __future__ import annotations

import asyncio
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.delivery_rig import Rig as DeliveryRig
from tests.mail import kept_message
from tests.receiving import Rig, Wire, receiving, wait_until

from pillarbox.config.settings import HookFailure, HookSettings, Settings
from pillarbox.deliver.job import Job
from pillarbox.errors import PermanentError
from pillarbox.events.types import (
    CheckRuled,
    Event,
    RecipientBounced,
    RecipientDeferred,
    RecipientDelivered,
    RecipientHeld,
    RecipientRefused,
    SiteBackedOff,
)
from pillarbox.hooks import plugin as plugin_module
from pillarbox.hooks.checks import DeliveryHooks, HookCheck
from pillarbox.hooks.plugin import Plugin
from pillarbox.lab.clock import run_virtual
from pillarbox.node.judging import Judging
from pillarbox.policy.queue import RecipientState
from pillarbox.policy.recipients import LocalDomains
from pillarbox.policy.ruling import PASSED, Action, Ruling
from pillarbox.receive.checks import Stage
from pillarbox.smtp.reply import Reply

Defects = list[tuple[str, BaseException]]


def plugin_file(directory: Path, code: str) -> Path:
    """Write a plugin."""
    path = directory / "policy.py"
    head = "from pillarbox.hooks import *\nimport asyncio, os, sys, time\n"
    path.write_text(head + textwrap.dedent(code))
    return path


@contextmanager
def hooked(directory: Path, code: str, **settings: object) -> Iterator[tuple[Rig, Defects]]:
    """Run a listener with a plugin."""
    defects: Defects = []
    hook = HookSettings(file=plugin_file(directory, code), **settings)  # type: ignore[arg-type]
    judging = Judging.prepare(
        Settings(hook={"mine": hook}),
        LocalDomains(),
        None,
        lambda where, error: defects.append((where, error)),
        time.time,
    )
    checks = judging.checks(Settings(), "mx")
    listed = dict.fromkeys(check for stage in Stage for check in checks.at(stage))
    with receiving(inspectors=judging.inspectors, checks=tuple(listed)) as rig:
        yield rig, defects
    judging.close()


def send(client: Wire, body: str = "Hello") -> list[str]:
    """Send a message to ann, and return the replies from MAIL on."""
    client.hello()
    client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>")
    replies = [client.reply(), client.reply()]
    if replies[1].startswith("250"):
        client.send("DATA")
        replies.append(client.reply())
        client.send("From: <eve@outside.test>", "Subject: s", "", body, ".")
        replies.append(client.reply())
    return replies


def test_a_recipient_is_refused_by_a_hook(tmp_path: Path) -> None:
    """The client gets the hook's words, the operator its reason."""
    code = """
        @hook
        async def rcpt(visit):
            if visit.recipient.address.local_part == "ann":
                return refuse("Ann is away", reason="on leave", evidence=["calendar"])
    """
    with hooked(tmp_path, code) as (rig, defects):
        with rig.client() as client:
            assert send(client)[1] == "550 5.7.1 Ann is away"
        (refused,), (ruled,) = rig.named(RecipientRefused), rig.named(CheckRuled)
    assert refused.reason == "mine: on leave"
    assert (ruled.check, ruled.evidence) == ("mine", ["calendar"])
    assert not defects


def test_a_message_is_seen_whole_and_marked(tmp_path: Path) -> None:
    """The hook reads header and body, and puts fields on top."""
    code = """
        @hook
        async def message(message):
            assert message.is_whole and b"Subject: s" in message.header
            length = len(message.content) - len(message.header)
            return note("seen", headers=[("X-Octets", str(length)), ("X-By", message.client)])
    """
    with hooked(tmp_path, code) as (rig, defects):
        with rig.client() as client:
            assert send(client)[-1].startswith("250 ")
        content = rig.content(rig.kept[0])
    assert content.startswith(b"X-Octets: 7\r\nX-By: 127.0.0.1\r\nReceived: ")
    assert not defects


def test_a_hook_that_wants_a_part_gets_a_part(tmp_path: Path) -> None:
    """No more of a body is kept for it than its limit."""
    code = """
        @hook
        def message(message):
            return hold(f"{len(message.body)} {message.is_whole}")
    """
    with hooked(tmp_path, code, body_limit=100) as (rig, _):
        with rig.client() as client:
            assert send(client, "x" * 900)[-1].startswith("250 ")
        assert rig.kept[0].recipients[0].last_reply == "mine: 100 False"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("await asyncio.sleep(60)", "gave no answer within 0.2 s"),
        ("time.sleep(1)", "gave no answer within 0.2 s"),
        ("raise ValueError('odd')", "raised ValueError: odd"),
        ("sys.exit(3)", "raised SystemExit: 3"),
        ("return 'yes'", "returned str, which is not an answer"),
        ("return refuse('two\\r\\nlines')", "raised"),
        ("return refuse('mild', code=250)", "raised ValueError"),
    ],
)
@pytest.mark.parametrize("stage", ["rcpt", "message"])
@pytest.mark.parametrize("on_failure", list(HookFailure))
def test_a_hook_without_an_answer_hangs_nothing(
    body: str, says: str, stage: str, on_failure: HookFailure, tmp_path: Path
) -> None:
    """Whatever it does, the session goes on in time, by the configured rule."""
    code = f"""
        @hook
        async def {stage}({"visit" if stage == "rcpt" else stage}):
            {body}
    """
    with hooked(tmp_path, code, timeout=0.2, on_failure=on_failure) as (rig, _):
        began = time.monotonic()
        with rig.client() as client:
            last = send(client)[-1]
            assert client.ask("NOOP").startswith("250 ")
        assert time.monotonic() - began < 20
        assert last[:3] == ("451" if on_failure is HookFailure.DEFER else "250")
        wait_until(lambda: rig.named(CheckRuled))
        assert says in rig.named(CheckRuled)[0].reason


def test_a_stuck_plugin_holds_up_no_other_session(tmp_path: Path) -> None:
    """A hook that blocks its thread costs each session its time-out, and no more."""
    code = """
        @hook
        async def connect(visit):
            time.sleep(3)
    """
    with hooked(tmp_path, code, timeout=0.2) as (rig, _):
        for _ in range(3):
            with rig.client() as client:
                assert send(client)[-1].startswith("250 ")
        wait_until(lambda: len(rig.named(CheckRuled)) == 3)
        for each in rig.named(CheckRuled):
            assert "gave no answer within 0.2 s" in each.reason


def test_calls_that_a_stuck_plugin_has_not_taken_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were given up wait in its thread all the same, so no more are added."""
    monkeypatch.setattr(plugin_module, "_MOST_AT_ONCE", 3)
    gate = tmp_path / "gate"
    code = f"""
        import pathlib

        @hook
        async def connect(visit):
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
    """
    settings = HookSettings(file=plugin_file(tmp_path, code), timeout=0.02)
    plugin = Plugin("mine", settings, lambda *_: None)

    async def ask() -> list[str]:
        return [(await plugin.ask("connect", None))[0].reason for _ in range(6)]

    reasons = asyncio.run(ask())
    gate.touch()
    plugin.close()
    assert reasons[0] == "connect gave no answer within 0.02 s"
    assert reasons[-1] == "connect was not asked: 3 calls wait for an answer"


@pytest.mark.parametrize("stage", ["rcpt", "message"])
def test_a_plugin_that_ends_while_it_is_asked_hangs_nothing(stage: str, tmp_path: Path) -> None:
    """The call counts as one without an answer, and so do those that follow."""
    code = f"""
        @hook
        async def {stage}({"visit" if stage == "rcpt" else stage}):
            await asyncio.sleep(60)
    """
    defects: Defects = []
    settings = HookSettings(file=plugin_file(tmp_path, code), on_failure=HookFailure.DEFER)
    plugin = Plugin("mine", settings, lambda where, error: defects.append((where, error)))

    async def ask() -> list[str]:
        first = asyncio.create_task(plugin.ask(stage, None))
        await asyncio.sleep(0.05)
        plugin.close()
        ruling, _ = await asyncio.wait_for(first, 2)
        following, _ = await asyncio.wait_for(plugin.ask(stage, None), 2)
        assert ruling.action is following.action is Action.DEFER
        return [ruling.reason, following.reason]

    assert asyncio.run(ask()) == [f"{stage} was given up", f"{stage} was not asked: it has ended"]
    assert not defects


def test_a_hook_that_is_canceled_from_within_hangs_nothing(tmp_path: Path) -> None:
    """A session waits for no answer that will never come."""
    code = """
        @hook
        async def rcpt(visit):
            raise asyncio.CancelledError
    """
    defer = HookFailure.DEFER
    with hooked(tmp_path, code, on_failure=defer) as (rig, _), rig.client() as client:
        assert send(client)[-1].startswith("451 4.3.0 ")
        assert client.ask("NOOP").startswith("250 ")


def test_a_plugin_runs_as_long_as_somebody_may_ask_it(tmp_path: Path) -> None:
    """A session that began before a reload keeps its hooks; after the last, the thread ends."""
    code = """
        @hook
        async def rcpt(visit):
            return refuse("No")
    """
    plugin = Plugin("held", HookSettings(file=plugin_file(tmp_path, code)), lambda *_: None)
    check = HookCheck(plugin)
    del plugin
    ruling, _ = asyncio.run(check._plugin.ask("rcpt", None))
    assert ruling.action is Action.REFUSE
    del check
    wait_until(lambda: not any(each.name == "hook held" for each in threading.enumerate()))


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("@hook\nasync def rctp(visit): ...", "unknown hook"),
        ("@hook\nasync def rcpt(visitor): ...", "visitor"),
        ("x = 1", "no function in it is marked"),
        ("1 / 0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_work_is_refused_at_the_start(
    code: str, says: str, tmp_path: Path
) -> None:
    """A misspelled hook is named, and so is whatever the file raises."""
    path = plugin_file(tmp_path, code)
    with pytest.raises(PermanentError, match=says):
        Plugin("mine", HookSettings(file=path), lambda _where, _error: None)


def test_an_entry_point_that_is_not_there_is_named() -> None:
    """The group and the name are in the error."""
    with pytest.raises(PermanentError, match=r"no package offers 'nothing' \(pillarbox\)"):
        Plugin("mine", HookSettings(entry_point="nothing"), lambda _where, _error: None)


# --- before a delivery -------------------------------------------------------------


def consulting(ruling: Ruling) -> Callable[[Job], Awaitable[Ruling]]:
    """Return a consult that says the same of every job."""

    async def consult(job: Job) -> Ruling:
        assert job.addresses == {0: "bob@one.test"}
        return ruling

    return consult


async def delivered_after(rig: DeliveryRig, kind: type[Event]) -> RecipientState:
    """Send a message, and return its state once an event of a kind was told."""
    message = await rig.send("bob@one.test")
    await rig.wait_for(kind)
    return await rig.state(message)


@pytest.mark.parametrize(
    ("ruling", "kind", "state"),
    [
        (PASSED, RecipientDelivered, RecipientState.DELIVERED),
        (
            Ruling(action=Action.REFUSE, by="mine", reply=Reply.of(550, "5.7.1", "No")),
            RecipientBounced,
            RecipientState.BOUNCED,
        ),
        (
            Ruling(action=Action.DEFER, by="mine", reply=Reply.of(451, "4.7.1", "Not now")),
            RecipientDeferred,
            RecipientState.QUEUED,
        ),
        (Ruling(action=Action.HOLD, by="mine"), RecipientHeld, RecipientState.HELD),
    ],
)
def test_a_delivery_goes_as_it_is_ruled(
    ruling: Ruling, kind: type[Event], state: RecipientState
) -> None:
    """It goes out, bounces, waits or is held, and the site is not blamed."""

    async def main() -> None:
        async with DeliveryRig(consult=consulting(ruling)) as rig:
            assert await delivered_after(rig, kind) is state
            assert not rig.told(SiteBackedOff)

    run_virtual(main())


def test_a_hook_sees_what_is_about_to_leave(tmp_path: Path) -> None:
    """The plugin is told of the message, its recipients, the route and the attempt."""
    code = """
        @hook
        async def before_delivery(delivery):
            about = f"{delivery.sender} {delivery.recipients} {delivery.attempt} {delivery.age:.0f}"
            return hold(about)
    """
    plugin = Plugin("mine", HookSettings(file=plugin_file(tmp_path, code)), lambda *_: None)
    message = kept_message("bob@one.test", at=1_000.0, sender="ann@sender.test")

    async def ask() -> Ruling:
        asked = DeliveryHooks([plugin], lambda: 1_060.0).consult(
            Job(message, message.recipients, 0)
        )
        assert asked is not None
        return await asked

    ruling = asyncio.run(ask())
    plugin.close()
    assert ruling.reason == "ann@sender.test ('bob@one.test',) 1 60"
