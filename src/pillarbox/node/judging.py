"""Builds the checks of each listener and the inspectors, which run before mail is accepted."""

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
    """All checks and inspectors of one configuration."""

    plugins: tuple[Plugin, ...]
    inspectors: tuple[Inspector, ...]  # in calling order
    deliveries: DeliveryHooks
    on_defect: Defect
    now: Callable[[], float]
    strangers: Callable[[Settings, str], list[Check]]  # the checks of unknown clients

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
        """Load what the configuration needs.

        Args:
            settings: The configuration.
            domains: The local domains.
            authenticity: Verifies and signs; None: disabled.
            on_defect: Called with the name of what failed, and the error.
            now: The wall clock, seconds since 1970.
            limiting: Checks unknown clients; None: disabled.
            readers: Inspectors that see verified messages about to be accepted.

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
        # Hooks see the verification results; signing comes last, to cover the final message.
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
        """Stop the plugins."""
        for plugin in self.plugins:
            plugin.close()


def _nothing(settings: Settings, listener: str) -> list[Check]:
    del settings, listener
    return []
