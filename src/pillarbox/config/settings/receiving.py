"""Settings of receiving: listeners, their TLS and limits, and the requirements on messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = [
    "AcmeChallenge",
    "AcmeSettings",
    "CertificateSettings",
    "IntakeSettings",
    "LimitSettings",
    "ListenerKind",
    "ListenerSettings",
    "TlsSettings",
    "UnknownNames",
]


class ListenerKind(Enum):
    """What a listener is for; it decides the defaults and who may send."""

    MX = "mx"  # mail from other servers, for local recipients only
    SUBMISSION = "submission"  # mail from programs and people, STARTTLS (RFC 6409)
    SUBMISSIONS = "submissions"  # the same with TLS from the first octet (RFC 8314 §3.3)
    SANDBOX = "sandbox"  # mail from anybody to anybody, caught to be looked at, never passed on


class UnknownNames(Enum):
    """What follows when a TLS client asks for a name that is not ours."""

    DEFAULT = "default"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The certificate that listeners show to clients that ask for no other name."""

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
class CertificateSettings:
    """A further certificate: `[certificate.NAME]`, shown to clients that ask for its names."""

    certificate: Path | None = setting(
        "PEM file with the certificate and its chain. Not with names: then it is fetched.", None
    )
    key: Path | None = setting(
        "PEM file with the private key; must not be readable by others. "
        "Default: it stands in the certificate's file.",
        None,
    )
    names: tuple[str, ...] = setting(
        "Host names for which a certificate is fetched and renewed by `[acme]`, "
        "instead of one from files.",
        (),
    )


class AcmeChallenge(Enum):
    """How an authority is shown that a name is ours."""

    HTTP = "http-01"  # by a page on port 80 (RFC 8555 §8.3)
    DNS = "dns-01"  # by a TXT record (RFC 8555 §8.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcmeSettings:
    """Where certificates are fetched from that have names and no files (RFC 8555)."""

    directory: str = setting(
        "URL of the authority's directory.", "https://acme-v02.api.letsencrypt.org/directory"
    )
    agree: bool = setting(
        "Agree to the authority's terms of service; without it, none is asked.", False
    )
    contact: str = setting(
        "E-mail address for the authority to write to. Empty: none is given.", ""
    )
    challenge: AcmeChallenge = setting("`http-01` or `dns-01`.", AcmeChallenge.HTTP)
    http_bind: tuple[str, ...] = setting(
        "Where pages for http-01 are served, while a certificate is being fetched.",
        ("0.0.0.0:80",),
    )
    dns_hook: Path | None = setting(
        "Program for dns-01: called with `set` or `clear`, the record's name and its value; "
        "it returns once the record can be seen.",
        None,
    )
    ca: Path | None = setting(
        "PEM file of the authority of the directory's own certificate. Default: the system's.",
        None,
    )
    renew_before: float = setting(
        "Time before its end at which a certificate is renewed; at most a third of its life.",
        30 * 86400.0,
        unit=Unit.SECONDS,
    )


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

    kind: ListenerKind = setting("`mx`, `submission`, `submissions` or `sandbox`.")
    bind: tuple[str, ...] = setting('Addresses with ports, such as "0.0.0.0:25" or "[::1]:587".')
    trusted_networks: tuple[str, ...] = setting(
        "Networks whose clients may send anywhere without logging in. "
        "One that is not private has to stand in policy.acknowledged_networks, too.",
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
    projects: tuple[str, ...] = setting(
        "Projects whose credentials may log in here. Empty: all, and those without a project.", ()
    )
    sandbox: bool | None = setting(
        "`true`: only credentials for the sandbox may log in here; `false`: none of them.", None
    )
    require_auth: bool | None = setting(
        "Whether mail is only taken after AUTH or from trusted networks. "
        "Default: yes on submission, no on mx.",
        None,
    )
    implicit_tls: bool | None = setting(
        "Whether TLS begins with the first octet. Default: yes on submissions, no on others.",
        None,
    )
    starttls: bool | None = setting(
        "Whether STARTTLS is offered. Default: yes, unless the listener has TLS from the first octet.",
        None,
    )
    unknown_names: UnknownNames | None = setting(
        "What a TLS client gets that asks for a name (SNI) no certificate is for: `default`, "
        "the first certificate, or `refuse`, an alert. Default: `default` on mx and where the "
        "certificate is self-made, `refuse` on submission.",
        None,
    )
    client_ca: Path | None = setting(
        "PEM file of the authorities whose certificates clients may show; who shows one that "
        "does not verify is turned away. Default: none is asked for.",
        None,
    )
    require_client_certificate: bool = setting(
        "Turn away TLS clients that show no certificate of client_ca.", False
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
