"""The record of each SMTP session: who said what, without secrets, bounded, explained."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import smtplib
import socket
import ssl

import pytest
from tests.catching import MAIL, PATIENCE, Running, with_sandbox

from pillarbox.sandbox.transcript import MOST_LINES, Line, Transcript

_SECRET = "hunter2-and-more"


async def session_of(running: Running) -> Transcript:
    """Return the session of the newest mail."""
    newest = await running.sandbox.latest()
    assert newest is not None
    transcript = await running.sandbox.transcript(newest.session)
    assert transcript is not None
    return transcript


def said(transcript: Transcript) -> list[str]:
    return [f"{line.direction} {line.text}" for line in transcript.lines]


def test_a_session_is_recorded_line_by_line_with_a_note_at_each() -> None:
    """Commands and replies stand in their order with times, and each is explained."""

    async def test(running: Running) -> None:
        await running.send(to=["bob@example.org"])
        transcript = await session_of(running)
        lines = said(transcript)
        assert lines[0].startswith("S 220 localhost ESMTP")
        assert "C rcpt TO:<bob@example.org>" in lines
        assert "C Subject: Hello" in lines
        assert "C ." in lines
        assert lines[-2:] == ["C QUIT", "S 221 2.0.0 Bye"]
        times = [line.at for line in transcript.lines]
        assert times == sorted(times)
        assert (transcript.client, transcript.listener) == ("127.0.0.1", "sandbox")
        content = {"C From: Ann <ann@example.com>", "C To: bob@example.org", "C Subject: Hello"}
        unexplained = [
            text
            for text, line in zip(lines, transcript.lines, strict=True)
            if not line.note and text not in content | {"C ", "C It works."}
        ]
        assert unexplained == []

    with_sandbox(test)


def test_the_session_can_be_read_while_it_goes_on() -> None:
    """A client that keeps its connection open has its session shown as far as it has come."""

    async def test(running: Running) -> None:
        client = await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", running.port)
        await asyncio.to_thread(client.sendmail, "a@x.test", "b@y.test", MAIL)
        assert said(await session_of(running))[-1].startswith("S 250 2.0.0 OK, queued as")
        await asyncio.to_thread(client.close)

    with_sandbox(test)


def test_secrets_are_masked_however_they_are_sent() -> None:
    """Neither a password nor a token stands in a record, whole, coded, or where no command is."""
    coded = base64.b64encode(f"\0ann\0{_SECRET}".encode()).decode()
    alone = base64.b64encode(_SECRET.encode()).decode()

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.ehlo()
            client.docmd("AUTH", f"PLAIN {coded}x!")  # malformed
            client.docmd("AUTH", "PLAIN")
            client.docmd(coded)
            client.docmd("RSET")
            client.close()
            client.connect("127.0.0.1", running.port)
            client.ehlo()
            client.docmd("auth", "login")
            client.docmd(base64.b64encode(b"ann").decode())
            client.docmd(alone)
            client.close()
            client.connect("127.0.0.1", running.port)
            client.ehlo()
            client.docmd("AUTH", "NOSUCH")
            client.docmd(_SECRET)  # lost step: a password where a command belongs
            client.sendmail("a@x.test", "b@y.test", MAIL)

        await running.talk(dialog)
        await asyncio.sleep(0.05)
        records = [*running.sandbox.sessions_without_mail(), await session_of(running)]
        text = "\n".join(line for record in records for line in said(record))
        assert "AUTH PLAIN ****" in text
        assert "logged in as ann" in text
        for secret in (_SECRET, coded, alone):
            assert secret not in text

    with_sandbox(test)


def test_a_content_is_shown_by_its_first_lines_and_its_size() -> None:
    """Ten lines of a large content are kept, whether it comes by DATA or in chunks."""
    content = b"Subject: x\r\n\r\n" + b"".join(b"line %d\r\n" % n for n in range(5_000))

    async def test(running: Running) -> None:
        def chunked(client: smtplib.SMTP) -> None:
            client.ehlo()
            client.mail("a@x.test")
            client.rcpt("b@y.test")
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            assert client.getreply()[0] == 250

        for dialog in (lambda client: client.sendmail("a@x", "b@y", content), chunked):
            await running.talk(dialog)  # type: ignore[arg-type] - either is a dialog
            lines = said(await session_of(running))
            assert "C line 7" in lines
            assert not any("line 8" in line for line in lines)
            assert any(f"{len(content):,} octets in all" in line for line in lines)

    with_sandbox(test)


def test_a_long_session_keeps_its_beginning_and_its_end() -> None:
    """After two hundred lines the middle is left out, and the record says so."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            for _ in range(60):
                client.sendmail("a@x.test", "b@y.test", MAIL)

        await running.talk(dialog)
        transcript = await session_of(running)
        assert len(transcript.lines) <= MOST_LINES + 1
        assert transcript.left_out > 100
        lines = said(transcript)
        assert lines[0].startswith("S 220")
        assert lines[-1].startswith("S 221")
        assert sum("left out" in line for line in lines) == 1

    with_sandbox(test)


