"""Checks whether SPF fails only because of forwarding: whether it passes for the original sender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.mailauth import spf
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.spf import Result
from pillarbox.mailauth.verification import Client
from pillarbox.preflight.route import Hop

__all__ = ["Forwarding", "find_forwarding"]

_MOST_HOPS: Final = 4  # that are asked about


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Who sent a mail by right, and who passed it on."""

    sender: Hop
    forwarder: str

    @property
    def sentence(self) -> str:
        """What has happened, in words."""
        return (
            f"it was forwarded by {self.forwarder}: SPF passes for {self.sender.address}, which"
            " handed it over, and cannot for who passes it on"
        )


async def find_forwarding(
    hops: Sequence[Hop], client: Client, resolver: Resolver
) -> Forwarding | None:
    """Return who forwarded a mail, None where SPF passes for nobody on its way.

    Args:
        hops: The Received fields, the first server first; those below the first that one trusts
            may be invented.
        client: Who brought it, for whom SPF does not pass.
        resolver: Who answers for DNS.
    """
    path = client.reverse_path
    if path is None:
        return None
    before = [hop for hop in hops if not hop.is_local and hop.address != client.address]
    for hop in list(reversed(before))[:_MOST_HOPS]:
        found = await spf.check_host(
            hop.address, path.ascii_domain, str(path), resolver, helo=hop.client
        )
        if found.result is Result.PASS:
            return Forwarding(hop, hop.server or "the server that took it")
    return None
