"""Settings of sending: routes, the queue, delivery, name resolution."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = [
    "DeliverySettings",
    "DnsSettings",
    "QueueSettings",
    "RouteKind",
    "RouteSettings",
    "TlsDomainSettings",
    "TlsMode",
    "TlsPolicy",
    "UncertainPolicy",
]


class RouteKind(Enum):
    """How mail that takes a route leaves."""

    MX = "mx"  # to the mail exchangers of the recipient's domain
    SMART_HOST = "smarthost"  # to one server that passes everything on
    LMTP = "lmtp"  # to a local mail store (RFC 2033)
    MAILDIR = "maildir"  # into folders below a path
    DISCARD = "discard"  # nowhere; it counts as delivered
    HOLD = "hold"  # kept until somebody releases it to another route


class TlsMode(Enum):
    """How a connection that we open gets its TLS."""

    OPPORTUNISTIC = "may"  # STARTTLS where offered, in the clear otherwise
    ENCRYPT = "encrypt"  # STARTTLS with any certificate, or no delivery
    STARTTLS = "starttls"  # STARTTLS with a verified certificate, or no delivery
    IMPLICIT = "implicit"  # TLS from the first octet, verified, or no delivery
    NONE = "none"  # in the clear; for loopback


class TlsPolicy(Enum):
    """What mail to a destination asks of its mail exchangers."""

    AUTO = "auto"  # what the destination publishes: DANE first, then MTA-STS, else may
    NONE = "none"  # in the clear
    MAY = "may"  # STARTTLS where offered, in the clear otherwise
    ENCRYPT = "encrypt"  # STARTTLS with any certificate, or no delivery
    VERIFY = "verify"  # STARTTLS with a certificate that verifies, or no delivery
    DANE = "dane"  # as TLSA records ask, or no delivery (RFC 7672)
    MTA_STS = "mta-sts"  # as its MTA-STS policy asks, or no delivery (RFC 8461)


class UncertainPolicy(Enum):
    """What follows when no reply came to the final dot."""

    RETRY = "retry"  # rather twice than never
    FINAL = "final"  # rather never than twice


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """A route: `[route.NAME]`. The first route that matches is used."""

    kind: RouteKind = setting("`mx`, `smarthost`, `lmtp`, `maildir`, `discard` or `hold`.")
    recipients: tuple[str, ...] = setting(
        'Recipient domains that take this route: "example.org", "*.example.org", "*". '
        "Empty: only local domains that name it.",
        (),
    )
    senders: tuple[str, ...] = setting(
        'Senders that take it: "ann@example.org", "@example.org", "<>". Empty: all.', ()
    )
    host: str = setting("Smart host or LMTP server: `HOST:PORT`, or the path of a socket.", "")
    tls: TlsMode | None = setting(
        "`may`, `starttls`, `implicit` or `none`. Default: `may` for mx, `starttls` for a smart "
        "host, `none` on loopback.",
        None,
    )
    tls_name: str = setting("Name that the certificate must be for. Default: the host.", "")
    tls_ca: Path | None = setting(
        "PEM file of the authorities to trust. Default: the system's.", None
    )
    user: str = setting("User to log in as at the smart host.", "")
    password: str = setting("Its password; preferably set as password_file.", "", secret=True)
    token_file: Path | None = setting(
        "File with a bearer token (OAuth 2.0) to log in with instead of a password; read for "
        "each connection.",
        None,
    )
    token_url: str = setting(
        "Token endpoint of an OAuth 2.0 issuer, https://..., that grants the bearer token.", ""
    )
    token_client: str = setting("Our client_id at the issuer.", "")
    token_client_secret: str = setting(
        "Its client_secret; preferably set as token_client_secret_file.", "", secret=True
    )
    refresh_token: str = setting(
        "Refresh token to get bearer tokens with; preferably set as refresh_token_file. "
        "Empty: the client credentials grant is used.",
        "",
        secret=True,
    )
    token_scope: str = setting("Scope to ask the issuer for.", "")
    mechanisms: tuple[str, ...] = setting(
        "SASL mechanisms to log in with. Default: the best that the smart host offers.",
        (),
    )
    path: Path | None = setting(
        "Maildir: the directory; {domain}, {local} and {address} are replaced.", None
    )
    source: str = setting("Address to connect from; must be one of this machine's.", "")
    ehlo: str = setting("Name to greet with. Default: node.hostname.", "")
    connections: int = setting("Concurrent connections to one site.", 20)
    messages_per_connection: int = setting(
        "Messages after which a connection is closed; 0: no limit.", 1_000
    )
    recipients_per_message: int = setting("Recipients in one transaction.", 100)
    allow_private: bool = setting(
        "Deliver to mail exchangers on loopback, private or our own addresses.", False
    )
    port: int = setting("Port of mail exchangers.", 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDomainSettings:
    """TLS requirements for the mail exchangers of one destination: `[tls_domain."example.org"]`."""

    policy: TlsPolicy = setting(
        "`auto`, `none`, `may`, `encrypt`, `verify`, `dane` or `mta-sts`.", TlsPolicy.AUTO
    )
    name: str = setting(
        "For verify: the name that a certificate must be for. Default: the mail exchanger's.", ""
    )
    ca: Path | None = setting(
        "For verify: PEM file of the authorities to trust. Default: delivery.tls_ca.", None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How long mail is queued, and how often it is retried."""

    lifetime: float = setting("Age at which a message bounces.", 5 * 86400.0, unit=Unit.SECONDS)
    bounce_lifetime: float = setting(
        "The same for messages from the null sender.", 2 * 86400.0, unit=Unit.SECONDS
    )
    first_retry: float = setting("Wait after the first failure.", 300.0, unit=Unit.SECONDS)
    max_retry: float = setting("Longest wait between two attempts.", 4 * 3600.0, unit=Unit.SECONDS)
    delay_notice: float = setting(
        "Age at which the sender is told of the delay; 0: never.", 4 * 3600.0, unit=Unit.SECONDS
    )
    in_memory: int = setting("Recipients that the scheduler holds in memory.", 20_000)
    content_in_memory: int = setting(
        "Octets of content held in memory for delivery.", 64 * 1024 * 1024, unit=Unit.OCTETS
    )
    uncertain: UncertainPolicy = setting(
        "What to do when no reply came to the final dot: `retry` or `final`.",
        UncertainPolicy.RETRY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Timeouts of outgoing connections (RFC 5321 §4.5.3.2), and pausing."""

    paused: bool = setting("Accept mail, but deliver none.", False)
    connections: int = setting("Concurrent connections to all sites together.", 500)
    connect_timeout: float = setting("For one address.", 30.0, unit=Unit.SECONDS)
    greeting_timeout: float = setting("For the greeting.", 300.0, unit=Unit.SECONDS)
    command_timeout: float = setting("For EHLO, MAIL, RCPT and the like.", 300.0, unit=Unit.SECONDS)
    data_timeout: float = setting("For the reply to DATA.", 120.0, unit=Unit.SECONDS)
    block_timeout: float = setting(
        "For the peer to take a block of content.", 180.0, unit=Unit.SECONDS
    )
    final_timeout: float = setting("For the reply to the final dot.", 600.0, unit=Unit.SECONDS)
    idle_timeout: float = setting(
        "How long an idle connection is kept open for the next message.", 5.0, unit=Unit.SECONDS
    )
    tls_policy: TlsPolicy = setting(
        "TLS requirement for the mail exchangers of destinations without a [tls_domain] section.",
        TlsPolicy.AUTO,
    )
    tls_ca: Path | None = setting(
        "PEM file of the CAs to trust for verify and MTA-STS. Default: the system's.",
        None,
    )
    sts_allow_private: bool = setting(
        "Fetch MTA-STS policies from hosts on loopback or private addresses, too. Otherwise "
        "no zone can make us connect to internal machines.",
        False,
    )
    site_backoff: float = setting(
        "How long an unreachable site is left alone; doubles up to queue.max_retry.",
        60.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """Name resolution."""

    servers: tuple[str, ...] = setting(
        "Resolvers as `ADDRESS` or `ADDRESS:PORT`. Default: the system's.", ()
    )
    timeout: float = setting("For one question.", 5.0, unit=Unit.SECONDS)
    trust_ad: bool = setting("Trust the AD bit of these resolvers (DNSSEC).", False)
    zone_file: Path | None = setting("Answer from this zone file instead, and ask nobody.", None)
