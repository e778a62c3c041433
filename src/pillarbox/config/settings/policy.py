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
    """The relay policy as a whole."""

    acknowledged_networks: tuple[str, ...] = setting(
        "Public networks that may be trusted, each written as in trusted_networks or in a "
        "rule. Anybody with an address in them can send anything to anybody through this "
        "server.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """A rule of the relay policy: `[rule.NAME]`.

    Rules are tried in the order of the file, and the first whose conditions all match decides; an
    absent condition always matches. If no rule matches, clients that have logged in or connect
    from a trusted network may send anywhere, and everybody else to local recipients only.
    """

    action: RuleAction = setting("`allow` or `refuse`.")
    listeners: tuple[str, ...] | None = setting("Names of listeners.", None)
    credentials: tuple[str, ...] | None = setting(
        'Authenticated clients by credential: "shop", "tenant-*", "*" for all of them.', None
    )
    networks: tuple[str, ...] | None = setting(
        "Networks of clients, which may then send without logging in. A public one must also "
        "be listed in policy.acknowledged_networks.",
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
    """The owners of sender addresses: `[owner.NAME]`.

    A client that has logged in may use, in MAIL FROM and in the From field, only addresses that it
    owns: those of every owner table that names its credential, those of the credential itself, and
    its login name, if that is an address. Clients of a network named here are restricted to its
    addresses, too; other clients that need not log in are not restricted.
    """

    senders: tuple[str, ...] = setting(
        'Addresses: "ann@example.org", "news-*@example.org", "@example.org" for a whole domain, '
        '"@*.example.org" for the domains below it, "*" for all.'
    )
    credentials: tuple[str, ...] | None = setting(
        'Authenticated clients by credential: "shop", "tenant-*", "*" for all of them.', None
    )
    networks: tuple[str, ...] | None = setting("Networks of clients that have not logged in.", None)
