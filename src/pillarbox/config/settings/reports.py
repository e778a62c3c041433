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
        "Send TLS reports (RFC 8460) to destinations that request them, about the TLS of our "
        "deliveries. Off by default: this is mail in your name to strangers, and needs a "
        "sender whose domain signs.",
        False,
    )
    dmarc: bool = setting(
        "Send DMARC aggregate reports (RFC 9990) to authors' domains that request them, about "
        "their mail on our mx listeners. The reports contain the addresses of the sending "
        "servers. Off by default, as above.",
        False,
    )
    sender: str = setting(
        "Address that reports come from; its domain should have a DKIM key. Default: "
        "`postmaster` at the first local domain, or at node.hostname.",
        "",
    )
    organization: str = setting(
        "Name of the reporting organization. Default: the domain of the sender.", ""
    )
    contact: str = setting(
        "Contact for questions about our reports: an address or a URL. Default: the sender.", ""
    )
    spread: float = setting(
        "The day's reports are sent over this time after midnight (UTC), each at its own moment.",
        4 * 3600.0,
        unit=Unit.SECONDS,
    )
    receive: tuple[str, ...] = setting(
        "Local addresses that receive reports: their mail is read as well as delivered, such "
        'as ["dmarc@example.org", "tls@example.org"].',
        (),
    )
    keep: float = setting(
        "How long the figures of received reports are retained.",
        90 * 86_400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StsDomainSettings:
    """The MTA-STS policy of a domain of ours: `[sts_domain."example.org"]`."""

    mode: MtaStsMode = setting(
        "How others should apply it: `testing` (they report failures), `enforce` (they "
        "deliver over verified TLS or not at all) or `none` (there used to be a policy).",
        MtaStsMode.TESTING,
    )
    mx: tuple[str, ...] = setting(
        "Our mail exchangers, as in the MX records; *.example.org stands for one label. "
        "Default: node.hostname.",
        (),
    )
    max_age: float = setting(
        "How long others may cache it. Default: a day while testing, otherwise two weeks.",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsSettings:
    """The HTTPS pages: our MTA-STS policies, and nothing else."""

    bind: tuple[str, ...] = setting(
        "Addresses with ports; bound at startup, and only if there is an [sts_domain] "
        'section. With IPv6: ["0.0.0.0:443", "[::]:443"].',
        ("0.0.0.0:443",),
    )
