"""Webhooks of the sandbox: programs are told of new mail, and can prove who told them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError
from tests.webhook_receiver import Receiver

from pillarbox.config.settings import (
    SandboxProjectSettings,
    SandboxSettings,
    SandboxWebhookSettings,
    Settings,
)
from pillarbox.errors import PermanentError
from pillarbox.lab.clock import run_virtual
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox import webhooks as webhooks_module
from pillarbox.sandbox.projects import Project, ProjectRejected, check
from pillarbox.sandbox.service import Sandbox
from pillarbox.sandbox.webhook_call import Endpoint, call, received_event
from pillarbox.sandbox.webhook_signature import make_secret
from pillarbox.sandbox.webhooks import Webhooks
from pillarbox.store.ids import parse_id

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MAIL = b"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?=C3=9Cber?=\r\n\r\nhello\r\n"

Work = Callable[[Sandbox, Webhooks, Receiver], Awaitable[None]]


def run(
    work: Work,
    *,
    answers: list[tuple[int, dict[str, str]]] | None = None,
    url: str = "",
    virtual: bool = False,
    projects: dict[str, SandboxProjectSettings] | None = None,
    own: dict[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Run some work with a sandbox, of these own settings, that calls a receiver."""

    async def main() -> None:
        async with Receiver(answers or []) as receiver:
            fields.setdefault("secret", SECRET)
            settings = Settings(
                sandbox=SandboxSettings(
                    **{"smtp": ("localhost:0",), "http": (), "pop3": (), **(own or {})}
                ),
                sandbox_webhook={"own": SandboxWebhookSettings(url=url or receiver.url, **fields)},
                sandbox_project=projects or {},
            )
            node = SandboxNode(settings)
            await node.start()
            try:
                await work(node.sandbox, node.sandbox.webhooks, receiver)
            finally:
                await node.stop()

    if virtual:
        run_virtual(main())
    else:
        asyncio.run(main())


async def done(webhooks: Webhooks, count: int = 1, *, step: float = 0.01) -> None:
    """Wait until so many deliveries have come to an end."""
    async with asyncio.timeout(3_600):
        while sum(each.is_done for each in webhooks.deliveries()) < count:  # noqa: ASYNC110
            await asyncio.sleep(step)


def test_a_program_is_told_of_new_mail_and_can_prove_it() -> None:
    """The standard's own library accepts the call, by both names of the fields."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        mail = await sandbox.ingest(MAIL)
        (call,) = await receiver.wait_for(1)
        assert call.path == "/hook?x=1"
        assert call.fields["content-type"] == "application/json"
        told = Webhook(SECRET).verify(call.body, call.fields)
        assert told["type"] == "email.received"
        assert told["data"]["subject"] == "Über"
        assert told["data"]["from"] == {"address": "ann@example.com", "name": "Ann"}
        assert told["data"]["envelope"] == {"from": "ann@example.com", "to": ["bob@example.org"]}
        assert told["data"]["project"] == "inbox"
        assert parse_id(told["data"]["id"]) == mail
        as_svix = {
            name.replace("svix-", "webhook-"): value
            for name, value in call.fields.items()
            if name.startswith("svix-")
        }
        Webhook(SECRET).verify(call.body, as_svix)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(call.body + b" ", call.fields)
        await done(webhooks)
        (delivery,) = webhooks.deliveries()
        assert delivery.has_succeeded
        assert (delivery.status, delivery.attempt, delivery.mail) == (200, 1, mail)
        assert delivery.response == "answer"

    run(work)


def test_both_secrets_sign_while_one_follows_the_other() -> None:
    """A receiver that knows either of them accepts the call."""

    async def work(sandbox: Sandbox, _webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        (call,) = await receiver.wait_for(1)
        for secret in (new, SECRET):
            Webhook(secret).verify(call.body, call.fields)

    new = make_secret()
    run(work, secret=new, previous_secret=SECRET)


def test_what_fails_is_tried_again_under_the_same_name() -> None:
    """After 1, 5 and 30 seconds; Retry-After makes it later, and a success ends it."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await sandbox.ingest(MAIL)
        await done(webhooks, step=0.5)
        assert len(receiver.calls) == 4
        assert len({call.fields["webhook-id"] for call in receiver.calls}) == 1
        assert 0.9 + 10 + 27 <= loop.time() - begun <= 1.1 + 11 + 33 + 1
        (delivery,) = webhooks.deliveries()
        assert (delivery.attempt, delivery.has_succeeded) == (4, True)

    run(work, virtual=True, answers=[(500, {}), (429, {"retry-after": "10"}), (503, {})])


