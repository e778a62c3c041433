"""Other people's clients send to the sandbox: swaks, curl, Nodemailer, msmtp, smtplib."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.catching import PATIENCE, Running, with_sandbox, without_trace
from tests.interop.test_sasl_clients import NODE_MODULES

_CONTENT = "From: ann@example.com\r\nTo: bob@example.org\r\nSubject: by curl\r\n\r\n.\r\nÄ\r\n"
_NODEMAILER = """
const transport = require("nodemailer").createTransport({
  host: "localhost", port: PORT, SECURE, auth: {user: "ann", pass: "any"},
  tls: {ca: require("fs").readFileSync("CERTIFICATE")},
});
transport.sendMail({
  from: "ann@example.com", to: "Bob <bob+shop@example.org>", subject: "by Nodemailer",
  text: "plain", html: "<p>page</p>", attachments: [{filename: "a.txt", content: "attached"}],
}).then((info) => { console.log(info.response); transport.close(); });
"""


def run(command: list[str], stdin: str = "") -> str:
    """Run a client and return what it said; it must not fail."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        command, input=stdin.encode(), capture_output=True, timeout=60, check=False
    )
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--tls"],
        ["--auth", "PLAIN", "--auth-user", "ann", "--auth-password", "any"],
        ["--tls", "--auth", "LOGIN", "--auth-user", "ann", "--auth-password", "any"],
        ["--pipeline", "--from", "<>"],
    ],
)
def test_swaks_sends(options: list[str]) -> None:
    """What swaks sends comes in, in the clear and by TLS, with and without a login."""

    async def test(running: Running) -> None:
        command = ["swaks", "--server", f"127.0.0.1:{running.port}", "--to", "bob@example.org"]
        output = await asyncio.to_thread(run, command + options)
        caught = await running.sandbox.latest("subject:test")
        assert caught is not None
        assert "queued as" in output
        assert caught.identity == ("ann" if "--auth" in options else "")
        assert bool(caught.tls) == ("--tls" in options)

    with_sandbox(test)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_curl_sends(scheme: str, tmp_path: Path) -> None:
    """What curl sends comes in, octet for octet, and verifies the certificate."""
    file = tmp_path / "mail.eml"
    file.write_bytes(_CONTENT.encode())

    async def test(running: Running) -> None:
        port = running.port if scheme == "smtp" else running.tls_port
        command = ["curl", "--silent", "--show-error", f"{scheme}://localhost:{port}"]
        command += ["--ssl-reqd", "--cacert", str(running.node.certificate)]
        command += ["--mail-from", "ann@example.com", "--mail-rcpt", "bob@example.org"]
        command += ["--user", "ann:any", "--upload-file", str(file)]
        await asyncio.to_thread(run, command)
        caught = await running.sandbox.latest()
        assert caught is not None
        assert caught.tls.startswith("TLSv1.3")
        assert without_trace(await running.sandbox.content(caught.id)) == _CONTENT.encode()

    with_sandbox(test, smtp=("localhost:0",), smtps=("localhost:0",))


@pytest.mark.parametrize("secure", ["requireTLS: true", "secure: true"])
def test_nodemailer_sends(secure: str, tmp_path: Path) -> None:
    """Nodemailer gets its mail in on localhost, with a login and a certificate it verifies."""
    if not (NODE_MODULES / "nodemailer").exists():
        pytest.skip("nodemailer is not installed (scripts/install-peers.sh)")

    async def test(running: Running) -> None:
        port = running.tls_port if secure.startswith("secure") else running.port
        script = _NODEMAILER.replace("PORT", str(port)).replace("SECURE", secure)
        file = tmp_path / "send.cjs"
        file.write_text(script.replace("CERTIFICATE", str(running.node.certificate)))
        command = ["env", f"NODE_PATH={NODE_MODULES}", "node", str(file)]
        waiting = asyncio.create_task(
            running.sandbox.wait_for("subject:Nodemailer has:attachment", timeout=3 * PATIENCE)
        )
        output = await asyncio.to_thread(run, command)
        caught = await waiting
        assert caught is not None
        assert "queued as" in output
        assert (caught.identity, caught.tags, caught.attachments) == ("ann", ("shop",), 1)

    with_sandbox(test, smtp=("localhost:0",), smtps=("localhost:0",))


def test_nodemailer_needs_no_option(tmp_path: Path) -> None:
    """A host and a port are enough: no STARTTLS is offered that Nodemailer would not trust."""
    if not (NODE_MODULES / "nodemailer").exists():
        pytest.skip("nodemailer is not installed (scripts/install-peers.sh)")

    async def test(running: Running) -> None:
        file = tmp_path / "send.cjs"
        file.write_text(
            'require("nodemailer").createTransport({host: "localhost", port: PORT})'
            '.sendMail({from: "a@x.test", to: "b@y.test", subject: "plain", text: "x"})'.replace(
                "PORT", str(running.port)
            )
        )
        command = ["env", f"NODE_PATH={NODE_MODULES}", "node", str(file)]
        await asyncio.to_thread(run, command)
        assert await running.sandbox.latest("subject:plain") is not None

    with_sandbox(test, smtp=("localhost:0",), starttls=None)


def test_msmtp_sends() -> None:
    """What msmtp sends comes in with its own rules for line ends and dots."""
    text = "To: bob@example.org\nSubject: by msmtp\n\n.\n..\nlast\n"

    async def test(running: Running) -> None:
        command = ["msmtp", "--host=127.0.0.1", f"--port={running.port}"]
        command += ["--from=ann@example.com", "--read-recipients"]
        await asyncio.to_thread(run, command, text)
        caught = await running.sandbox.latest("subject:msmtp")
        assert caught is not None
        kept = without_trace(await running.sandbox.content(caught.id))
        assert kept.endswith(b"\r\n\r\n.\r\n..\r\nlast\r\n")

    with_sandbox(test)
