"""``pillarbox check login`` and ``check port25``: what they print, and how they exit."""

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
from pillarbox.checkup.probes.login import LoginQuestion, ask_login
from pillarbox.checkup.rules.login import judge_login
from pillarbox.cli.main import cli
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer


@pytest.fixture(scope="module")
def where() -> Iterator[str]:
    """A lab server with one user."""
    server = LabServer(
        "mx.login.test",
        tls=self_signed_context("mx.login.test"),
        logins=LabLogins({"ann": "good words"}),
    )
    with lab_server_in_thread(server):
        yield f"127.0.0.1:{server.port}"


def login(where: str, *more: str, password: str = "good words") -> Result:
    return CliRunner().invoke(cli, ["check", "login", where, "-u", "ann", *more], input=password)


def test_a_login_that_works_names_its_mechanisms(where: str) -> None:
    """Each mechanism that the server offers is tried, and the status is 0."""
    result = login(where, "--any-certificate")
    assert result.exit_code == 0, result.output
    assert "by SCRAM-SHA-256, PLAIN, LOGIN" in result.output
    assert "good words" not in result.output


def test_a_login_that_fails_says_why_and_never_shows_the_password(where: str) -> None:
    """The status is 1, and the secret is in no output."""
    result = login(where, "--any-certificate", "--json", password="wrong words")
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert said["works"] is False
    assert {one["status"] for one in said["mechanisms"]} == {"fail"}
    assert "wrong words" not in result.output


def test_the_password_is_not_shown_to_a_server_that_does_not_verify(where: str) -> None:
    """The certificate is the first cause, and no mechanism is tried."""
    said = json.loads(login(where, "--json").output)
    assert said["findings"][0]["id"] == "PB-SMTP-052"
    assert said["mechanisms"] == []


def test_one_mechanism_can_be_chosen(where: str) -> None:
    """The others are left alone."""
    said = json.loads(login(where, "--any-certificate", "--json", "--mechanism", "plain").output)
    assert [one["name"] for one in said["mechanisms"]] == ["PLAIN"]


def test_a_password_comes_from_a_file_or_a_variable(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line end is not part of it; other white space is, and is told."""
    file = tmp_path / "secret"
    file.write_text("good words\n")
    assert login(where, "--any-certificate", "--password-file", str(file)).exit_code == 0
    monkeypatch.setenv("MAIL_SECRET", "good words ")
    result = login(where, "--any-certificate", "--password-env", "MAIL_SECRET")
    assert result.exit_code == 1
    assert "White space or a line end is stuck to the password" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--password-file", "nowhere"),
        ("--password-env", "IS_NOT_SET_AT_ALL"),
        ("--password-env", "HOME", "--token-file", "-"),
        ("--mechanism", "MAGIC"),
    ],
)
def test_wrong_usage_is_told(where: str, arguments: tuple[str, ...]) -> None:
    """What cannot be meant ends with status 2 before anybody is asked."""
    assert login(where, *arguments).exit_code == 2


def port25(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", "port25", *arguments])


def test_port_25_that_is_open_is_told(where: str) -> None:
    """A mail server that greets is proof enough."""
    result = port25("--server", where, "--compare", where)
    assert result.exit_code == 0, result.output
    assert "outgoing port 25   open" in result.output


def test_port_25_that_is_blocked_comes_with_the_way_round(where: str) -> None:
    """The provider's policy with its source, and a configuration that gets round it."""
    shut = ("--server", "127.0.0.1:1", "--server", "127.0.0.2:1", "--compare", where)
    result = port25(*shut, "--provider", "google-cloud", "--smarthost", "smtp.sendgrid.net:2525")
    assert result.exit_code == 1, result.output
    for text in (
        "always blocked",
        "cloud.google.com",
        'host = "smtp.sendgrid.net:2525"',
        'user = "apikey"',
        "relayhost = [smtp.sendgrid.net]:2525",
    ):
        assert text in result.output
    said = json.loads(port25(*shut, "--json").output)
    assert said["verdict"] == "blocked"


def test_one_server_that_is_down_is_no_blocked_port(where: str) -> None:
    """What a single server does proves nothing: could not be tested."""
    assert port25("--server", "127.0.0.1:1", "--compare", where).exit_code == 75


@pytest.mark.parametrize(("takes_any", "works"), [(True, True), (False, False)])
def test_any_certificate_does_for_tls_from_the_start_too(*, takes_any: bool, works: bool) -> None:
    """Who says so shows the password to a server that nobody vouches for; else nobody does."""

    async def script(talk: Talk) -> None:
        await talk.hello("AUTH PLAIN")
        while (line := await talk.hear()) != "QUIT":
            await talk.say("235 ok" if line.startswith("AUTH") else "250 ok")
        await talk.say("221 bye")

    async def run() -> bool:
        async with serving(script, tls=self_signed_context("mx.login.test")) as port:
            question = LoginQuestion(
                host="127.0.0.1",
                ports=(port,),
                user="ann",
                password="good words",
                expected=Mode.IMPLICIT,
                takes_any_certificate=takes_any,
            )
            return judge_login(await ask_login(question, ZoneResolver(""))).works

    assert asyncio.run(run()) is works
