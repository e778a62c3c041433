"""Settings of the process itself: its name, its store, its log, its control socket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["ControlSettings", "LogFormat", "LogSettings", "NodeSettings", "StoreSettings"]


class LogFormat(Enum):
    """How events are written."""

    JSON = "json"  # one object a line
    TEXT = "text"  # one line for people


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The process itself."""

    name: str = setting("Name of this node; it owns the mail it stores under this name.", "main")
    hostname: str = setting(
        "Name in this node's banner, EHLO and Received fields. It should resolve to the "
        "address that mail leaves from. Default: the machine's fully qualified name.",
        "",
    )
    shard: int = setting("Number in message ids, 0 to 1023; every node needs a different one.", 0)
    directory: Path = setting(
        "Directory of the store, the control socket and the self-signed certificate.", Path("var")
    )
    user: str = setting(
        "User to run as after binding low ports as root. Empty: keep the current user.", ""
    )
    shutdown_grace: float = setting(
        "How long a DATA in progress may continue after SIGTERM.", 30.0, unit=Unit.SECONDS
    )
    postmaster: str = setting(
        "Recipient of mail for <postmaster> without a domain. Default: postmaster@ the first "
        "local domain.",
        "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """The store of mail."""

    url: str = setting(
        "`sqlite:PATH` (relative to node.directory), `postgresql://USER@HOST/DATABASE`, "
        "or `memory:` (nothing survives a restart).",
        "sqlite:pillarbox.db",
        secret=True,
    )
    reserve: int = setting(
        "Free octets on the store's disk below which new mail is refused with 452 4.3.1. "
        "0: twice intake.max_message_size or 5 % of the disk, whichever is more, "
        "but at most half of what is free at the start.",
        0,
        unit=Unit.OCTETS,
    )
    keep_final: float = setting(
        "How long the record of a message is retained after its last recipient is final.",
        30 * 86400.0,
        unit=Unit.SECONDS,
    )
    keep_journal: float = setting(
        "How long events and SMTP conversations are retained, in whole days.",
        14 * 86400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The log of events."""

    format: LogFormat = setting("`json` or `text`.", LogFormat.JSON)
    file: Path | None = setting(
        "File to append to; reopened on SIGHUP. Default: standard error.", None
    )
    level: str = setting("`all`, `notice` (no routine connections), `warning`.", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """How the command line reaches a running node."""

    socket: Path | None = setting("Unix socket. Default: `control` in node.directory.", None)
