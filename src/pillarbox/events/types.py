"""The events: what happened, when, to what; one frozen type each.

The tag of a type (``area.what_happened``) is its name in logs and histories, and part of the
public interface: never rename one. Fields are plain values, so that an event can be encoded as
JSON without inspecting it. Times are wall-clock seconds. Secrets never appear here: no password,
no key, no token, no body.

They are msgspec structs instead of dataclasses, because some are created for every message:
creating and encoding one takes about a microsecond instead of ten.
"""

from __future__ import annotations

from typing import Final

from msgspec import field

from pillarbox.events.abuse import ClientBanned, ClientUnbanned, LoginsSprayed
from pillarbox.events.event import Event, Sink
from pillarbox.events.reports import ReportNotRead, ReportNotSent, ReportReceived, ReportSent
from pillarbox.events.transport import StsPolicyFetched, StsPolicyNotFetched, TlsSessionMade

__all__ = [
    "ALL_EVENTS",
    "AttemptMade",
    "AuthAccepted",
    "AuthRefused",
    "CertificateExpires",
    "CertificateFetched",
    "CertificateNotFetched",
    "CheckRuled",
    "ClientBanned",
    "ClientUnbanned",
    "CommandRefused",
    "ConfigurationReloaded",
    "ConnectionClosed",
    "ConnectionOpened",
    "ConnectionRefused",
    "DefectFound",
    "DkimKeyChanged",
    "DsnCreated",
    "Event",
    "EventsDropped",
    "FailureChosen",
    "ListenerStarted",
    "LoginsSprayed",
    "MessageAccepted",
    "MessageDamaged",
    "MessageJudged",
    "MessageRefused",
    "NodeStarted",
    "NodeStopped",
    "NodeStopping",
    "RecipientBounced",
    "RecipientCanceled",
    "RecipientDeferred",
    "RecipientDelivered",
    "RecipientHeld",
    "RecipientRefused",
    "RecipientReleased",
    "RecipientRetried",
    "RecipientUncertain",
    "ReportNotRead",
    "ReportNotSent",
    "ReportReceived",
    "ReportSent",
    "SenderRefused",
    "Sink",
    "SiteBackedOff",
    "SiteRecovered",
    "StoreFailed",
    "StoreRecovered",
    "StsPolicyFetched",
    "StsPolicyNotFetched",
    "TlsNegotiated",
    "TlsSessionMade",
]


# --- the node ----------------------------------------------------------------------


class NodeStarted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node.started"):
    """The node is ready: store open, listeners bound, delivery running."""

    node: str
    version: str
    store: str
    queued: int = 0
    seconds: float = 0.0  # from the start of the process to here


class NodeStopping(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node.stopping"):
    """The node has been asked to stop, and accepts no new connections."""

    reason: str


class NodeStopped(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node.stopped"):
    """The node has stopped."""

    is_clean: bool


class ConfigurationReloaded(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="configuration.reloaded"
):
    """The configuration or a certificate was read again."""

    changed: list[str] = field(default_factory=list)
    error: str = ""  # why nothing was changed


class EventsDropped(Event, frozen=True, kw_only=True, omit_defaults=True, tag="log.dropped"):
    """The log could not be written for a while, and events are missing from it."""

    count: int


class StoreFailed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="store.failed"):
    """The store refused a write; new mail is answered with 4xx until it recovers."""

    reason: str
    is_full: bool = False


class StoreRecovered(Event, frozen=True, kw_only=True, omit_defaults=True, tag="store.recovered"):
    """The store accepts writes again."""

    seconds: float  # how long it refused them


class DefectFound(Event, frozen=True, kw_only=True, omit_defaults=True, tag="node.defect"):
    """An unexpected failure: a defect in pillarbox. Please report it."""

    where: str
    error: str
    traceback: list[str] = field(default_factory=list)


# --- receiving ---------------------------------------------------------------------


class ListenerStarted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="listener.started"):
    """A listener is bound."""

    listener: str
    kind: str
    address: str


