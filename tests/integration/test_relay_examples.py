"""The worked examples of the relay policy: each runs, and is proved by `relay prove`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.receiving import PASSWORD, user_file
from tests.started_example import EXAMPLES, started

from pillarbox.cli.main import cli

NAMES = sorted(path.stem for path in (EXAMPLES / "relay-policy").glob("*.toml"))
USERS = {
    "office": ("ann@example.org",),
    "tenants": ("acme-web", "acme-billing", "globex", "trial-4711"),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example finds the files that it names where it is started."""
    monkeypatch.chdir(tmp_path)
    user_file(tmp_path, **{"ann@example.org": PASSWORD})
    password = tmp_path / "smart-host-password"
    password.touch(mode=0o600)
    password.write_text("secret\n")


def run(name: str, *words: str) -> Result:
    path = EXAMPLES / "relay-policy" / f"{name}.toml"
    return CliRunner().invoke(cli, ["-c", str(path), *words], prog_name="pillarbox")


def test_there_are_five_examples() -> None:
    """Each page of the documentation has its configuration."""
    assert NAMES == ["app", "backup-mx", "office", "smart-host", "tenants"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_and_is_proved_to_be_closed(tmp_path: Path, name: str) -> None:
    """It has no finding; no stranger is relayed by its policy or by any of its listeners."""
    user_file(tmp_path, **dict.fromkeys(USERS.get(name, ()), PASSWORD))
    checked = run(name, "config", "check", "--strict")
    assert checked.exit_code == 0, checked.output
    with started(f"relay-policy/{name}", tmp_path) as ports:
        places = [f"--at={listener}=127.0.0.1:{port}" for listener, port in ports.items()]
        proved = run(name, "relay", "prove", "--json", *places)
    assert proved.exit_code == 0, proved.output
    value = json.loads(proved.output)
    assert value["proved"]
    assert {each["listener"] for each in value["attacks"]} == set(ports)
    assert list(tmp_path.glob("relay-proof-*.md"))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("app", "--ip 127.0.0.1 --from shop@example.org --to a@b.example", "taken by trusted"),
        ("app", "--ip 127.0.0.1 --from x@bank.example --to a@b.example", "refused by sender not"),
        ("app", "--ip 198.51.100.7 --from x@example.org --to a@b.example", "refused by login"),
        ("office", "--auth ann@example.org --from ann@example.org --to a@b.example", "taken by au"),
        ("office", "--auth ann@example.org --from jobs@example.org --to a@b.example", "taken by a"),
        (
            "office",
            "--auth ann@example.org --from bob@example.org --to a@b.example",
            "refused by s",
        ),
        (
            "office",
            "--listener submission --ip 192.168.10.9 --from scanner-2@example.org --to bob@example.org",
            "taken by printers",
        ),
        (
            "office",
            "--listener submission --ip 192.168.10.9 --from printer@example.org --to a@b.example",
            "refused by login required",
        ),
        ("office", "--from ann@example.org --to bob@example.org", "refused by no-spoofing"),
        ("office", "--from x@b.example --to bob@example.org", "taken by local recipient"),
        (
            "tenants",
            "--auth acme-web --from x@eu.acme.example --to a@b.example",
            "taken by authent",
        ),
        (
            "tenants",
            "--auth acme-web --from x@globex.example --to a@b.example",
            "refused by sender",
        ),
        ("tenants", "--auth acme-web --from <> --to a@b.example", "refused by no-null-sender"),
        (
            "tenants",
            "--auth acme-billing --from invoices-7@saas.example --to a@b.example",
            "taken by authenticated",
        ),
        (
            "tenants",
            "--auth trial-1 --from trial@saas.example --to us@saas.example",
            "taken by trials-write-to-us",
        ),
        (
            "tenants",
            "--auth trial-1 --from trial@saas.example --to a@b.example",
            "refused by trials-end-here",
        ),
        (
            "smart-host",
            "--ip 10.20.30.2 --from noreply@example.org --to a@b.example",
            "taken by trusted network",
        ),
        (
            "smart-host",
            "--ip 10.20.30.2 --from noreply@example.org --to a@example.com",
            "refused by no-tests",
        ),
        ("backup-mx", "--from x@b.example --to ann@example.org", "taken by local recipient"),
        ("backup-mx", "--from x@b.example --to who@example.org", "refused by unknown recipient"),
        ("backup-mx", "--from x@b.example --to anybody@example.net", "taken by example-net"),
        ("backup-mx", "--from x@b.example --to a%c.example@example.net", "refused by routed"),
        ("backup-mx", "--from x@b.example --to a@c.example", "refused by relay denied"),
    ],
)
def test_an_example_does_what_it_says(name: str, options: str, said: str) -> None:
    """The decisions that its comments speak of are those that `relay explain` gives."""
    shown = run(name, "relay", "explain", *options.split())
    assert shown.stdout.replace("  by rule", " by").startswith(said), shown.stdout
