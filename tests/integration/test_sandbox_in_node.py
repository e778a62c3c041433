"""A sandbox inside a full node: listeners of the kind `sandbox` catch, all others go on."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import smtplib
from pathlib import Path
from typing import Any

import pytest
from tests.catching import MAIL, PATIENCE

from pillarbox.config.check import check
from pillarbox.config.loader import load
from pillarbox.errors import PillarboxError
from pillarbox.events.types import ClientBanned, MessageAccepted
from pillarbox.node.node import Node
from pillarbox.node.steering import Steering
from pillarbox.store.port import Selection

_CONFIGURATION = """
[node]
hostname = "mail.test"
directory = "{directory}"

[listener.catch]
kind = "sandbox"
bind = ["127.0.0.1:0"]

[listener.mx]
kind = "mx"
bind = ["127.0.0.1:0"]

[domain."local.test"]
recipients = ["bob"]
route = "out"

[route.out]
kind = "discard"
recipients = ["*"]

[guessing]
ban_after = 3

[sandbox]
http = ["127.0.0.1:0"]
pop3 = []
auth = "refuse"

[sandbox_project.shop]
recipient_domains = ["shop.test"]
"""


def send(port: int, to: str) -> dict[str, tuple[int, bytes]]:
    """Send a mail; return the recipients that were refused."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        try:
            return client.sendmail("ann@example.com", [to], MAIL)
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients


def guess(port: int) -> list[int]:
    """Log in wrongly ten times; return the codes."""
    codes = []
    for _ in range(10):
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            try:
                client.login("ann", "wrong")
            except smtplib.SMTPAuthenticationError as error:
                codes.append(error.smtp_code)
    return codes


def listed(address: str) -> Any:
    """Return what the API lists."""
    host, _, port = address.rpartition(":")
    client = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
    with contextlib.closing(client):
        client.request("GET", "/api/sandbox/v1/messages")
        return json.loads(client.getresponse().read())


def test_a_node_catches_by_one_listener_and_receives_by_another(tmp_path: Path) -> None:
    """What is caught stands in the inbox and in no queue; failed logins there ban nobody."""
    file = tmp_path / "pillarbox.toml"
    file.write_text(_CONFIGURATION.format(directory=tmp_path / "node"))
    events: list[Any] = []

    async def run() -> None:
        settings = load(file, {}).settings
        node = Node(settings, log=lambda event, _encoded: events.append(event))
        await node.start()
        try:
            ports = {name: each[0][1] for name, each in node.receiver.addresses.items()}
            assert node.sandbox is not None
            assert not await asyncio.to_thread(send, ports["catch"], "any@where.test")
            assert not await asyncio.to_thread(send, ports["catch"], "b@shop.test")
            assert await asyncio.to_thread(guess, ports["catch"]) == [535] * 10
            refused = await asyncio.to_thread(send, ports["mx"], "any@where.test")
            assert refused["any@where.test"][0] == 550
            assert not await asyncio.to_thread(send, ports["mx"], "bob@local.test")

            page = await node.sandbox.find()
            assert {each.project for each in page.summaries} == {"inbox", "shop"}
            for summary in page.summaries:
                assert await node.store.message(summary.id) is None
                content = await node.sandbox.content(summary.id)
                assert content is not None
                assert b"by mail.test with ESMTP" in content
            kept = await node.store.find(Selection(), limit=10)
            assert not {each.id for each in kept} & {each.id for each in page.summaries}
            answer = await asyncio.to_thread(listed, node.sandbox.addresses.http[0])
            assert answer["total"] == 2
            assert (await node.sandbox.info()).starttls == "offered"
        finally:
            await node.stop("the test is over")

    asyncio.run(run())
    kinds = [type(event) for event in events]
    assert kinds.count(MessageAccepted) == 3
    assert ClientBanned not in kinds
    assert (tmp_path / "node" / "sandbox.sqlite").exists()


_ANOTHER = """
[sandbox]
http = []
pop3 = []
users = ["ann:secret"]
max_messages = 2
tags = ["greeting: subject:hello"]
webroot = "/mail"

[sandbox_project.news]
recipient_domains = ["news.test"]
"""


def test_a_reload_takes_what_the_sandbox_can_take_under_way(tmp_path: Path) -> None:
    """Logins, caps, tags and projects hold at once; what needs a restart is named; errors undo all."""
    file = tmp_path / "pillarbox.toml"
    base = _CONFIGURATION.partition("[sandbox]")[0].format(directory=tmp_path / "node")
    file.write_text(f"{base}[sandbox]\nhttp = []\npop3 = []\n[sandbox_project.shop]\n")

    async def run() -> None:
        node = Node(
            load(file, {}).settings,
            reload=lambda: load(file, {}).settings,
            log=lambda _event, _encoded: None,
        )
        await node.start()
        try:
            port = node.receiver.addresses["catch"][0][1]
            sandbox = node.sandbox
            assert sandbox is not None
            assert not await asyncio.to_thread(send, port, "b@where.test")
            file.write_text(base + _ANOTHER)
            assert await Steering(node).reload() == [
                "sandbox.max_messages: in force",
                "sandbox.users: in force",
                "sandbox.tags: in force",
                "sandbox.webroot: takes a restart",
                "sandbox_project.shop: in force",
                "sandbox_project.news: in force",
            ]
            with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
                await asyncio.to_thread(send, port, "b@where.test")
            for to in ("b@news.test", "c@where.test"):
                await sandbox.ingest(MAIL, recipients=(to,))
            page = await sandbox.find()
            assert [each.project for each in page.summaries] == ["inbox", "news"]
            assert [each.name for each in sandbox.projects.all()] == ["inbox", "news"]
            file.write_text(
                base + _ANOTHER.replace("subject:hello", "frm:ann").replace("= 2", "= 9")
            )
            with pytest.raises(PillarboxError):
                await Steering(node).reload()
            assert sandbox.cap.max_messages == 2
        finally:
            await node.stop("the test is over")

    asyncio.run(run())


def test_a_sandbox_listener_needs_no_route_and_is_no_open_relay(tmp_path: Path) -> None:
    """A configuration that only catches has nothing to complain about."""
    file = tmp_path / "pillarbox.toml"
    file.write_text(
        f'[node]\nhostname = "mail.test"\ndirectory = "{tmp_path}"\n'
        '[listener.catch]\nkind = "sandbox"\nbind = ["0.0.0.0:1025"]\n'
    )
    assert [finding.what for finding in check(load(file, {}))] == []


def test_pages_that_everybody_can_read_are_warned_of(tmp_path: Path) -> None:
    """A page on all addresses without a password is found, and so is one that cannot be bound."""
    file = tmp_path / "pillarbox.toml"
    catching = (
        f'[node]\nhostname = "mail.test"\ndirectory = "{tmp_path}"\n'
        '[listener.catch]\nkind = "sandbox"\nbind = ["0.0.0.0:1025"]\n[sandbox]\npop3 = []\n'
    )
    for line, code in (
        ('http = ["0.0.0.0:8025"]', ["PB-CONFIG-311"]),
        ('http = ["0.0.0.0:8025"]\nhttp_users = ["ann:secret"]', []),
        ('http = [":8025"]', ["PB-CONFIG-311"]),
        ('http = ["localhost"]', ["PB-CONFIG-310"]),
        ('http = ["localhost:8025"]', []),
    ):
        file.write_text(catching + line)
        file.chmod(0o600)
        assert [finding.code for finding in check(load(file, {}))] == code, line
