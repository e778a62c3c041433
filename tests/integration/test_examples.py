"""The example configurations, started as they are but for ports and folders."""

from __future__ import annotations

import smtplib
import time
from pathlib import Path

import pytest
from tests.lab_thread import lab_server_in_thread
from tests.postgres import shared_server
from tests.started_example import started

from pillarbox.lab.servers import LabServer

MESSAGE = "From: eve@example.net\r\nSubject: hi\r\n\r\nhello\r\n"


def send(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.sendmail("eve@example.net", [recipient], MESSAGE)


def arrived(folder: Path) -> bytes:
    """Return the one message that comes into a Maildir."""
    deadline = time.monotonic() + 10
    while not (files := list((folder / "new").glob("*"))):
        assert time.monotonic() < deadline, f"nothing came into {folder}"
        time.sleep(0.02)
    return files[0].read_bytes()


@pytest.mark.parametrize("name", ["relay", "postgres"])
def test_a_relay_passes_everything_to_its_smart_host(tmp_path: Path, name: str) -> None:
    """What a local program submits without logging in arrives at the smart host."""
    with lab_server_in_thread(LabServer("smart.example.net")) as server:
        environ = {"PILLARBOX_ROUTE__OUT__HOST": f"127.0.0.1:{server.port}"}
        if name == "postgres":
            environ["PILLARBOX_STORE__URL"] = shared_server().database()
        with started(name, tmp_path, **environ) as port:
            send(port["submission"], "accept@example.com")
            deadline = time.monotonic() + 10
            while not server.messages and time.monotonic() < deadline:
                time.sleep(0.02)
        assert server.messages[0].content.endswith(b"Subject: hi\r\n\r\nhello\r\n")


def test_an_mx_takes_its_own_mail_and_nothing_else(tmp_path: Path) -> None:
    """A known recipient's mail lies in a Maildir; others are refused in the session."""
    with started("mx", tmp_path) as port:
        send(port["mx"], "ann@example.org")
        assert arrived(tmp_path / "var/mx/mail/example.org/ann").endswith(b"hello\n")
        for recipient, said in (
            ("nobody@example.org", (550, b"5.1.1")),
            ("ann@example.com", (550, b"5.7.1")),
        ):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                send(port["mx"], recipient)
            code, text = refused.value.recipients[recipient]
            assert (code, text[:5]) == said


def test_an_office_takes_and_sends(tmp_path: Path) -> None:
    """Its three listeners start, and mail for its own domain comes in on each that is plain."""
    with started("office", tmp_path) as port:
        assert set(port) == {"submission", "submissions", "mx"}
        send(port["mx"], "ann@example.org")
        assert arrived(tmp_path / "var/office/mail/example.org/ann")
        send(port["submission"], "bob@example.org")
        assert arrived(tmp_path / "var/office/mail/example.org/bob")
