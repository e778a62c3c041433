"""Release: caught mail goes to real people by a relay, to those on a list and to nobody else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from pillarbox.config.settings import (
    SandboxForwardSettings,
    SandboxReleaseSettings,
    SandboxSettings,
    Settings,
)
from pillarbox.errors import PermanentError
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox import release as release_module
from pillarbox.sandbox.release import RelayRefused, RelayUnavailable, Released
from pillarbox.sandbox.service import Sandbox
from pillarbox.smtp.options import ServerOptions

MAIL = (
    b"Return-Path: <x@y.test>\r\nFrom: Ann <ann@example.com>\r\nTo: bob@example.org\r\n"
    b"Bcc: secret@example.net,\r\n other@example.net\r\nX-Tags: a, b\r\n"
    b"Message-ID: <one@example.com>\r\nSubject: hello\r\n\r\nbody\r\n.dot\r\n"
)

Work = Callable[[Sandbox, LabServer], Awaitable[None]]


def run(
    work: Work,
    *,
    server: LabServer | None = None,
    url: str = "smtp://localhost:{port}",
    forwards: dict[str, SandboxForwardSettings] | None = None,
    **fields: Any,
) -> None:
    """Run some work with a sandbox and a relay."""

    async def main() -> None:
        relay = server or LabServer("relay.test")
        await relay.start()
        fields.setdefault("recipients", ("@example.org", "only@example.net"))
        settings = Settings(
            sandbox=SandboxSettings(smtp=("localhost:0",), http=(), pop3=()),
            sandbox_release=SandboxReleaseSettings(relay=url.format(port=relay.port), **fields),
            sandbox_forward=forwards or {},
        )
        try:
            node = SandboxNode(settings)
            await node.start()
            try:
                await work(node.sandbox, relay)
            finally:
                await node.stop()
        finally:
            await relay.stop()

    asyncio.run(main())


async def caught(sandbox: Sandbox, content: bytes = MAIL, **fields: Any) -> int:
    """Have a mail caught; return its id."""
    fields.setdefault("reverse_path", "ann@example.com")
    fields.setdefault("recipients", ["bob@example.org"])
    return await sandbox.ingest(content, **fields)


async def releases(sandbox: Sandbox, count: int) -> tuple[Released, ...]:
    """Wait for so many releases; return them, the newest first."""
    assert sandbox.releaser is not None
    async with asyncio.timeout(10):
        while len(sandbox.releaser.releases()) < count:  # noqa: ASYNC110 - short, and simple
            await asyncio.sleep(0.005)
    return sandbox.releaser.releases()


def test_released_mail_is_the_mail_without_what_is_nobodys_business() -> None:
    """Bcc, Return-Path and X-Tags go; Message-ID and the body stay as they are."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox)
        released = await sandbox.release(mail, ["bob@example.org", "carol@example.org"])
        assert [(each.address, each.is_accepted) for each in released.recipients] == [
            ("bob@example.org", True),
            ("carol@example.org", True),
        ]
        (got,) = relay.messages
        assert str(got.envelope.reverse_path) == "ann@example.com"
        head, _, body = got.content.partition(b"\r\n\r\n")
        assert body == b"body\r\n.dot\r\n"
        assert b"Message-ID: <one@example.com>" in head
        assert head.startswith(b"X-Pillarbox-Released: ")
        for gone in (b"Bcc", b"secret", b"other@", b"Return-Path", b"X-Tags"):
            assert gone not in head
        assert any(line.startswith("> MAIL FROM") for line in released.conversation)

    run(work)


def test_who_is_not_on_the_list_gets_nothing_and_neither_do_the_others() -> None:
    """One who is not allowed stops the whole release, before anything is dialed."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox)
        for forbidden in ("eve@example.com", "blocked@example.org", "bob@example.net"):
            refusal = f"{forbidden} must not receive released mail.* except those in .*blocked"
            with pytest.raises(PermanentError, match=refusal):
                await sandbox.release(mail, ["bob@example.org", forbidden])
        with pytest.raises(PermanentError, match="one recipient"):
            await sandbox.release(mail, [])
        assert relay.connections == 0
        await sandbox.release(mail, ["only@example.net"])

    run(work, blocked=("blocked@example.org",))


def test_without_a_relay_nothing_leaves() -> None:
    """It is refused with a sentence that names the setting."""

    async def main() -> None:
        own = SandboxSettings(smtp=("localhost:0",), http=(), pop3=())
        node = SandboxNode(Settings(sandbox=own))
        await node.start()
        try:
            mail = await caught(node.sandbox)
            with pytest.raises(PermanentError, match="sandbox_release"):
                await node.sandbox.release(mail, ["bob@example.org"])
        finally:
            await node.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "kind", "reply"),
    [
        ("550", RelayRefused, "550 5.1.1 No such recipient, as this address asks"),
        ("dot-554", RelayRefused, "554 5.7.1 Message refused, as this address asks"),
        ("450", RelayUnavailable, "450 4.2.1 Mailbox unavailable for now, as this address asks"),
        ("drop-after-dot", RelayRefused, "closed the connection"),
    ],
)
def test_what_the_relay_says_is_passed_on_word_by_word(
    name: str, kind: type[RelayRefused | RelayUnavailable], reply: str
) -> None:
    """Whoever released it reads the reply itself."""

    async def work(sandbox: Sandbox, _relay: LabServer) -> None:
        mail = await caught(sandbox)
        with pytest.raises(kind) as failed:
            await sandbox.release(mail, [f"{name}@example.org"])
        assert reply in str(failed.value)
        assert reply in failed.value.released.recipients[0].reply
        (logged,) = await releases(sandbox, 1)
        assert logged == failed.value.released

    run(work)


def test_those_whom_the_relay_refuses_are_told_apart() -> None:
    """One recipient is refused, the other gets it, and both are told."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox)
        released = await sandbox.release(mail, ["bob@example.org", "550@example.org"])
        assert [each.is_accepted for each in released.recipients] == [True, False]
        assert released.recipients[1].reply.startswith("550 5.1.1 ")
        assert len(relay.messages) == 1

    run(work)


