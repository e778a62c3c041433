"""Settings of the local domains and their recipients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["DomainSettings", "SrsSettings"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SrsSettings:
    """The reverse-path of what is forwarded to other domains (sender rewriting)."""

    enabled: bool = setting(
        "Forward with an address of ours that leads back to the sender; with the sender's own, "
        "forwarded mail fails SPF.",
        True,
    )
    domain: str = setting(
        "The domain of these addresses, a local one. Default: the first local domain.", ""
    )
    secret: str = setting(
        "What the addresses are keyed with, the same on all nodes; better given as secret_file. "
        "Default: one that is made in node.directory.",
        "",
        secret=True,
    )
    old_secrets: tuple[str, ...] = setting(
        "Earlier secrets, whose addresses are still taken back.", (), secret=True
    )
    lifetime: float = setting(
        "How long bounces to such an address are taken back.", 21 * 86400.0, unit=Unit.SECONDS
    )
