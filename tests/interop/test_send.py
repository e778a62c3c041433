"""``pillarbox send`` to Postfix, in the clear and by STARTTLS."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from tests.interop.relay import make_certificate
from tests.peers import PORT, Postfix, require_peer, running

from pillarbox.cli.main import cli
from pillarbox.message.mail import read_mail

ENVIRON = {"EMAIL_URL": "", "SMTP_URL": "", "MAILER_DSN": "", "COLUMNS": "200"}


def test_postfix_takes_what_is_sent(tmp_path: Path) -> None:
    """A mail with a page and a file arrives whole, encrypted where that is asked for."""
    require_peer(Postfix)
    certificate = make_certificate(tmp_path / "certificate")
    file = tmp_path / "notes.bin"
    file.write_bytes(bytes(range(256)) * 40)
    with running(Postfix(directory=tmp_path / "peer", certificate=certificate)) as peer:
        words = [
            "send",
            "--server",
            f"{peer.address}:{PORT}",
            "--tls",
            "require",
            "--any-certificate",
        ]
        words += [
            "--to",
            "Bob <bob@example.org>",
            "--subject",
            "Grüße",
            "--body",
            "Hallo",
            "--html",
            "<p>Hallo",
        ]
        result = CliRunner().invoke(
            cli, [*words, "--attach", str(file), "--transcript"], env=ENVIRON
        )
        assert result.exit_code == 0, result.output
        assert "> STARTTLS" in result.output
        assert "queued as" in result.output
        (octets,) = peer.wait_for(1)
    mail = read_mail(octets)
    assert (mail.subject, mail.text) == ("Grüße", "Hallo\n")
    assert [each.content for each in mail.attachments] == [file.read_bytes()]


def test_what_postfix_refuses_is_explained(tmp_path: Path) -> None:
    """Its reply is shown and read, and the exit status is 1."""
    require_peer(Postfix)
    settings = "smtpd_recipient_restrictions = check_recipient_access inline:{nobody@example.org=REJECT}, permit_mynetworks, reject\n"
    with running(Postfix(directory=tmp_path / "peer", settings=settings)) as peer:
        words = [
            "send",
            "--server",
            f"{peer.address}:{PORT}",
            "--to",
            "nobody@example.org",
            "--body",
            "x",
        ]
        result = CliRunner().invoke(cli, words, env=ENVIRON)
    assert result.exit_code == 1
    assert "refused  554 5.7.1" in result.output
    assert "for good" in result.output
