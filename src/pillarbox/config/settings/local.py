"""Settings of the domains whose recipients are ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import setting

__all__ = ["DomainSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """A local domain, whose recipients are ours: `[domain."example.org"]`."""

    recipients_file: Path | None = setting(
        "File with one local part a line. Who is not in it, and no alias, is refused.", None
    )
    recipients: tuple[str, ...] = setting("Local parts, in addition to the file.", ())
    catch_all: str = setting(
        "Address that takes all other local parts. Empty: they are refused.", ""
    )
    aliases_file: Path | None = setting(
        "File of `local part: address, address, ...` lines; an address outside is a forward.", None
    )
    route: str = setting("Route by which the local recipients' mail leaves.", "")
    subaddress_separator: str = setting(
        'Character after which a local part is a detail: "+" delivers ann+news to ann.', "+"
    )
