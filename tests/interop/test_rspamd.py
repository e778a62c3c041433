"""The example hook asks a real rspamd about every message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real_rspamd import GTUBE, running_rspamd
from tests.receiving import Rig, receiving, wait_until

from pillarbox.config.settings import HookSettings, Settings
from pillarbox.events.types import CheckRuled
from pillarbox.node.judging import Judging
from pillarbox.policy.recipients import LocalDomains

HOOK = Path(__file__).parents[2] / "examples/hooks/rspamd.py"


@pytest.fixture
def rspamd(tmp_path: Path) -> Iterator[str]:
    """Run rspamd; return its URL."""
    with running_rspamd(tmp_path) as url:
        yield url


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
