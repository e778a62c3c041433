"""Failing on purpose in a whole sandbox: rules are kept, hold in their project, and are seen."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from pillarbox.config.settings import SandboxProjectSettings, SandboxSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.message.mail import read_mail
from pillarbox.node.sandbox import SandboxNode
from pillarbox.policy.behavior import Break, SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox import late_bounces
from pillarbox.sandbox.changes import ChangeKind
from pillarbox.sandbox.chaos import Chaos, Trigger, chaos_of, set_chaos
from pillarbox.sandbox.service import Sandbox

MAIL = "From: ann@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nbody\r\n"

Work = Callable[[Sandbox, Callable[..., Awaitable[Any]]], Awaitable[None]]


def run(work: Work, *, on_uvloop: bool = False, **fields: Any) -> None:
    """Run some work with a sandbox, and a function that sends by SMTP aside."""
    projects = fields.pop("projects", {})

    async def main() -> None:
        own = SandboxSettings(smtp=("localhost:0",), http=(), pop3=(), starttls=True, **fields)
        node = SandboxNode(Settings(sandbox=own, sandbox_project=projects))
        await node.start()
        port = int(node.addresses.smtp[0].rpartition(":")[2])

        def send(*recipients: str, login: str = "", tls: bool = False) -> dict[str, Any]:
            with smtplib.SMTP("localhost", port, timeout=10) as client:
                if tls:
                    client.starttls(context=ssl.create_default_context(cafile=node.certificate))
                if login:
                    client.login(login, "secret")
                return client.sendmail("ann@example.com", recipients or ["bob@example.org"], MAIL)

        async def aside(*recipients: str, **options: Any) -> dict[str, Any]:
            return await asyncio.to_thread(lambda: send(*recipients, **options))

        try:
            await work(node.sandbox, aside)
        finally:
            await node.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(main())


@pytest.mark.parametrize("on_uvloop", [False, True])
def test_connections_end_as_they_are_asked_to(*, on_uvloop: bool) -> None:
    """By a reset, in order, or after a reply: on either event loop."""

    async def work(sandbox: Sandbox, _send: Callable[..., Awaitable[Any]]) -> None:
        port = int(sandbox.addresses.smtp[0].rpartition(":")[2])

        async def ask(name: str) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n")
            await reader.readuntil(b"2.1.0 Sender OK\r\n")
            writer.write(f"RCPT TO:<{name}@c.test>\r\n".encode())
            try:
                return await reader.read(-1)
            finally:
                writer.close()

        with pytest.raises(ConnectionResetError):
            await ask("reset")
        assert await ask("drop") == b""
        assert (await ask("421")).startswith(b"421 4.3.2 ")

    run(work, on_uvloop=on_uvloop)


def test_addresses_fail_and_the_session_says_so() -> None:
    """550@ is refused on any domain, and the mail for the others is caught."""

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        refused = await send("550@anywhere.test", "bob@example.org")
        assert refused["550@anywhere.test"][0] == 550
        (summary,) = (await sandbox.find()).summaries
        assert summary.recipients == ("bob@example.org",)
        transcript = await sandbox.transcript(summary.session)
        assert transcript is not None
        assert any("550 5.1.1 No such recipient" in line.text for line in transcript.lines)

    run(work)


def test_what_bounces_later_comes_back_into_the_same_project(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """bounce-later@ is caught, and a notification with the null sender follows."""
    monkeypatch.setattr(late_bounces, "LATER", 0.05)

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        await send("bounce-later@example.org", "bob@example.org", login="till")
        mail = await sandbox.wait_for("subject:hello", timeout=5)
        bounce = await sandbox.wait_for("from:postmaster", timeout=5)
        assert mail is not None
        assert bounce is not None
        assert (bounce.project, mail.project) == ("shop", "shop")
        assert bounce.reverse_path == ""
        assert bounce.recipients == ("ann@example.com",)
        content = await sandbox.content(bounce.id)
        assert content is not None
        assert b"Final-Recipient: rfc822; bounce-later@example.org" in content
        assert content.count(b"Action: failed") == 1
        assert read_mail(content).tree.media_type == "multipart/report"

    run(work, projects={"shop": SandboxProjectSettings(users=("till",))})


def test_rules_of_a_project_leave_others_alone() -> None:
    """A rule of a project fails its mail, and nobody else's."""

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        rule = FailingRule(id="full", stage=SessionStage.RCPT, code=452, project="shop")
        await sandbox.failing.put(rule)
        await send()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send(login="till")
        assert [each.rule.id for each in sandbox.failing.rules("shop")] == ["full"]
        assert sandbox.failing.rules("inbox") == ()

    run(work, projects={"shop": SandboxProjectSettings(users=("till",))})