def test_trying_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six tries, then it is given up, and the log says with what."""
    monkeypatch.setattr(webhooks_module, "_WAITS", (0.01,) * 5)

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        await done(webhooks)
        assert len(receiver.calls) == 6
        (delivery,) = webhooks.deliveries()
        assert not delivery.has_succeeded
        assert delivery.problem == "it answered 500"
        assert delivery.next_try is None

    run(work, answers=[(500, {})] * 100)


def test_redirects_are_not_followed() -> None:
    """A receiver cannot make us ask somebody else."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        await done(webhooks)
        assert len(receiver.calls) == 1
        assert webhooks.deliveries()[0].problem == "302: redirects are not followed"

    run(work, answers=[(302, {"location": "http://127.0.0.1:1/"})])


def test_who_is_gone_is_not_called_again_until_a_test_succeeds() -> None:
    """410 turns the webhook off; the test button turns it on."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        await done(webhooks)
        (endpoint,) = webhooks.endpoints()
        assert webhooks.is_disabled(endpoint)
        await sandbox.ingest(MAIL)
        assert len(webhooks.deliveries()) == 1
        tested = await webhooks.test("own")
        assert tested.has_succeeded
        assert json.loads(receiver.calls[-1].body)["type"] == "webhook.test"
        await sandbox.ingest(MAIL)
        await receiver.wait_for(3)

    run(work, answers=[(410, {})])


def test_only_mail_that_a_search_finds_is_told_of() -> None:
    """The search is the page's; what it does not find leaves nothing in the log."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        wanted = await sandbox.ingest(MAIL.replace(b"hello", b"invoice 7"))
        await receiver.wait_for(1)
        await done(webhooks)
        await asyncio.sleep(0.05)
        assert [each.mail for each in webhooks.deliveries()] == [wanted]

    run(work, search="invoice")


def test_each_project_has_its_own_receiver() -> None:
    """A project's mail is told to its webhook, and to those that are for all."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.put_project(Project(name="shop", webhook=receiver.url, webhook_secret=SECRET))
        await sandbox.ingest(MAIL, project="shop")
        await sandbox.ingest(MAIL)
        await done(webhooks, 3)
        told = sorted((each.endpoint, each.project) for each in webhooks.deliveries())
        assert told == [("own", "inbox"), ("own", "shop"), ("project shop", "shop")]

    run(work)


def test_an_event_has_the_tags_of_rules() -> None:
    """What a search puts on a mail is there before anybody is told, and can be asked for."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL.replace(b"To: bob", b"X-Tags: zoo\r\nTo: bob"))
        await sandbox.ingest(MAIL.replace(b"Ann <ann@", b"Bob <bob@"))
        await done(webhooks)
        (call,) = receiver.calls
        assert json.loads(call.body)["data"]["tags"] == ["from ann", "zoo"]

    run(work, own={"tags": ("from ann: from:ann",)}, search='tag:"from ann"')


def test_what_was_not_delivered_is_tried_again_after_a_restart(tmp_path: Path) -> None:
    """With a file, the log survives, and so does an event that its receiver did not take."""
    database = tmp_path / "sandbox.sqlite"

    async def main() -> None:
        async with Receiver([(200, {}), (503, {"retry-after": "1"})]) as receiver:

            async def with_node(work: Callable[[SandboxNode], Awaitable[None]]) -> None:
                settings = Settings(
                    sandbox=SandboxSettings(
                        smtp=("localhost:0",), http=(), pop3=(), database=database
                    ),
                    sandbox_webhook={"own": SandboxWebhookSettings(url=receiver.url)},
                )
                node = SandboxNode(settings)
                await node.start()
                try:
                    await work(node)
                finally:
                    await node.stop()

            async def before(node: SandboxNode) -> None:
                await node.sandbox.ingest(MAIL)
                await receiver.wait_for(1)
                await node.sandbox.ingest(MAIL)
                await receiver.wait_for(2)
                async with asyncio.timeout(10):
                    while not node.sandbox.webhooks.deliveries()[0].problem:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

            async def after(node: SandboxNode) -> None:
                webhooks = node.sandbox.webhooks
                second, first = webhooks.deliveries()
                assert (first.attempt, first.has_succeeded) == (1, True)
                assert (second.attempt, second.status) == (1, 503)
                await done(webhooks, 2)
                assert webhooks.deliveries()[0].has_succeeded
                assert receiver.calls[2].fields["webhook-id"] == second.event
                assert receiver.calls[2].body == receiver.calls[1].body
                await node.sandbox.ingest(MAIL)
                await done(webhooks, 3)
                assert len({each.id for each in webhooks.deliveries()}) == 3

            await with_node(before)
            await with_node(after)

    asyncio.run(main())


