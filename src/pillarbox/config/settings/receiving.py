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
    """The default certificate of all listeners."""

    certificate: Path | None = setting(
        "PEM file with the certificate and its chain. Default: a self-signed certificate in "
        "node.directory, which no other server can verify.",
        None,
    )
    key: Path | None = setting(
        "PEM file with the private key; must not be readable by others.", None
    )
    minimum_version: str = setting('Lowest accepted version of TLS: "1.2" or "1.3".', "1.2")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSettings:
    """An additional certificate: `[certificate.NAME]`, for clients that ask for its names."""

    certificate: Path | None = setting(
        "PEM file with the certificate and its chain. Not together with names.", None
    )
    key: Path | None = setting(
        "PEM file with the private key; must not be readable by others. Default: the key is "
        "in the certificate's file.",
        None,
    )
    names: tuple[str, ...] = setting(
        "Host names for which `[acme]` obtains and renews a certificate, instead of one from "
        "files.",
        (),
    )


class AcmeChallenge(Enum):
    """How an authority is shown that a name is ours."""

    HTTP = "http-01"  # by a page on port 80 (RFC 8555 §8.3)
    DNS = "dns-01"  # by a TXT record (RFC 8555 §8.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcmeSettings:
    """The authority that issues certificates for names (ACME, RFC 8555)."""

    directory: str = setting(
        "URL of the authority's directory.", "https://acme-v02.api.letsencrypt.org/directory"
    )
    agree: bool = setting(
        "Agree to the authority's terms of service; otherwise no certificate is requested.", False
    )
    contact: str = setting("Contact address for the authority. Empty: none is given.", "")
    challenge: AcmeChallenge = setting("`http-01` or `dns-01`.", AcmeChallenge.HTTP)
    http_bind: tuple[str, ...] = setting(
        "Addresses that serve http-01 challenges while a certificate is being requested.",
        ("0.0.0.0:80",),
    )
    dns_hook: Path | None = setting(
        "Program for dns-01: called with `set` or `clear`, the record's name and its value; "
        "it returns once the record is visible.",
        None,
    )
    ca: Path | None = setting(
        "PEM file of the CA that issued the directory's own certificate. Default: the "
        "system's CAs.",
        None,
    )
    renew_before: float = setting(
        "How long before its expiry a certificate is renewed; at most a third of its lifetime.",
        30 * 86400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Limits per client and overall. Exceeding one is always a 4xx reply."""

    connections: int = setting("Open connections per listener.", 10_000)
    connections_per_client: int = setting(
        "Open connections per client (an IPv4 address or IPv6 /64).", 50
    )
    connection_rate_per_client: int = setting(
        "New connections per minute and client (an IPv4 address or IPv6 /64).", 600
    )
    commands: int = setting("NOOP, RSET, VRFY and similar commands between two messages.", 100)
    errors: int = setting("Refused commands in a session before 421 4.7.0.", 20)
    messages: int = setting("Messages per session; 0: no limit.", 0)
    recipients: int = setting("Recipients per message on an mx listener.", 1_000)
    recipients_submission: int = setting("Recipients per message on submission listeners.", 5_000)
    command_line: int = setting(
        "Octets in a command line with its CRLF (RFC 5321 §4.5.3.1.4 asks for 512).",
        2_048,
        unit=Unit.OCTETS,
    )
    text_line: int = setting(
        "Octets in a line of the content with its CRLF. RFC 5321 §4.5.3.1.6 requires 1000; "
        "longer lines are accepted but never passed on unchanged.",
        1_048_576,
        unit=Unit.OCTETS,
    )
    command_timeout: float = setting(
        "How long to wait for a command (RFC 5321 §4.5.3.2.7).", 300.0, unit=Unit.SECONDS
    )
    data_timeout: float = setting(
        "Time allowed for a whole content, in addition to its size divided by data_rate.",
        180.0,
        unit=Unit.SECONDS,
    )
    data_rate: int = setting("Octets per second below which a content is too slow.", 500)
    reply_timeout: float = setting(
        "How long to wait for a client to read our replies.", 300.0, unit=Unit.SECONDS
    )
    tls_timeout: float = setting("Time allowed for a TLS handshake.", 10.0, unit=Unit.SECONDS)
    stress_timeout: float = setting(
        "How long to wait for a command once nine tenths of the connections are in use.",
        10.0,
        unit=Unit.SECONDS,
    )
    bytes_in_flight: int = setting(
        "Octets of content in memory, over all sessions, above which reading pauses.",
        256 * 1024 * 1024,
        unit=Unit.OCTETS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """A listener: `[listener.NAME]`."""

    kind: ListenerKind = setting("`mx`, `submission`, `submissions` or `sandbox`.")
    bind: tuple[str, ...] = setting('Addresses with ports, such as "0.0.0.0:25" or "[::1]:587".')
    trusted_networks: tuple[str, ...] = setting(
        "Networks whose clients may send anywhere without logging in. A public one must also "
        "be listed in policy.acknowledged_networks.",
        (),
    )
    proxies: tuple[str, ...] = setting(
        "Networks of load balancers that announce the client with the PROXY protocol (v1, "
        "v2). From them it is required; from others it is an error.",
        (),
    )
    auth: bool | None = setting(
        "Whether AUTH is offered. Default: yes on submission, no on mx.", None
    )
    auth_without_tls: bool = setting(
        "Offer AUTH before TLS to clients on a loopback address.", False
    )
    projects: tuple[str, ...] = setting(
        "Projects whose credentials may log in here. Empty: all, including credentials "
        "without a project.",
        (),
    )
    sandbox: bool | None = setting(
        "`true`: only credentials for the sandbox may log in here; `false`: none of them.", None
    )
    require_auth: bool | None = setting(
        "Whether mail is only accepted after AUTH or from trusted networks. Default: yes on "
        "submission, no on mx.",
        None,
    )
    implicit_tls: bool | None = setting(
        "Whether TLS starts with the first octet. Default: yes on submissions, otherwise no.",
        None,
    )
    starttls: bool | None = setting(
        "Whether STARTTLS is offered. Default: yes, unless the listener has TLS from the first octet.",
        None,
    )
    unknown_names: UnknownNames | None = setting(
        "What a TLS client gets that asks for an unknown name (SNI): `default`, the first "
        "certificate, or `refuse`, an alert. Default: `default` on mx and with a self-signed "
        "certificate, `refuse` on submission.",
        None,
    )
    client_ca: Path | None = setting(
        "PEM file of the CAs for client certificates; a client whose certificate does not "
        "verify is turned away. Default: no certificate is requested.",
        None,
    )
    require_client_certificate: bool = setting(
        "Turn away TLS clients without a certificate from client_ca.", False
    )
    normalize_line_ends: bool = setting(
        "Turn a bare LF in a content into CRLF instead of refusing it. Never on mx.", False
    )
    banner_delay: float = setting(
        "Delay of the greeting; a client that talks before it is turned away (mx only).",
        0.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    """Limits on every message, however it arrives."""

    max_message_size: int = setting(
        "Largest message, in octets of content (RFC 1870).", 25 * 1024 * 1024, unit=Unit.OCTETS
    )
    max_hops: int = setting(
        "Number of Received fields from which a message counts as looping (RFC 5321 §6.3).", 50
    )
    max_header_size: int = setting("Largest header, in octets.", 256 * 1024, unit=Unit.OCTETS)
    max_header_fields: int = setting("Largest number of header fields.", 1_000)
