"""Adapts hooks to the ports for session checks, message inspectors and delivery consultants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from pillarbox.deliver.job import Job
from pillarbox.hooks.plugin import Plugin
from pillarbox.hooks.subjects import Delivery, Message, Stage, Visit
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import Inspection, Judgement
from pillarbox.policy.ruling import PASSED, Action, Ruling

__all__ = ["DeliveryHooks", "HookCheck", "HookInspector"]

_MARGIN: Final = 1.0  # seconds; the plugin enforces its own timeout first


class HookCheck:
    """A plugin's session hooks."""

    def __init__(self, plugin: Plugin) -> None:
        """Call a plugin at the stages whose hooks it implements."""
        self._plugin = plugin
        self.name = plugin.name
        self.stages = frozenset(stage for stage in Stage if plugin.has(stage.value))
        self.patience = plugin.settings.timeout * len(Stage) + _MARGIN

    async def rule(self, visit: Visit) -> Ruling:
        """Return the plugin's answer."""
        ruling, _ = await self._plugin.ask(visit.stage.value, visit)
        return ruling


class HookInspector:
    """A plugin's ``message`` hook."""

    def __init__(self, plugin: Plugin) -> None:
        """Call a plugin for each message that arrives on one of its listeners."""
        self._plugin = plugin
        self._listeners = frozenset(plugin.settings.listeners)

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Start with a message, or leave it alone."""
        if self._listeners and draft.origin.name not in self._listeners:
            return None
        return _Asking(self._plugin, draft, header)


class _Asking:
    """One message for a plugin."""

    __slots__ = ("_body", "_draft", "_header", "_is_whole", "_limit", "_plugin")

    def __init__(self, plugin: Plugin, draft: Draft, header: bytes) -> None:
        self._plugin = plugin
        self._draft = draft
        self._header = header
        self._body = bytearray()
        self._limit = plugin.settings.body_limit
        self._is_whole = True

    def feed(self, body: bytes) -> None:
        """Keep the first octets of the body."""
        room = self._limit - len(self._body)
        if len(body) > room:
            self._is_whole = False
        self._body += body[: max(room, 0)]

    async def conclude(self, earlier: Judgement) -> Judgement:
        """Call the plugin with the message."""
        origin, envelope = self._draft.origin, self._draft.envelope
        said = (*self._draft.rulings, *earlier.rulings)
        message = Message(
            id=self._draft.shown,
            session=origin.session,
            listener=origin.name,
            client=origin.client,
            helo=origin.helo,
            tls=origin.tls,
            identity=origin.identity,
            sender=str(envelope.reverse_path or ""),
            recipients=tuple(str(each.address) for each in envelope.recipients),
            header=self._header,
            body=bytes(self._body),
            is_whole=self._is_whole,
            notes=tuple(f"{ruling.by}: {ruling.reason}" for ruling in said),
        )
        ruling, fields = await self._plugin.ask("message", message)
        rulings = () if ruling.action is Action.PASS else (ruling,)
        return Judgement(rulings=rulings, fields=fields)


class DeliveryHooks:
    """The ``before_delivery`` hooks of some plugins."""

    def __init__(self, plugins: Sequence[Plugin], now: Callable[[], float]) -> None:
        """Call the plugins that implement it."""
        self._plugins = tuple(each for each in plugins if each.has("before_delivery"))
        self._now = now

    def consult(self, job: Job) -> Awaitable[Ruling] | None:
        """Return the plugins' answer for a delivery; None if they have none."""
        return self._ask(job) if self._plugins else None

    async def _ask(self, job: Job) -> Ruling:
        first, message = job.recipients[0], job.message
        delivery = Delivery(
            id=job.id_text,
            sender=job.sender,
            recipients=tuple(job.addresses.values()),
            route=first.queue.route,
            destination=first.queue.destination,
            attempt=first.attempts + 1,
            size=message.size,
            age=max(self._now() - message.accepted_at, 0.0),
        )
        for plugin in self._plugins:
            ruling, _ = await plugin.ask("before_delivery", delivery)
            if ruling.action not in {Action.PASS, Action.NOTE}:
                return ruling
        return PASSED
