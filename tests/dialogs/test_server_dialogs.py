"""The dialog files, played against the pure connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.dialogs_player import matches, read_dialog, replies_in
from tests.server_driver import Driver, ServerOptions
from tests.users import NONCE, judge_claim

from pillarbox.smtp import events
from pillarbox.smtp.reply import Reply


def _judge(event: events.ServerEvent) -> Reply | None:
    """Take what is asked for, but for logins of those that are not known."""
    return judge_claim(event.claim) if isinstance(event, events.AuthAttempted) else None


DIALOGS = sorted(Path(__file__).parent.glob("*.dialog"))


@pytest.mark.parametrize("path", DIALOGS, ids=lambda path: path.stem)
def test_a_dialog_goes_as_written(path: Path) -> None:
    """Each conversation gets the replies its file tells, in their order, and no others."""
    dialog = read_dialog(path)
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in dialog.options.items()
    }
    known = {"hostname": "mx.local.test", "starttls": True, "new_nonce": lambda: NONCE}
    driver = Driver(ServerOptions(**{**known, **options}), _judge)
    driver.connection.greet()
    waiting = replies_in(driver.pump())
    for step in dialog.steps:
        where = f"{path.name}:{step.line}"
        if step.kind == "C":
            driver.connection.receive_data(step.octets)
            before = len(driver.sent)
            driver.pump()
            waiting += replies_in(driver.sent[before:])
        elif step.kind == "S":
            assert waiting, f"{where}: no reply came"
            assert matches(step, waiting[0]), f"{where}: {waiting[0]}"
            del waiting[0]
        elif step.kind == "S...":
            waiting.clear()
        elif step.text == "closed":
            assert driver.connection.is_over, where
        else:
            assert step.text == "tls", where  # the driver has upgraded by itself
            assert driver.connection.is_encrypted, where
    assert not waiting
