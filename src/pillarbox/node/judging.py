"""What a node asks before it takes mail: the checks of each listener, and who inspects messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.config.settings import Settings
from pillarbox.hooks.checks import DeliveryHooks, HookCheck, HookInspector
from pillarbox.hooks.plugin import Plugin
from pillarbox.intake.inspection import Inspector
from pillarbox.receive.checks import Check, Checks

__all__ = ["Judging"]

Defect = Callable[[str, BaseException], None]


@dataclass(frozen=True, slots=True)
class Judging:
    """Everything that has a say, in one configuration."""

    plugins: tuple[Plugin, ...]
    deliveries: DeliveryHooks
    on_defect: Defect
    now: Callable[[], float]

    @classmethod
    def prepare(cls, settings: Settings, on_defect: Defect, now: Callable[[], float]) -> Judging:
        """Load what the configuration names.

        Args:
            settings: The configuration.
            on_defect: Hears the name of what failed, and how.
            now: The wall clock, seconds since 1970.

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
        return cls(tuple(plugins), DeliveryHooks(plugins, now), on_defect, now)

    def checks(self, settings: Settings, listener: str) -> Checks:
        """Return the checks of a listener."""
        del settings
        checks: list[Check] = []
        for plugin in self.plugins:
            names = plugin.settings.listeners
            if not names or listener in names:
                checks.append(HookCheck(plugin))
        return Checks(checks, self.on_defect)

    def inspectors(self) -> tuple[Inspector, ...]:
        """Return who looks at messages, in the order in which they are asked."""
        return tuple(HookInspector(plugin) for plugin in self.plugins if plugin.has("message"))

    def close(self) -> None:
        """Let go of what runs."""
        for plugin in self.plugins:
            plugin.close()
