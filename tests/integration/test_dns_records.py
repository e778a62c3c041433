"""``pillarbox dns records``: what a new domain needs, in the forms of DNS providers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.main import cli

KEY = 'google._domainkey.org.example. TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("HOME", str(tmp_path))


def records(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["dns", "records", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        ("org.example", "--ip", "192.0.2.25"),
        ("org.example", "--ip", "192.0.2.25", "--ip", "2001:db8::25"),
        ("org.example", "--no-mail"),
    ],
)
def test_what_it_writes_stands_up_to_the_check(arguments: tuple[str, ...]) -> None:
    """Published as it is, nothing is blamed."""
    result = records(*arguments, "--quiet")
    assert result.exit_code == 0, result.output
    Path("zone").write_text(f"{result.output}\n{KEY}\n")
    checked = CliRunner().invoke(
        cli, ["check", "domain", "org.example", "--zone", "zone", "--json"]
    )
    said = json.loads(checked.output)
    blamed = [one["id"] for one in said["findings"] if one["status"] in {"fail", "warn"}]
    assert blamed == [], checked.output


def test_each_record_has_its_reason_and_the_policy_its_page() -> None:
    """What cannot be in a zone is told beside it."""
    output = records("org.example", "--ip", "192.0.2.25").output
    for text in ("who may send (SPF)", "mode: testing", "pillarbox dkim new org.example", "PTR"):
        assert text in output


def test_a_provider_is_named_by_any_of_its_domains() -> None:
    """SPF includes what the provider publishes for that."""
    said = json.loads(records("org.example", "--include", "sendgrid.com", "--json").output)
    spf = next(one["value"] for one in said["records"] if "v=spf1" in one["value"])
    assert spf == "v=spf1 include:sendgrid.net ~all"


def test_sets_of_records_are_written_whole() -> None:
    """Route 53 and Terraform replace a set: two exchangers are one set with two values."""
    two = ("org.example", "--mx", "a.example", "--mx", "b.example")
    batch = json.loads(records(*two, "--format", "route53", "--quiet").output)
    (mx,) = (
        one["ResourceRecordSet"]
        for one in batch["Changes"]
        if one["ResourceRecordSet"]["Type"] == "MX"
    )
    assert [one["Value"] for one in mx["ResourceRecords"]] == ["10 a.example.", "20 b.example."]
    terraform = records(*two, "--format", "terraform", "--quiet").output
    assert '["10 a.example.", "20 b.example."]' in terraform
    assert "cf_tags" in records(*two, "--format", "cloudflare", "--quiet").output


def test_the_keys_of_the_configuration_are_among_them() -> None:
    """Where pillarbox signs for the domain, its keys are written, too."""
    Path("pillarbox.toml").write_text('[node]\ndirectory = "var"\nhostname = "mx.org.example"\n')
    made = CliRunner().invoke(cli, ["dkim", "new", "org.example"])
    assert made.exit_code == 0, made.output
    said = json.loads(records("org.example", "--json").output)
    assert any("_domainkey" in one["name"] for one in said["records"])


@pytest.mark.parametrize("arguments", [("no domain",), ("org.example", "--ip", "x")])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    """What cannot be meant is said."""
    assert records(*arguments).exit_code == 2
