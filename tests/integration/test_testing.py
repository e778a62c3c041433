"""Mail in the tests of others: the examples of docs/testing.md are run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests import shop

from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.testing.mailbox import Mailbox
from pillarbox.testing.server import MailServer

_ROOT = Path(__file__).parents[2]
_EXAMPLE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

EXAMPLES = dict(_EXAMPLE.findall((_ROOT / "docs/testing.md").read_text("utf-8")))

_DJANGO = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ROOT_URLCONF="urls",
    ALLOWED_HOSTS=["testserver"],
    SECRET_KEY="x",
    EMAIL_HOST="mail.invalid",
)
django.setup()
"""
_URLS = """
from django.core.mail import send_mail
from django.http import HttpResponse
from django.urls import path


def sign_up(request):
    link = '<a href="https://shop.example/confirm?token=7">Confirm</a>'
    send_mail("Welcome", "Hello", "shop@example.com", [request.POST["email"]], html_message=link)
    return HttpResponse("ok")


urlpatterns = [path("sign-up", sign_up)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a program that sends mail."""
    shutil.copy(Path(shop.__file__), tmp_path / "shop.py")
    return tmp_path


def run(project: Path, *command: str) -> str:
    """Run a command in the project, which has to succeed; return what it printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=project, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def write(project: Path, *names: str) -> None:
    """Write examples into the project."""
    for name in names:
        (project / name).write_text(EXAMPLES[name], "utf-8")


PYTEST = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")


def test_every_example_is_run() -> None:
    """No example of the page is forgotten here."""
    assert set(EXAMPLES) == {
        *("test_sign_up.py", "test_environment.py", "test_failures.py", "test_tls.py"),
        *("test_async.py", "conftest.py", "test_sign_up_case.py", "test_django.py"),
    }


def test_the_examples_of_pytest(project: Path) -> None:
    """With nothing but the package installed, they pass, and no warning is raised."""
    write(project, *(name for name in EXAMPLES if name not in {"conftest.py", "test_django.py"}))
    assert "8 passed" in run(project, *PYTEST)


def test_the_examples_of_pytest_in_many_processes(project: Path) -> None:
    """Each worker has a server of its own, so that none sees the mail of another."""
    for number in range(2):
        for name in ("test_sign_up.py", "test_failures.py"):
            text = EXAMPLES[name]
            (project / name.replace(".py", f"_{number}.py")).write_text(text, "utf-8")
    assert "8 passed" in run(project, *PYTEST, "-n", "2")


def test_the_example_of_options(project: Path) -> None:
    """An overridden fixture makes the server another one: here, it demands a login."""
    write(project, "conftest.py", "test_tls.py")
    refused = (
        "import smtplib\nimport pytest\n\n"
        + EXAMPLES["test_sign_up.py"]
        .replace("    shop", "    with pytest.raises(smtplib.SMTPException):\n        shop", 1)
        .partition("    assert")[0]
    )
    (project / "test_refused.py").write_text(refused, "utf-8")
    assert "2 passed" in run(project, *PYTEST)


def test_the_example_of_unittest(project: Path) -> None:
    """It needs no pytest."""
    write(project, "test_sign_up_case.py")
    output = run(project, "-W", "error", "-m", "unittest", "test_sign_up_case")
    assert "Ran 1 test" in output


def test_the_example_of_django(project: Path) -> None:
    """Django's own runner sends by SMTP what it would keep in memory."""
    write(project, "test_django.py")
    (project / "urls.py").write_text(_URLS, "utf-8")
    (project / "run.py").write_text(
        _DJANGO
        + "import sys\nfrom django.test.utils import get_runner\n"
        + "sys.exit(bool(get_runner(settings)().run_tests(['test_django'])))\n",
        "utf-8",
    )
    assert "Ran 1 test" in run(project, "run.py")


