"""Who asks for recipients that do not exist, to find those that do, gets ever slower answers."""

from __future__ import annotations

from typing import Final

from pillarbox.config.settings import HarvestSettings
from pillarbox.receive.clients import LeakyTable, client_key

__all__ = ["Harvest"]

_STEP: Final = 0.5  # seconds by which each further answer is later


class Harvest:
    """Counts unknown recipients by client, in a bounded table."""

    __slots__ = ("_settings", "_unknown")

    def __init__(self, settings: HarvestSettings | None = None) -> None:
        """Know of nobody."""
        self._unknown = LeakyTable()
        self._settings = settings or HarvestSettings()

    def __len__(self) -> int:
        return len(self._unknown)

    def use(self, settings: HarvestSettings) -> None:
        """Go on with other settings; what was counted stays."""
        self._settings = settings

    def asked(self, address: str, now: float) -> float | None:
        """Count an unknown recipient.

        Args:
            address: Who named it.
            now: A clock, seconds.

        Returns:
            Seconds to wait before the answer; None: the client should go away.
        """
        settings = self._settings
        count = round(self._unknown.add(client_key(address), now, settings.forgive_every))
        if settings.end_after and count > settings.end_after:
            return None
        over = count - settings.free_unknown
        return min(over * _STEP, settings.longest_delay) if over > 0 else 0.0
