"""Settings of SPF, DKIM, DMARC and ARC checks on incoming mail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["DmarcEnforcement", "OrganizationalDomain", "QuarantineAction", "VerifySettings"]


class DmarcEnforcement(Enum):
    """How far the policy of an author's domain is followed."""

    OBSERVE = "observe"  # results are written down, and nothing follows
    QUARANTINE = "quarantine"  # reject is taken for quarantine
    REJECT = "reject"  # it is followed


class QuarantineAction(Enum):
    """What quarantine means here."""

    MARK = "mark"  # a header field, for the mailbox to sort by
    HOLD = "hold"  # the message waits until an operator releases it


class OrganizationalDomain(Enum):
    """How the domain that owns a name is found."""

    TREE_WALK = "tree"  # by asking DNS upwards (RFC 9989 §4.10)
    SUFFIX_LIST = "list"  # by the public suffix list, as before RFC 9989


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySettings:
    """Authentication of incoming mail: SPF, DKIM, DMARC, ARC."""

    enabled: bool = setting("Authenticate mail that arrives on mx listeners.", True)
    listeners: tuple[str, ...] = setting(
        "Listeners whose mail is authenticated. Empty: all mx listeners.", ()
    )
    except_networks: tuple[str, ...] = setting(
        "Networks whose mail is not authenticated, because it does not come from outside.",
        ("127.0.0.0/8", "::1/128"),
    )
    timeout: float = setting(
        "Time for all DNS queries about a message. What is unknown by then counts as a DNS "
        "failure.",
        20.0,
        unit=Unit.SECONDS,
    )
    authserv_id: str = setting(
        "Our name in Authentication-Results; incoming fields with this name are removed. "
        "Default: node.hostname.",
        "",
    )
    dmarc: DmarcEnforcement = setting(
        "How strictly the DMARC policy of the author's domain is followed: `observe`, "
        "`quarantine` or `reject`.",
        DmarcEnforcement.OBSERVE,
    )
    quarantine: QuarantineAction = setting(
        "What happens to quarantined mail: `mark` (adds a field X-Quarantine) or `hold`.",
        QuarantineAction.MARK,
    )
    organizational_domain: OrganizationalDomain = setting(
        "How the organizational domain is found: `tree` (tree walk, RFC 9989) or `list` "
        "(public suffix list).",
        OrganizationalDomain.TREE_WALK,
    )
    trusted_forwarders: tuple[str, ...] = setting(
        "Domains whose ARC seals are trusted: mail that fails DMARC only because they "
        "forwarded it is accepted.",
        (),
    )
    bimi: bool = setting("Look up the author's logo (BIMI) and record the result.", False)
    seal: bool = setting("Seal mail that is forwarded to another domain (ARC).", True)
    seal_domain: str = setting(
        "Domain whose DKIM key seals. Default: the first local domain that has one.", ""
    )
