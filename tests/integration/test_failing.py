"""Failing on purpose: the lab and a listener of the sandbox do the same for each address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.receiving import HOSTNAME, Rig, listener, start_rig

from pillarbox.config.settings import (
    DeliverySettings,
    ListenerKind,
    NodeSettings,
    Settings,
    TlsMode,
)
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import LabServer
from pillarbox.net.channel import OpenFailed
from pillarbox.net.dialer import SocketDialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.reset import reset
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, RecipientOutcome, Transaction
from pillarbox.policy.behavior import BEHAVIORS, Break, SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox.failing import Failing
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient

MESSAGE = b"Subject: hello\r\n\r\n.dots\r\n"
EXAMPLES = {
    "accept": ["accept", "somebody"],
    "rateNNN": ["rate421", "rate-450", "rate451+detail"],
    "NNN, rejectNNN, deferNNN": ["550", "421", "reject554", "defer-450", "599"],
    "reject": ["reject"],
    "defer": ["Defer"],
    "defer-N-times": ["defer-2-times"],
    "greylist": ["greylist", "graylist+1"],
    "slow, slow-Ns": ["slow", "slow-5s", "slow-90s"],
    "slow-dot, slow-dot-Ns": ["slow-dot", "slowdot-7s"],
    "dot-NNN": ["dot-452", "dot554", "dot421"],
    "drop-after-dot": ["drop-after-dot", "dropafterdot"],
    "drop-in-data": ["drop-in-data", "dropindata"],
    "drop": ["drop"],
    "reset": ["reset"],
    "discard": ["discard"],
    "bounce-later": ["bounce-later", "bouncelater"],
}
# The client here neither logs in nor secures the session; see test_sandbox_failing.py.
NOT_REACHED = {SessionStage.AUTH, SessionStage.STARTTLS}
NAMES = [name for names in EXAMPLES.values() for name in names]


class Settled:
    """A place for settings that keeps them in memory."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, bytes]] = {}

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name."""
        return dict(self.kinds.get(kind, {}))

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write one; with None remove it."""
        values = self.kinds.setdefault(kind, {})
        values.pop(name, None)
        if value is not None:
            values[name] = value


def failing(store: Settled | None = None, **options: Any) -> Failing:
    """Return rules that are asked on the running loop's clock."""
    now = asyncio.get_running_loop().time
    options.setdefault("project_of", lambda _identity, _sender, _recipients: "inbox")
    return Failing(store or Settled(), now=now, **options)


async def sandbox(directory: Path, rules: Failing, **options: Any) -> Rig:
    """Start a listener that takes mail for everybody, and fails as the rules say."""
    settings = Settings(
        node=NodeSettings(hostname=HOSTNAME, directory=directory),
        listener={"mx": listener(ListenerKind.SANDBOX, **options)},
    )
    return await start_rig(settings, failing=rules)


async def send(port: int, *names: str, content: bytes = MESSAGE) -> tuple[RecipientOutcome, ...]:
    """Send one message to recipients at example.org."""
    endpoint = Endpoint("mx.example.org", "127.0.0.1", port)
    options = ChannelOptions(
        hello_name="client.example", tls=TlsMode.NONE, timeouts=DeliverySettings()
    )
    channel = await open_channel(endpoint, options, SocketDialer(), TlsContexts())
    envelope = Envelope(
        reverse_path=Mailbox("ann", "example.com"),
        recipients=tuple(Recipient(Mailbox(name, "example.org")) for name in names),
    )
    result = await channel.transact(
        Transaction(envelope=envelope, content=Content(len(content), content))
    )
    await channel.quit()
    return result.outcomes


def shown(outcome: RecipientOutcome) -> tuple[object, ...]:
    """Return what a client has seen; the text of a success is each server's own."""
    reply = outcome.reply
    said = "" if reply is None else str(reply.code) if outcome.is_delivered else str(reply)
    return outcome.is_delivered, outcome.is_uncertain, outcome.stage, said


