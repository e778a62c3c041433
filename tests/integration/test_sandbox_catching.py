"""The sandbox catches whatever is sent to it, as it came, and nothing of it goes anywhere."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

import pytest
from tests.catching import MAIL, Running, catching, with_sandbox, without_trace

from pillarbox.errors import PermanentError
from pillarbox.inbox.values import Selection
from pillarbox.sandbox.changes import ChangeKind
from pillarbox.store.ids import parse_id, show_id


@pytest.mark.parametrize(
    "content",
    [
        MAIL,
        b"no header at all\r\n",
        b"\r\nonly a body\r\n",
        b"Subject: without From and Date\r\n\r\n8 bits: \xff\xfe\r\n",
        b"From: a@x\r\nFrom: b@x\r\nDate: yesterday\r\n\r\ntwo authors\r\n",
        b"Subject: dots\r\n\r\n.\r\n..\r\n.dot\r\n" + b"x" * 990 + b"\r\n",
        b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000,
    ],
)
def test_mail_is_caught_as_it_came(content: bytes) -> None:
    """Below our trace field stands every octet that was sent, whatever a server would refuse."""

    async def test(running: Running) -> None:
        caught = await running.send(content)
        kept = await running.sandbox.content(caught.id)
        assert without_trace(kept) == content
        assert caught.size == len(kept or b"")

    with_sandbox(test)


def test_a_mail_is_there_when_its_250_is() -> None:
    """Who has read the 250 finds the mail under its id, in the list and by a search."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> str:
            client.ehlo()
            client.mail("ann@example.com")
            client.rcpt("bob@example.org")
            return client.data(MAIL)[1].decode()

        for _ in range(20):
            reply = await running.talk(dialog)
            newest = await running.sandbox.latest("subject:hello to:bob@example.org")
            assert newest is not None
            assert reply.endswith(f"queued as {show_id(newest.id)}")

    with_sandbox(test)


def test_any_recipient_is_taken_and_nothing_is_passed_on() -> None:
    """Every address of every domain is fine, and the server says that it keeps the mail."""

    async def test(running: Running) -> None:
        to = ["bob@example.org", "x@localhost", "a%b@c.test", "u@[192.0.2.1]"]
        caught = await running.send(to=to)
        assert caught.recipients == tuple(to)
        assert [person.address for person in caught.bcc] == to[1:]

    with_sandbox(test)


def test_bounces_and_many_recipients_are_caught() -> None:
    """The null reverse-path and a thousand recipients are nothing special."""

    async def test(running: Running) -> None:
        many = [f"user{number}@example.org" for number in range(1_000)]
        caught = await running.send(sender="", to=many)
        assert caught.reverse_path == ""
        assert caught.recipients == tuple(many)

    with_sandbox(test)


def test_a_line_feed_alone_ends_a_line() -> None:
    """A program that forgets the CR is understood; its mail is kept with whole line ends."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.ehlo()
            client.mail("ann@example.com")
            client.rcpt("bob@example.org")
            client.putcmd("data")
            client.getreply()
            client.send(b"Subject: bare\n\nline\nline\n\r\n.\r\n")
            assert client.getreply()[0] == 250

        await running.talk(dialog)
        newest = await running.sandbox.latest()
        assert newest is not None
        kept = without_trace(await running.sandbox.content(newest.id))
        assert kept == b"Subject: bare\r\n\r\nline\r\nline\r\n\r\n"

    with_sandbox(test)


def test_a_message_over_the_limit_is_refused() -> None:
    """The limit is told with SIZE, and what is larger gets 552 and is not kept."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.ehlo()
            assert client.esmtp_features["size"] == "2000"
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail("a@x.test", "b@x.test", b"x" * 3_000)
            assert refused.value.smtp_code == 552

        await running.talk(dialog)
        assert (await running.all()).total == 0
        with pytest.raises(PermanentError, match="may have 2,000"):
            await running.sandbox.ingest(b"x" * 3_000)

    with_sandbox(test, max_message_size=2_000)


