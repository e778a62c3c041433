"""Settings of the local domains and their recipients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["DomainSettings", "SrsSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """A local domain, which this node accepts mail for: `[domain."example.org"]`."""

    recipients_file: Path | None = setting(
        "File with one local part per line. Any other recipient that is not an alias is refused.",
        None,
    )
    recipients: tuple[str, ...] = setting("Local parts, in addition to the file.", ())
    catch_all: str = setting(
        "Address that receives mail for all other local parts. Empty: they are refused.", ""
    )
    aliases_file: Path | None = setting(
        "File of `local part: address, address, ...` lines; an outside address is a forward.", None
    )
    route: str = setting("Route by which the local recipients' mail leaves.", "")
    subaddress_separator: str = setting(
        'Character that separates a local part from its detail: "+" delivers ann+news to ann.', "+"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SrsSettings:
    """Sender rewriting (SRS): the reverse-path of mail forwarded to other domains."""

    enabled: bool = setting(
        "Forward with a local reverse-path that leads back to the sender; with the original "
        "one, forwarded mail fails SPF.",
        True,
    )
    domain: str = setting(
        "The local domain of these addresses. Default: the first local domain.", ""
    )
    secret: str = setting(
        "Key of the addresses, the same on all nodes; preferably set as secret_file. Default: "
        "generated, in node.directory.",
        "",
        secret=True,
    )
    old_secrets: tuple[str, ...] = setting(
        "Earlier secrets whose addresses are still accepted.", (), secret=True
    )
    lifetime: float = setting(
        "How long bounces to such an address are accepted.", 21 * 86400.0, unit=Unit.SECONDS
    )