def test_who_was_gone_is_still_gone_after_a_restart(tmp_path: Path) -> None:
    """A receiver that answered 410 is left alone until a test succeeds, restarts included."""
    own = {"database": tmp_path / "sandbox.sqlite"}
    url = "http://localhost:1/hook"

    async def before(_sandbox: Sandbox, webhooks: Webhooks, _receiver: Receiver) -> None:
        (endpoint,) = webhooks.endpoints()
        webhooks.disable(endpoint)

    async def after(_sandbox: Sandbox, webhooks: Webhooks, _receiver: Receiver) -> None:
        assert webhooks.is_disabled(webhooks.endpoints()[0])

    run(before, own=own, url=url)
    run(after, own=own, url=url)


def test_a_delivery_can_be_repeated() -> None:
    """It has the name of the first, so that the receiver can tell."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        await sandbox.ingest(MAIL)
        await done(webhooks)
        again = await webhooks.replay(webhooks.deliveries()[0].id)
        assert again.has_succeeded
        first, second = receiver.calls
        assert first.body == second.body
        assert first.fields["webhook-id"] == second.fields["webhook-id"]
        with pytest.raises(PermanentError, match="no longer remembered"):
            await webhooks.replay("dlv_0")
        with pytest.raises(PermanentError, match="no webhook 'other'"):
            await webhooks.test("other")

    run(work)


def test_nobody_there_is_a_problem_with_a_name() -> None:
    """The log says what the system said, and no exception goes anywhere."""

    async def work(_sandbox: Sandbox, webhooks: Webhooks, _receiver: Receiver) -> None:
        tested = await webhooks.test("own")
        assert "Connect" in tested.problem or "refused" in tested.problem

    run(work, url="http://127.0.0.1:9/")


def test_a_receiver_gets_few_calls_at_once_and_mail_waits_for_none() -> None:
    """Four at the same time, however much mail comes."""

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        receiver.delay = 0.05
        await asyncio.gather(*(sandbox.ingest(MAIL) for _ in range(12)))
        await done(webhooks, 12)
        assert receiver.most_at_once == 4

    run(work)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is given up, and counted."""
    monkeypatch.setattr(webhooks_module, "_MOST_DELIVERIES", 5)

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        receiver.delay = 0.2
        for _ in range(12):
            await sandbox.ingest(MAIL)
        assert len(webhooks.deliveries()) == 5
        assert webhooks.given_up == 7

    run(work)


def test_what_is_done_makes_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries that have ended are forgotten before one that waits is given up."""
    monkeypatch.setattr(webhooks_module, "_MOST_DELIVERIES", 5)

    async def work(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        for _ in range(3):
            await sandbox.ingest(MAIL)
        await done(webhooks, 3)
        receiver.delay = 5.0
        for _ in range(5):
            await sandbox.ingest(MAIL)
        async with asyncio.timeout(5):
            while any(each.is_done for each in webhooks.deliveries()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(webhooks.deliveries()) == 5
        assert webhooks.given_up == 0

    run(work)


def test_a_webhook_from_the_page_cannot_reach_inside() -> None:
    """Where others can reach the page, an URL that is set there leads to public addresses only."""

    async def main() -> None:
        async with Receiver() as receiver:
            settings = Settings(
                sandbox=SandboxSettings(smtp=("localhost:0",), http=("0.0.0.0:0",), pop3=())
            )
            node = SandboxNode(settings)
            await node.start()
            try:
                sandbox, webhooks = node.sandbox, node.sandbox.webhooks
                await sandbox.put_project(Project(name="shop", webhook=receiver.url))
                tested = await webhooks.test("project shop")
                assert "is an internal machine" in tested.problem
                assert not receiver.calls
            finally:
                await node.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "ftp://x/"}, "only http and https"),
        ({"url": "http://user@x/"}, "user name"),
        ({"secret": "whsec_short"}, "24 to 64 octets"),
    ],
)
def test_what_cannot_be_used_is_said_at_the_start(fields: dict[str, str], why: str) -> None:
    """The sandbox does not start with a webhook that could never work."""

    async def work(*_: object) -> None:
        raise AssertionError("it started")

    with pytest.raises(PermanentError, match=why):
        run(work, **fields)


def test_an_event_stays_below_twenty_kilobytes() -> None:
    """However many recipients with long names there are (Standard Webhooks)."""

    async def main() -> None:
        node = SandboxNode(
            Settings(sandbox=SandboxSettings(smtp=("localhost:0",), http=(), pop3=()))
        )
        await node.start()
        try:
            people = ", ".join(f"{'N' * 300} <{'a' * 50}{n}@example.org>" for n in range(200))
            mail = f"From: a@b.test\r\nTo: {people}\r\nCc: {people}\r\n\r\nx\r\n".encode()
            message = await node.sandbox.ingest(mail, recipients=["a@example.org"])
            summary = await node.sandbox.summary(message)
            assert summary is not None
            assert len(received_event(summary)) < 20_000
        finally:
            await node.stop()

    asyncio.run(main())


def test_a_secret_that_was_made_up_is_shown_and_one_that_was_given_is_not() -> None:
    """The page shows only what nobody could know otherwise; it stays the same after a restart."""

    async def made_up(sandbox: Sandbox, webhooks: Webhooks, receiver: Receiver) -> None:
        (endpoint,) = webhooks.endpoints()
        await sandbox.ingest(MAIL)
        (call,) = await receiver.wait_for(1)
        Webhook(endpoint.secret).verify(call.body, call.fields)
        kept = await sandbox.inbox.settings("webhook-secrets")
        assert kept == {"own": endpoint.secret.encode()}

    async def given(_sandbox: Sandbox, webhooks: Webhooks, _receiver: Receiver) -> None:
        (endpoint,) = webhooks.endpoints()
        assert not endpoint.secret

    run(made_up, secret="")
    run(given)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0", "0x7f000001", "2130706433", "localhost", "localhost."),
        *("[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("[fc00::1]", "[fe80::1]", "10.0.0.1", "100.64.0.1", "169.254.169.254", "192.168.1.1"),
        *("[2001:0:7f00:1::]", "198.18.0.1", "240.0.0.1", "224.0.0.1", "[fec0::1]"),
    ],
)
def test_no_way_to_write_an_address_leads_inside(host: str) -> None:
    """The SSRF set of others' advisories: refused before anything is dialed."""
    endpoint = Endpoint(
        name="x", url=f"http://{host}:9/", keys=(bytes(32),), secret="", may_be_private=False
    )
    answer = asyncio.run(call(endpoint, name="msg_1", body=b"{}", now=1.0))
    assert answer.status is None
    assert answer.is_final
    assert "internal" in answer.problem or "address" in answer.problem or "name" in answer.problem


