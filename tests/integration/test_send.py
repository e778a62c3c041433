"""``pillarbox send``: what is sent, what is refused before it is sent, and what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.catching import catching
from tests.lab_thread import lab_server_in_thread

from pillarbox.cli.main import cli
from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import Caught, LabServer
from pillarbox.message.mail import Mail, read_mail

NOTHING = {"EMAIL_URL": "", "SMTP_URL": "", "MAILER_DSN": "", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def server() -> Iterator[LabServer]:
    """A lab server with TLS and a user."""
    made = LabServer(
        "mx.send.test", tls=self_signed_context("mx.send.test"), logins=LabLogins({"ann": "secret"})
    )
    with lab_server_in_thread(made):
        yield made


def send(*words: str, given: bytes = b"", **environ: str) -> Result:
    return CliRunner().invoke(cli, ["send", *words], input=given, env={**NOTHING, **environ})


def caught(server: LabServer, *words: str, **more: str) -> tuple[Caught, Mail]:
    """Send a mail; return it as the server got it."""
    before = len(server.messages)
    result = send("--server", f"localhost:{server.port}", *words, **more)
    assert result.exit_code == 0, result.output
    (message,) = server.messages[before:]
    return message, read_mail(message.content)


def test_a_mail_says_what_the_options_say(server: LabServer, tmp_path: Path) -> None:
    """Text, page, file, people and fields arrive; nobody reads who got a blind copy."""
    file = tmp_path / "Rechnung für Bob.pdf"
    file.write_bytes(b"%PDF-\x00\xff")
    page = tmp_path / "mail.html"
    page.write_text("<p>Grüße</p>\n", encoding="utf-8")
    url = f"<https://example.org/u?x={'a' * 90}>"
    message, mail = caught(
        server,
        *(
            "--from",
            "Änn (QA) <ann@example.org>",
            "--to",
            "Bob <accept@example.org>, accept2@example.org",
        ),
        *("--cc", "accept3@example.org", "--bcc", "accept4@example.org", "--subject", "Grüße"),
        *("--body", "Grüße", "--html", f"@{page}", "--attach", str(file)),
        *("-H", f"List-Unsubscribe: {url}", "-H", "X-Note: schön", "-H", "Reply-To: r@example.org"),
    )
    assert [str(each.address) for each in message.envelope.recipients] == [
        "accept@example.org", "accept2@example.org", "accept3@example.org", "accept4@example.org",
    ]  # fmt: skip
    assert str(message.envelope.reverse_path) == "ann@example.org"
    assert [each.name for each in mail.from_] == ["Änn"]
    assert [each.address for each in mail.to] == ["accept@example.org", "accept2@example.org"]
    assert (mail.subject, mail.text, mail.html) == ("Grüße", "Grüße\n", "<p>Grüße</p>\n")
    (attached,) = mail.attachments
    assert (attached.filename, attached.content) == ("Rechnung für Bob.pdf", b"%PDF-\x00\xff")
    assert mail.values("List-Unsubscribe") == (url,)
    assert mail.values("X-Note") == ("schön",)
    assert b"accept4" not in message.content
    assert mail.date
    assert mail.message_id
    assert not mail.defects
    assert max(map(len, message.content.split(b"\r\n"))) <= 998


def test_a_test_mail_needs_no_options(tmp_path: Path) -> None:
    """To a sandbox, `pillarbox send` alone sends something to look at, and says where."""

    async def run() -> None:
        async with catching() as running:
            config = tmp_path / "pillarbox.toml"
            config.write_text(
                f'[sandbox]\nsmtp = ["127.0.0.1:{running.port}"]\nhttp = ["localhost:8025"]\n'
            )
            result = await asyncio.to_thread(send, "--config", str(config))
            assert result.exit_code == 0, result.output
            newest = await running.sandbox.latest()
            assert newest is not None
            assert newest.subject == "A test mail from pillarbox"
            assert newest.tls  # STARTTLS is used where it is offered
            assert "see it  http://localhost:8025/mail/" in result.output

    asyncio.run(run())


def test_without_a_sandbox_it_says_how_to_start_one(tmp_path: Path) -> None:
    """Nothing listens: one line says so, and one what to do."""
    config = tmp_path / "pillarbox.toml"
    config.write_text('[sandbox]\nsmtp = ["127.0.0.1:1"]\n')
    result = send("--config", str(config))
    assert result.exit_code == 1
    assert "connection refused" in result.output
    assert "Start the sandbox by `pillarbox sandbox`." in result.output


def test_refusals_are_told_apart_and_explained(server: LabServer) -> None:
    """Some recipients get it and some do not: each is told, and the exit status is 1."""
    result = send(
        *(
            "--server",
            f"localhost:{server.port}",
            "--to",
            "accept@example.org",
            "--to",
            "550@example.org",
        ),
        *("--body", "x"),
    )
    assert result.exit_code == 1
    assert "accept@example.org  taken  250" in result.output
    assert "550@example.org     refused  550" in result.output
    assert "There is no such address" in result.output
    assert "for good" in result.output


def test_the_session_can_be_seen_and_shows_no_secret(server: LabServer, tmp_path: Path) -> None:
    """A transcript has each line, with the password masked; the login happens within TLS."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    words = ("--server", f"localhost:{server.port}", "--to", "accept@example.org", "--body", "x",
             "-u", "ann", "--password-file", str(password), "--transcript")  # fmt: skip
    result = send(*words, "--tls", "require", "--any-certificate", "--mechanism", "plain")
    assert result.exit_code == 0, result.output
    assert "> STARTTLS" in result.output
    assert "> AUTH PLAIN ***" in result.output
    assert "> RCPT TO:<accept@example.org>" in result.output
    assert "as ann" in result.output
    assert "secret" not in result.output
    password.write_text("wrong\n")
    result = send(*words, "--tls", "require", "--any-certificate")
    assert result.exit_code == 1
    assert "535" in result.output
    assert "wrong\n" not in result.output


