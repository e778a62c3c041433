"""The example hook asks a real rspamd about every message."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.loopback import own_address
from tests.peers import require
from tests.receiving import Rig, receiving, wait_until

from pillarbox.config.settings import HookSettings, Settings
from pillarbox.events.types import CheckRuled
from pillarbox.node.judging import Judging
from pillarbox.policy.recipients import LocalDomains

HOOK = Path(__file__).parents[2] / "examples/hooks/rspamd.py"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture
def rspamd(tmp_path: Path) -> Iterator[str]:
    """Run rspamd without its rules, which need files and the network; return its URL."""
    require("rspamd")
    address = own_address()
    config = tmp_path / "rspamd.conf"
    config.write_text(
        f'options {{ pidfile = "{tmp_path}/pid"; filters = ""; tempdir = "{tmp_path}";\n'
        '  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; } }\n'
        'logging { type = "console"; }\n'
        "actions { reject = 15; add_header = 6; greylist = 4; }\n"
        f'worker "normal" {{ bind_socket = "{address}:11333"; count = 1; }}\n'
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["rspamd", "-f", "-i", "-c", str(config)], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection((address, 11333), 1):
                    break
                assert time.monotonic() < end, (tmp_path / "log").read_text()
                time.sleep(0.05)
            yield f"http://{address}:11333"
        finally:
            process.terminate()
            process.wait(10)


def send(rig: Rig, text: str) -> str:
    """Send a message to ann, and return the reply to the final dot."""
    with rig.client() as client:
        client.hello()
        client.send("MAIL FROM:<eve@outside.test>", "RCPT TO:<ann@local.test>", "DATA")
        assert client.codes(3) == ["250", "250", "354"]
        client.send("From: <eve@outside.test>", "Subject: s", "", text, ".")
        return client.reply()


def test_spam_is_refused_and_other_mail_is_marked(
    rspamd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rspamd rejects is refused in the session; the rest carries its score."""
    monkeypatch.setenv("RSPAMD_URL", rspamd)
    settings = Settings(hook={"rspamd": HookSettings(file=HOOK, timeout=10.0)})
    judging = Judging.prepare(
        settings, LocalDomains(), None, lambda _where, _error: None, time.time
    )
    with receiving(inspectors=judging.inspectors) as rig:
        assert send(rig, GTUBE) == "550 5.7.1 This looks like spam"
        assert send(rig, "Hello").startswith("250 ")
        wait_until(lambda: rig.named(CheckRuled))
        (ruled,) = rig.named(CheckRuled)
        (kept,) = rig.kept
        content = rig.content(kept)
    judging.close()
    assert (ruled.check, ruled.evidence) == ("rspamd", ["GTUBE"])
    assert ruled.reason.startswith("rspamd: 15.00")
    assert content.startswith(b"X-Spam-Score: ")
