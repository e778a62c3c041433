"""The facts about an SMTP server at one address and port, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pillarbox.smtp.client_extensions import Extensions
from pillarbox.smtp.reply import Reply

__all__ = [
    "Certificate",
    "Failure",
    "Mode",
    "Probe",
    "RelayFacts",
    "RelayShot",
    "ServerFacts",
    "Stage",
    "Step",
    "Target",
    "TlsVersion",
]


class Stage(Enum):
    """What was being done."""

    CONNECT = "connect"
    TLS = "TLS handshake"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    SECURE_EHLO = "EHLO inside TLS"
    PIPELINING = "pipelining"
    MAIL = "MAIL"
    RCPT = "RCPT"


class Failure(Enum):
    """How a stage failed."""

    TIMED_OUT = "timed out"
    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "certificate not trusted"
    TLS = "TLS failed"
    REPLIED = "refused by the server"
    NOT_SMTP = "no SMTP"


class Mode(Enum):
    """How TLS begins."""

    IMPLICIT = "TLS from the start"
    PLAIN = "STARTTLS"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is looked at."""

    host: str  # as the user named it, for SNI and the certificate
    address: str
    port: int

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage, and what came of it."""

    stage: Stage
    seconds: float
    failure: Failure | None = None
    detail: str = ""  # of a failure
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a server showed."""

    names: tuple[str, ...]
    fits: bool  # whether it is for the host that was asked for
    issuer: str
    not_before: float  # seconds since 1970
    not_after: float
    is_self_signed: bool
    count: int  # certificates in the chain
    problem: str = ""  # why it does not verify, in OpenSSL's words; "" where it does
    chain: tuple[bytes, ...] = field(default=(), repr=False)  # DER, the server's own first


@dataclass(frozen=True, slots=True)
class TlsVersion:
    """One version of TLS, and whether the server speaks it."""

    name: str  # "TLSv1.2"
    is_offered: bool | None  # None: it could not be tested


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was seen at one target."""

    target: Target
    mode: Mode  # the one that was spoken in the end
    expected: Mode  # the one that the port stands for
    steps: tuple[Step, ...]
    greeting: Reply | None = None
    clear: Extensions | None = None  # offered before TLS
    secured: Extensions | None = None  # offered inside of TLS
    tls_version: str = ""
    cipher: str = ""
    tls_versions: tuple[TlsVersion, ...] = ()  # () where they were not asked for
    certificate: Certificate | None = None
    strict_failure: str = ""  # why TLS failed for a careful client; "" where it did not
    lines: tuple[str, ...] = ()  # the dialogue

    @property
    def failed(self) -> Step | None:
        """The first stage that failed."""
        return next((step for step in self.steps if step.failure is not None), None)

    @property
    def has_spoken(self) -> bool:
        """Whether there was an SMTP server that introduced itself."""
        return self.clear is not None or self.secured is not None

    @property
    def offered(self) -> Extensions | None:
        """What holds in the end."""
        return self.secured or self.clear

    def seconds(self, stage: Stage) -> float | None:
        """Return how long a stage took, None if it was not come to."""
        return next((step.seconds for step in self.steps if step.stage is stage), None)


@dataclass(frozen=True, slots=True)
class RelayShot:
    """One form of asking for a relay."""

    form: str
    sender: str  # what stands behind "MAIL FROM:"
    recipient: str  # what stands behind "RCPT TO:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """What came of asking a server for a relay."""

    target: Target
    asked: int
    of: int  # how many there were to ask
    taken: tuple[RelayShot, ...]
    unclear: int  # neither taken nor refused for good


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What was seen of a host."""

    host: str
    probes: tuple[Probe, ...]
    ports_were_named: bool
    unresolved: str = ""  # why there is no address
    is_unresolved_for_good: bool = False
    unfinished: tuple[Target, ...] = ()  # not looked at to the end: the time was over
    intercepted: frozenset[int] = frozenset()  # ports at which also nobody's address answers
    relay: RelayFacts | None = None  # None: it was not asked for
    at: float = 0.0  # seconds since 1970
