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
    """What is asked about mail from outside: SPF, DKIM, DMARC, ARC."""

    enabled: bool = setting("Judge mail that comes in on mx listeners.", True)
    listeners: tuple[str, ...] = setting("Listeners whose mail is judged. Empty: all mx.", ())
    except_networks: tuple[str, ...] = setting(
        "Networks whose mail is not judged: it does not come from outside.",
        ("127.0.0.0/8", "::1/128"),
    )
    timeout: float = setting(
        "Time for all that is asked about a message. What is not known by then counts as a "
        "failure of DNS.",
        20.0,
        unit=Unit.SECONDS,
    )
    authserv_id: str = setting(
        "Our name in Authentication-Results; fields with this name that come in are removed. "
        "Default: node.hostname.",
        "",
    )
    dmarc: DmarcEnforcement = setting(
        "How far the policy of the author's domain is followed: `observe`, `quarantine` or "
        "`reject`.",
        DmarcEnforcement.OBSERVE,
    )
    quarantine: QuarantineAction = setting(
        "What becomes of quarantined mail: `mark` (a field X-Quarantine) or `hold`.",
        QuarantineAction.MARK,
    )
    organizational_domain: OrganizationalDomain = setting(
        "How the domain that owns a name is found: `tree` (RFC 9989) or `list`.",
        OrganizationalDomain.TREE_WALK,
    )
    trusted_forwarders: tuple[str, ...] = setting(
        "Domains whose ARC seals are believed: mail that failed DMARC only because they "
        "forwarded it is taken.",
        (),
    )
    bimi: bool = setting("Look up the author's logo (BIMI) and write the result down.", False)
    seal: bool = setting("Seal mail that is forwarded to another domain (ARC).", True)
    seal_domain: str = setting(
        "Domain whose DKIM key seals. Default: the first local domain that has one.", ""
    )
