"""What testssl.sh has to say of listeners: TLS from the first octet, and STARTTLS."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.loopback import own_address
from tests.peers import require
from tests.running_node import running_node

CONFIGURATION = """
[node]
hostname = "mx.scanned.test"
directory = "{folder}/var"
[tls]
certificate = "{folder}/chain.pem"
key = "{folder}/key.pem"
[listener.mx]
kind = "mx"
bind = ["{address}:2525"]
[listener.submission]
kind = "submission"
bind = ["{address}:2587"]
[listener.submissions]
kind = "submissions"
bind = ["{address}:2465"]
[limits]
connections_per_client = 1000
connection_rate_per_client = 100000
errors = 1000
[domain."scanned.test"]
recipients = ["ann"]
route = "mail"
[route.mail]
kind = "discard"
"""
DAY = timedelta(days=1)
SEVERE = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}
# What a certificate of a private authority cannot be blamed for, by testssl.sh's own names:
# nobody knows the authority, and it says of nowhere that certificates are revoked.
OF_A_PRIVATE_AUTHORITY = {"cert_chain_of_trust", "cert_revocation"}
QUICK = ("--protocols", "--std")
WHOLE = (
    "--protocols",
    "--std",
    "--fs",
    "--server-preference",
    "--server-defaults",
    "--vulnerable",
)


@pytest.mark.parametrize(
    ("port", "checks"),
    [
        pytest.param(2525, QUICK, id="mx"),
        pytest.param(2465, QUICK, id="submissions"),
        pytest.param(2525, WHOLE, id="mx, whole", marks=pytest.mark.slow),
        pytest.param(2587, WHOLE, id="submission, whole", marks=pytest.mark.slow),
        pytest.param(2465, WHOLE, id="submissions, whole", marks=pytest.mark.slow),
    ],
)
def test_a_scanner_finds_nothing_to_blame(
    tmp_path: Path, port: int, checks: tuple[str, ...]
) -> None:
    """No finding of medium weight or more, but for those about a private authority."""
    require("testssl")
    address = own_address()
    authority = trustme.CA()
    now = datetime.now(UTC)
    leaf = authority.issue_cert("mx.scanned.test", not_before=now - DAY, not_after=now + 90 * DAY)
    (tmp_path / "chain.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").touch(mode=0o600)
    (tmp_path / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    path = tmp_path / "pillarbox.toml"
    path.write_text(CONFIGURATION.format(folder=tmp_path, address=address))
    report = tmp_path / "report.json"
    how = () if port == 2465 else ("--starttls", "smtp")
    with running_node(path, []):
        subprocess.run(
            [
                *("testssl", "--warnings", "off", "--color", "0", "--quiet"),
                *("--ip", address, "--jsonfile", str(report)),
                *how,
                *checks,
                f"mx.scanned.test:{port}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=580,
            check=False,
        )
    findings = json.loads(report.read_text())
    assert {"TLS1_2", "TLS1_3"} <= {each["id"] for each in findings}
    assert [
        each
        for each in findings
        if each["severity"] in SEVERE and each["id"] not in OF_A_PRIVATE_AUTHORITY
    ] == []
