"""Metrics of the sandbox, under our names and Mailpit's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from weakref import WeakSet

from fastapi import Request
from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from pillarbox.api.health import Readiness
from pillarbox.inbox.values import TagCount
from pillarbox.sandbox.info import Info
from pillarbox.sandbox.service import Sandbox

__all__ = ["readiness", "refresher"]


class _Numbers(Struct, frozen=True):
    info: Info
    tags: tuple[TagCount, ...]


class _SandboxCollector(Collector):
    """Shows what was known when somebody asked last."""

    def __init__(self) -> None:
        self.now: _Numbers | None = None

    def collect(self) -> Iterator[Metric]:
        if self.now is None:
            return
        yield from _ours(self.now.info)
        yield from _mailpits(self.now)


def readiness(sandbox: Sandbox) -> Readiness:
    """Return what says whether mail can be kept."""

    async def is_ready() -> str:
        if sandbox.inbox.has_failed:
            return "Mail cannot be stored right now."
        info = await sandbox.info()  # asks the inbox
        return "" if info.addresses.smtp or info.addresses.smtps else "No SMTP listener is bound."

    return is_ready


def refresher(sandbox: Sandbox) -> Callable[[Request], Awaitable[None]]:
    """Return what brings the numbers of an application up to date."""
    collector = _SandboxCollector()
    registered: WeakSet[CollectorRegistry] = WeakSet()

    async def refresh(request: Request) -> None:
        registry = request.app.state.metrics.registry
        if registry not in registered:
            registered.add(registry)
            registry.register(collector)
        collector.now = _Numbers(await sandbox.info(), await sandbox.tags())

    return refresh


def _ours(info: Info) -> Iterator[Metric]:
    done, counts = info.statistics, info.counts
    yield _gauge("pillarbox_sandbox_messages", "Messages in the inbox.", counts.total)
    yield _gauge("pillarbox_sandbox_unread_messages", "Of these, unread.", counts.unread)
    yield _gauge("pillarbox_storage_bytes", "Octets of the stored messages.", counts.octets)
    came = CounterMetricFamily(
        "pillarbox_smtp_messages", "What came by SMTP.", labels=["listener", "result"]
    )
    came.add_metric(["sandbox", "caught"], done.caught)
    came.add_metric(["sandbox", "refused"], done.refused)
    yield came
    went = CounterMetricFamily(
        "pillarbox_sandbox_removed", "Messages that are gone.", labels=["reason"]
    )
    went.add_metric(["removed"], done.removed)
    went.add_metric(["pruned"], done.pruned)
    yield went
    yield _gauge("pillarbox_uptime_seconds", "Seconds since the start.", info.uptime)
    yield _gauge("pillarbox_process_resident_bytes", "Memory of the process.", info.memory)
    build = GaugeMetricFamily("pillarbox_build_info", "The release.", labels=["version"])
    build.add_metric([info.version], 1)
    yield build


def _mailpits(now: _Numbers) -> Iterator[Metric]:
    info = now.info
    yield _gauge("mailpit_messages", "Total number of messages in the database", info.counts.total)
    yield _gauge(
        "mailpit_messages_unread", "Number of unread messages in the database", info.counts.unread
    )
    yield _gauge("mailpit_database_size_bytes", "Size of the database in bytes", info.counts.octets)
    yield _counter(
        "mailpit_messages_deleted",
        "Total number of messages deleted",
        info.statistics.removed + info.statistics.pruned,
    )
    yield _counter(
        "mailpit_smtp_accepted", "Total number of SMTP messages accepted", info.statistics.caught
    )
    yield _counter(
        "mailpit_smtp_rejected", "Total number of SMTP messages rejected", info.statistics.refused
    )
    yield _counter("mailpit_smtp_ignored", "Total number of SMTP messages ignored (duplicates)", 0)
    yield _counter(
        "mailpit_smtp_accepted_size_bytes",
        "Total size of accepted SMTP messages in bytes",
        info.statistics.caught_octets,
    )
    yield _gauge("mailpit_uptime_seconds", "Uptime in seconds", info.uptime)
    yield _gauge("mailpit_memory_usage_bytes", "Memory usage in bytes", info.memory)
    tags = GaugeMetricFamily("mailpit_tag_messages", "Number of messages per tag", labels=["tag"])
    for each in now.tags:
        tags.add_metric([each.tag], each.count)
    yield tags


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _counter(name: str, what: str, value: float) -> Metric:
    return CounterMetricFamily(name, what, value=value)
