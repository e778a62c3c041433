"""All situations."""

from __future__ import annotations

from typing import Final

from tests.situations import deliveries, domains, logins, mails, ports, servers
from tests.situations.situation import Healthy, Situation

__all__ = ["BROKEN", "HEALTHY"]

BROKEN: Final[tuple[Situation, ...]] = (
    *domains.BROKEN,
    *servers.BROKEN,
    *ports.BROKEN,
    *logins.BROKEN,
    *deliveries.BROKEN,
    *mails.BROKEN,
)
HEALTHY: Final[tuple[Healthy, ...]] = (
    *domains.HEALTHY,
    *servers.HEALTHY,
    *ports.HEALTHY,
    *logins.HEALTHY,
    *deliveries.HEALTHY,
    *mails.HEALTHY,
)
