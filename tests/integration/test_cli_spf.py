"""``pillarbox spf explain``: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.main import cli

ZONE = """
$TTL 60
$ORIGIN org.example.
good   TXT "v=spf1 mx include:_spf.big.example -all exp=why.%{d}"
why.good TXT "%{i} is not ours"
good   MX 10 mx
mx     A 192.0.2.1
odd    TXT "v=spf1 ip4:\\027[31m -all"
$ORIGIN big.example.
_spf   TXT "v=spf1 ip4:198.51.100.0/24 ~all"
;! fail broken.example
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("zone").write_text(ZONE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["spf", "explain", *arguments, "--zone", "zone"])


def test_a_good_record_is_shown_as_a_tree() -> None:
    """Each term has its cost, and nothing is to be changed; exit status 0."""
    result = run("good.org.example")
    assert result.exit_code == 0
    for text in (
        "     2  v=spf1",
        "     1  \u251c mx",
        "exchanger: 192.0.2.1",
        "        \u2502 \u2514 ~all",
        "DNS look-ups 2 of 10   void 0 of 2",
        "the record as it is",
    ):
        assert text in result.output


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("none.org.example",), 1, "PB-SPF-001"),
        (("broken.example",), 75, "answered SERVFAIL"),
        (("v=spf1 +all",), 1, '"v=spf1 ~all"'),
        (("v=spf1 ip4:192.0.2.1 -all",), 0, "the record as it is"),
        (("odd.org.example",), 1, "PB-SPF-002"),
        (("good.org.example", "--ip", "192.0.2.1"), 0, "good.org.example: pass"),
        (("good.org.example", "--ip", "2001:db8::1"), 1, "the domain says: 2.0.0.1.0.D.B.8"),
        (("v=spf1 ip4:192.0.2.1 -all", "--ip", "192.0.2.1"), 0, "postmaster@spf.invalid: pass"),
        (
            ("v=spf1 a:%{d} -all", "--ip", "192.0.2.1", "--from", "a@mx.org.example"),
            0,
            "a@mx.org.example: pass",
        ),
        (("a b",), 2, "neither a domain name nor a record"),
        (("good.org.example", "--ip", "x"), 2, "is no IP address"),
        (("good.org.example", "--from", "a@b.example"), 2, "without --ip"),
        (("good.org.example", "--ip", "192.0.2.1", "--from", "a b"), 2, "--from"),
    ],
)
def test_what_is_said_and_the_exit_status(
    arguments: tuple[str, ...], status: int, text: str
) -> None:
    """0 is fine, 1 a finding, 2 wrong usage, 75 no answer; nothing steers the terminal."""
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert text in result.output
    assert "\x1b" not in result.output


def test_json_has_everything() -> None:
    """Programs get the tree, the check with its steps, and the findings, in one object."""
    told = json.loads(run("good.org.example", "--ip", "192.0.2.9", "--json").output)
    assert (told["lookups"], told["max_lookups"], told["voids"]) == (2, 10, 0)
    assert [term["term"] for term in told["tree"]["terms"]][:2] == [
        "mx",
        "include:_spf.big.example",
    ]
    assert told["check"]["result"] == "fail"
    assert told["check"]["explanation"] == "192.0.2.9 is not ours"
    assert told["check"]["steps"][-1]["term"] == "-all"
    assert told["publish"] == told["record"]
