"""False ends of content on each kind of listener: nothing behind them is ever a second message."""

from __future__ import annotations

import pytest
from tests.receiving import listener, receiving

from pillarbox.config.settings import ListenerKind

TRUSTED = ("127.0.0.0/8",)
KINDS = {
    "mx": listener(),
    # Whom we trust is trusted to relay, not to frame: a hop inside may pass on what it was sent.
    "inside": listener(trusted_networks=TRUSTED, normalize_line_ends=True),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=TRUSTED),
    "lenient": listener(
        ListenerKind.SUBMISSION, trusted_networks=TRUSTED, normalize_line_ends=True
    ),
}
HEADER = b"From: x@third.test\r\nMessage-ID: <1@third.test>\r\n\r\nfirst"
SMUGGLED = b"MAIL FROM:<evil@third.test>\r\nRCPT TO:<bob@local.test>\r\nDATA\r\nsecond\r\n.\r\n"
FALSE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\r\n")


@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
@pytest.mark.parametrize("name", KINDS)
def test_a_false_end_makes_no_second_message(name: str, end: bytes) -> None:
    """A: mx refuses a lone CR or LF, also from those it trusts; elsewhere it is one message."""
    with receiving(KINDS) as rig:
        with rig.client(name) as wire:
            wire.hello()
            wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
            assert wire.codes(3) == ["250", "250", "354"]
            wire.send(HEADER + end + SMUGGLED)
            reply = wire.reply()
            assert wire.ask("NOOP").startswith("250")
        taken = [str(one.address) for kept in rig.kept for one in kept.envelope.recipients]
        assert "bob@local.test" not in taken
        assert len(rig.kept) <= 1
        if name != "lenient":
            assert reply.startswith("550 5.5.2")
            assert not rig.kept