def test_the_oldest_goes_when_the_cap_is_reached_and_everybody_is_told() -> None:
    """With a cap of three, the fourth mail pushes the first one out, and the page hears of it."""

    async def test(running: Running) -> None:
        async with running.sandbox.changes.subscribe() as changes:
            sent = [(await running.send()).id for _ in range(5)]
            page = await running.all()
            assert [each.id for each in page.summaries] == sent[:1:-1]
            await asyncio.sleep(0)
            pruned = [each for each in changes.take() if each.kind is ChangeKind.PRUNE]
        assert [message for change in pruned for message in change.ids] == sent[:2]
        info = await running.sandbox.info()
        assert (info.cap.max_messages, info.statistics.pruned, info.counts.total) == (3, 2, 3)

    with_sandbox(test, max_messages=3)


def test_mail_in_a_file_is_there_after_a_restart(tmp_path: Path) -> None:
    """A sandbox with a file goes on where it stopped: mail, tags, projects, sessions."""
    file = tmp_path / "mail.sqlite"

    async def test() -> None:
        async with catching(database=file) as running:
            caught = await running.send(to="bob+one@example.org")
            await running.sandbox.mark(Selection(ids=frozenset({caught.id})), is_read=True)
        async with catching(database=file) as running:
            (again,) = (await running.all()).summaries
            assert (again.id, again.tags, again.is_read) == (caught.id, ("one",), True)
            transcript = await running.sandbox.transcript(again.session)
            assert transcript is not None
            assert any(line.text.startswith("mail FROM") for line in transcript.lines)
            newer = await running.send()
            assert newer.id > caught.id
            assert newer.session != again.session
            assert (await running.sandbox.info()).database == str(file)

    asyncio.run(test())


def test_ingested_mail_comes_as_if_by_smtp() -> None:
    """A message that the API brings is stamped, labeled and told of like all others."""

    async def test(running: Running) -> None:
        async with running.sandbox.changes.subscribe() as changes:
            message = await running.sandbox.ingest(b"From: a@x.test\nTo: b@y.test\nX-Tags: t\n\nhi")
            assert (await anext(changes)).ids == (message,)
        caught = await running.sandbox.summary(message)
        assert caught is not None
        assert (caught.reverse_path, caught.recipients, caught.tags) == (
            "a@x.test",
            ("b@y.test",),
            ("t",),
        )
        kept = await running.sandbox.content(message)
        assert without_trace(kept) == b"From: a@x.test\r\nTo: b@y.test\r\nX-Tags: t\r\n\r\nhi\r\n"
        large = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + b"line\r\n" * 200_000
        message = await running.sandbox.ingest(large, recipients=["c@z.test"])
        assert without_trace(await running.sandbox.content(message)) == large
        for wrong in (b"", b"\r\n"):
            with pytest.raises(PermanentError, match="empty"):
                await running.sandbox.ingest(wrong)
        with pytest.raises(PermanentError):
            await running.sandbox.ingest(MAIL, recipients=["not an address"])
        with pytest.raises(PermanentError, match="no project"):
            await running.sandbox.ingest(MAIL, project="nowhere")

    with_sandbox(test)


def test_what_is_removed_can_be_brought_back() -> None:
    """Removing tells everybody, and so does the undo."""

    async def test(running: Running) -> None:
        sent = [(await running.send()).id for _ in range(3)]
        sandbox = running.sandbox
        async with sandbox.changes.subscribe() as changes:
            removed = await sandbox.remove(Selection(ids=frozenset(sent[:2])))
            assert set(removed.ids) == set(sent[:2])
            assert (await running.all()).total == 1
            assert await sandbox.mail(sent[0]) is None
            assert set(await sandbox.restore(removed.undo)) == set(sent[:2])
            everything = await sandbox.remove(Selection())
            kinds = [each.kind for each in changes.take()]
        assert len(everything.ids) == 3
        assert kinds == [ChangeKind.DELETE, ChangeKind.RESTORE, ChangeKind.TRUNCATE]

    with_sandbox(test)


def test_ids_are_those_of_the_250() -> None:
    """The id in the reply can be looked up as it is."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> str:
            client.ehlo()
            client.mail("")
            client.rcpt("bob@example.org")
            return client.data(MAIL)[1].decode().rpartition(" ")[2]

        shown = await running.talk(dialog)
        mail = await running.sandbox.mail(parse_id(shown))
        assert mail is not None
        assert mail.subject == "Hello"

    with_sandbox(test)