def test_a_certificate_that_does_not_hold_is_refused(server: LabServer) -> None:
    """--tls require verifies."""
    result = send(
        "--server", f"localhost:{server.port}", "--to", "accept@example.org", "--tls", "require"
    )
    assert result.exit_code == 1
    assert "self-signed certificate" in result.output


def test_urls_of_the_environment_name_the_server(server: LabServer) -> None:
    """EMAIL_URL goes before SMTP_URL, and that before MAILER_DSN; a password is never shown."""
    url = f"smtp://ann:secret@localhost:{server.port}"
    for environ in (
        {"EMAIL_URL": url, "SMTP_URL": "smtp://localhost:1"},
        {"SMTP_URL": url, "MAILER_DSN": "smtp://localhost:1"},
        {"MAILER_DSN": url},
    ):
        result = send("--to", "accept@example.org", "--body", "x", **environ)
        assert result.exit_code == 0, result.output
        assert "as ann" in result.output
        assert "secret" not in result.output
    result = send("--to", "a@example.org", EMAIL_URL="gopher://x")
    assert result.exit_code == 2
    assert "EMAIL_URL: gopher" in result.output


def test_the_trap_of_smtps_with_587_is_told(server: LabServer) -> None:
    """Django's smtps://host:587 means STARTTLS; it is taken so, and said."""
    del server
    result = send("--server", "smtps://127.0.0.1:587", "--to", "a@example.org", "--dry-run")
    assert result.exit_code == 0
    assert "is taken as STARTTLS" in result.output


def test_json_says_it_all(server: LabServer) -> None:
    """One object: where it went, what each recipient got, the session, the reasons."""
    result = send(
        *(
            "--server",
            f"localhost:{server.port}",
            "--to",
            "550@example.org",
            "--body",
            "x",
            "--json",
        )
    )
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["server"]["port"] == server.port
    assert told["recipients"][0]["code"] == 550
    assert told["diagnoses"][0]["causes"]
    assert "> RCPT TO:<550@example.org>" in told["transcript"]
    assert not told["sent"]


