"""Operations on clients banned for failed logins: list, lift."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from pillarbox.control import protocol as p
from pillarbox.errors import PermanentError
from pillarbox.policy.networks import parse_network

__all__ = ["BanOperations", "BansOfNode"]


class BansOfNode(Protocol):
    """The bans of a running node."""

    def listed(self) -> tuple[list[p.BanRow], p.SprayRow | None]:
        """Return the bans in force, and the last password spray that was seen."""
        ...

    async def lift(self, client: str) -> bool:
        """Lift a ban on all nodes; return whether there was one."""
        ...


class BanOperations:
    """The operations on bans."""

    def __init__(self, bans: BansOfNode) -> None:
        """Work on the bans of a running node."""
        self._bans = bans

    def table(self) -> Mapping[type[Any], Callable[[Any], AsyncIterator[p.Row]]]:
        """Return the handler of each request type."""
        return {p.ListBans: self._list, p.LiftBan: self._lift}

    async def _list(self, request: p.ListBans) -> AsyncIterator[p.Row]:
        del request
        rows, spray = self._bans.listed()
        if spray is not None:
            yield spray
        for row in sorted(rows, key=lambda row: -row.since):
            yield row
        yield p.Done(count=len(rows))

    async def _lift(self, request: p.LiftBan) -> AsyncIterator[p.Row]:
        if request.client == "all":
            rows, _ = self._bans.listed()
            clients = [row.client for row in rows]
        else:
            if parse_network(request.client) is None:
                raise PermanentError(f"{request.client!r} is no address and no IPv6 /64")
            clients = [request.client]
        lifted = [client for client in clients if await self._bans.lift(client)]
        yield p.Done(count=len(lifted))
