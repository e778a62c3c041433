"""We get our bearer tokens from a real OAuth 2.0 server."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback import own_address
from tests.peers import UNPACKED, require

from pillarbox.net.tokens import GrantedToken, TokenGrant, TokenUnavailable

SERVER = UNPACKED.parents[1] / "node" / "node_modules" / ".bin" / "oauth2-mock-server"
PORT = 8080


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run oauth2-mock-server; the URL of its token endpoint."""
    require("node")
    if not SERVER.exists():
        pytest.skip("oauth2-mock-server is not installed (scripts/install-peers.sh)")
    address = own_address()
    log = tmp_path_factory.mktemp("issuer") / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(SERVER), "-a", address, "-p", str(PORT)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for(address, log)
        yield f"http://{address}:{PORT}/token"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(address: str, log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((address, PORT), timeout=2).close()
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("refresh_token", ["", "some-refresh-token"])
def test_an_oauth_server_gives_us_a_token(issuer: str, refresh_token: str) -> None:
    """By client credentials and by refresh token; what comes is a token that names our scope."""
    grant = TokenGrant(
        url=issuer,
        client="pillarbox",
        client_secret="secret",
        refresh_token=refresh_token,
        scope="mail.send",
    )
    token = asyncio.run(GrantedToken(grant).current())
    claims = token.split(".")[1]
    told = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert told["scope"] == "mail.send"
    assert told["exp"] > time.time()


def test_an_oauth_server_that_refuses_is_told_of(issuer: str) -> None:
    """Another endpoint of the same server gives no token."""
    with pytest.raises(TokenUnavailable, match="says 404"):
        asyncio.run(GrantedToken(TokenGrant(url=f"{issuer}s", client="pillarbox")).current())
