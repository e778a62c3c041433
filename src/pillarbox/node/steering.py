"""What an operator can do to a running node, beyond its store (``control.operations.Live``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from pillarbox import __version__
from pillarbox.config.endpoints import Endpoint
from pillarbox.config.settings import Settings
from pillarbox.control.protocol import StatusRow
from pillarbox.deliver.deliverer import DeliveryStatus
from pillarbox.errors import PillarboxError
from pillarbox.events.types import ConfigurationReloaded, MessageAccepted, RecipientDelivered
from pillarbox.intake.queues import Queues
from pillarbox.intake.stamp import Stamper
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.node.adapters import kind_of_store
from pillarbox.node.judging import Judging
from pillarbox.policy.notify import addressees
from pillarbox.policy.recipients import LocalDomains
from pillarbox.store.port import Change, Changed

if TYPE_CHECKING:
    from pillarbox.node.node import Node

__all__ = ["Steering"]

# What a running node takes over from a new configuration; the rest needs a restart.
_RELOADED: Final = frozenset(
    {
        "listener",
        "tls",
        "certificate",
        "hook",
        "verify",
        "tls_domain",
        "sts_domain",
        "srs",
        "dkim",
        "dkim_domain",
        "limits",
        "rate",
        "guessing",
        "harvesting",
        "greylist",
        "dns_list",
        "screening",
        "client_name",
        "auth",
        "auth_source",
        "intake",
        "domain",
        "route",
        "queue",
        "delivery",
    }
)


class Steering:
    """Steers one node."""

    def __init__(self, node: Node) -> None:
        """Steer ``node``, which has been started by the time anybody asks."""
        self._node = node
        self._started_at = node.clock.now()

    def status(self) -> StatusRow:
        """Return how the node is."""
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
        return problems

    def follow(self, changed: Sequence[Changed], change: Change) -> None:
        """Let the scheduler know what was changed in the store."""
        del change
        self._node.deliverer.changed(changed)

    async def reload(self) -> Sequence[str]:
        """Read configuration, certificates and lists again; return what changed, in words.

        Raises:
            PillarboxError: Something in it cannot be used; then nothing has changed.
        """
        node = self._node
        try:
            settings = node.read_settings() if node.read_settings else node.settings
            keys = KeyRing(settings, await make_key_store(settings).load())
            changed = self._use(settings)
            node.keys = keys
            if node.writer is not None:
                node.writer.reopen()
        except PillarboxError as error:
            node.tell(ConfigurationReloaded(at=node.clock.now(), error=str(error)))
            raise
        node.tell(ConfigurationReloaded(at=node.clock.now(), changed=changed))
        return changed

    def _use(self, settings: Settings) -> list[str]:
        node = self._node
        domains = node.read_domains(settings)
        queues = Queues(settings.route, domains.routes)
        self._judge_by(settings, domains)
        node.certificates.use(settings)
        node.door.use(
            Stamper(settings.intake, node.hostname), queues.queue_for, node.judging.inspectors
        )
        node.security.use(settings.delivery, settings.tls_domain)
        node.deliverer.use(
            settings.delivery,
            settings.queue,
            settings.route,
            queues.queue_for,
            partial(addressees, local=domains),
        )
        sections = [
            field.name
            for field in fields(Settings)
            if getattr(settings, field.name) != getattr(node.settings, field.name)
        ]
        in_force = {name: getattr(settings, name) for name in _RELOADED}
        node.settings = replace(node.settings, **in_force)
        return [
            f"{name}: in force" if name in _RELOADED else f"{name}: takes a restart"
            for name in sections
        ]

    def _judge_by(self, settings: Settings, domains: LocalDomains) -> None:
        """Have listeners use a new configuration and its checks, or neither."""
        node = self._node
        before = node.judging
        node.judging = Judging.prepare(
            settings,
            domains,
            node.authenticity,
            before.on_defect,
            before.now,
            node.limiting,
            node.reporting.readers,
        )
        try:
            node.receiver.reload(settings, domains)
        except PillarboxError:
            node.judging.close()
            node.judging = before
            raise

    def pause(self, *, is_paused: bool) -> None:
        """Start no more deliveries, or start them again."""
        if is_paused:
            self._node.deliverer.pause()
        else:
            self._node.deliverer.resume()

    def stop(self, reason: str) -> None:
        """Begin to stop; returns at once."""
        self._node.request_stop(reason)
