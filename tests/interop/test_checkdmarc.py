"""``pillarbox check domain`` and checkdmarc (PyPI) on the same zones do not contradict each other.

Both ask the same resolver (unbound), over records that can be used and records that cannot.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from tests.validating_resolver import unbound

PYTHON: Final = Path("/var/cache/pillarbox-peers/checkdmarc/bin/python")
MANY: Final = " ".join(f"a:a{number}.many.test" for number in range(11))

ASK: Final = """
import json, sys
import dns.resolver
from checkdmarc.dmarc import check_dmarc
from checkdmarc.spf import check_spf
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [sys.argv[1]], int(sys.argv[2])
found = {
    name: {"spf": check_spf(name, resolver=resolver), "dmarc": check_dmarc(name, resolver=resolver)}
    for name in sys.argv[3:]
}
print(json.dumps(found, default=str))
"""

# A record set for each domain; `mx` is of all of them.
ZONES: Final[dict[str, tuple[str, str]]] = {
    "good.test": ('"v=spf1 mx -all"', '"v=DMARC1; p=reject; rua=mailto:d@good.test"'),
    "soft.test": ('"v=spf1 mx ~all"', '"v=DMARC1; p=none"'),
    "quarantine.test": ('"v=spf1 a mx -all"', '"v=DMARC1; p=quarantine; sp=reject; adkim=s"'),
    "include.test": ('"v=spf1 include:good.test -all"', '"v=DMARC1; p=reject"'),
    "many.test": (f'"v=spf1 {MANY} -all"', '"v=DMARC1; p=reject"'),
    "void.test": (
        '"v=spf1 a:n1.void.test a:n2.void.test a:n3.void.test -all"',
        '"v=DMARC1; p=reject"',
    ),
    "loop.test": ('"v=spf1 include:loop.test -all"', '"v=DMARC1; p=reject"'),
    "noinclude.test": ('"v=spf1 include:nothing.good.test -all"', '"v=DMARC1; p=reject"'),
    "two.test": ('"v=spf1 mx -all"', '"v=DMARC1; p=reject"'),
    "typo.test": ('"v=spf1 ipv4:192.0.2.1 -all"', '"v=DMARC1; p=rejekt"'),
    "badip.test": ('"v=spf1 ip4:192.0.2.300 -all"', '"v=DMARC1; p=reject"'),
    "none.test": ("", ""),
    "old.test": ('"v=spf1 mx ptr -all"', '"v=DMARC1; p=reject; pct=50; rf=afrf"'),
    "late.test": ('"v=spf1 mx -all"', '"p=reject; v=DMARC1"'),
    "macro.test": ('"v=spf1 exists:%{i}.good.test -all"', '"v=DMARC1; p=reject"'),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody says of a domain."""

    spf: bool  # whether receivers can use the record
    lookups: int | None
    dmarc: bool
    policy: str


def zone(name: str, spf: str, dmarc: str) -> str:
    """Return the text of a zone."""
    lines = [
        f"$ORIGIN {name}.",
        "$TTL 60",
        "@ SOA ns hostmaster 1 3600 600 86400 60",
        "@ NS ns",
        "ns A 127.0.0.1",
        "@ MX 10 mx",
        "@ A 192.0.2.1",
        "mx A 192.0.2.1",
    ]
    lines += [f"a{number} A 192.0.2.{number + 1}" for number in range(11)]
    lines += [f"@ TXT {spf}"] if spf else []
    lines += ['@ TXT "v=spf1 -all"'] if name == "two.test" else []
    lines += [f"_dmarc TXT {dmarc}"] if dmarc else []
    return "\n".join(lines) + "\n"


def theirs(found: dict[str, Any]) -> Verdict:
    """Return checkdmarc's verdict."""
    spf, dmarc = found["spf"], found["dmarc"]
    is_found = dmarc.get("record") is not None and bool(dmarc.get("valid"))
    return Verdict(
        spf=bool(spf.get("valid")) and spf.get("record") is not None,
        lookups=spf.get("dns_lookups"),
        dmarc=is_found,
        policy=dmarc["tags"]["p"]["value"] if is_found else "",
    )


def ours(name: str, resolver: str) -> Verdict:
    """Return the verdict of `check domain`."""
    command = [sys.executable, "-m", "pillarbox", "check", "domain", name]
    command += ["--resolver", resolver, "--no-connect", "--json", "--verbose"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    failed = {each["area"].lower() for each in findings if each["status"] == "fail"}
    titles = " / ".join(each["title"] for each in findings)
    has_record = "PB-DMARC-003" not in {each["id"] for each in findings}
    lookups = re.search(r"SPF costs (\d+) of 10|(\d+) terms ask DNS", titles)
    policy = re.search(r"The policy is (\w+)", titles)
    return Verdict(
        spf="spf" not in failed,
        lookups=int(lookups[1] or lookups[2]) if lookups else None,
        dmarc="dmarc" not in failed and has_record,
        policy=policy[1] if policy else "",
    )


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Verdict, Verdict]]:
    """Return for each domain what checkdmarc says, and what we say."""
    if not PYTHON.exists():
        pytest.skip("checkdmarc is not installed (scripts/install-peers.sh)")
    zones = {f"{name}.": zone(name, *records) for name, records in ZONES.items()}
    zones["test."] = "$ORIGIN test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n"
    with unbound(tmp_path_factory.mktemp("unbound"), signed={}, plain=zones) as resolver:
        host, _, port = resolver.rpartition(":")
        done = subprocess.run(
            [PYTHON, "-c", ASK, host, port, *ZONES],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return {name: (theirs(found[name]), ours(name, resolver)) for name in ZONES}


@pytest.mark.parametrize("name", ZONES)
def test_both_say_the_same(name: str, verdicts: dict[str, tuple[Verdict, Verdict]]) -> None:
    """Whether SPF and DMARC can be used, what SPF costs, and which policy there is."""
    their, our = verdicts[name]
    assert (our.spf, our.dmarc) == (their.spf, their.dmarc)
    if None not in {our.lookups, their.lookups}:
        assert our.lookups == their.lookups
    if our.policy and their.policy:
        assert our.policy == their.policy


def test_most_is_compared(verdicts: dict[str, tuple[Verdict, Verdict]]) -> None:
    """The comparison is not empty: usable and unusable records, costs and policies are in it."""
    pairs = verdicts.values()
    assert sum(our.spf for _, our in pairs) >= 5
    assert sum(not our.spf for _, our in pairs) >= 7
    assert sum(None not in {our.lookups, their.lookups} for their, our in pairs) >= 6
    assert sum(bool(our.policy) for _, our in pairs) >= 2
