"""Other people's clients log in by every mechanism they know, over STARTTLS.

The server is one of the lab, which knows the passwords in the clear, and drives the same
``ServerConnection`` as a listener does.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from tests.interop.relay import TEXT
from tests.lab_thread import lab_server_in_thread
from tests.peers import PORT, UNPACKED, Postfix, require, require_peer, running

from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer
from pillarbox.smtp.options import ServerOptions
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

USER, PASSWORD, TOKEN = "ann@example.com", "correct-horse", "ya29.token"
NODE_MODULES = UNPACKED.parents[1] / "node" / "node_modules"


@dataclass(frozen=True)
class Target:
    """A server to log in to, for one mechanism at a time."""

    server: LabServer
    authority: Path

    def offer(self, *mechanisms: str) -> None:
        """Offer these from the next connection on."""
        logins = self.server.logins
        assert logins is not None
        logins.claims.clear()
        self.server.messages.clear()
        self.server.options = ServerOptions(
            hostname="localhost", auth_mechanisms=mechanisms, new_nonce=lambda: "nonce"
        )

    def check(self, mails: int = 1) -> None:
        """Somebody has logged in as Ann, once, and her mail has come."""
        logins = self.server.logins
        assert logins is not None
        assert [claim.identity for claim in logins.claims] == [USER]
        assert len(self.server.messages) == mails
        assert all(mail.is_encrypted for mail in self.server.messages)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A lab server with a certificate for localhost."""
    folder = tmp_path_factory.mktemp("sasl-clients")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server = LabServer(
        "localhost",
        tls=context,
        channel_binding=b"of a certificate",
        logins=LabLogins({USER: PASSWORD}, {USER: TOKEN}),
    )
    with lab_server_in_thread(server):
        yield Target(server, folder / "ca.pem")


def run(*command: str, stdin: bytes = b"") -> str:
    """Run a client and return what it said; it must not fail."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN"])
def test_smtplib_logs_in(name: str, target: Target) -> None:
    """Python's smtplib, by all that it knows."""
    target.offer(name)
    with smtplib.SMTP("127.0.0.1", target.server.port, timeout=30) as client:
        client.starttls(context=ssl.create_default_context(cafile=target.authority))
        client.login(USER, PASSWORD)
        client.sendmail(USER, ["bob@example.org"], TEXT, ["BODY=8BITMIME"])
    target.check()


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN"])
def test_swaks_logs_in(name: str, target: Target) -> None:
    """swaks, by all that it knows and we do."""
    require("swaks")
    target.offer(name)
    command = ["swaks", "--server", "127.0.0.1", "--port", str(target.server.port), "--tls"]
    command += ["--auth", name, "--auth-user", USER, "--auth-password", PASSWORD]
    run(*command, "--from", USER, "--to", "bob@example.org")
    target.check()


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"])
def test_curl_logs_in(name: str, target: Target, tmp_path: Path) -> None:
    """The curl that Debian builds, by all that it knows."""
    require("curl")
    target.offer(name)
    (tmp_path / "mail").write_bytes(TEXT)
    is_token = MECHANISMS[name].secret is Secret.TOKEN
    secret = ["--oauth2-bearer", TOKEN] if is_token else []
    command = ["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(target.authority)]
    command += [*secret, "--user", f"{USER}:" if is_token else f"{USER}:{PASSWORD}"]
    command += ["--login-options", f"AUTH={name}", "--mail-from", USER]
    command += ["--mail-rcpt", "bob@example.org", "--upload-file", str(tmp_path / "mail")]
    run(*command, f"smtp://127.0.0.1:{target.server.port}")
    target.check()


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_gsasl_logs_in(name: str) -> None:
    """GNU SASL, in the clear since its tool says STARTTLS before EHLO; it checks our proof."""
    require("gsasl")
    logins = LabLogins({USER: PASSWORD})
    options = ServerOptions(
        hostname="localhost", auth_mechanisms=(name,), new_nonce=lambda: "nonce"
    )
    server = LabServer("localhost", options=options, logins=logins)
    with lab_server_in_thread(server):
        command = ["gsasl", "--smtp", "--connect", f"127.0.0.1:{server.port}", "--no-starttls"]
        command += ["--mechanism", name, "--hostname", "localhost", "--authorization-id", USER]
        run(*command, "--authentication-id", USER, "--password", PASSWORD)
    assert [claim.identity for claim in logins.claims] == [USER]


_POSTFIX = """
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = static:{user}:{password}
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = {name}
"""


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_postfix_logs_in(name: str, target: Target, tmp_path: Path) -> None:
    """Postfix with Cyrus SASL passes its mail on through us."""
    require_peer(Postfix)
    if not list(Path("/usr/lib").glob("*/sasl2/libscram.so")):
        pytest.skip("libsasl2-modules is not installed (scripts/install-peers.sh)")
    target.offer("SCRAM-SHA-256-PLUS", name)
    settings = _POSTFIX.format(user=USER, password=PASSWORD, name=name)
    hop = ("127.0.0.1", target.server.port)
    with running(Postfix(directory=tmp_path / "postfix", next_hop=hop, settings=settings)) as peer:
        with smtplib.SMTP(peer.address, PORT, timeout=30) as client:
            client.sendmail("ann@example.com", ["bob@example.org"], TEXT, ["BODY=8BITMIME"])
        for _ in range(500):
            if target.server.messages:
                break
            subprocess.run(["sleep", "0.02"], check=True)
        assert target.server.messages, peer.log
    target.check()


_NODEMAILER = """
const [port, ca, auth] = process.argv.slice(2);
require("nodemailer").createTransport({
  host: "127.0.0.1", port: Number(port), requireTLS: true, auth: JSON.parse(auth),
  authMethod: JSON.parse(auth).method,
  tls: {ca: require("fs").readFileSync(ca), servername: "localhost"},
}).sendMail({from: "ann@example.com", to: "bob@example.org", subject: "hi", text: "Hello."})
  .catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.parametrize("name", ["CRAM-MD5", "PLAIN", "LOGIN", "XOAUTH2"])
def test_nodemailer_logs_in(name: str, target: Target, tmp_path: Path) -> None:
    """Nodemailer, by all that it knows."""
    require("node")
    if not (NODE_MODULES / "nodemailer").exists():
        pytest.skip("nodemailer is not installed (scripts/install-peers.sh)")
    target.offer(name)
    script = tmp_path / "send.js"
    script.write_text(_NODEMAILER)
    auth = {"user": USER, "pass": PASSWORD, "method": name}
    if name == "XOAUTH2":
        auth = {"type": "OAuth2", "user": USER, "accessToken": TOKEN}
    command = ["env", f"NODE_PATH={NODE_MODULES}", "node", str(script)]
    run(*command, str(target.server.port), str(target.authority), json.dumps(auth))
    target.check()
