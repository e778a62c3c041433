"""What an operator can do to a node: its control socket, and ``Steering`` behind it.

A node is given ``make_control``, so that it knows nothing of who steers it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial

from pillarbox import __version__
from pillarbox.config.endpoints import Endpoint
from pillarbox.control.bans import BanOperations
from pillarbox.control.credentials import CredentialOperations
from pillarbox.control.operations import Operations
from pillarbox.control.protocol import StatusRow
from pillarbox.control.server import ControlServer
from pillarbox.deliver.deliverer import DeliveryStatus
from pillarbox.errors import PillarboxError
from pillarbox.events.types import (
    ConfigurationReloaded,
    Event,
    MessageAccepted,
    RecipientDelivered,
)
from pillarbox.node.adapters import kind_of_store
from pillarbox.node.node import Node
from pillarbox.node.reloading import reload_settings
from pillarbox.store.port import Change, Changed

__all__ = ["Steering", "make_control"]


def make_control(node: Node) -> ControlServer:
    """Make the server of a node's control socket; it is not started yet."""
    settings = node.settings

    async def record(events: Iterable[Event]) -> None:
        for event in events:
            node.tell(event)

    operations = Operations(
        node.store,
        now=node.clock.now,
        record=record,
        status=StatusRow(is_running=True, node=settings.node.name, version=__version__),
        routes=lambda: node.settings.route,
        live=Steering(node),
        credentials=CredentialOperations(
            node.access.directory,
            node.access.issuer,
            access=lambda: node.receiver.access,
            failures=lambda: node.receiver.failures,
        ),
        bans=BanOperations(node.limiting),
    )
    path = settings.control.socket or settings.node.directory / "control"
    return ControlServer(path, operations, partial(node.on_defect, "control socket"))


class Steering:
    """Steers one node, beyond its store (``control.operations.Live``)."""

    def __init__(self, node: Node) -> None:
        """Control ``node``, which is started before the first call."""
        self._node = node
        self._started_at = node.clock.now()

    def status(self) -> StatusRow:
        """Return the node's status."""
        node = self._node
        delivery = node.deliverer.status()
        return StatusRow(
            is_running=True,
            node=node.settings.node.name,
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            store=kind_of_store(node.settings),
            listeners=[
                f"{name} {Endpoint(host, port)}"
                for name, addresses in node.receiver.addresses.items()
                for host, port in addresses
            ],
            connections=sum(node.receiver.connections.values()),
            accepted=node.counts[MessageAccepted],
            delivered=node.counts[RecipientDelivered],
            in_flight=delivery.connections,
            is_paused=delivery.is_paused,
            problems=self._problems(delivery),
            waits=[
                f"{site.key} for {site.closed_for:.0f} s more: {site.reason}"
                for site in delivery.sites
                if site.reason
            ],
        )

    def _problems(self, delivery: DeliveryStatus) -> list[str]:
        problems = []
        if delivery.is_store_down:
            problems.append("the store takes no results; delivery stands still until it does")
        if self._node.door.guards.reserve.is_low:
            problems.append("the disk is nearly full; new mail is refused with 452 4.3.1")
        spray = self._node.limiting.guesses.spray
        if spray.is_going_on(self._node.clock.now()):
            problems.append(
                "somebody tries passwords on many accounts from many addresses (PB-AUTH-001); "
                "see `pillarbox auth bans`"
            )
        problems += [
            f"new DKIM keys of {domain} wait for their records; `pillarbox dkim dns {domain}` "
            "prints what is to be published"
            for domain in self._node.key_care.unpublished
        ]
        return problems

    def follow(self, changed: Sequence[Changed], change: Change) -> None:
        """Tell the scheduler about changes in the store."""
        del change
        self._node.deliverer.changed(changed)

    async def reload(self) -> Sequence[str]:
        """Reload configuration, certificates and lists; return what changed, in words.

        Raises:
            PillarboxError: Something in it cannot be used; then nothing has changed.
        """
        node = self._node
        async with node.reloading:
            try:
                settings = node.read_settings() if node.read_settings else node.settings
                changed = await reload_settings(node, settings)
            except PillarboxError as error:
                node.tell(ConfigurationReloaded(at=node.clock.now(), error=str(error)))
                raise
            node.tell(ConfigurationReloaded(at=node.clock.now(), changed=changed))
            return changed

    def pause(self, *, is_paused: bool) -> None:
        """Start no more deliveries, or start them again."""
        if is_paused:
            self._node.deliverer.pause()
        else:
            self._node.deliverer.resume()

    def stop(self, reason: str) -> None:
        """Begin to stop; returns at once."""
        self._node.request_stop(reason)