def test_an_endless_answer_is_not_read() -> None:
    """64 KiB of an answer are read, and of these a little is kept."""

    async def main() -> None:
        async with Receiver(text=b"x" * 1_000_000) as receiver:
            endpoint = Endpoint(name="x", url=receiver.url, keys=(bytes(32),), secret="")
            answer = await call(endpoint, name="msg_1", body=b"{}", now=1.0)
            assert "more than 65536 octets" in answer.problem
        async with Receiver(text=b"x" * 60_000) as receiver:
            endpoint = Endpoint(name="x", url=receiver.url, keys=(bytes(32),), secret="")
            answer = await call(endpoint, name="msg_1", body=b"{}", now=1.0)
            assert (answer.status, len(answer.text)) == (200, 2_000)

    asyncio.run(main())


def test_what_a_receiver_says_steers_nothing() -> None:
    """Its answer is shown in the page and by the API: no control characters, no turned text."""

    async def main() -> str:
        async with Receiver(text=b"\x1b]0;x\x07\0fine\n\xe2\x80\xae\xff") as receiver:
            endpoint = Endpoint(name="x", url=receiver.url, keys=(bytes(32),), secret="")
            return (await call(endpoint, name="msg_1", body=b"{}", now=1.0)).text

    assert asyncio.run(main()) == "\ufffd]0;x\ufffd\ufffdfine\n\ufffd\ufffd"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "http://[",
        "http://example.org:99999/",
        "http://user:secret@example.org/",
        "http://example.org/a\r\nX: y",
        "javascript:alert(1)",
    ],
)
def test_a_project_takes_no_webhook_that_could_not_be_called(url: str) -> None:
    """A typing error is told when it is made, and not in the log of deliveries."""
    with pytest.raises(ProjectRejected, match="begins with http"):
        check(Project(name="shop", webhook=url))
    check(Project(name="shop", webhook="http://localhost:3000/hook?a=b"))


def test_https_is_verified(tmp_path: Path) -> None:
    """With the authority that signed its certificate a receiver is called, and else it is not."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))

    async def main() -> None:
        async with Receiver(tls=context) as receiver:
            endpoint = Endpoint(name="x", url=receiver.url, keys=(bytes(32),), secret="")
            answer = await call(endpoint, name="msg_1", body=b"{}", now=1.0)
            assert "TLS with localhost failed" in answer.problem
            trusting = replace(endpoint, authorities=file)
            assert (await call(trusting, name="msg_1", body=b"{}", now=1.0)).status == 200
            missing = replace(endpoint, authorities=tmp_path / "none")
            assert (await call(missing, name="msg_1", body=b"{}", now=1.0)).is_final
            assert len(receiver.calls) == 1

    asyncio.run(main())