class ConnectionOpened(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="connection.opened"
):
    """A client has connected and is served."""

    session: str
    listener: str
    client: str


class ConnectionRefused(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="connection.refused"
):
    """A client was turned away before its first command."""

    listener: str
    client: str
    reply: str
    reason: str


class ConnectionClosed(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="connection.closed"
):
    """A client's connection has ended."""

    session: str
    listener: str
    client: str
    reason: str  # "quit", "lost", "time-out: command", "too many errors", ...
    messages: int = 0
    seconds: float = 0.0


class TlsNegotiated(Event, frozen=True, kw_only=True, omit_defaults=True, tag="tls.negotiated"):
    """A client has negotiated TLS."""

    session: str
    version: str
    cipher: str
    client_certificate: str = ""  # the subject of the client's certificate, if it verified


class CertificateFetched(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="certificate.fetched"
):
    """A CA has issued a certificate; listeners use it from now on."""

    name: str  # in the configuration
    names: list[str]  # the host names


class CertificateNotFetched(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="certificate.not_fetched"
):
    """A CA did not issue a certificate; the request is retried later."""

    name: str
    reason: str
    next_attempt_at: float


class CertificateExpires(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="certificate.expires"
):
    """A certificate of a listener expires soon, or has expired."""

    path: str
    expires_at: float
    days: int  # left; negative: it has expired


class DkimKeyChanged(Event, frozen=True, kw_only=True, omit_defaults=True, tag="dkim.key"):
    """The node has created a DKIM key, or moved one to its next state."""

    domain: str
    name: str  # the name of its DNS record
    state: str  # as `pillarbox dkim list` has it
    record: list[str] = field(default_factory=list)  # to publish now, as lines of a zone file


class CommandRefused(Event, frozen=True, kw_only=True, omit_defaults=True, tag="command.refused"):
    """A command got a 4xx or 5xx reply that no other event reports."""

    session: str
    command: str  # the verb, or the escaped start of what was sent instead of one
    reply: str


class FailureChosen(Event, frozen=True, kw_only=True, omit_defaults=True, tag="sandbox.failure"):
    """A listener of a sandbox fails on purpose."""

    session: str
    stage: str  # where it was decided: connect, helo, ..., rcpt, data, dot
    what: str  # such as "waits 5 s, says 451 4.3.0 ..., closes the connection"
    why: str  # the rule, or that the address requests it


class AuthAccepted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="auth.accepted"):
    """A client has logged in."""

    session: str
    client: str
    mechanism: str
    identity: str
    credential: str = ""  # its name in the store, if it is from there
    source: str = ""  # the user source: "store", "file", a name of [auth_source.NAME]


class AuthRefused(Event, frozen=True, kw_only=True, omit_defaults=True, tag="auth.refused"):
    """A client failed to log in."""

    session: str
    client: str
    mechanism: str
    identity: str  # as claimed; hidden if it could be a misplaced secret
    reason: str  # for the operator, in words; the client is never told
    cause: str = ""  # a value of ``pillarbox.policy.autopsy.Cause``
    credential: str = ""  # the credential that the secret matched or nearly matched
    changed_at: float | None = None  # when it was rotated or revoked, or expired
    helo: str = ""
    listener: str = ""


class RecipientRefused(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.refused"
):
    """A RCPT command was refused."""

    session: str
    client: str
    sender: str
    recipient: str
    reply: str
    reason: str


class CheckRuled(Event, frozen=True, kw_only=True, omit_defaults=True, tag="check.ruled"):
    """The result of a check (a block list, a hook, sender authentication)."""

    session: str
    check: str
    ruling: str  # "note", "hold", "defer" or "refuse"
    reason: str
    message: str = ""  # its id, once it has one
    reply: str = ""
    evidence: list[str] = field(default_factory=list)
    finding: str = ""  # its code


