"""``pillarbox verify MESSAGE`` and ``pillarbox dmarc explain``: mail authentication by hand."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.authentic_mail import key_line, message, signed

from pillarbox.cli.main import cli
from pillarbox.mailauth.dmarc_report import PublishedPolicy, Report, Row, build_report

ZONE = (
    "$TTL 60\n$ORIGIN .\n"
    'example.net. TXT "v=spf1 ip4:192.0.2.1 -all"\n'
    '_dmarc.example.net. TXT "v=DMARC1; p=reject; pct=20; rua=mailto:d@example.net"\n'
    '_dmarc.bank.example. TXT "v=DMARC1; p=reject; t=y"\n'
    "mail.example.net. A 192.0.2.1\n"
    "1.2.0.192.in-addr.arpa. PTR mail.example.net.\n"
    f"{key_line('example.net')}\n"
    ";! fail broken.example\n"
)
SESSION = ("--ip", "192.0.2.1", "--helo", "mail.example.net", "--from", "<ann@example.net>")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("zone").write_text(ZONE)
    Path("sound.eml").write_bytes(message())
    Path("forged.eml").write_bytes(message("service@bank.example").replace(b"\r\n", b"\n"))


def run(*arguments: str, octets: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=octets)


def test_a_sound_message_is_explained() -> None:
    """Every check says its result and why; exit status 0."""
    result = run("verify", "sound.eml", *SESSION, "--zone", "zone")
    assert result.exit_code == 0
    assert "mail.example.net and 192.0.2.1 name each other" in result.output
    assert "_dmarc.example.net: v=DMARC1; p=reject; pct=20" in result.output
    assert "obsolete: pct=20" in result.output
    assert "    dmarc=pass (p=reject) header.from=example.net;\n" in result.output


def test_a_forged_message_exits_with_one() -> None:
    """A message that fails DMARC is a finding, with what its owner asks for."""
    result = run("verify", "forged.eml", *SESSION, "--zone", "zone")
    assert result.exit_code == 1
    assert "the owner asks for quarantine" in result.output
    assert "policy: reject (p=, under test)" in result.output


def test_json_has_everything() -> None:
    """Programs get each check with its evidence, in one object."""
    result = run("verify", "sound.eml", *SESSION, "--zone", "zone", "--json")
    told = json.loads(result.output)
    checks = {check["check"]: check for check in told["checks"]}
    assert {name: check["result"] for name, check in checks.items()} == {
        "iprev": "pass", "spf": "pass", "dkim": "none", "dmarc": "pass", "arc": "none", "bimi": "none",
    }  # fmt: skip
    assert checks["spf"]["evidence"]
    assert told["alignment"][0]["aligned"] is True
    assert told["authentication_results"].startswith("Authentication-Results: localhost;")


def test_a_message_comes_from_standard_input() -> None:
    """Without a session, a message is judged by what it carries."""
    octets = signed("example.net", message())
    result = run("verify", "-", "--zone", "zone", "--json", octets=octets)
    assert {check["check"] for check in json.loads(result.output)["checks"]} == {
        "dkim",
        "dmarc",
        "arc",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "sound.eml", "--ip", "1.2.3"),
        ("verify", "sound.eml", "--helo", "a.example"),
        ("verify", "sound.eml", "--ip", "192.0.2.1", "--from", "a b"),
        ("verify", "sound.eml", "--ip", "192.0.2.1", "--helo", "a b"),
        ("verify", "missing.eml"),
        ("verify", "sound.eml", "--zone", "zone", "--resolver", "192.0.2.1"),
        ("dmarc", "explain", "a b"),
        ("dmarc", "explain", "x" * 300),
    ],
)
def test_wrong_usage_exits_with_two(arguments: tuple[str, ...]) -> None:
    """What cannot be meant is refused with a sentence."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


def test_nothing_in_a_message_steers_the_terminal() -> None:
    """What strangers wrote is escaped."""
    Path("odd.eml").write_bytes(b"From: \x1b[31m\r\nARC-Seal: \x1b]0;x\x07\r\n\r\n")
    result = run("verify", "odd.eml", "--zone", "zone")
    assert result.exit_code == 1
    assert "\x1b" not in result.output


def test_a_domain_is_explained() -> None:
    """The walk, the policy and why, what is obsolete, and what to publish."""
    result = run("dmarc", "explain", "news.example.net", "--zone", "zone")
    assert result.exit_code == 0
    for text in (
        "_dmarc.news.example.net  no such name",
        "reject, by p= at _dmarc.example.net",
        "PB-DMARC-005",
        '_dmarc.example.net. TXT "v=DMARC1; p=reject; t=y; rua=mailto:d@example.net"',
        "quarantine, under test",
    ):
        assert text in result.output


@pytest.mark.parametrize(
    ("domain", "code"), [("nothing.example", "PB-DMARC-003"), ("broken.example", "PB-DMARC-002")]
)
def test_a_domain_without_a_policy_is_a_finding(domain: str, code: str) -> None:
    """No record, or no answer, is said with its remedy; exit status 1."""
    result = run("dmarc", "explain", domain, "--zone", "zone", "--json")
    assert result.exit_code == 1
    assert [finding["code"] for finding in json.loads(result.output)["findings"]] == [code]


REPORT = build_report(
    Report(
        organization="Example\x1b Org", email="d@example.org", report_id="r1", begin=0, end=86_399,
        policy=PublishedPolicy(domain="example.net", p="reject"),
        rows=tuple(
            Row(
                source_ip=f"192.0.2.{number}", count=number, disposition="none", dkim="fail",
                spf="pass" if number % 2 else "fail", header_from="example.net",
            )
            for number in range(1, 100)
        ),
    )
)  # fmt: skip


@pytest.mark.parametrize("is_mail", [False, True])
def test_a_report_is_shown(is_mail: bool) -> None:
    """A file or a message with a report says who saw how much, failures first."""
    octets = gzip.compress(REPORT)
    if is_mail:
        octets = (
            b"Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(octets)
        )
    result = run("dmarc", "report", "-", octets=octets)
    assert result.exit_code == 0
    assert "reject at example.net" in result.output
    assert "4,950, 2,500 of them pass" in result.output
    first = next(line for line in result.output.splitlines() if "192.0.2." in line)
    assert first.split()[:4] == ["192.0.2.98", "98", "fail", "fail"]
    assert "49 more rows; --json has them all." in result.output
    assert "\x1b" not in result.output
    told = json.loads(run("dmarc", "report", "-", "--json", octets=octets).output)
    assert (told["messages"], len(told["rows"])) == (4_950, 99)


def test_a_bad_report_is_a_finding() -> None:
    """What is no report is refused with its reason; exit status 1."""
    result = run("dmarc", "report", "-", octets=b"<!DOCTYPE x><feedback/>")
    assert result.exit_code == 1
    assert "PB-REPORT-001" in result.output
    assert "document type" in result.output
