"""Address harvesting: a client that tries unknown recipients gets ever slower answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.endpoints import is_loopback
from pillarbox.config.settings import HarvestSettings
from pillarbox.net.own_addresses import own_addresses
from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.receive.clients import LeakyTable, client_key

__all__ = ["Harvest"]

_STEP: Final = 0.5  # seconds by which each further answer is later


def _addresses_on_networks() -> Iterator[str]:
    return (each for each in own_addresses() if not is_loopback(each))


class Harvest:
    """Counts unknown recipients by client, in a bounded table."""

    __slots__ = ("_exempt", "_settings", "_unknown")

    def __init__(self, settings: HarvestSettings | None = None) -> None:
        """Know of nobody."""
        self._unknown = LeakyTable()
        self.use(settings or HarvestSettings())

    def __len__(self) -> int:
        return len(self._unknown)

    def use(self, settings: HarvestSettings) -> None:
        """Use other settings; counts stay."""
        self._settings = settings
        # Who is on this machine does not have to guess; `relay prove` asks from here.
        networks = map(parse_network, (*settings.except_networks, *_addresses_on_networks()))
        self._exempt = TrustedNetworks(each for each in networks if each is not None)

    def asked(self, address: str, now: float) -> float | None:
        """Count an unknown recipient.

        Args:
            address: The client's address.
            now: A clock, seconds.

        Returns:
            Seconds to delay the answer; None: the client should be disconnected.
        """
        settings = self._settings
        count = round(self._unknown.add(client_key(address), now, settings.forgive_every))
        over = count - settings.free_unknown
        ends = settings.end_after and count > settings.end_after
        if not (over > 0 or ends) or address in self._exempt:
            return 0.0
        return None if ends else min(over * _STEP, settings.longest_delay)
