"""``pillarbox dns records``: what a new domain needs, in the forms of DNS providers."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.checkup.publishing import written
from pillarbox.checkup.remark import Publish
from pillarbox.cli.main import cli
from pillarbox.dns.zone import ZoneResolver

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


def test_the_id_of_the_policy_follows_from_what_it_says() -> None:
    """Another exchanger means another policy, and so another id, of letters and digits alone."""

    def record(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["dns", "records", "example.org", "--json", *arguments])
        found = {one["name"]: one["value"] for one in json.loads(result.output)["records"]}
        return str(found["_mta-sts.example.org"])

    first, again, other = record(), record(), record("--mx", "mx.provider.example")
    assert first == again != other
    assert re.fullmatch(r"v=STSv1; id=[0-9a-z]{1,32};", first)


def test_a_form_for_the_web_pages_of_providers() -> None:
    """Names are relative to the zone, a priority has its own field, and text is not quoted."""
    long_key = "v=DKIM1; k=rsa; p=" + "A" * 392
    text = written(
        [
            Publish("example.org", "MX", "10 mx.example.net."),
            Publish("s1._domainkey.example.org", "TXT", long_key),
            Publish("25.2.0.192.in-addr.arpa", "PTR", "mail.example.org."),
        ],
        "panel",
        zone="example.org",
    )
    rows = [line.split(maxsplit=3) for line in text.splitlines()]
    assert rows[1] == ["MX", "@", "10", "mx.example.net"]
    assert rows[2][:2] == ["TXT", "s1._domainkey"]
    assert text.endswith(long_key)
    assert "PTR" not in text


def test_a_long_text_is_cut_into_strings_of_255_octets_before_it_is_quoted() -> None:
    """No string is longer, none ends within an escape, and all of them together are the text."""
    value = "a" * 254 + '"' + "b" * 300
    line = written([Publish("example.org", "TXT", value)], "bind", zone="example.org")
    answer = asyncio.run(ZoneResolver(line).txt("example.org"))
    assert answer.records == (value.encode(),)
    assert '\\""' in line


def test_what_is_missing_of_mta_sts_comes_with_the_page_to_serve(tmp_path: Path) -> None:
    """`check domain` writes the record and the policy that lists the exchangers."""
    zone = tmp_path / "zone"
    zone.write_text(
        "example.org. MX 10 mx.example.org.\nmx.example.org. A 192.0.2.25\n"
        'example.org. TXT "v=spf1 mx -all"\n_dmarc.example.org. TXT "v=DMARC1; p=reject"\n'
    )
    arguments = ["check", "domain", "example.org", "--zone", str(zone)]
    result = CliRunner().invoke(cli, arguments)
    assert "_mta-sts.example.org. 3600 IN TXT" in result.output
    assert "_smtp._tls.example.org. 3600 IN TXT" in result.output
    assert "mx: mx.example.org" in result.output
    found = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).output)["findings"]
    (page,) = [one["serve"] for one in found if one["serve"]]
    assert page["url"] == "https://mta-sts.example.org/.well-known/mta-sts.txt"
