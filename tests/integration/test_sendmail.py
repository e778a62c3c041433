"""pillarbox-sendmail as programs call it: a process, its input, its exit status."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab_thread import lab_server_in_thread
from tests.mail import NOW, kept_message

from pillarbox.lab.servers import LabServer
from pillarbox.store.port import Batch
from pillarbox.store.sqlite import SqliteStore

COMMAND = [sys.executable, "-c", "from pillarbox.cli.sendmail.command import main; main()"]
MESSAGE = b"From: ann@example.org\nTo: accept@example.net\nSubject: hi\n\nHello.\n"


@pytest.fixture
def server() -> Iterator[LabServer]:
    with lab_server_in_thread(LabServer("mx.example.net")) as running:
        yield running


class Sendmail:
    """Calls sendmail for a server on a port of this machine."""

    def __init__(self, folder: Path, port: int) -> None:
        self.drop = folder / "drop"
        self.environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "USER": "ann",
            "LOGNAME": "ann",
            "PILLARBOX_SENDMAIL": f"smtp://127.0.0.1:{port}",
            "PILLARBOX_SENDMAIL_DROP": str(self.drop),
        }

    def __call__(self, *words: str, given: bytes = MESSAGE) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *words], input=given, capture_output=True, env=self.environ, check=False
        )

    def kept(self) -> list[Path]:
        return sorted(self.drop.glob("*.mail"))


@pytest.fixture
def sendmail(tmp_path: Path, server: LabServer) -> Sendmail:
    return Sendmail(tmp_path, server.port)


@pytest.fixture
def unreachable(tmp_path: Path) -> Sendmail:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Sendmail(tmp_path, free.getsockname()[1])


def test_a_message_is_submitted(sendmail: Sendmail, server: LabServer) -> None:
    """Envelope from the arguments, content with CRLF, exit status 0, silence."""
    done = sendmail("-i", "-f", "ann@example.org", "accept@example.net")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (caught,) = server.messages
    assert str(caught.envelope.reverse_path) == "ann@example.org"
    assert [str(each.address) for each in caught.envelope.recipients] == ["accept@example.net"]
    assert caught.content == MESSAGE.replace(b"\n", b"\r\n")


def test_recipients_from_the_header_and_no_bcc(sendmail: Sendmail, server: LabServer) -> None:
    """-t reads To, Cc and Bcc, adds those of the arguments, and removes Bcc."""
    given = b"From: a@example.org\nTo: accept@example.net\nBcc: accept+b@example.net\n\nHello.\n"
    assert sendmail("-ti", "accept+c@example.net", given=given).returncode == 0
    (caught,) = server.messages
    assert [each.address.local_part for each in caught.envelope.recipients] == [
        "accept+c",
        "accept",
        "accept+b",
    ]
    assert b"Bcc" not in caught.content


def test_the_null_sender_and_dots(sendmail: Sendmail, server: LabServer) -> None:
    """-f '<>' is the null reverse-path; dots at the start of lines arrive as they were."""
    given = b"From: a@example.org\n\n.\n..two\n.three\n"
    assert sendmail("-oi", "-f", "<>", "accept@example.net", given=given).returncode == 0
    (caught,) = server.messages
    assert caught.envelope.reverse_path is None
    assert caught.content.endswith(b"\r\n\r\n.\r\n..two\r\n.three\r\n")


def test_cron_gets_an_author_and_a_domain(sendmail: Sendmail, server: LabServer) -> None:
    """Text without a header from a user without a domain becomes a proper message."""
    assert sendmail("-FCron Daemon", "accept@example.net", given=b"job output\n").returncode == 0
    (caught,) = server.messages
    sender = str(caught.envelope.reverse_path)
    assert sender.startswith("ann@")
    assert caught.content == f'From: "Cron Daemon" <{sender}>\r\n\r\njob output\r\n'.encode()


def test_delivery_notification_parameters_are_passed_on(
    sendmail: Sendmail, server: LabServer
) -> None:
    """-N, -R and -V become NOTIFY, RET and ENVID."""
    words = ("-N", "success,failure", "-R", "hdrs", "-V", "a+b c", "accept@example.net")
    assert sendmail(*words).returncode == 0
    envelope = server.messages[0].envelope
    assert envelope.envelope_id == "a+b c"
    assert str(envelope.ret) == "Ret.HEADERS"
    assert "SUCCESS" in str(envelope.recipients[0].notify)


def test_utf8_addresses_and_octets_are_declared(sendmail: Sendmail, server: LabServer) -> None:
    """SMTPUTF8 and 8BITMIME are asked for where they are needed."""
    given = "From: ä@example.org\n\nGrüße\n".encode()
    assert sendmail("-f", "ä@example.org", "accept@example.net", given=given).returncode == 0
    (caught,) = server.messages
    assert caught.envelope.smtputf8
    assert caught.envelope.body.value == "8BITMIME"


@pytest.mark.parametrize(
    ("words", "given", "status", "said"),
    [
        ((), MESSAGE, 64, "no recipient is named"),
        (("-t",), b"From: a@example.org\n\nHello.\n", 64, "no recipient is named"),
        (("-t",), b"To: a b <c\n\nHello.\n", 65, "the To field cannot be read"),
        (("a\nRCPT TO:<eve@example.net>",), MESSAGE, 65, "is not an address"),
        (("-bd",), b"", 64, "-bd is not known"),
        (("reject550@example.net",), MESSAGE, 67, "550"),
    ],
)
def test_failures_have_the_statuses_of_sysexits(
    sendmail: Sendmail, words: tuple[str, ...], given: bytes, status: int, said: str
) -> None:
    """Programs tell by the status whether to try again; people by the text."""
    done = sendmail(*words, given=given)
    assert done.returncode == status
    assert said in done.stderr.decode()
    assert sendmail.kept() == []


def test_the_others_get_it_when_one_is_refused(sendmail: Sendmail, server: LabServer) -> None:
    """One unknown recipient does not keep the message from the rest."""
    done = sendmail("reject550@example.net", "accept@example.net")
    assert done.returncode == 67
    assert b"reject550@example.net: 550" in done.stderr
    assert len(server.messages) == 1


def test_nothing_is_lost_while_the_server_is_away(unreachable: Sendmail, tmp_path: Path) -> None:
    """75, the message kept, and -q sends it once the server is back."""
    done = unreachable("-f", "ann@example.org", "accept@example.net")
    assert done.returncode == 75
    assert b"sendmail -q" in done.stderr
    assert len(unreachable.kept()) == 1
    assert unreachable("-q").returncode == 75
    assert len(unreachable.kept()) == 1
    with lab_server_in_thread(LabServer("mx.example.net")) as server:
        back = Sendmail(tmp_path, server.port)
        assert back("-q").returncode == 0
        (caught,) = server.messages
    assert caught.content == MESSAGE.replace(b"\n", b"\r\n")
    assert str(caught.envelope.reverse_path) == "ann@example.org"
    assert back.kept() == []


def test_a_deferred_recipient_is_kept_alone(sendmail: Sendmail, server: LabServer) -> None:
    """Who was taken is not sent to again."""
    done = sendmail("defer450@example.net", "accept@example.net")
    assert done.returncode == 75
    assert len(server.messages) == 1
    (path,) = sendmail.kept()
    assert b"defer450@example.net" in path.read_bytes().split(b"\n")[0]
    assert b"accept@example.net" not in path.read_bytes().split(b"\n")[0]


def test_a_kept_message_that_is_refused_is_put_aside(
    unreachable: Sendmail, tmp_path: Path, server: LabServer
) -> None:
    """It is not tried for ever, and not thrown away."""
    unreachable("reject550@example.net")
    back = Sendmail(tmp_path, server.port)
    done = back("-q")
    assert done.returncode == 69
    assert back.kept() == []
    assert len(list(back.drop.glob("*.refused"))) == 1
    assert back("-q").returncode == 0


def test_smtp_on_standard_input(sendmail: Sendmail, server: LabServer) -> None:
    """-bs speaks to the listener, whether the input is a pipe or a file."""
    session = (
        b"EHLO here\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<accept@example.net>\r\n"
        b"DATA\r\nSubject: hi\r\n\r\nHello.\r\n.\r\nQUIT\r\n"
    )
    done = sendmail("-bs", given=session)
    assert done.returncode == 0
    assert done.stdout.startswith(b"220 ")
    assert b"\r\n221 " in done.stdout
    path = sendmail.drop.with_name("session")
    path.write_bytes(session)
    with path.open("rb") as file:
        from_file = subprocess.run(
            [*COMMAND, "-bs"], stdin=file, capture_output=True, env=sendmail.environ, check=False
        )
    assert b"\r\n221 " in from_file.stdout
    assert len(server.messages) == 2


def test_smtp_on_standard_input_without_a_server(unreachable: Sendmail) -> None:
    """The client hears 421, as from a server that goes down."""
    done = unreachable("-bs", given=b"")
    assert done.returncode == 75
    assert done.stdout.startswith(b"421 4.3.0 ")


def test_newaliases_has_nothing_to_do(sendmail: Sendmail) -> None:
    """Programs that rebuild aliases go on."""
    assert sendmail("-bi", given=b"").returncode == 0


def test_the_listener_of_the_configuration_is_used(
    sendmail: Sendmail, server: LabServer, tmp_path: Path
) -> None:
    """Without a URL in the environment, the first submission listener is submitted to."""
    config = tmp_path / "pillarbox.toml"
    config.write_text(f"[listener.in]\nkind='submission'\nbind=['0.0.0.0:{server.port}']\n")
    del sendmail.environ["PILLARBOX_SENDMAIL"]
    sendmail.environ["PILLARBOX_CONFIG"] = str(config)
    assert sendmail("accept@example.net").returncode == 0
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[listener.in]\nkind='sandbox'\nbind=['0.0.0.0:{port}']\n",
        "[sandbox]\nsmtp=['localhost:{port}']\n",
    ],
)
def test_the_sandbox_of_the_configuration_is_used(
    sendmail: Sendmail, server: LabServer, tmp_path: Path, text: str
) -> None:
    """Where nothing is submitted to, a sandbox that is configured catches the mail."""
    config = tmp_path / "pillarbox.toml"
    config.write_text(text.format(port=server.port))
    del sendmail.environ["PILLARBOX_SENDMAIL"]
    sendmail.environ["PILLARBOX_CONFIG"] = str(config)
    assert sendmail("accept@example.net").returncode == 0
    assert len(server.messages) == 1


def test_the_server_can_be_named_as_mailpit_has_it(
    unreachable: Sendmail, server: LabServer
) -> None:
    """-S HOST:PORT goes before the environment; what is no such thing is wrong usage."""
    assert unreachable("-S", f"127.0.0.1:{server.port}", "-t").returncode == 0
    assert unreachable("-t", f"--smtp-addr=127.0.0.1:{server.port}").returncode == 0
    assert len(server.messages) == 2
    assert unreachable("-S", "x:y", "-t").returncode == 64


def test_mailq_lists_the_queue_of_the_configured_node(sendmail: Sendmail, tmp_path: Path) -> None:
    """-bp shows what waits, also on a stopped node, and says where there is no node at all."""
    config = tmp_path / "pillarbox.toml"
    config.write_text(f"[node]\ndirectory='{tmp_path}'\n[store]\nurl='sqlite:mail.db'\n")
    sendmail.environ["PILLARBOX_CONFIG"] = str(config)
    done = sendmail("-bp", given=b"")
    assert (done.returncode, done.stdout) == (69, b"")
    assert b"there is no store" in done.stderr

    async def fill() -> None:
        store = SqliteStore(tmp_path / "mail.db", node="main", now=lambda: NOW)
        await store.open()
        await store.commit(Batch(keep=[kept_message("bob@example.net")]))
        await store.close()

    asyncio.run(fill())
    done = sendmail("-bp", given=b"")
    assert done.returncode == 0
    assert b"bob@example.net\n\n-- 1 Kbytes in 1 Request.\n" in done.stdout