async def three_tries(
    port: int, names: tuple[str, ...], kept: Callable[[], int]
) -> list[tuple[object, ...]]:
    """Send the same message three times; return what came of each, when, and what was kept."""
    loop = asyncio.get_running_loop()
    tries: list[tuple[object, ...]] = []
    for _ in range(3):
        begun = loop.time()
        outcomes = await send(port, *names)
        seconds = round(loop.time() - begun)
        await asyncio.sleep(0.01)
        tries.append((*map(shown, outcomes), seconds, kept()))
    return tries


async def as_lab(names: tuple[str, ...]) -> list[tuple[object, ...]]:
    """Try a server of the lab."""
    server = LabServer("mx.example.org")
    await server.start()
    try:
        return await three_tries(server.port, names, lambda: len(server.messages))
    finally:
        await server.stop()


async def as_sandbox(names: tuple[str, ...], directory: Path) -> list[tuple[object, ...]]:
    """Try a listener of the sandbox."""
    rig = await sandbox(directory, failing())
    try:
        return await three_tries(rig.address()[1], names, lambda: len(rig.kept))
    finally:
        await rig.receiver.stop(0.0)
        await rig.door.guards.reserve.stop()


def test_every_row_of_the_table_has_examples_here() -> None:
    """What is added to the table is compared below, too."""
    assert set(EXAMPLES) == {row.form for row in BEHAVIORS}
    for form, names in EXAMPLES.items():
        (row,) = (row for row in BEHAVIORS if row.form == form)
        assert row.pattern.fullmatch(names[0].lower())


@pytest.mark.parametrize(
    "names",
    [
        *((name,) for name in NAMES),
        ("accept", "550"),
        ("discard", "accept"),
        ("slow-dot-3s", "dot-554", "dot-452"),
        ("drop-after-dot", "dot-554"),
        ("greylist", "accept", "rate450"),
    ],
    ids="-and-".join,
)
def test_the_lab_and_the_sandbox_do_the_same(names: tuple[str, ...], tmp_path: Path) -> None:
    """Three tries look alike to the client: replies, times, ends, and what was kept."""
    in_lab = run_virtual(as_lab(names))
    in_sandbox = run_virtual(as_sandbox(names, tmp_path))
    assert in_sandbox == in_lab


def test_an_empty_content_is_broken_off_as_well(tmp_path: Path) -> None:
    """drop-in-data@ takes no message, even one without an octet."""

    async def run() -> None:
        server = LabServer("mx.example.org")
        await server.start()
        rig = await sandbox(tmp_path, failing())
        for port in (server.port, rig.address()[1]):
            (outcome,) = await send(port, "drop-in-data", content=b"")
            assert outcome.reply is None
        assert not server.messages
        assert not rig.kept
        await server.stop()
        await rig.receiver.stop(0.0)
        await rig.door.guards.reserve.stop()

    run_virtual(run())


def run_rules(
    directory: Path, work: Callable[[Rig, Failing], Awaitable[None]], **options: Any
) -> None:
    """Run some work on a listener that fails by rules."""

    async def run() -> None:
        rules = failing()
        rig = await sandbox(directory, rules, **options)
        try:
            await work(rig, rules)
        finally:
            await rig.receiver.stop(0.0)
            await rig.door.guards.reserve.stop()

    run_virtual(run())


@pytest.mark.parametrize(
    "stage", [SessionStage.MAIL, SessionStage.RCPT, SessionStage.DATA, SessionStage.DOT]
)
def test_a_rule_answers_at_its_stage(stage: SessionStage, tmp_path: Path) -> None:
    """The next two messages get the reply of the rule, and the third is taken."""

    async def work(rig: Rig, rules: Failing) -> None:
        rule = FailingRule(
            id="two", stage=stage, code=451, enhanced="4.7.77", text="Not now", count=2
        )
        await rules.put(rule)
        port = rig.address()[1]
        replies = [str((await send(port, "bob"))[0].reply)[:17] for _ in range(3)]
        assert replies[:2] == ["451 4.7.77 Not no"] * 2
        assert replies[2].startswith("250 ")
        assert rules.rules()[0].tally.acted == 2
        assert rules.rules()[0].is_spent
        assert len(rig.kept) == 1

    run_rules(tmp_path, work)


