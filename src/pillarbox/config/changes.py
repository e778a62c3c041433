"""The differences between two configurations, key by key, and which of them a reload can apply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from pillarbox.config.settings import Settings

__all__ = ["changed_keys", "needs_restart", "without_restart"]

_RESTART: Final = (
    "node.name",
    "node.hostname",
    "node.shard",
    "node.directory",
    "node.user",
    "store.url",
    "store.reserve",
    "auth.key",
    "dns.zone_file",
    "control.socket",
    "sandbox.smtp",
    "sandbox.smtps",
    "sandbox.http",
    "sandbox.pop3",
    "sandbox.database",
    "sandbox.max_message_size",
    "sandbox.starttls",
    "sandbox.certificate",
    "sandbox.key",
    "sandbox.http_users",
    "sandbox.http_users_file",
    "sandbox.http_token",
    "sandbox.allowed_hosts",
    "sandbox.allowed_origins",
    "sandbox.trusted_proxies",
    "sandbox.webroot",
    "sandbox.chaos",
    "sandbox.fail_by_address",
    "sandbox_release",
    "sandbox_forward",
)
"""Sections and keys that are read once, at the start; everything else can change under way."""


def changed_keys(before: Settings, after: Settings) -> tuple[str, ...]:
    """Return the keys whose values differ, in the order of the reference.

    A table that is in one of them only is named as a whole: ``route.backup``.
    """
    return tuple(_changed(before, after, ""))


def needs_restart(key: str) -> bool:
    """Whether a change of a key has to wait for the next start of the node."""
    return any(key == each or key.startswith(f"{each}.") for each in _RESTART)


def without_restart(before: Settings, after: Settings) -> Settings:
    """Return the later configuration, with what needs a restart as it was before."""
    sections: dict[str, Any] = {}
    for key in _RESTART:
        section, _, name = key.partition(".")
        old = getattr(before, section)
        if name:
            new = sections.get(section, getattr(after, section))
            sections[section] = replace(new, **{name: getattr(old, name)})
        else:
            sections[section] = old
    return replace(after, **sections)


def _changed(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            if name in before and name in after:
                yield from _changed(before[name], after[name], f"{path}{name}.")
            else:
                yield f"{path}{name}"
        if before.keys() == after.keys() and tuple(before) != tuple(after):
            yield path.rstrip(".")  # the order of rules counts
    elif is_dataclass(before) and type(before) is type(after):
        for field in fields(before):
            name = field.name
            yield from _changed(getattr(before, name), getattr(after, name), f"{path}{name}.")
    else:
        yield path.rstrip(".")
