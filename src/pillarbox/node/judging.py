"""Builds what a node asks before it accepts mail: each listener's checks, and the inspectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pillarbox.config.settings import Settings
from pillarbox.hooks.checks import DeliveryHooks, HookCheck, HookInspector
from pillarbox.hooks.plugin import Plugin
from pillarbox.intake.inspection import Inspector
from pillarbox.node.authenticity import Authenticity
from pillarbox.node.limiting import Limiting
from pillarbox.policy.recipients import LocalDomains
from pillarbox.receive.checks import Check, Checks

__all__ = ["Judging"]

Defect = Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True)
class Judging:
    """Everything that has a say, in one configuration."""

    plugins: tuple[Plugin, ...]
    inspectors: tuple[Inspector, ...]  # in the order in which they are asked
    deliveries: DeliveryHooks
    on_defect: Defect
    now: Callable[[], float]
    strangers: Callable[[Settings, str], list[Check]]  # what they are checked for

    @classmethod
    def prepare(
        cls,
        settings: Settings,
        domains: LocalDomains,
        authenticity: Authenticity | None,
        on_defect: Defect,
        now: Callable[[], float],
        limiting: Limiting | None = None,
        readers: tuple[Inspector, ...] = (),
    ) -> Judging:
        """Load what the configuration names.

        Args:
            settings: The configuration.
            domains: The local domains.
            authenticity: Judges senders, and signs; None: nobody does.
            on_defect: Hears the name of what failed, and how.
            now: The wall clock, seconds since 1970.
            limiting: Checks strangers; None: nobody does.
            readers: Look at what has been judged and is going to be taken.

        Raises:
            PermanentError: A plugin cannot be loaded; then none runs.
        """
        plugins: list[Plugin] = []
        try:
            for name, hook in settings.hook.items():
                plugins.append(Plugin(name, hook, on_defect))
        except BaseException:
            for plugin in plugins:
                plugin.close()
            raise
        # Hooks see what was found out about the sender; signed is what will be sent.
        inspectors: list[Inspector] = []
        if authenticity is not None:
            inspectors += authenticity.judging(settings, domains)
        inspectors += [HookInspector(plugin) for plugin in plugins if plugin.has("message")]
        inspectors += readers
        if authenticity is not None:
            inspectors.append(authenticity.signing())
        return cls(
            tuple(plugins),
            tuple(inspectors),
            DeliveryHooks(plugins, now),
            on_defect,
            now,
            _nothing if limiting is None else partial(limiting.checks, domains),
        )

    def checks(self, settings: Settings, listener: str) -> Checks:
        """Return the checks of a listener."""
        checks = self.strangers(settings, listener)
        for plugin in self.plugins:
            names = plugin.settings.listeners
            if not names or listener in names:
                checks.append(HookCheck(plugin))
        return Checks(checks, self.on_defect)

    def close(self) -> None:
        """Let go of what runs."""
        for plugin in self.plugins:
            plugin.close()


def _nothing(settings: Settings, listener: str) -> list[Check]:
    del settings, listener
    return []
