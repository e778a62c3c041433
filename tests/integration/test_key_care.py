"""A node takes its DKIM keys through their lives by itself, where that is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.key_table import ED25519

from pillarbox.config.settings import (
    DkimAlgorithm,
    DkimDomainSettings,
    DkimSettings,
    DnsSettings,
    NodeSettings,
    Settings,
)
from pillarbox.events.types import DkimKeyChanged, Event
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.node.key_care import KeyCare
from pillarbox.policy.key_life import KeyCause, KeyState

DAY = 86_400.0


class Calendar:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 1_780_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def cared(folder: Path, age: float) -> tuple[Settings, Path]:
    """Return a configuration whose zone is a file."""
    zone = folder / "zone"
    zone.write_text("example.org. 60 IN A 192.0.2.1\n")
    settings = Settings(
        node=NodeSettings(directory=folder),
        dns=DnsSettings(zone_file=zone),
        dkim=DkimSettings(rotate_after=age),
        dkim_domain={"example.org": DkimDomainSettings(algorithm=DkimAlgorithm.ED25519)},
    )
    return settings, zone


async def begin(
    settings: Settings, clock: Calendar, told: Callable[[Event], None]
) -> tuple[KeyCare, KeyRing]:
    """Keep a key that signs, and look after it; the looks are made by the test."""
    key = KeptKey.new("example.org", "old", ED25519.private_key, clock.now())
    await make_key_store(settings).keep(key.must(KeyCause.FORCED, clock.now()))
    ring = KeyRing(settings, await make_key_store(settings).load())
    care = KeyCare(lambda: settings, lambda: ring, clock, told)
    await care.stop()
    return care, ring


def test_keys_are_made_published_used_and_destroyed_in_time(tmp_path: Path) -> None:
    """The new key signs only once its record is seen; the old one ends when its mail has."""
    settings, zone = cared(tmp_path, 180 * DAY)
    events: list[Event] = []
    clock = Calendar()

    def selector(ring: KeyRing) -> str:
        signer = ring.signer_for("example.org")
        assert signer is not None
        return signer.keys[0].selector

    async def main() -> None:
        care, ring = await begin(settings, clock, events.append)
        await care.look()
        assert not events
        clock.at += 181 * DAY
        await care.look()
        await care.look()
        assert care.unpublished == ("example.org",)
        assert selector(ring) == "old"
        (made,) = events
        assert isinstance(made, DkimKeyChanged)
        assert made.state == "made"
        zone.write_text("\n".join(made.record) + "\n")
        await care.look()
        assert not care.unpublished
        assert selector(ring) == made.name.partition(".")[0]
        clock.at += 30 * DAY
        await care.look()
        states = {key.selector: key.state for key in await make_key_store(settings).load()}
        assert states["old"] is KeyState.RETIRED

    asyncio.run(main())
    assert [each.state for each in events if isinstance(each, DkimKeyChanged)] == [
        "made",
        "seen",
        "signing",
        "resting",
        "retired",
    ]


def test_nothing_is_done_to_keys_unless_it_is_configured(tmp_path: Path) -> None:
    """By default keys change by the operator's hand alone."""
    settings, _ = cared(tmp_path, 0.0)
    events: list[Event] = []
    clock = Calendar()

    async def main() -> None:
        care, _ = await begin(settings, clock, events.append)
        clock.at += 1_000 * DAY
        await care.look()
        assert len(await make_key_store(settings).load()) == 1

    asyncio.run(main())
    assert not events
