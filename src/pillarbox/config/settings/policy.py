"""Settings of the relay policy: who may send as whom to whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.config.settings.declaration import setting

__all__ = ["OwnerSettings", "PolicySettings", "RuleAction", "RuleSettings"]


class RuleAction(Enum):
    """What a rule does with what it matches."""

    ALLOW = "allow"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """What holds for the whole relay policy."""

    acknowledged_networks: tuple[str, ...] = setting(
        "Networks that are trusted although they are not private, each written as in "
        "trusted_networks or in a rule. Whoever has an address in them can send anything to "
        "anybody through this server.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """A rule of the relay policy: `[rule.NAME]`.

    Rules are tried in the order of the file, and the first whose conditions all hold decides;
    a condition that is not given always holds. If none fits, who has logged in or comes from a
    trusted network may send anywhere, and everybody else to local recipients only.
    """

    action: RuleAction = setting("`allow` or `refuse`.")
    listeners: tuple[str, ...] | None = setting("Names of listeners.", None)
    credentials: tuple[str, ...] | None = setting(
        'Who has logged in: "shop", "tenant-*", "*" for everybody who has.', None
    )
    networks: tuple[str, ...] | None = setting(
        "Networks of clients, which need not log in to be allowed. One that is not private has "
        "to stand in policy.acknowledged_networks, too.",
        None,
    )
    senders: tuple[str, ...] | None = setting(
        'Addresses of MAIL FROM: "ann@example.org", "news-*@example.org", "@example.org", '
        '"@*.example.org", "<>", "*".',
        None,
    )
    recipients: tuple[str, ...] | None = setting(
        'Domains of recipients: "example.org", "*.example.org" for all below it, "*".', None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSettings:
    """Whose sender addresses are: `[owner.NAME]`.

    Who has logged in may use, in MAIL FROM and in the From field, only addresses that are his:
    those of every owner table that names his credential, those of the credential itself, and
    the one that he logs in by, if that is an address. Clients of a network that is named here
    are held to its addresses, too; other clients that need not log in are held to none.
    """

    senders: tuple[str, ...] = setting(
        'Addresses: "ann@example.org", "news-*@example.org", "@example.org" for a whole domain, '
        '"@*.example.org" for the domains below it, "*" for all.'
    )
    credentials: tuple[str, ...] | None = setting(
        'Who has logged in: "shop", "tenant-*", "*" for everybody who has.', None
    )
    networks: tuple[str, ...] | None = setting("Networks of clients that have not logged in.", None)
