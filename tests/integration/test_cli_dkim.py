"""``pillarbox dkim``: the life of a key on the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.key_table import ED25519, RSA, record_of

from pillarbox.cli.main import cli
from pillarbox.clock import SystemClock
from pillarbox.keyring.publication import zone_strings
from pillarbox.mailauth.dkim import SigningKey, sign, write_private_key

MESSAGE = b"From: ann@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder, a terminal width and an environment of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    for name in list(os.environ):
        if name.startswith("PILLARBOX"):
            monkeypatch.delenv(name)
    (tmp_path / "pillarbox.toml").write_text('[node]\nhostname = "mail.example.org"\n')


def run(*words: str, expected: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["dkim", *words], prog_name="pillarbox")
    assert result.exit_code == expected, result.output
    return result


def states() -> dict[str, str]:
    lines = run("list", "--all", "--json").stdout.splitlines()
    return {key["selector"]: key["state"] for key in map(json.loads, lines)}


def publish(*domains: str) -> str:
    """Put all records into a zone file, and return its path."""
    lines = []
    for domain in domains:
        lines += run("dns", domain).stdout.splitlines()
    Path("zone").write_text("\n".join(line for line in lines if not line.startswith(";")) + "\n")
    return "zone"


def record_zone(key: SigningKey, more: str = "") -> str:
    """Publish one key in a zone file."""
    strings = zone_strings(record_of(key).decode() + more)
    Path("zone").write_text(f"{key.selector}._domainkey.{key.domain}. 60 IN TXT {strings}\n")
    return "zone"


def test_a_first_pair_of_keys_is_made_published_and_signs() -> None:
    """New keys sign only when the records that `dns` prints are in DNS."""
    said = run("new", "example.org")
    assert len(re.findall(r" IN TXT ", said.stdout)) == 2
    Path("empty").write_text("")
    early = run("rotate", "example.org", "--zone", "empty", expected=1)
    assert "PB-DKIM-003" in early.stdout
    assert set(states().values()) == {"made"}
    run("check", "example.org", "--zone", publish("example.org"))
    assert set(states().values()) == {"seen"}
    run("rotate", "example.org", "--zone", "zone")
    assert set(states().values()) == {"signing"}


def test_a_rotation_makes_new_keys_and_lets_the_old_ones_rest() -> None:
    """The second pair replaces the first when it is published; nothing is destroyed yet."""
    run("new", "example.org")
    run("rotate", "example.org", "--zone", publish("example.org"))
    first = set(states())
    run("rotate", "example.org", "--if-older", "30 d")
    assert set(states()) == first
    run("rotate", "example.org")
    assert len(states()) == 4
    run("rotate", "example.org", "--zone", publish("example.org"))
    assert {states()[selector] for selector in first} == {"resting"}
    assert sorted(states().values()) == ["resting", "resting", "signing", "signing"]


def test_a_missing_record_of_a_key_that_signs_fails_the_check() -> None:
    """The exit status is 1, and the finding holds the record to publish."""
    run("new", "example.org", "--algorithm", "ed25519", "--selector", "s1")
    run("rotate", "example.org", "--zone", publish("example.org"))
    Path("zone").write_text("other.example.org. 60 IN A 192.0.2.1\n")
    said = run("check", "--zone", "zone", "--json", expected=1)
    finding = json.loads(said.stdout)
    assert (finding["level"], finding["state"]) == ("error", "signing")
    assert finding["fix"].startswith("s1._domainkey.example.org. 3600 IN TXT ")
    assert finding["servers"] == [
        {"server": "zone", "sight": "has no record", "detail": "no such name", "aliases": []}
    ]


def test_a_key_from_elsewhere_is_taken_with_its_selector() -> None:
    """An imported key keeps its name, is compared with DNS, and signs when told to."""
    Path("key.pem").write_bytes(write_private_key(RSA.private_key, b"secret"))
    Path("pass").write_text("secret\n")
    run("import", "example.org", "r1", "key.pem", expected=1)
    run("import", "example.org", "r1", "key.pem", "--passphrase-file", "pass")
    run("check", "--zone", record_zone(RSA))
    assert states() == {"r1": "seen"}
    Path("seed").write_bytes(write_private_key(ED25519.private_key))
    run("import", "example.org", "e1", "seed", "--sign")
    assert states() == {"r1": "seen", "e1": "signing"}
    run("import", "example.org", "e1", "seed", expected=1)


def test_a_key_is_destroyed_on_request() -> None:
    """`retire` leaves the record to show, but no private key."""
    run("new", "example.org", "--algorithm", "ed25519", "--selector", "s1")
    said = run("retire", "example.org", "s1", "--yes")
    assert states() == {"s1": "retired"}
    assert "p=" in said.output
    assert b"PRIVATE" not in Path("var/dkim/example.org/s1.pem").read_bytes()


def test_a_delegated_domain_gets_both_records() -> None:
    """With `delegate`, the alias and the record behind it are printed."""
    with Path("pillarbox.toml").open("a") as file:
        file.write(
            '[dkim_domain."example.org"]\ndelegate = "keys.example.net"\nalgorithm = "rsa"\n'
        )
    said = run("new", "example.org", "--selector", "s1", "--algorithm", "rsa").stdout
    target = "s1._domainkey.example.org.keys.example.net."
    assert f"s1._domainkey.example.org. 3600 IN CNAME {target}" in said
    assert f"\n{target} 3600 IN TXT " in said
    run("check", "--zone", publish("example.org"))


def test_keys_are_encrypted_with_the_passphrase() -> None:
    """With `passphrase_file`, nothing readable is left in the files."""
    Path("pass").write_text("secret\n")
    Path("pass").chmod(0o600)
    with Path("pillarbox.toml").open("a") as file:
        file.write('[dkim]\npassphrase_file = "pass"\n')
    run("new", "example.org", "--algorithm", "rsa", "--selector", "s1")
    assert b"ENCRYPTED PRIVATE KEY" in Path("var/dkim/example.org/s1.pem").read_bytes()
    assert states() == {"s1": "made"}


@pytest.mark.parametrize(
    "words",
    [
        ("new", "nodots"),
        ("new", "exa mple.org"),
        ("new", "example.org", "--selector", "a b", "--algorithm", "rsa"),
        ("new", "example.org", "--selector", "s1"),
        ("rotate", "../example.org"),
        ("import", "example.org/..", "s1", "pillarbox.toml"),
        ("import", "example.org", "../s1", "pillarbox.toml"),
        ("rotate", "example.org", "--if-older", "soon"),
        ("explain",),
        ("explain", "example.org"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    """What cannot be meant ends with status 2, and makes nothing."""
    run(*words, expected=2)
    assert states() == {}


def test_a_record_is_explained() -> None:
    """Each tag is said in words, and a sound record leaves nothing to remark."""
    said = run("explain", "e1._domainkey.example.org", "--zone", record_zone(ED25519, "; t=y:s"))
    assert "public key" in said.stdout
    assert "PB-DKIM-016" in said.stdout
    fine = run("explain", "r1._domainkey.example.org", "--zone", record_zone(RSA), "--json")
    assert json.loads(fine.stdout)["findings"] == []


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ("v=DKIM1; p=", "PB-DKIM-013"),
        ("v=DKIM1; k=rsa; p=AAAA", "PB-DKIM-013"),
        ("v=DKIM1 k=rsa p=AAAA", "PB-DKIM-013"),
        (record_of(ED25519).decode() + "; s=tlsrpt", "PB-DKIM-014"),
        (record_of(ED25519).decode()[9:], "PB-DKIM-017"),
    ],
)
def test_what_is_wrong_with_a_record_is_found(record: str, code: str) -> None:
    """The finding has a code, its reason and its remedy; errors end with status 1."""
    Path("zone").write_text(f"s._domainkey.example.org. 60 IN TXT {zone_strings(record)}\n")
    fails = code != "PB-DKIM-017"
    said = run("explain", "s._domainkey.example.org", "--zone", "zone", "--json", expected=fails)
    findings = json.loads(said.stdout)["findings"]
    assert [finding["code"] for finding in findings] == [code]
    assert all(finding["why"] and finding["fix"] for finding in findings)


def test_a_missing_record_and_silent_servers_are_told_apart() -> None:
    """Both end with status 1, with their own codes."""
    Path("zone").write_text(";! fail broken.example\nexample.org. 60 IN A 192.0.2.1\n")
    missing = run("explain", "s._domainkey.example.org", "--zone", "zone", expected=1)
    assert "PB-DKIM-011" in missing.stdout
    silent = run("explain", "s._domainkey.broken.example", "--zone", "zone", expected=1)
    assert "PB-DKIM-010" in silent.stdout


def test_the_signatures_of_a_message_are_explained() -> None:
    """A message from disk, with LF line ends, is judged as it was on the wire."""
    mail = sign(MESSAGE, [ED25519], now=SystemClock().now()) + MESSAGE
    Path("good.eml").write_bytes(mail.replace(b"\r\n", b"\n"))
    Path("bad.eml").write_bytes(mail + b"more\r\n")
    Path("none.eml").write_bytes(MESSAGE)
    zone = record_zone(ED25519)
    assert run("explain", "--message", "good.eml", "--zone", zone).stdout.startswith("pass")
    bad = run("explain", "--message", "bad.eml", "--zone", zone, "--json", expected=1)
    assert json.loads(bad.stdout)["reason"] == "the body was changed"
    run("explain", "--message", "none.eml", "--zone", zone, expected=1)
