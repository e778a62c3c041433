"""Settings of hooks, the operator's own policy in Python."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["HookFailure", "HookSettings"]


class HookFailure(Enum):
    """What counts when a hook gives no answer."""

    PASS = "pass"  # noqa: S105 - the mail goes on, and the operator is told
    DEFER = "defer"  # the other side is asked to try again


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """A plugin: `[hook.NAME]`, Python functions that decide about mail."""

    file: Path | None = setting("Python file with the hooks. It runs as the node's user.", None)
    entry_point: str = setting(
        "Instead of a file: the name of an entry point that an installed package has in the "
        "group `pillarbox`.",
        "",
    )
    listeners: tuple[str, ...] = setting("Listeners on which it is asked. Empty: all.", ())
    timeout: float = setting("How long to wait for an answer.", 5.0, unit=Unit.SECONDS)
    on_failure: HookFailure = setting(
        "What counts if it gives no answer: `pass` or `defer`.", HookFailure.PASS
    )
    body_limit: int = setting(
        "Octets of a message's body that it is shown.", 2 * 1024 * 1024, unit=Unit.OCTETS
    )