def test_a_relay_that_is_down_is_unavailable() -> None:
    """Nothing listens there, and the reason says so."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox)
        await relay.stop()
        with pytest.raises(RelayUnavailable, match="refused"):
            await sandbox.release(mail, ["bob@example.org"])

    run(work)


def test_the_relay_is_spoken_to_as_its_url_says(tmp_path: Path) -> None:
    """STARTTLS with a certificate of its authority, and a login; the password is shown nowhere."""
    made = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert("localhost").configure_cert(context)
    authority = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(authority))
    server = LabServer("relay.test", tls=context, logins=LabLogins({"ann": "pass word"}))

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox)
        released = await sandbox.release(mail, ["bob@example.org"])
        assert relay.messages[0].is_encrypted
        assert "pass word" not in repr(released)
        assert "pass" not in released.relay
        assert "pass word" not in str(released.conversation)

    run(
        work,
        server=server,
        url=f"smtp://ann:pass%20word@localhost:{{port}}?tls=require&ca={authority}",
    )


def test_a_return_path_of_the_configuration_is_used() -> None:
    """Bounces of released mail go to whoever runs the sandbox."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        await sandbox.release(await caught(sandbox), ["bob@example.org"])
        assert str(relay.messages[0].envelope.reverse_path) == "admin@example.com"

    run(work, return_path="admin@example.com")


def test_a_rule_forwards_what_its_search_finds() -> None:
    """Mail with the tag goes to whom the rule names, once; other mail stays."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        await caught(sandbox, MAIL.replace(b"hello", b"other"))
        mail = await caught(sandbox)
        (released,) = await releases(sandbox, 1)
        assert (released.mail, released.rule) == (mail, "news")
        await asyncio.sleep(0.05)
        (got,) = relay.messages
        assert [str(each.address) for each in got.envelope.recipients] == ["team@example.org"]

    rule = SandboxForwardSettings(search="subject:hello", recipients=("team@example.org",))
    run(work, forwards={"news": rule})


def test_a_rule_without_recipients_keeps_to_the_list() -> None:
    """The mail's own recipients get it, those of them that are allowed."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        await caught(sandbox, recipients=["bob@example.org", "eve@example.com"])
        await releases(sandbox, 1)
        (got,) = relay.messages
        assert [str(each.address) for each in got.envelope.recipients] == ["bob@example.org"]

    run(work, forwards={"all": SandboxForwardSettings()})


def test_released_mail_that_comes_back_is_not_forwarded_again() -> None:
    """A relay that sends everything to the sandbox makes no loop."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        await caught(sandbox)
        await releases(sandbox, 1)
        await caught(sandbox, relay.messages[0].content)
        last = (await releases(sandbox, 2))[0]
        assert last.problem == "it was released before and came back"
        assert len(relay.messages) == 1

    run(work, forwards={"all": SandboxForwardSettings()})


def test_a_rule_tries_again_what_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deferral is tried again; after that it is delivered."""
    monkeypatch.setattr(release_module, "_WAITS", (0.01, 0.01, 0.01))

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        await caught(sandbox, recipients=["defer-2-times@example.org"])
        logged = await releases(sandbox, 3)
        assert [bool(each.problem) for each in logged] == [False, True, True]
        assert len(relay.messages) == 1

    run(work, forwards={"all": SandboxForwardSettings()})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"recipients": ()}, "sandbox_release.recipients is empty"),
        ({"recipients": ("exa mple",)}, "sandbox_release.recipients: .* is no pattern"),
        ({"url": "http://x"}, "sandbox_release.relay: http"),
        ({"return_path": "x"}, "sandbox_release.return_path"),
        (
            {"forwards": {"a": SandboxForwardSettings(recipients=("eve@example.com",))}},
            "sandbox_forward.a: eve@example.com is not in",
        ),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(fields: dict[str, Any], why: str) -> None:
    """The sandbox does not start with a release that could never work, or could surprise."""

    async def work(*_: object) -> None:
        raise AssertionError("it started")

    with pytest.raises(PermanentError, match=why):
        run(work, **fields)


def test_eight_bit_mail_is_declared_as_such() -> None:
    """UTF-8 in the body is 8BITMIME, in the header SMTPUTF8 (RFC 6152, RFC 6531)."""

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        for content in (
            MAIL.replace(b"body", "bödy".encode()),
            MAIL.replace(b"hello", "hé".encode()),
        ):
            await sandbox.release(await caught(sandbox, content), ["bob@example.org"])
        first, second = relay.messages
        assert first.envelope.body.value == "8BITMIME"
        assert not first.envelope.smtputf8
        assert second.envelope.smtputf8

    run(work)


def test_a_relay_without_eight_bits_gets_none() -> None:
    """It is refused here with the reason, and nothing is mangled."""
    server = LabServer("relay.test", options=ServerOptions(hostname="relay.test", smtputf8=False))

    async def work(sandbox: Sandbox, relay: LabServer) -> None:
        mail = await caught(sandbox, MAIL.replace(b"hello", "hé".encode()))
        with pytest.raises(RelayRefused, match="SMTPUTF8"):
            await sandbox.release(mail, ["bob@example.org"])
        assert not relay.messages

    run(work, server=server)