def test_logins_and_tls_can_fail() -> None:
    """The next logins are refused though they are right; STARTTLS is not available once."""

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        # The client tries PLAIN, then LOGIN.
        sandbox.failing.fail_next(stage=SessionStage.AUTH, code=454, count=2)
        with pytest.raises(smtplib.SMTPAuthenticationError) as failed:
            await send(login="ann")
        assert failed.value.smtp_code == 454
        await send(login="ann")
        sandbox.failing.fail_next(stage=SessionStage.STARTTLS, code=454)
        with pytest.raises(smtplib.SMTPException):
            await send(tls=True)
        sandbox.failing.fail_next(stage=SessionStage.STARTTLS, disconnect=Break.RESET)
        with pytest.raises((smtplib.SMTPException, OSError)):
            await send(tls=True)
        await send(tls=True)

    run(work)


def test_rules_are_kept_with_their_counts(tmp_path: Path) -> None:
    """A sandbox in a file has its rules again, and goes on to count; ``fail_next`` is gone."""
    database = tmp_path / "sandbox.sqlite"
    rule = FailingRule(id="ünï", stage=SessionStage.MAIL, code=451, every=2, note="for a test")

    async def first(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        await sandbox.failing.put(rule)
        await sandbox.failing.let_addresses_ask(may=False)
        sandbox.failing.fail_next(stage=SessionStage.DOT)
        with pytest.raises(smtplib.SMTPDataError):
            await send("550@example.org")
        with pytest.raises(smtplib.SMTPSenderRefused):
            await send()

    async def second(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        (state,) = sandbox.failing.rules()
        assert state.rule == rule
        assert (state.tally.matched, state.tally.acted) == (2, 1)
        assert not sandbox.failing.by_address
        await send("550@example.org")
        await sandbox.failing.put(rule)  # anew
        await send()
        assert await sandbox.failing.remove("ünï")
        assert not await sandbox.failing.remove("ünï")

    async def third(sandbox: Sandbox, _send: Callable[..., Awaitable[Any]]) -> None:
        assert sandbox.failing.rules() == ()

    for work in (first, second, third):
        run(work, database=database)


def test_chaos_is_a_view_of_rules() -> None:
    """What Mailpit's API sets is in force, is read back, and can be taken away."""

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        chaos = Chaos(recipient=Trigger(550, 100), sender=Trigger(421, 0))
        await set_chaos(sandbox.failing, chaos)
        assert chaos_of(sandbox.failing) == chaos
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await send()
        assert b"Chaos: recipient error" in refused.value.recipients["bob@example.org"][1]
        await set_chaos(sandbox.failing, Chaos())
        assert sandbox.failing.rules() == ()
        await send()
        with pytest.raises(PermanentError, match="200 is not a failure"):
            await set_chaos(sandbox.failing, Chaos(sender=Trigger(200, 1)))

    run(work)


def test_who_looks_is_told_of_other_rules() -> None:
    """Each change of the rules is published, and so is the end of a spent one."""

    async def work(sandbox: Sandbox, send: Callable[..., Awaitable[Any]]) -> None:
        async with sandbox.changes.subscribe() as changes:
            sandbox.failing.fail_next()
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                await send()
            await sandbox.failing.put(FailingRule(id="a", stage=SessionStage.DOT, delay=1.0))
            assert await sandbox.failing.clear() == 1
            told = [each for each in changes.take() if each.kind is ChangeKind.RULES]
            assert len(told) == 4

    run(work)


def test_there_is_a_limit_to_rules() -> None:
    """Whoever adds them in a loop is stopped."""

    async def work(sandbox: Sandbox, _send: Callable[..., Awaitable[Any]]) -> None:
        for _ in range(500):
            sandbox.failing.fail_next()
        with pytest.raises(PermanentError, match="500 rules"):
            sandbox.failing.fail_next()
        with pytest.raises(PermanentError, match="500 rules"):
            await sandbox.failing.put(FailingRule(id="a", stage=SessionStage.DOT, code=550))

    run(work)
