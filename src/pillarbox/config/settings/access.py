"""Settings of who may log in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["AuthSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may log in."""

    file: Path | None = setting(
        "File with a line `user:argon2id hash` for each who may log in; made by "
        "`pillarbox auth hash`. Must not be readable by others.",
        None,
    )
    hash_workers: int = setting("Passwords that are hashed at the same time.", 2)
    cache_seconds: float = setting(
        "How long a verified password is remembered, as a keyed hash in memory.",
        300.0,
        unit=Unit.SECONDS,
    )
