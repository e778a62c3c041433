"""Logins and TLS of the sandbox: anything is right, or what was chosen, or nothing."""

from __future__ import annotations

import base64
import smtplib
from pathlib import Path

import pytest
from tests.catching import MAIL, Running, project, with_sandbox

from pillarbox.access.hashes import PasswordHasher
from pillarbox.config.settings import SandboxAuth
from pillarbox.errors import PermanentError
from pillarbox.sandbox.projects import Project


def test_any_user_name_and_password_is_right() -> None:
    """By default a login with anything succeeds, in the clear too, and the mail knows the user."""

    async def test(running: Running) -> None:
        for user, password in (("ann", "secret"), ("bob@x.test", "with blanks"), ("a", "b:c")):
            caught = await running.send(user=user, password=password)
            assert caught.identity == user

    with_sandbox(test)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2"])
def test_mechanisms_that_show_their_secret_take_any(mechanism: str) -> None:
    """PLAIN, LOGIN and tokens are offered; what has to be proved (CRAM, SCRAM) is not."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> tuple[int, str]:
            client.ehlo()
            client.user, client.password = "ann", "secret"
            if mechanism == "PLAIN":
                code, _ = client.auth("PLAIN", client.auth_plain)
            elif mechanism == "LOGIN":
                code, _ = client.auth("LOGIN", client.auth_login)
            else:
                token = base64.b64encode(b"user=ann\1auth=Bearer t0ken\1\1").decode()
                code, _ = client.docmd("AUTH", f"XOAUTH2 {token}")
            return code, client.esmtp_features["auth"]

        code, offered = await running.talk(dialog)
        assert code == 235
        assert not set(offered.split()) & {"CRAM-MD5", "SCRAM-SHA-256"}

    with_sandbox(test)


def refused(running: Running, user: str, password: str) -> object:
    """Log in and return the code that it gets."""

    def dialog(client: smtplib.SMTP) -> int:
        try:
            client.login(user, password)
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code
        return 235

    return running.talk(dialog)


def test_chosen_users_have_to_give_their_password(tmp_path: Path) -> None:
    """With `chosen`, users from the settings and the file come in, in the clear or hashed."""
    file = tmp_path / "users"
    file.write_text(f"# ours\nbob:from:file\ncarl:{PasswordHasher.hash('slow')}\n")

    async def test(running: Running) -> None:
        for user, password, code in (
            ("ann", "secret", 235),
            ("bob", "from:file", 235),
            ("carl", "slow", 235),
            ("ann", "wrong", 535),
            ("carl", "wrong", 535),
            ("dora", "any", 535),
        ):
            assert await refused(running, user, password) == code, user
        assert (await running.send()).identity == ""

    with_sandbox(test, require_auth=False, users=("ann:secret",), users_file=file)


def test_where_users_are_named_mail_needs_a_login() -> None:
    """With users, mail without a login is refused with 530, and theirs is caught."""

    async def test(running: Running) -> None:
        with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
            await running.send()
        assert refusal.value.smtp_code == 530
        assert (await running.send(user="ann", password="secret")).identity == "ann"
        info = await running.sandbox.info()
        assert (info.auth, info.needs_login) == ("chosen", True)

    with_sandbox(test, users=("ann:secret",))


@pytest.mark.parametrize(
    ("line", "says"),
    [("ann", "user:password"), ("ann:$2y$05$abc", "argon2id"), ("ann:{SHA}abc", "argon2id")],
)
def test_a_list_of_users_that_cannot_be_used_is_told_of(
    tmp_path: Path, line: str, says: str
) -> None:
    """A line that is no pair, or a hash of another kind, keeps the sandbox from starting."""
    file = tmp_path / "users"
    file.write_text(line)

    async def test(running: Running) -> None:
        del running

    with pytest.raises(PermanentError, match=says):
        with_sandbox(test, auth=SandboxAuth.CHOSEN, users_file=file)


def test_refused_logins_ban_nobody_and_cost_no_time() -> None:
    """A hundred wrong passwords in a row get a hundred quick answers, and mail still comes in."""

    async def test(running: Running) -> None:
        for number in range(100):
            assert await refused(running, f"user{number % 3}", "wrong") == 535
        await running.send()
        shown = running.sandbox.sessions_without_mail()
        assert len(shown) == 100
        texts = [line.text for line in shown[0].lines]
        assert any("login" in text and "refused" in text for text in texts)
        assert not any("wrong" in text and "AUTH" in text for text in texts)

    with_sandbox(test, auth=SandboxAuth.REFUSE)


def test_without_logins_auth_is_not_offered() -> None:
    """With `none`, EHLO does not list AUTH."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> bool:
            client.ehlo()
            return client.has_extn("auth")

        assert not await running.talk(dialog)

    with_sandbox(test, auth=SandboxAuth.NONE)


def test_mail_can_be_made_to_need_a_login_or_tls() -> None:
    """With require_auth and require_tls, MAIL is refused until both are there."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> list[int]:
            client.ehlo()
            codes = [client.mail("a@x.test")[0]]
            client.starttls(context=running.trust())
            client.ehlo()
            codes.append(client.mail("a@x.test")[0])
            client.login("ann", "secret")
            codes.append(client.mail("a@x.test")[0])
            return codes

        assert await running.talk(dialog) == [530, 530, 250]

    with_sandbox(test, require_auth=True, require_tls=True)


def test_starttls_and_implicit_tls_show_a_certificate_that_can_be_trusted() -> None:
    """The self-signed certificate is for localhost, and the mail says how it came."""

    async def test(running: Running) -> None:
        def dialog(client: smtplib.SMTP) -> None:
            client.starttls(context=running.trust())
            client.sendmail("a@x.test", "b@y.test", MAIL)

        await running.talk(dialog)
        context = running.trust()

        def implicit() -> None:
            with smtplib.SMTP_SSL("localhost", running.tls_port, context=context) as client:
                client.sendmail("a@x.test", "b@y.test", MAIL)

        await running.talk(lambda _client: implicit())
        page = await running.all()
        assert all(each.tls.startswith("TLSv1.3 TLS_") for each in page.summaries)
        assert page.total == 2
        info = await running.sandbox.info()
        assert (info.has_tls, info.starttls) == (True, "offered")

    with_sandbox(test, smtps=("127.0.0.1:0",))


def test_users_of_a_project_have_to_give_its_password() -> None:
    """A project's password counts even where any other login is right, also when it changes."""

    async def test(running: Running) -> None:
        assert await refused(running, "shop", "wrong") == 535
        assert await refused(running, "shop", "s3cret") == 235
        assert await refused(running, "other", "wrong") == 235
        await running.sandbox.put_project(Project(name="new", users=("new",), password="one"))
        assert await refused(running, "new", "one") == 235
        await running.sandbox.put_project(Project(name="new", users=("new",), password="two"))
        assert await refused(running, "new", "one") == 535
        assert await refused(running, "NEW", "two") == 235

    with_sandbox(test, projects={"shop": project(users=("shop",), password="s3cret")})
