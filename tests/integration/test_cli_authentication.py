"""``pillarbox verify MESSAGE`` and ``pillarbox dmarc explain``: mail authentication by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.authentic_mail import key_line, message, signed

from pillarbox.cli.main import cli

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