def test_django_under_pytest(project: Path) -> None:
    """The fixture points Django's settings at the server for the test."""
    (project / "urls.py").write_text(_URLS, "utf-8")
    (project / "conftest.py").write_text(_DJANGO, "utf-8")
    (project / "test_it.py").write_text(
        "from django.conf import settings\nfrom django.test import Client\n\n"
        "def test_it(django_mail):\n"
        "    Client().post('/sign-up', {'email': 'ann@example.com'})\n"
        "    assert '/confirm?' in django_mail.wait_for(to='ann@example.com').link('Confirm')\n\n"
        "def test_others():\n    assert settings.EMAIL_HOST == 'mail.invalid'\n",
        "utf-8",
    )
    assert "2 passed" in run(project, *PYTEST)


def test_a_run_without_mail_imports_nothing(project: Path) -> None:
    """The plugin costs next to nothing where it is not used."""
    (project / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n"
        "    loaded = {name for name in sys.modules if name.startswith('pillarbox')}\n"
        "    assert loaded == {'pillarbox', 'pillarbox.testing', 'pillarbox.testing.plugin'}\n",
        "utf-8",
    )
    assert "1 passed" in run(project, *PYTEST)


def test_the_plugin_can_be_left_out(project: Path) -> None:
    """Whoever has a fixture of this name from elsewhere turns ours off, or just defines theirs."""
    (project / "test_it.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef mail():\n    return 'mine'\n\n"
        "def test_it(mail):\n    assert mail == 'mine'\n",
        "utf-8",
    )
    assert "1 passed" in run(project, *PYTEST)
    assert "mail_server" not in run(project, *PYTEST, "-p", "no:pillarbox", "--fixtures")


# --- the mailbox -------------------------------------------------------------------------


def send(
    mail: Mailbox,
    *to: str,
    subject: str = "Hello",
    text: str = "Good morning.",
    html: str = "",
) -> None:
    """Send a mail as a program would."""
    message = EmailMessage()
    message["From"] = "App <app@example.com>"
    message["To"] = "Ann <ann@example.com>"
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a b.pdf")
    with smtplib.SMTP(mail.host, mail.port, timeout=10) as client:
        client.send_message(message, to_addrs=to or ("ann@example.com",))


def test_a_message_is_there_when_the_client_has_been_told(mail: Mailbox) -> None:
    """What was sent can be looked at without waiting, with its envelope."""
    send(mail, "ann@example.com", "hidden@example.com", subject="Grüße")
    (message,) = mail.messages
    assert (message.subject, message.from_, message.to) == (
        "Grüße",
        "app@example.com",
        ("ann@example.com",),
    )
    assert message.envelope_from == "app@example.com"
    assert message.envelope_to == ("ann@example.com", "hidden@example.com")
    assert message.bcc == ("hidden@example.com",)
    assert (message.tls, message.auth_user) == ("", "")
    assert message.headers["FROM"] == "App <app@example.com>"
    assert "X-None" not in message.headers
    with pytest.raises(KeyError, match="the mail has Received"):
        message.headers["X-None"]
    (attachment,) = message.attachments
    assert (attachment.filename, attachment.content) == ("a b.pdf", b"%PDF")
    assert message.raw.startswith(b"Received: ")
    assert "C rcpt TO:<hidden@example.com>" in message.conversation
    assert any(line.startswith("S 250 2.0.0") for line in message.conversation)


def test_a_mail_is_waited_for_once(mail: Mailbox) -> None:
    """The second call waits for the second mail, whether it has come already or not."""
    send(mail, text="code 1111")
    send(mail, text="code 2222")
    assert mail.wait_for(to="ann@example.com").code() == "1111"
    assert mail.wait_for(to="ann@example.com").code() == "2222"
    with pytest.raises(AssertionError, match=r"\(waited for before\)"):
        mail.wait_for(to="ann@example.com", timeout=0.01)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({}, True),
        ({"to": "ANN@example.com"}, True),
        ({"to": "nn@example.com"}, False),
        ({"to": "@example.com"}, True),
        ({"to": re.compile(r"^a..@")}, True),
        ({"to": "hidden@example.com"}, True),
        ({"from_": "app"}, True),
        ({"from_": "shop@example.com"}, False),
        ({"subject": "your ORDER"}, True),
        ({"subject": re.compile("order 8")}, False),
        ({"text": "in the page"}, True),
        ({"text": "in the tag"}, False),
        ({"where": lambda message: bool(message.attachments)}, True),
        ({"where": lambda message: bool(message.cc)}, False),
        ({"to": "ann@example.com", "subject": "other"}, False),
    ],
)
def test_what_is_waited_for(mail: Mailbox, wanted: dict[str, object], fits: bool) -> None:
    """Addresses, subjects and texts are matched as people mean them."""
    send(
        mail,
        *("ann@example.com", "hidden@example.com"),
        subject="Your order 7",
        html='<p title="in the tag">in the page</p>',
    )
    if fits:
        found = mail.wait_for(**wanted, timeout=0.01)  # type: ignore[arg-type]
        assert found is mail.messages[0]
    else:
        mail.expect_none(**wanted)  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="1 mail came"):
            mail.wait_for(**wanted, timeout=0.01)  # type: ignore[arg-type]