class SenderRefused(Event, frozen=True, kw_only=True, omit_defaults=True, tag="sender.refused"):
    """A MAIL command was refused by the relay policy."""

    session: str
    client: str
    sender: str
    reply: str
    reason: str  # the rule
    identity: str = ""  # who authenticated, "" for nobody


class MessageJudged(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.judged"):
    """A message from outside was authenticated: its sender, and its author domain's policy."""

    message: str
    session: str
    client: str
    author: str  # the domain of From that decided
    spf: str  # the result and the domain that was checked
    dkim: list[str]  # of each signature: the result, its domain, its selector
    dmarc: str
    disposition: str  # what the domain owner requests
    arc: str
    ruling: str  # what we do
    reasons: list[str] = field(default_factory=list)


class MessageRefused(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.refused"):
    """A message was refused after its content, or before it because of its announced properties."""

    session: str
    client: str
    sender: str
    recipients: list[str]
    reply: str
    reason: str


class MessageAccepted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.accepted"):
    """A message is on disk, and its acceptance was confirmed to the client."""

    message: str
    session: str
    listener: str
    client: str
    sender: str
    recipients: list[str]
    size: int
    message_id: str = ""
    identity: str = ""
    helo: str = ""
    tls: str = ""


# --- delivering --------------------------------------------------------------------


class AttemptMade(Event, frozen=True, kw_only=True, omit_defaults=True, tag="attempt.made"):
    """A delivery was attempted; with the whole conversation, except bodies and secrets."""

    message: str
    recipients: list[str]
    route: str
    host: str = ""
    address: str = ""
    source: str = ""
    tls: str = ""
    seconds: float = 0.0
    conversation: list[str] = field(default_factory=list)  # "> MAIL FROM:<a@b>", "< 250 ..."


class _Result(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The result of an attempt for one recipient."""

    message: str
    recipient: str
    sender: str = ""
    route: str = ""
    host: str = ""
    address: str = ""
    reply: str = ""
    attempt: int = 0
    delay: float = 0.0  # seconds since the message was accepted


class RecipientDelivered(
    _Result, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.delivered"
):
    """The peer has accepted the message for this recipient."""


class RecipientDeferred(
    _Result, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.deferred"
):
    """A temporary failure; it will be retried."""

    next_attempt_at: float = 0.0
    stage: str = ""
    reason: str = ""


class RecipientUncertain(
    _Result, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.uncertain"
):
    """The final dot was sent and no reply came: the message may have arrived."""

    next_attempt_at: float | None = None


class RecipientBounced(
    _Result, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.bounced"
):
    """A permanent failure; the sender is notified unless it asked not to be."""

    stage: str = ""
    reason: str = ""


class RecipientHeld(Event, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.held"):
    """A recipient is held until an operator releases it."""

    message: str
    recipient: str
    reason: str


class RecipientReleased(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.released"
):
    """A held recipient is queued again."""

    message: str
    recipient: str


class RecipientRetried(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.retried"
):
    """An operator made a recipient due now."""

    message: str
    recipient: str


class RecipientCanceled(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="recipient.canceled"
):
    """An operator canceled a recipient; the sender is not notified."""

    message: str
    recipient: str


class DsnCreated(Event, frozen=True, kw_only=True, omit_defaults=True, tag="dsn.created"):
    """A delivery status notification was queued (RFC 3464)."""

    message: str  # the message that it reports on
    dsn: str  # its own id
    recipient: str  # who is notified
    action: str  # failed, delayed, delivered, relayed, expanded


class MessageDamaged(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.damaged"):
    """A stored body does not match its checksum; the message is held."""

    message: str
    reason: str


class SiteBackedOff(Event, frozen=True, kw_only=True, omit_defaults=True, tag="site.backed_off"):
    """A site is in backoff."""

    site: str
    reason: str
    seconds: float


class SiteRecovered(Event, frozen=True, kw_only=True, omit_defaults=True, tag="site.recovered"):
    """A site accepts mail again."""

    site: str


ALL_EVENTS: Final[tuple[type[Event], ...]] = tuple(
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in {Event, _Result}
)
"""Every event type."""
