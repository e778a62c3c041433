"""Settings of reports, sent and received, and of the MTA-STS policies that we publish."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["HttpsSettings", "MtaStsMode", "ReportSettings", "StsDomainSettings"]


class MtaStsMode(Enum):
    """How others are to take our MTA-STS policy (RFC 8461 §5)."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Daily reports about others' domains, and reports that others send us."""

    tls: bool = setting(
        "Send TLS reports (RFC 8460) to destinations that ask for them: how our deliveries "
        "fared with their TLS. Off by default: it is mail in your name to strangers, which "
        "needs a sender whose domain signs.",
        False,
    )
    dmarc: bool = setting(
        "Send DMARC aggregate reports (RFC 9990) to authors' domains that ask for them: what "
        "our mx listeners saw of their mail. They tell the addresses of whoever sent it. Off "
        "by default, as above.",
        False,
    )
    sender: str = setting(
        "Address that reports come from; its domain should have a DKIM key. Default: "
        "`postmaster` at the first local domain, or at node.hostname.",
        "",
    )
    organization: str = setting("Who reports. Default: the domain of the sender.", "")
    contact: str = setting(
        "Where questions about our reports go: an address or a URL. Default: the sender.", ""
    )
    spread: float = setting(
        "Reports of a day go out over this time after midnight (UTC), each at its own moment.",
        4 * 3600.0,
        unit=Unit.SECONDS,
    )
    receive: tuple[str, ...] = setting(
        "Local addresses that reports are sent to: what comes to them is read as well as "
        'delivered, such as ["dmarc@example.org", "tls@example.org"].',
        (),
    )
    keep: float = setting(
        "How long the figures of received reports are kept.",
        90 * 86_400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StsDomainSettings:
    """The MTA-STS policy of a domain of ours: `[sts_domain."example.org"]`."""

    mode: MtaStsMode = setting(
        "How others are to take it: `testing` (they tell us of failures), `enforce` (they "
        "deliver over verified TLS or not at all) or `none` (there was a policy once).",
        MtaStsMode.TESTING,
    )
    mx: tuple[str, ...] = setting(
        "Our mail exchangers, as in the MX records; *.example.org stands for one label. "
        "Default: node.hostname.",
        (),
    )
    max_age: float = setting(
        "How long others may go on with it without asking again. "
        "Default: a day while testing, else two weeks.",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsSettings:
    """Where pages are shown by HTTPS: the MTA-STS policies, and nothing else."""

    bind: tuple[str, ...] = setting(
        "Addresses with ports; bound at the start, and only where there is a [sts_domain] "
        'section. With IPv6: ["0.0.0.0:443", "[::]:443"].',
        ("0.0.0.0:443",),
    )