def test_an_error_says_what_came(mail: Mailbox) -> None:
    """It names the mails that did come, and why a session brought none."""
    with pytest.raises(AssertionError, match="No mail came at all"):
        mail.wait_for(timeout=0)
    send(mail, "bob@example.org", subject="For Bob")
    mail.fail_next(rcpt="carl@*", code=550, enhanced="5.1.1")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mail, "carl@example.com")
    with pytest.raises(AssertionError) as failed:
        mail.wait_for(to="carl@example.com", subject="Carl", timeout=0.01)
    told = str(failed.value)
    assert "No mail to 'carl@example.com' with 'Carl' in its subject came within 0.01 s." in told
    assert "from app@example.com to bob@example.org: 'For Bob'" in told
    assert "S 550 5.1.1" in told
    with pytest.raises(AssertionError, match=r"No mail to 'bob@example\.org' was expected"):
        mail.expect_none(to="bob@example.org")


def test_codes_and_links_are_found_or_what_there_is_is_told(mail: Mailbox) -> None:
    """A test reads what a reader would type in or follow."""
    page = '<p>Hi <a href="https://x.example/c?t=1">Confirm <b>now</b></a> or <a href="/no">No</a>'
    send(mail, text="Your code is 482913.", html=page)
    message = mail.wait_for()
    assert message.code() == message.code(digits=6) == "482913"
    assert message.link("confirm NOW") == message.link(containing="?t=") == message.links[0].url
    with pytest.raises(AssertionError, match=r"no code of 4 digits.* It has 482913"):
        message.code(digits=4)
    with pytest.raises(AssertionError, match=r"(?s)no link with the text 'Buy'.*x\.example/c"):
        message.link("Buy")


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("CONNECT", smtplib.SMTPConnectError),
        ("MAIL", smtplib.SMTPSenderRefused),
        ("RCPT", smtplib.SMTPRecipientsRefused),
        ("DATA", smtplib.SMTPDataError),
        ("DOT", smtplib.SMTPDataError),
    ],
)
def test_it_fails_where_it_is_told_to(mail: Mailbox, at: str, error: type[Exception]) -> None:
    """Once, with the code that was asked for, and then it behaves again."""
    mail.fail_next(at=at, code=554)
    with pytest.raises(error):
        send(mail)
    send(mail)
    assert len(mail.messages) == 1


def test_it_breaks_connections_and_takes_its_time(mail: Mailbox) -> None:
    """Until it is told to stop, where it is told to go on."""
    mail.disconnect(at="DOT", times=0)
    mail.delay(0.01, at="MAIL")
    for _ in range(2):
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            send(mail)
    mail.stop_failing()
    send(mail)


def test_nonsense_is_told(mail: Mailbox) -> None:
    """A stage that there is not, a code that is none, an option that is unknown."""
    with pytest.raises(PermanentError, match="no 'LUNCH' to fail at, but CONNECT, HELO"):
        mail.fail_next(at="LUNCH")
    with pytest.raises(PermanentError, match="code"):
        mail.fail_next(code=250)
    with pytest.raises(PermanentError, match="no such option"):
        MailServer({"colour": "red"})
    with pytest.raises(PermanentError, match="no such option"):
        MailServer({"auth": "perhaps"})


def test_clear_forgets(mail: Mailbox) -> None:
    """What came before is neither listed nor waited for."""
    send(mail)
    mail.clear()
    assert mail.messages == ()
    mail.expect_none()