def test_a_file_is_sent_as_it_is(server: LabServer) -> None:
    """--eml keeps every octet but line ends; without --to, its fields say who gets it."""
    before = len(server.messages)
    octets = b"Subject: raw\nTo: accept@example.org\nBcc: accept2@example.org\n\n.\nb\xe4\n"
    result = send(
        *("--server", f"localhost:{server.port}", "--eml", "-", "--from", "x@example.org"),
        given=octets,
    )
    assert result.exit_code == 0, result.output
    (message,) = server.messages[before:]
    assert message.content == b"Subject: raw\r\nTo: accept@example.org\r\n\r\n.\r\nb\xe4\r\n"
    assert len(message.envelope.recipients) == 2


def test_a_dry_run_sends_nothing(server: LabServer) -> None:
    """The message goes to standard output; a back end of Django that sends nothing does the same."""
    before = server.connections
    result = send(
        "--server", f"localhost:{server.port}", "--to", "a@example.org", "--body", "x", "-n"
    )
    assert result.exit_code == 0
    assert b"To: a@example.org\r\n" in result.stdout_bytes
    result = send("--to", "a@example.org", "--body", "x", EMAIL_URL="console://")
    assert b"To: a@example.org\r\n" in result.stdout_bytes
    assert server.connections == before


SEPARATORS = ["\n", "\r", "\r\n", "\x00", "\x0b", "\x85", "\u2028"]


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize(
    "words",
    [
        ("--subject", "x{}Bcc: evil@example.org"),
        ("--to", "x@example.org{}RCPT TO:<evil@example.org>"),
        ("--from", "x{} <x@example.org>"),
        ("--cc", '"x{}" <x@example.org>'),
        ("--envelope-from", "x@example.org{}"),
        ("--header", "X-A: x{}Bcc: evil@example.org"),
        ("--header", "X-A{}: x"),
    ],
)
def test_nothing_breaks_out_of_its_field(separator: str, words: tuple[str, str]) -> None:
    """Line ends and other controls in a value are wrong usage, and nothing is sent."""
    words = (words[0], words[1].replace("{}", separator))
    result = send("--server", "127.0.0.1:1", "--to", "a@example.org", *words)
    assert result.exit_code == 2, result.output
    assert "control character" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "nobody"), "--to 'nobody'"),
        (("--from", "a@b.example, c@d.example"), "one address"),
        (("--header", "no field"), "Name: value"),
        (("--header", "Bcc: x@example.org"), "--bcc"),
        (("--header", "Content-Type: text/html"), "parts"),
        (("--server", "host:port"), "malformed"),
        (("--password-env", "NOT_SET"), "not set"),
        (("--body", "@/does/not/exist"), "No such file"),
        (("--eml", "-", "--subject", "x"), "no other content"),
        (("--tls", "implicit", "--any-certificate"), "--ca-file"),
    ],
)
def test_wrong_options_are_wrong_usage(words: tuple[str, ...], said: str) -> None:
    """What is wrong is named, and the exit status is 2."""
    result = send("--server", "127.0.0.1:1", "--to", "a@example.org", *words)
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_a_stranger_has_to_be_named() -> None:
    """A test mail without recipients goes to a sandbox only."""
    result = send("--server", "127.0.0.1:1")
    assert result.exit_code == 2
    assert "Say to whom" in result.output


def test_addresses_in_other_scripts_are_sent(server: LabServer) -> None:
    """A local part in UTF-8 goes by SMTPUTF8, a domain in A-labels."""
    message, mail = caught(server, "--to", "jürgen@bücher.example", "--body", "x")
    assert message.envelope.smtputf8
    assert mail.to[0].address == "jürgen@xn--bcher-kva.example"
