"""Renewal of certificates: what does not work is told, and tried again later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pillarbox.acme.renewal import Renewal
from pillarbox.acme.wanted import Wanted
from pillarbox.clock import SystemClock
from pillarbox.errors import TemporaryError
from pillarbox.events.types import CertificateNotFetched, Event


@pytest.mark.parametrize(
    ("error", "reason"),
    [(TemporaryError("busy"), "busy"), (KeyError("token"), "KeyError: 'token'")],
    ids=["said", "defect"],
)
def test_whatever_fails_is_told_and_tried_again(
    error: Exception, reason: str, tmp_path: Path
) -> None:
    """Also what the library of the protocol stumbles over: nothing ends renewal for ever."""
    events: list[Event] = []

    class Authority:
        def fetch(self, wanted: Wanted) -> None:
            assert wanted.label == "main"
            raise error

    async def main() -> float:
        renewal = Renewal(
            [Wanted("main", ("mx.local.test",), tmp_path / "a.pem", tmp_path / "a.key")],
            Authority(),
            renew_before=1_000.0,
            clock=SystemClock(),
            sink=events.append,
            on_fetched=lambda: None,
        )
        return await renewal.turn()

    assert 200.0 < asyncio.run(main()) <= 300.0
    (told,) = events
    assert isinstance(told, CertificateNotFetched)
    assert told.reason == reason
