"""Services that send mail for others, from ``senders.toml``, identified by the names in mail."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["KnownSender", "known_sender"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSender:
    """A service that sends mail for its customers, or passes mail on."""

    id: str
    name: str
    kind: str  # "mailboxes", "service", "marketing", "help desk", "application", "gateway", "forwarder"
    hosts: tuple[str, ...]
    include: str = ""  # what its customers put into SPF
    aligns: str = ""  # "dkim", "both", "neither"; "" for a forwarder
    how: str = ""  # where its settings are, and what they give

    @property
    def is_forwarder(self) -> bool:
        """Whether it passes on what others have sent."""
        return self.kind == "forwarder"


def known_sender(names: Iterable[str]) -> KnownSender | None:
    """Return the sender that one of these names belongs to, the first name first.

    Args:
        names: Host names and domains, in lower case.
    """
    by_host = _by_host()
    for name in names:
        labels = name.rstrip(".").split(".")
        for start in range(len(labels) - 1):
            found = by_host.get(".".join(labels[start:]))
            if found is not None:
                return found
    return None


@cache
def _by_host() -> dict[str, KnownSender]:
    text = resources.files(__package__).joinpath("senders.toml").read_text(encoding="utf-8")
    senders = (
        KnownSender(**{**row, "hosts": tuple(row["hosts"])})
        for row in tomllib.loads(text)["sender"]
    )
    return {host: sender for sender in senders for host in sender.hosts}
