"""`check smtp` and `talk` on the mail servers of others: what works there is not blamed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.interop.relay import make_certificate
from tests.peers import PEERS, PORT, Exim, Peer, Postfix, require_peer, running

from pillarbox.cli.main import cli

ENVELOPE = ("--from", "ann@example.com", "--to", "bob@example.org")
# The certificate is one that the test has made for itself, on an address without a name.
OF_THE_CERTIFICATE = {"PB-SMTP-050", "PB-SMTP-051", "PB-SMTP-052", "PB-SMTP-053"}


@pytest.mark.parametrize("kind", [Postfix, Exim], ids=lambda kind: kind.name)
def test_a_server_in_order_is_not_blamed(kind: type[Peer], tmp_path: Path) -> None:
    """STARTTLS, the versions of TLS, PIPELINING, MAIL and RCPT: no problems found."""
    require_peer(kind)
    certificate = make_certificate(tmp_path / "certificate")
    with running(kind(directory=tmp_path / "peer", certificate=certificate)) as peer:
        command = ["check", "smtp", f"{peer.address}:{PORT}", *ENVELOPE, "--json"]
        said = json.loads(CliRunner().invoke(cli, command).output)
    blamed = {one["id"] for one in said["findings"] if one["status"] in {"fail", "warn"}}
    assert blamed <= OF_THE_CERTIFICATE
    (server,) = said["servers"]
    assert server["tls"]["versions"]["TLSv1.3"] is True
    assert server["pipelining"] is True
    assert [stage["failure"] for stage in server["stages"]] == [""] * len(server["stages"])
    assert server["stages"][-1]["stage"] == "RCPT"


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.name)
def test_a_server_takes_a_message_by_hand(kind: type[Peer], tmp_path: Path) -> None:
    """Every reply of a session by script is read and understood."""
    require_peer(kind)
    script = """
        < 220
        EHLO me.example
        < 250 SIZE
        MAIL FROM:<ann@example.com>
        < 250
        RCPT TO:<bob@example.org>
        < 250
        /text By hand
        < 250
        QUIT
        < 221
    """
    with running(kind(directory=tmp_path / "peer")) as peer:
        result = CliRunner().invoke(cli, ["talk", f"{peer.address}:{PORT}"], input=script)
        assert result.exit_code == 0, result.output
        (mail,) = peer.wait_for(1)
    assert b"By hand" in mail