def _last_line(running: Running) -> Line:
    (session,) = running.sandbox.sessions_without_mail()
    return session.lines[-1]


def test_who_does_not_trust_the_certificate_is_explained() -> None:
    """A client that breaks off the handshake leaves a session which says what to do."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            with pytest.raises(ssl.SSLError):
                client.starttls(context=ssl.create_default_context())

        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            await running.talk(dialog)
        async with asyncio.timeout(PATIENCE):
            while "ended" not in (last := _last_line(running)).text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert "does not trust the certificate" in last.note

    with_sandbox(test)


def test_tls_and_the_end_of_a_connection_are_noted() -> None:
    """The handshake, and a client that goes away without QUIT, stand in the record."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.starttls(context=running.trust())
            client.sendmail("a@x.test", "b@y.test", MAIL)
            client.close()

        await running.talk(dialog)
        await asyncio.sleep(0.05)
        lines = said(await session_of(running))
        assert any(line.startswith("- TLS: TLSv1.3") for line in lines)
        assert lines[-1] == "- connection ended: end of input"

    with_sandbox(test)


def test_sessions_that_bring_nothing_can_be_looked_at() -> None:
    """Who wonders why no mail arrives sees what the program said, up to the last hundred."""

    async def test(running: Running) -> None:
        def dialog() -> None:
            for number in range(120):
                with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
                    client.recv(100)
                    client.sendall(b"GARBAGE %d\r\n" % number)
                    client.recv(100)
            for _ in range(3):  # who only looks whether the port is open is not shown
                with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as client:
                    client.recv(100)

        await asyncio.to_thread(dialog)
        await asyncio.sleep(0.05)
        records = running.sandbox.sessions_without_mail()
        assert len(records) == 100
        assert said(records[0])[1] == "C GARBAGE 119"
        assert (await running.all()).total == 0
        one = await running.sandbox.transcript(records[5].session)
        assert one == records[5]
        assert await running.sandbox.transcript("no-such") is None

    with_sandbox(test)


def test_what_a_client_says_cannot_grow_the_record() -> None:
    """Long lines are cut, and octets that are no text are shown as such."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.ehlo()
            client.send(b"NOOP " + b"x" * 2_000 + b"\r\n")
            client.getreply()
            client.send(b"NOOP \xff\xfe\r\n")
            client.getreply()
            client.send(b"y" * 60_000 + b"\r\n")
            client.getreply()
            client.sendmail("a@x.test", "b@y.test", b"z" * 100_000)

        await running.talk(dialog)
        transcript = await session_of(running)
        assert max(len(line.text) for line in transcript.lines) <= 501
        lines = said(transcript)
        assert any(line.startswith("C NOOP \ufffd") for line in lines)
        assert any("too long" in line for line in lines)

    with_sandbox(test)
