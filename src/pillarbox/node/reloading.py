"""Applies a new configuration to a running node: first every step that can fail, then the rest.

Guarantees: nothing changes during preparation, and nothing can fail after the first change.
    Settings that need a restart stay as they were, and are listed.
"""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pillarbox.config.changes import changed_keys, needs_restart, without_restart
from pillarbox.config.settings import Settings
from pillarbox.deliver.forwarding import EnvelopeOf
from pillarbox.dns.cache import CachingResolver
from pillarbox.events.log import LogWriter
from pillarbox.intake.queues import Queues
from pillarbox.intake.stamp import Stamper
from pillarbox.keyring.ring import KeyRing, make_key_store
from pillarbox.mailauth.resolver import Resolver
from pillarbox.node.adapters import make_log, make_network_resolver
from pillarbox.node.authenticity import Authenticity
from pillarbox.node.certificates import CertificateChange
from pillarbox.node.judging import Judging
from pillarbox.node.node import Node
from pillarbox.node.reports import Reporting
from pillarbox.policy.notify import addressees
from pillarbox.policy.recipients import LocalDomains

if TYPE_CHECKING:
    from pillarbox.node.sandbox_reloading import SandboxChange

__all__ = ["reload_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """Everything built from a configuration; the listeners come last."""

    settings: Settings
    keys: KeyRing
    domains: LocalDomains
    envelope_of: EnvelopeOf
    queues: Queues
    log: LogWriter | None
    resolver: Resolver | None
    certificates: CertificateChange
    reporting: Reporting  # the current one, if nothing about reports has changed
    authenticity: Authenticity
    judging: Judging
    sandbox: SandboxChange | None


async def reload_settings(node: Node, wanted: Settings) -> list[str]:
    """Apply a configuration to a running node; return what changed, key by key.

    Raises:
        PillarboxError: Something in it cannot be used; then nothing has changed.
    """
    settings = without_restart(node.settings, wanted)
    changes = [
        f"{key}: takes a restart" if needs_restart(key) else f"{key}: in force"
        for key in changed_keys(node.settings, wanted)
    ]
    keys = KeyRing(settings, await make_key_store(settings).load())
    with ExitStack() as undo:
        prepared = _prepare(node, settings, keys, undo)
        _open_listeners(node, prepared)
        undo.pop_all()
    await _use(node, prepared)
    return changes


def _prepare(node: Node, settings: Settings, keys: KeyRing, undo: ExitStack) -> _Prepared:
    domains, envelope_of = node.read_domains(settings)
    log = None if node.writer is None else make_log(settings.log)
    if log is not None:
        undo.callback(log.close)
    resolver = None
    if isinstance(node.resolver, CachingResolver) and settings.dns.zone_file is None:
        resolver = make_network_resolver(settings.dns)
    certificates = node.certificates.prepare(settings)
    undo.callback(certificates.drop)
    reporting = node.reporting.succeeded_by(settings, domains)
    authenticity = dataclasses.replace(node.authenticity, observe=reporting.observer)
    before = node.judging
    judging = Judging.prepare(
        settings,
        domains,
        authenticity,
        before.on_defect,
        before.now,
        node.limiting,
        reporting.readers,
    )
    undo.callback(judging.close)
    return _Prepared(
        settings=settings,
        keys=keys,
        domains=domains,
        envelope_of=envelope_of,
        queues=Queues(settings.route, domains.routes),
        log=log,
        resolver=resolver,
        certificates=certificates,
        reporting=reporting,
        authenticity=authenticity,
        judging=judging,
        sandbox=None if node.catcher is None else node.catcher.prepare(settings),
    )


def _open_listeners(node: Node, prepared: _Prepared) -> None:
    """Reload the listeners with the configuration and its checks: the last step that can fail."""
    before, node.judging = node.judging, prepared.judging
    catcher, offered = node.catcher, None
    if catcher is not None:
        offered = catcher.offer(prepared.settings.sandbox)
    try:
        node.receiver.reload(prepared.settings, prepared.domains)
    except BaseException:
        node.judging = before
        if catcher is not None and offered is not None:
            catcher.offer(offered)
        raise


async def _use(node: Node, prepared: _Prepared) -> None:
    settings, queues = prepared.settings, prepared.queues
    node.settings = settings
    node.keys = prepared.keys
    node.envelope_of = prepared.envelope_of
    node.authenticity = prepared.authenticity
    node.limiting.use(settings)
    node.door.guards.budget.limit(settings.limits.bytes_in_flight)
    node.door.use(
        Stamper(settings.intake, node.hostname), queues.queue_for, prepared.judging.inspectors
    )
    node.security.use(settings.delivery, settings.tls_domain)
    node.deliverer.use(
        settings.delivery,
        settings.queue,
        settings.route,
        queues.queue_for,
        partial(addressees, local=prepared.domains),
    )
    if prepared.log is not None and node.writer is not None:
        prepared.log.succeed(node.writer)
        node.writer = prepared.log
    if prepared.resolver is not None and isinstance(node.resolver, CachingResolver):
        node.resolver.use(prepared.resolver)
    if node.catcher is not None and prepared.sandbox is not None:
        node.catcher.use(prepared.sandbox)
    await node.certificates.use(prepared.certificates)
    await node.report_by(prepared.reporting)