def test_sessions_of_an_earlier_test_are_not_told_of(mail: Mailbox) -> None:
    """An error names what belongs to this test, and what its server did before it forgot."""
    mail.fail_next(code=550)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mail)
    mail.clear()
    with pytest.raises(AssertionError) as failed:
        mail.wait_for(timeout=0)
    assert "brought no mail" not in str(failed.value)


def test_an_error_says_why_each_mail_does_not_fit(mail: Mailbox) -> None:
    """The first thing that is different, and the beginning of a text."""
    send(mail, "bob@example.com", subject="Order 7", text="Your code is\n4711. " + "x" * 100)
    reasons: dict[str, dict[str, Any]] = {
        "(other recipients)": {"to": "carl@example.com"},
        "(another sender)": {"from_": "shop@"},
        "(another subject)": {"subject": "order 8"},
        "(another text: 'Your code is 4711. xxx": {"text": "4712"},
        "(`where` does not hold)": {"where": lambda message: not message.subject},
        "(`where`: There is no link": {"where": lambda message: message.link("Confirm")},
    }
    for reason, wanted in reasons.items():
        with pytest.raises(AssertionError) as failed:
            mail.wait_for(**wanted, timeout=0)
        assert reason in str(failed.value)


def test_a_mail_is_given_to_one_thread(mail: Mailbox) -> None:
    """Programs that work in parallel do not get each other's mail twice."""
    for _ in range(8):
        send(mail)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: mail.wait_for(to="ann@example.com"), range(8)))
    assert len({message.summary.id for message in found}) == 8


def test_many_may_wait_in_an_event_loop(mail: Mailbox) -> None:
    """They take no threads, which the program that sends may need."""

    async def run() -> None:
        waiting = [
            asyncio.create_task(mail.wait_for_async(to=f"u{number}@example.com"))
            for number in range(60)
        ]
        await asyncio.sleep(0)
        for number in (59, 7):
            await asyncio.to_thread(send, mail, f"u{number}@example.com")
            assert (await waiting[number]).envelope_to == (f"u{number}@example.com",)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(run())
    with pytest.raises(AssertionError, match="No mail to 'x' came"):
        asyncio.run(mail.wait_for_async(to="x", timeout=0))


def test_who_blocks_the_event_loop_is_told(mail: Mailbox) -> None:
    """A program in the same loop could not send meanwhile."""

    async def run() -> None:
        mail.wait_for(timeout=0)

    with pytest.raises(AssertionError, match=r"await wait_for_async\(\)"):
        asyncio.run(run())


def test_a_process_that_was_forked_is_told(mail: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no thread of the server: it neither waits in vain nor stops what is not its own."""
    mine = os.getpid()
    server = MailServer()
    server.start()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: mine + 1)
            with pytest.raises(PermanentError, match="forked"):
                mail.wait_for()
            with pytest.raises(PermanentError, match="forked"):
                mail.clear()
            server.stop()
        send(Mailbox(server))
    finally:
        server.stop()


def test_a_server_that_cannot_start_leaves_no_thread(mail: Mailbox) -> None:
    """A port that is taken is told at once."""
    threads = threading.active_count()
    with pytest.raises(PillarboxError):
        MailServer({"smtp": (f"localhost:{mail.port}",)}).start()
    assert threading.active_count() == threads


@pytest.fixture
def own_server() -> Iterator[Mailbox]:
    """A server with options of its own."""
    server = MailServer({"max_messages": 3, "http": ("localhost:0",), "auth": "refuse"})
    server.start()
    yield Mailbox(server)
    server.stop()


def test_options_are_those_of_the_sandbox(own_server: Mailbox) -> None:
    """A cap holds, the page is there, and a wrong login is refused."""
    for number in range(5):
        send(own_server, subject=f"{number}")
    assert [message.subject for message in own_server.messages] == ["2", "3", "4"]
    assert own_server.page.startswith("http://localhost:")
    with (
        smtplib.SMTP_SSL(
            own_server.host,
            own_server.tls_port,
            context=ssl.create_default_context(cafile=str(own_server.certificate)),
        ) as client,
        pytest.raises(smtplib.SMTPAuthenticationError),
    ):
        client.login("ann", "wrong")
