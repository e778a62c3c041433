"""``pillarbox talk``: a session by script and by hand, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.lab_thread import lab_server_in_thread
from tests.scripted_server import Talk
from tests.situations.serving import serving

from pillarbox.checkup.facts.smtp import Mode
from pillarbox.checkup.probes.wire import Wire
from pillarbox.checkup.talk.session import TalkSession, TalkTerms
from pillarbox.checkup.talk.steps import Raw
from pillarbox.cli.main import cli
from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer
from pillarbox.net.tls import TlsContexts


@pytest.fixture(scope="module")
def server() -> Iterator[LabServer]:
    """A lab server with TLS and a user."""
    made = LabServer(
        "mx.talk.test",
        tls=self_signed_context("mx.talk.test"),
        logins=LabLogins({"ann": "good words"}),
    )
    with lab_server_in_thread(made):
        yield made


def talk(server: LabServer, script: str, *more: str) -> Result:
    where = f"127.0.0.1:{server.port}"
    return CliRunner().invoke(cli, ["talk", where, "--any-certificate", *more], input=script)


def test_a_script_that_holds_exits_with_0(
    server: LabServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS, a login, pipelining, DATA and BDAT by hand, and each line with its meaning."""
    mail = tmp_path / "mail.eml"
    mail.write_text("Subject: By hand\n\n.a line with a dot\n")
    monkeypatch.setenv("MAIL_SECRET", "good words")
    script = f"""
        < 220 mx.talk.test
        EHLO me.example
        < 250 STARTTLS
        /starttls
        < 250 AUTH
        /auth PLAIN ann
        < 235
        /pipe MAIL FROM:<ann@example.org> | RCPT TO:<bob@example.net>
        < 250 2.1.5
        /data {mail}
        < 250
        MAIL FROM:<ann@example.org>
        RCPT TO:<bob@example.net>
        /bdat {mail} 10
        < 250
        MAIL FROM:<ann@example.org>
        RCPT TO:<bob@example.net>
        BDAT 4
        /raw Hi\\r\\n
        < 250
        BDAT 0 LAST
        < 250
        QUIT
        < 221
    """
    before = len(server.messages)
    file = tmp_path / "session.txt"
    options = ("--password-env", "MAIL_SECRET", "--transcript", str(file))
    result = talk(server, script, *options)
    assert result.exit_code == 0, result.output
    assert "The client asks to continue encrypted" in result.output
    contents = [one.content for one in server.messages[before:]]
    whole = b"Subject: By hand\r\n\r\n.a line with a dot\r\n"
    assert contents == [whole, whole, b"Hi\r\n"]
    written = file.read_text()
    assert "> AUTH PLAIN ****" in written
    assert "good words" not in written + result.output


def test_a_reply_that_is_not_expected_exits_with_1(server: LabServer) -> None:
    """The line of the script is named, with what the server said."""
    result = talk(
        server, "EHLO me.example\nMAIL FROM:<a@b.example>\nRCPT TO:<550@c.example>\n< 250"
    )
    assert result.exit_code == 1
    assert "line 4: expected 250" in result.output


def test_a_script_that_is_not_there_is_wrong_usage() -> None:
    """Nobody is dialed, and the reason is said once, in words."""
    result = CliRunner().invoke(cli, ["talk", "127.0.0.1:9", "--script", "/nowhere/a.talk"])
    assert result.exit_code == 2
    assert "/nowhere/a.talk: No such file or directory" in result.output
    assert "Errno" not in result.output


def test_a_refusal_comes_with_its_cause(server: LabServer) -> None:
    """What the catalog knows of a reply is shown below it."""
    script = "EHLO me.example\nMAIL FROM:<a@b.example>\nRCPT TO:<greylist@c.example>\n< 450"
    said = json.loads(talk(server, script, "--json").output)
    assert said["problem"] == ""
    assert any(line["text"].startswith("Greylisting") for line in said["lines"])


def test_an_answer_to_auth_is_masked(server: LabServer) -> None:
    """Base64 hides nothing, so it is not shown."""
    script = "EHLO a.example\n/starttls\nAUTH PLAIN\n< 334\n/b64 \\0ann\\0good words\n< 235\n"
    said = json.loads(talk(server, script, "--json").output)
    assert said["problem"] == ""
    assert [line["text"] for line in said["lines"] if line["text"].startswith("****")] == ["****"]


def test_a_certificate_that_does_not_verify_ends_it(server: LabServer) -> None:
    """Without being told to, nothing goes on; that is 75, and no failed expectation."""
    where = f"127.0.0.1:{server.port}"
    result = CliRunner().invoke(cli, ["talk", where], input="EHLO a.example\n/starttls\n")
    assert result.exit_code == 75
    assert "--any-certificate" in result.output


def test_nobody_there_exits_with_75() -> None:
    """Who cannot be reached was not tested."""
    result = CliRunner().invoke(cli, ["talk", "127.0.0.1:1"], input="QUIT\n")
    assert result.exit_code == 75
    assert "refused" in result.output


def test_a_server_that_never_stops_talking_is_not_listened_to_forever() -> None:
    """So many replies to some octets, and no more."""
    heard: list[str] = []

    async def babbles(talk: Talk) -> None:
        await talk.say("220 mx.test")
        await talk.hear()
        while True:
            await talk.say("250 and more")
            await asyncio.sleep(0)  # who talks forever still lets others run

    async def run() -> None:
        async with serving(babbles) as port:
            wire = await Wire.open("127.0.0.1", port, [])
            terms = TalkTerms(
                host="mx.test",
                port=port,
                mode=Mode.PLAIN,
                hello="me.example",
                context=TlsContexts().opportunistic(),
                read_file=str.encode,
                ask_secret=str,
            )
            session = TalkSession(wire, terms, lambda line: heard.append(line.text))
            await session.begin()
            await session.do(Raw(b"NOOP\r\n"))
            await wire.close()

    asyncio.run(run())
    assert heard.count("250 and more") == 50


@pytest.mark.parametrize("script", ["/nonsense", "< twohundred"])
def test_a_script_that_cannot_be_read_exits_with_2(server: LabServer, script: str) -> None:
    """It is read as a whole before anybody is dialed."""
    assert talk(server, f"QUIT\n{script}\n").exit_code == 2
