"""fetchmail and mpop fetch what the sandbox has caught."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pillarbox.config.settings import SandboxSettings, Settings
from pillarbox.node.sandbox import SandboxNode

MAIL = b"From: ann@example.com\r\nTo: bob@example.org\r\nSubject: %d\r\n\r\n.dot\r\nlast %d\r\n"


def fetched(configuration: str, command: list[str], directory: Path) -> tuple[str, int]:
    """Have a client fetch three mails; return what it has written, and how many are left.

    ``{port}``, ``{directory}`` and ``{certificate}`` are replaced in the configuration.
    """

    async def main() -> int:
        own = SandboxSettings(smtp=("localhost:0",), http=(), pop3=("localhost:0",), starttls=True)
        node = SandboxNode(Settings(sandbox=own))
        await node.start()
        try:
            for number in (1, 2, 3):
                await node.sandbox.ingest(MAIL % (number, number))
            file = directory / "configuration"
            file.touch(mode=0o600)
            port = node.addresses.pop3[0].rpartition(":")[2]
            file.write_text(
                configuration.replace("{port}", port)
                .replace("{directory}", str(directory))
                .replace("{certificate}", str(node.certificate))
            )
            environment = {**os.environ, "HOME": str(directory), "FETCHMAILHOME": str(directory)}
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, str(file)],
                env=environment,
                capture_output=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, (done.stdout + done.stderr).decode()
            return (await node.sandbox.find()).total
        finally:
            await node.stop()

    box = directory / "box"
    box.touch()
    left = asyncio.run(main())
    return box.read_text(), left


def check(text: str) -> None:
    """Look whether all three mails came, dots and all."""
    for number in (1, 2, 3):
        assert f"Subject: {number}\n" in text
        assert f"\n.dot\nlast {number}\n" in text


@pytest.mark.skipif(shutil.which("fetchmail") is None, reason="fetchmail is not here")
@pytest.mark.parametrize("keeps", [True, False])
def test_fetchmail_fetches_over_tls(tmp_path: Path, *, keeps: bool) -> None:
    """With STLS and a verified certificate; what it fetches it deletes, unless it keeps it."""
    configuration = (
        "poll localhost protocol pop3 service {port} user any password thing\n"
        "  ssl '' sslproto 'TLS1.2+' sslcertck sslcertfile {certificate} sslcommonname localhost\n"
        f"  {'keep' if keeps else 'nokeep'} fetchall mda 'cat >> {{directory}}/box'\n"
    ).replace("ssl '' ", "")
    text, left = fetched(configuration, ["fetchmail", "--silent", "--nosyslog", "-f"], tmp_path)
    check(text)
    assert left == (3 if keeps else 0)


@pytest.mark.skipif(shutil.which("mpop") is None, reason="mpop is not here")
@pytest.mark.parametrize("auth", ["user", "plain", "apop"])
def test_mpop_fetches_over_tls(tmp_path: Path, auth: str) -> None:
    """With STLS, pipelining and UIDL; by USER and PASS, AUTH PLAIN, APOP."""
    configuration = (
        "account default\nhost localhost\nport {port}\nuser any\npassword thing\n"
        f"auth {auth}\ntls on\ntls_starttls on\ntls_trust_file {{certificate}}\n"
        "delivery mbox {directory}/box\nkeep off\nuidls_file {directory}/uidls\n"
    )
    text, left = fetched(configuration, ["mpop", "-q", "-C"], tmp_path)
    check(text)
    assert left == 0
