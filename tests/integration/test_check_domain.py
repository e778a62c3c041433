"""``pillarbox check domain``: what it prints, what it gives to programs, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.main import cli

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
ZONE = f"""
$TTL 60
$ORIGIN .
1.2.0.192.in-addr.arpa PTR mx.good.example.
$ORIGIN good.example.
@ MX 10 mx
@ TXT "v=spf1 mx -all"
mx A 192.0.2.1
s1._domainkey TXT "{KEY}"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@good.example"
_mta-sts TXT "v=STSv1; id=7;"
_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@good.example"
$ORIGIN nameless.example.
@ MX 10 mx
mx A 192.0.2.9
@ TXT "v=spf1 mx -all"
$ORIGIN bad.example.
@ MX 10 mx
mx A 127.0.0.1
@ TXT "v=spf1 +all"
odd TXT "v=spf1 \\027[31mred -all"
;! fail broken.example
"""
POLICY = "version: STSv1\nmode: enforce\nmx: mx.good.example\nmax_age: 1209600\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("zone").write_text(ZONE)
    Path("policy").write_text(POLICY)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", "domain", *arguments, "--zone", "zone"])


def test_a_good_domain_exits_with_0_and_shows_its_points() -> None:
    """Nothing to put right: no blame, and every area with its points."""
    result = run("good.example", "-s", "s1", "--sts-policy", "policy", "--verbose")
    assert result.exit_code == 0, result.output
    for text in ("100 of 100", "grade A+", "receiving (MX)", "The MTA-STS policy is enforced"):
        assert text in result.output
    assert "good.example MX: 10 mx.good.example." in result.output


def test_a_bad_domain_exits_with_1_and_has_records_to_paste() -> None:
    """The worst stands first, and what to publish is written out."""
    result = run("bad.example")
    assert result.exit_code == 1
    assert "loopback address 127.0.0.1" in result.output
    assert '_dmarc.bad.example. 3600 IN TXT "v=DMARC1' in result.output
    assert max(map(len, result.output.splitlines())) <= 120


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("cloudflare", "cf_tags=cf-proxied:false"),
        ("route53", '"Action": "UPSERT"'),
        ("terraform", 'resource "aws_route53_record"'),
    ],
)
def test_records_come_in_the_form_of_the_provider(form: str, text: str) -> None:
    """The same records, as another provider takes them."""
    assert text in run("bad.example", "--records", form).output


@pytest.mark.parametrize("form", ["cloudflare", "route53", "terraform"])
def test_reverse_names_are_not_put_into_the_zone_of_the_domain(form: str) -> None:
    """They stand in another zone: one of them would have the whole batch refused."""
    assert "9.2.0.192.in-addr.arpa. 3600 IN PTR" in run("nameless.example").output
    found = run("nameless.example", "--records", form).output
    assert "_smtp._tls.nameless.example" in found
    assert "in-addr.arpa" not in found


def test_programs_get_json() -> None:
    """The object has the score with its arithmetic, and each finding with its parts."""
    result = run("bad.example", "--json")
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert said["target"] == "bad.example"
    assert sum(area["score"] for area in said["categories"]) == said["points"]
    assert {"id", "status", "title", "why", "fix", "evidence", "points"} <= set(said["findings"][0])


def test_quiet_says_only_what_is_wrong() -> None:
    """One line for each, and nothing for a domain without fault."""
    lines = run("bad.example", "--quiet").output.splitlines()
    assert lines
    assert all(line.startswith(("FAIL", "WARN")) for line in lines)
    assert run("good.example", "-s", "s1", "--sts-policy", "policy", "-q").output == ""


def test_what_dns_does_not_answer_exits_with_75() -> None:
    """A server's failure is neither fine nor a fault of the domain."""
    assert run("broken.example").exit_code == 75


def test_what_strangers_publish_cannot_steer_the_terminal() -> None:
    """Control characters of a record are shown, not sent."""
    assert "\x1b" not in run("odd.bad.example", "-v").output


@pytest.mark.parametrize(
    "arguments",
    [
        ("no domain",),
        ("localhost",),
        ("192.0.2.1",),
        ("a.example", "--ip", "x"),
        ("a.example", "-s", "a b"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    """What cannot be meant is said before anything is asked."""
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "option", [("--zone", "torn"), ("--resolver", "nobody")], ids=["zone", "resolver"]
)
def test_whom_nobody_can_ask_is_wrong_usage(option: tuple[str, str]) -> None:
    """Neither a zone file that cannot be read nor a server that is none counts as a finding."""
    Path("torn").write_text("a.example. TXT (")
    result = CliRunner().invoke(cli, ["check", "domain", "a.example", *option])

    assert result.exit_code == 2, result.output
    assert option[0] in result.output
