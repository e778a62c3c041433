"""``pillarbox explain``: what it takes, what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.main import cli
from pillarbox.diagnosis.catalog.loading import catalog

GREYLISTED = "450 4.7.1 Greylisted, please try again in 300 seconds"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["explain", *arguments], input=stdin)


def test_a_reply_is_explained() -> None:
    """Cause, fault, whether it lasts, and both remedies stand there; exit status 0."""
    result = run(GREYLISTED)
    assert result.exit_code == 0
    for text in (
        "Greylisting",
        "certain",
        "fault",
        "nobody",
        "temporary: the same may pass later",
        "why",
        "now",
        "for good",
        "RFC 6647",
    ):
        assert text in result.output


def test_a_reply_may_be_given_as_several_words() -> None:
    """Who forgets the quotation marks is understood."""
    assert "Greylisting" in run(*GREYLISTED.split()).output


def test_standard_input_and_files_are_read() -> None:
    """A dash is standard input; a name is a file where there is one."""
    assert "Greylisting" in run("-", stdin=GREYLISTED).output
    Path("reply.txt").write_text(GREYLISTED)
    assert "Greylisting" in run("reply.txt").output


def test_json_has_what_the_documentation_says() -> None:
    """The object of a diagnosis and of a cause have the documented keys."""
    (diagnosis,) = json.loads(run("--json", GREYLISTED).output)["diagnoses"]
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text("utf-8")
    for key in (*diagnosis, *diagnosis["causes"][0]):
        assert f"`{key}`" in page
    assert diagnosis["code"] == 450
    assert diagnosis["enhanced"] == "4.7.1"
    assert diagnosis["temporary"] is True
    assert diagnosis["causes"][0]["class"] == "greylisted"


def test_the_list_names_every_cause() -> None:
    """Each entry of the catalog is listed, for people and as JSON."""
    result = run("--list")
    assert result.exit_code == 0
    assert all(entry.id in result.output for entry in catalog())
    listed = json.loads(run("--list", "--json").output)["entries"]
    assert [entry["id"] for entry in listed] == [entry.id for entry in catalog()]


def test_text_that_is_no_failure_exits_with_1() -> None:
    """Nothing is made up: it says so, and says what would be of use."""
    result = run("hello world")
    assert result.exit_code == 1
    assert "nothing in this text can be read as a failure" in result.stderr
    assert json.loads(run("--json", "hello").output)["diagnoses"][0]["causes"] == []


def test_nothing_to_explain_is_wrong_usage() -> None:
    """Without text, file or dash, it exits with 2."""
    assert run().exit_code == 2


def test_a_reply_cannot_steer_the_terminal() -> None:
    """Escape sequences in what a server said are shown, not sent."""
    assert "\x1b[31m" not in run("550 5.1.1 \x1b[31mUser unknown").output


def test_a_bounce_with_several_recipients_is_explained_for_each() -> None:
    """Each recipient of a notification has a diagnosis of its own."""
    Path("bounce.eml").write_text(
        "From: MAILER-DAEMON@example.com\nTo: a@example.com\nSubject: failed\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        "Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\n\n"
        "Final-Recipient: rfc822; bo@example.net\nAction: failed\nStatus: 5.2.2\n\n--b--\n"
    )
    output = run("bounce.eml").output
    assert output.index("ann@example.org") < output.index("bo@example.net")
    assert "There is no such address" in output
    assert "mailbox is full" in output


def test_quiet_is_a_line() -> None:
    """--quiet says what happened in one line, and nothing else."""
    output = run("--quiet", "550 5.1.1 <ann@example.org>: User unknown").output
    assert output == "There is no such address (unknown-recipient)\n"
