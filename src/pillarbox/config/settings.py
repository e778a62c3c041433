"""Every setting of pillarbox: its type, its default, and what it means.

A setting is a field of a frozen type; its documentation stands beside it, and
``docs/configuration.md`` is printed from here. Durations are seconds and sizes octets in
these types; in the file they may be written with a unit (``"5 min"``, ``"64 KiB"``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

__all__ = [
    "AuthSettings",
    "ControlSettings",
    "DeliverySettings",
    "DnsSettings",
    "DomainSettings",
    "IntakeSettings",
    "LimitSettings",
    "ListenerKind",
    "ListenerSettings",
    "LogFormat",
    "LogSettings",
    "NodeSettings",
    "QueueSettings",
    "RouteKind",
    "RouteSettings",
    "Settings",
    "StoreSettings",
    "TlsMode",
    "TlsSettings",
    "UncertainPolicy",
    "Unit",
]


class Unit(Enum):
    """How a number may be written in the file."""

    SECONDS = "duration"  # 30, "30 s", "5 min", "4 h", "5 d"
    OCTETS = "size"  # 1024, "64 KiB", "25 MiB"


class ListenerKind(Enum):
    """What a listener is for; it decides the defaults and who may send."""

    MX = "mx"  # mail from other servers, for local recipients only
    SUBMISSION = "submission"  # mail from programs and people, STARTTLS (RFC 6409)
    SUBMISSIONS = "submissions"  # the same with TLS from the first octet (RFC 8314 §3.3)


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
    STARTTLS = "starttls"  # STARTTLS with a verified certificate, or no delivery
    IMPLICIT = "implicit"  # TLS from the first octet, verified, or no delivery
    NONE = "none"  # in the clear; for loopback


class UncertainPolicy(Enum):
    """What follows when no reply came to the final dot."""

    RETRY = "retry"  # rather twice than never
    FINAL = "final"  # rather never than twice


class LogFormat(Enum):
    """How events are written."""

    JSON = "json"  # one object a line
    TEXT = "text"  # one line for people


def setting(
    doc: str,
    default: Any = ...,
    *,
    factory: Any = None,
    unit: Unit | None = None,
    secret: bool = False,
) -> Any:
    """Declare a field with its documentation; without a default the key is required.

    A secret is left out where settings are printed, as in a traceback.
    """
    metadata = {"doc": doc, "unit": unit, "secret": secret}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata, repr=not secret)
    if default is ...:
        return field(metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """The process itself."""

    name: str = setting("Name of this node; its mail in the store belongs to this name.", "main")
    hostname: str = setting(
        "Name by which this node greets others (banner, EHLO, Received). It should resolve to "
        "the address that mail leaves from. Default: the machine's fully qualified name.",
        "",
    )
    shard: int = setting("Number in message ids, 0 to 1023; each node needs its own.", 0)
    directory: Path = setting(
        "Where the store, the control socket and the self-made certificate live.", Path("var")
    )
    user: str = setting(
        "User to become after binding low ports as root. Empty: stay who we are.", ""
    )
    shutdown_grace: float = setting(
        "How long a DATA under way may go on after SIGTERM.", 30.0, unit=Unit.SECONDS
    )
    postmaster: str = setting(
        "Address that mail for <postmaster> without a domain goes to. "
        "Default: postmaster@ the first local domain.",
        "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where mail is kept."""

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
        "How long the record of a message is kept after its last recipient is done.",
        30 * 86400.0,
        unit=Unit.SECONDS,
    )
    keep_journal: float = setting(
        "How long events and SMTP conversations are kept, in whole days.",
        14 * 86400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The certificate that listeners show."""

    certificate: Path | None = setting(
        "PEM file with the certificate and its chain. Without one, a certificate is made "
        "by ourselves in node.directory, which no other server can verify.",
        None,
    )
    key: Path | None = setting(
        "PEM file with the private key; must not be readable by others.", None
    )
    minimum_version: str = setting('Lowest version of TLS that is spoken: "1.2" or "1.3".', "1.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """What one client, and all together, may use up. Going over is always a 4xx reply."""

    connections: int = setting("Open connections of a listener in all.", 10_000)
    connections_per_client: int = setting(
        "Open connections of one IPv4 address or one IPv6 /64.", 50
    )
    connection_rate_per_client: int = setting(
        "New connections of one IPv4 address or one IPv6 /64 in a minute.", 600
    )
    commands: int = setting("NOOP, RSET, VRFY and the like between two messages.", 100)
    errors: int = setting("Refused commands in a session before 421 4.7.0.", 20)
    messages: int = setting("Messages in one session; 0: no limit.", 0)
    recipients: int = setting("Recipients of one message on an mx listener.", 1_000)
    recipients_submission: int = setting("Recipients of one message on submission.", 5_000)
    command_line: int = setting(
        "Octets in a command line with its CRLF (RFC 5321 §4.5.3.1.4 asks for 512).",
        2_048,
        unit=Unit.OCTETS,
    )
    text_line: int = setting(
        "Octets in a line of the content with its CRLF. RFC 5321 §4.5.3.1.6 asks for 1000; "
        "longer lines are taken and never passed on as they are.",
        1_048_576,
        unit=Unit.OCTETS,
    )
    command_timeout: float = setting(
        "Wait for a command (RFC 5321 §4.5.3.2.7).", 300.0, unit=Unit.SECONDS
    )
    data_timeout: float = setting(
        "Time for a whole content, to which its size at data_rate is added.",
        180.0,
        unit=Unit.SECONDS,
    )
    data_rate: int = setting("Octets in a second below which a content is too slow.", 500)
    reply_timeout: float = setting(
        "Wait for a client to take our replies.", 300.0, unit=Unit.SECONDS
    )
    tls_timeout: float = setting("Time for a TLS handshake.", 10.0, unit=Unit.SECONDS)
    stress_timeout: float = setting(
        "Wait for a command once nine tenths of the connections are in use.",
        10.0,
        unit=Unit.SECONDS,
    )
    bytes_in_flight: int = setting(
        "Octets of contents in memory, over all sessions, before reading pauses.",
        256 * 1024 * 1024,
        unit=Unit.OCTETS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """One way in: `[listener.NAME]`."""

    kind: ListenerKind = setting("`mx`, `submission` or `submissions`.")
    bind: tuple[str, ...] = setting('Addresses with ports, such as "0.0.0.0:25" or "[::1]:587".')
    trusted_networks: tuple[str, ...] = setting(
        "Networks whose clients may send anywhere without logging in. "
        "Only private and loopback networks are accepted here.",
        (),
    )
    proxies: tuple[str, ...] = setting(
        "Networks of load balancers that announce the client by the PROXY protocol (v1, v2). "
        "From them it is required; from others it is an error.",
        (),
    )
    auth: bool | None = setting(
        "Whether AUTH is offered. Default: yes on submission, no on mx.", None
    )
    auth_without_tls: bool = setting(
        "Offer AUTH before TLS to clients on a loopback address.", False
    )
    require_auth: bool | None = setting(
        "Whether mail is only taken after AUTH or from trusted networks. "
        "Default: yes on submission, no on mx.",
        None,
    )
    starttls: bool | None = setting(
        "Whether STARTTLS is offered. Default: yes, unless the listener has TLS from the first octet.",
        None,
    )
    normalize_line_ends: bool = setting(
        "Turn a bare LF in a content into CRLF instead of refusing it. Never on mx.", False
    )
    banner_delay: float = setting(
        "Seconds to wait before greeting; who talks earlier is turned away (mx only).",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    """What every message must be like, whichever way it comes in."""

    max_message_size: int = setting(
        "Octets of content (RFC 1870).", 25 * 1024 * 1024, unit=Unit.OCTETS
    )
    max_hops: int = setting(
        "Received fields after which a message is in a loop (RFC 5321 §6.3).", 50
    )
    max_header_size: int = setting("Octets of the whole header.", 256 * 1024, unit=Unit.OCTETS)
    max_header_fields: int = setting("Fields in the header.", 1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may log in."""

    file: Path | None = setting(
        "File with a line `user:argon2id hash` for each who may log in; made by "
        "`pillarbox auth hash`. Must not be readable by others.",
        None,
    )
    hash_workers: int = setting("Passwords that are hashed at the same time.", 2)
    cache_seconds: float = setting(
        "How long a verified password is remembered, as a keyed hash in memory.",
        300.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSettings:
    """A local domain, whose recipients are ours: `[domain."example.org"]`."""

    recipients_file: Path | None = setting(
        "File with one local part a line. Who is not in it, and no alias, is refused.", None
    )
    recipients: tuple[str, ...] = setting("Local parts, in addition to the file.", ())
    catch_all: str = setting(
        "Address that takes all other local parts. Empty: they are refused.", ""
    )
    aliases_file: Path | None = setting(
        "File of `local part: address, address, ...` lines; an address outside is a forward.", None
    )
    route: str = setting("Route by which the local recipients' mail leaves.", "")
    subaddress_separator: str = setting(
        'Character after which a local part is a detail: "+" delivers ann+news to ann.', "+"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """One way out: `[route.NAME]`. The first route that matches is taken."""

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
    password: str = setting("Its password; better given as password_file.", "", secret=True)
    path: Path | None = setting(
        "Maildir: the folder; {domain}, {local} and {address} are replaced.", None
    )
    source: str = setting("Address to connect from; must be one of this machine's.", "")
    ehlo: str = setting("Name to greet with. Default: node.hostname.", "")
    connections: int = setting("Connections to one site at the same time.", 20)
    messages_per_connection: int = setting(
        "Messages before a connection is closed; 0: no limit.", 1_000
    )
    recipients_per_message: int = setting("Recipients in one transaction.", 100)
    allow_private: bool = setting(
        "Deliver to mail exchangers on loopback, private or our own addresses.", False
    )
    port: int = setting("Port of mail exchangers.", 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """How long, and how often."""

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
        "Octets of contents held in memory for delivery.", 64 * 1024 * 1024, unit=Unit.OCTETS
    )
    uncertain: UncertainPolicy = setting(
        "What follows when no reply came to the final dot: `retry` or `final`.",
        UncertainPolicy.RETRY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Time-outs of our own connections (RFC 5321 §4.5.3.2), and when to pause."""

    paused: bool = setting("Take mail, but deliver none.", False)
    connections: int = setting("Connections to all sites at the same time.", 500)
    connect_timeout: float = setting("For one address.", 30.0, unit=Unit.SECONDS)
    greeting_timeout: float = setting("For the greeting.", 300.0, unit=Unit.SECONDS)
    command_timeout: float = setting("For EHLO, MAIL, RCPT and the like.", 300.0, unit=Unit.SECONDS)
    data_timeout: float = setting("For the reply to DATA.", 120.0, unit=Unit.SECONDS)
    block_timeout: float = setting(
        "For the peer to take a block of content.", 180.0, unit=Unit.SECONDS
    )
    final_timeout: float = setting("For the reply to the final dot.", 600.0, unit=Unit.SECONDS)
    idle_timeout: float = setting(
        "How long a connection is kept for the next message.", 5.0, unit=Unit.SECONDS
    )
    site_backoff: float = setting(
        "How long a site is left alone after it could not be reached; doubles up to "
        "queue.max_retry.",
        60.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """Where names are resolved."""

    servers: tuple[str, ...] = setting(
        "Resolvers as `ADDRESS` or `ADDRESS:PORT`. Default: the system's.", ()
    )
    timeout: float = setting("For one question.", 5.0, unit=Unit.SECONDS)
    trust_ad: bool = setting("Believe the AD bit of these resolvers (DNSSEC).", False)
    zone_file: Path | None = setting("Answer from this file instead, and ask nobody.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where events are written."""

    format: LogFormat = setting("`json` or `text`.", LogFormat.JSON)
    file: Path | None = setting(
        "File to append to; reopened on SIGHUP. Default: standard error.", None
    )
    level: str = setting("`all`, `notice` (no routine connections), `warning`.", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """How the command line reaches a running node."""

    socket: Path | None = setting("Unix socket. Default: `control` in node.directory.", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A whole configuration."""

    node: NodeSettings = field(default_factory=NodeSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    intake: IntakeSettings = field(default_factory=IntakeSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    dns: DnsSettings = field(default_factory=DnsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    listener: dict[str, ListenerSettings] = field(default_factory=dict)
    domain: dict[str, DomainSettings] = field(default_factory=dict)
    route: dict[str, RouteSettings] = field(default_factory=dict)