@pytest.mark.parametrize("stage", [SessionStage.CONNECT, SessionStage.HELO])
@pytest.mark.parametrize("delay", [0.0, 20.0])
def test_a_session_can_fail_before_it_begins(
    stage: SessionStage, delay: float, tmp_path: Path
) -> None:
    """A refusal, at once or late, comes instead of the greeting or of the reply to EHLO."""

    async def work(rig: Rig, rules: Failing) -> None:
        rules.fail_next(stage=stage, code=421, text="Busy", delay=delay)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(OpenFailed, match=r"421 4\.3\.[02] Busy"):
            await send(rig.address()[1], "bob")
        assert delay <= loop.time() - begun < delay + 1
        assert (await send(rig.address()[1], "bob"))[0].is_delivered
        assert not rules.rules()

    run_rules(tmp_path, work)


@pytest.mark.parametrize("how", [Break.CLOSE, Break.RESET])
@pytest.mark.parametrize("stage", [stage for stage in SessionStage if stage not in NOT_REACHED])
def test_a_rule_breaks_the_connection_at_its_stage(
    stage: SessionStage, how: Break, tmp_path: Path
) -> None:
    """Without a word; at the dot the message has been kept, before it nothing."""

    async def work(rig: Rig, rules: Failing) -> None:
        rules.fail_next(stage=stage, disconnect=how)
        message = MESSAGE * 20_000
        if stage in {SessionStage.CONNECT, SessionStage.HELO}:
            with pytest.raises(OpenFailed) as failed:
                await send(rig.address()[1], "bob", content=message)
            assert failed.value.reply is None
        else:
            (outcome,) = await send(rig.address()[1], "bob", content=message)
            assert outcome.reply is None
            assert outcome.is_uncertain or stage is not SessionStage.DOT
        assert len(rig.kept) == (stage is SessionStage.DOT)
        await asyncio.sleep(5)
        assert rig.reasons() == ["failing on purpose: rule next-1"]

    run_rules(tmp_path, work)


def test_a_message_can_be_thrown_away(tmp_path: Path) -> None:
    """It is acknowledged, and nowhere."""

    async def work(rig: Rig, rules: Failing) -> None:
        rules.fail_next(stage=SessionStage.DOT, discards=True)
        assert (await send(rig.address()[1], "bob"))[0].is_delivered
        assert not rig.kept

    run_rules(tmp_path, work)


def test_addresses_can_be_forbidden_to_ask(tmp_path: Path) -> None:
    """Then 550@ is a recipient as any other, until they may again."""

    async def work(rig: Rig, rules: Failing) -> None:
        await rules.let_addresses_ask(may=False)
        assert (await send(rig.address()[1], "550"))[0].is_delivered
        await rules.let_addresses_ask(may=True)
        assert not (await send(rig.address()[1], "550"))[0].is_delivered

    run_rules(tmp_path, work)


def test_a_client_that_goes_while_we_are_slow_leaves_nothing_behind(tmp_path: Path) -> None:
    """A timer of a session that is gone does nothing, and nothing is kept."""

    async def work(rig: Rig, rules: Failing) -> None:
        rules.fail_next(stage=SessionStage.DOT, delay=60.0)
        reader, writer = await asyncio.open_connection(*rig.address())
        writer.write(
            b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n\r\nx\r\n.\r\n"
        )
        await reader.readuntil(b"354 ")
        await asyncio.sleep(1)
        reset(writer.transport)
        await asyncio.sleep(120)
        assert not rig.kept
        assert rig.door.guards.budget.used == 0

    run_rules(tmp_path, work)
