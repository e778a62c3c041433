"""The protocol of the control socket: one JSON object per line, requests in, rows out.

A client sends one request and gets rows until ``Done`` or ``Failure``; then it may send the next.
The types are msgspec structs with a tag; a request with an unknown field or tag is refused, a row
with an additional field is read without it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

__all__ = [
    "MAX_LINE",
    "AddCredential",
    "Backup",
    "BanRow",
    "ChangeQueue",
    "CountQueue",
    "CredentialRow",
    "DestinationRow",
    "Done",
    "EventRow",
    "Failure",
    "FailureRow",
    "Filter",
    "FindingRow",
    "IssuedRow",
    "LiftBan",
    "ListBans",
    "ListCredentials",
    "ListFailures",
    "ListNotes",
    "ListQueue",
    "LoginRow",
    "MessageRow",
    "NoteRow",
    "Pause",
    "RecipientRow",
    "Reload",
    "Request",
    "Resume",
    "RevokeCredential",
    "RotateCredential",
    "Row",
    "SecretRow",
    "ShowLog",
    "ShowMessage",
    "ShowStatus",
    "SprayRow",
    "StatusRow",
    "Stop",
    "SummarizeQueue",
    "TestCredential",
    "Verify",
    "decode_request",
    "decode_row",
    "encode",
]

MAX_LINE: Final = 256 * 1024
"""Octets of a request; it holds at most some thousand message ids."""


# --- requests ----------------------------------------------------------------------


class _Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """A request from an operator."""


class Filter(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Selects recipients; every field that is set must match."""

    messages: list[str] | None = None  # ids as people see them
    recipient: str | None = None
    domain: str | None = None  # of the recipient
    sender: str | None = None  # "" for the null reverse-path
    states: list[str] | None = None  # names of ``RecipientState`` in lower case
    older: float | None = None  # seconds since it was accepted, at least
    newer: float | None = None  # seconds since it was accepted, at most
    message_id: str | None = None  # the Message-ID header, with its angle brackets


class ShowStatus(_Request, frozen=True, kw_only=True, tag="status"):
    """What is the node's status? Answered by one ``StatusRow``."""


class SummarizeQueue(_Request, frozen=True, kw_only=True, tag="queue.summary"):
    """What is waiting for which destination, and for how long? Answered by ``DestinationRow``."""


class ListQueue(_Request, frozen=True, kw_only=True, tag="queue.list"):
    """Which messages are in the queue? Answered by ``MessageRow``, oldest first."""

    filter: Filter = Filter()
    limit: int = 1000  # messages


class CountQueue(_Request, frozen=True, kw_only=True, tag="queue.count"):
    """How many recipients would a change affect? Answered by ``Done``."""

    filter: Filter
    change: str


class ChangeQueue(_Request, frozen=True, kw_only=True, tag="queue.change"):
    """Retry, hold, release or cancel. Answered by ``Done`` with the number of recipients."""

    filter: Filter
    change: str  # a value of ``Change``
    route: str | None = None  # the route to use instead, for retry and release


class ShowMessage(_Request, frozen=True, kw_only=True, tag="queue.show"):
    """What is the state of this message? Answered by one ``MessageRow``."""

    message: str


class ShowLog(_Request, frozen=True, kw_only=True, tag="log"):
    """What happened to it? Answered by a ``MessageRow`` and its ``EventRow`` each.

    ``what`` is a message id, the address of a recipient, or a Message-ID header.
    """

    what: str
    limit: int = 20  # messages, the newest


class Backup(_Request, frozen=True, kw_only=True, tag="backup"):
    """Write a copy of the store to a new file on the node's machine."""

    path: str


class Verify(_Request, frozen=True, kw_only=True, tag="verify"):
    """Is the store intact? Answered by ``FindingRow``."""


class Reload(_Request, frozen=True, kw_only=True, tag="reload"):
    """Reload the configuration and the certificates."""


class Pause(_Request, frozen=True, kw_only=True, tag="pause"):
    """Start no more deliveries; mail is still accepted."""


class Resume(_Request, frozen=True, kw_only=True, tag="resume"):
    """Resume deliveries."""


class Stop(_Request, frozen=True, kw_only=True, tag="stop"):
    """Stop the node as SIGTERM does."""


class AddCredential(_Request, frozen=True, kw_only=True, tag="credential.add"):
    """Add a credential. Answered by one ``IssuedRow``, the only one with the secret."""

    name: str
    kind: str  # a value of ``CredentialKind``
    by: str  # who requests it
    account: str = ""
    password: str = ""  # chosen by a person; "" generates one
    project: str = ""
    is_sandbox: bool = False
    scopes: list[str] = []
    senders: list[str] = []
    expires_in: float | None = None  # seconds
    scram: bool = False
    reversible: bool = False

    def __repr__(self) -> str:
        return f"AddCredential({self.name!r})"  # never the password


class ListCredentials(_Request, frozen=True, kw_only=True, tag="credential.list"):
    """Who may log in? Answered by ``CredentialRow``, by their names."""

    project: str | None = None
    with_revoked: bool = False


class RotateCredential(_Request, frozen=True, kw_only=True, tag="credential.rotate"):
    """Give a credential a new secret. Answered like ``AddCredential``."""

    name: str  # or the visible start of a key
    by: str
    overlap: float = 0.0  # seconds for which the old secret stays valid
    password: str = ""
    scram: bool = False  # a SCRAM verifier for the old secret implies one for the new
    reversible: bool = False

    def __repr__(self) -> str:
        return f"RotateCredential({self.name!r})"  # never the password


class RevokeCredential(_Request, frozen=True, kw_only=True, tag="credential.revoke"):
    """Revoke a credential. Answered by its ``CredentialRow``."""

    name: str
    by: str


class TestCredential(_Request, frozen=True, kw_only=True, tag="credential.test"):
    """Would this login succeed, and if not, why? Answered by one ``LoginRow``."""

    __test__ = False  # not a pytest test

    user: str
    password: str

    def __repr__(self) -> str:
        return f"TestCredential({self.user!r})"  # never the password


class ListFailures(_Request, frozen=True, kw_only=True, tag="auth.failures"):
    """Who fails to log in? Answered by ``FailureRow``, the latest first."""


class ListBans(_Request, frozen=True, kw_only=True, tag="ban.list"):
    """Which clients are banned? Answered by ``BanRow``, after a ``SprayRow`` if there was one."""


class LiftBan(_Request, frozen=True, kw_only=True, tag="ban.lift"):
    """Lift bans. Answered by ``Done`` with the number of bans."""

    client: str  # an address, an IPv6 /64, or "all"


class ListNotes(_Request, frozen=True, kw_only=True, tag="notes.list"):
    """What is in the store besides mail? Answered by ``NoteRow``, in key order."""

    kind: str
    prefix: str = ""  # of their keys


Request = (
    ShowStatus
    | SummarizeQueue
    | ListQueue
    | CountQueue
    | ChangeQueue
    | ShowMessage
    | ShowLog
    | Backup
    | Verify
    | Reload
    | Pause
    | Resume
    | Stop
    | AddCredential
    | ListCredentials
    | RotateCredential
    | RevokeCredential
    | TestCredential
    | ListFailures
    | ListNotes
    | ListBans
    | LiftBan
)


# --- rows --------------------------------------------------------------------------


class _Row(Struct, frozen=True, kw_only=True, tag_field="row"):
    """One row of an answer."""


class StatusRow(_Row, frozen=True, kw_only=True, tag="status"):
    """The status of a node."""

    is_running: bool
    node: str
    version: str
    pid: int = 0
    started_at: float = 0.0  # wall clock
    store: str = ""
    listeners: list[str] = []  # "submission 127.0.0.1:2525"
    connections: int = 0  # open now, from clients
    accepted: int = 0  # messages since the start
    delivered: int = 0  # recipients since the start
    in_flight: int = 0  # recipients being delivered now
    is_paused: bool = False
    queue: dict[str, int] = {}  # recipients by state, without final states
    oldest_accepted_at: float | None = None
    free_octets: int | None = None  # on the store's disk
    problems: list[str] = []  # what needs attention, in sentences
    waits: list[str] = []  # sites in backoff, in sentences; not our fault


class DestinationRow(_Row, frozen=True, kw_only=True, tag="destination"):
    """What is waiting for one destination in one state, by the age of the messages."""

    destination: str
    state: str
    ages: list[int]  # as in ``QueueCount``
    oldest_accepted_at: float


class RecipientRow(Struct, frozen=True, kw_only=True):
    """The state of one recipient."""

    address: str
    state: str
    destination: str
    route: str
    attempts: int
    next_attempt_at: float | None
    last_reply: str


class MessageRow(_Row, frozen=True, kw_only=True, tag="message"):
    """One message with the requested recipients."""

    message: str
    accepted_at: float
    sender: str
    size: int
    message_id: str
    origin: str
    identity: str
    client: str
    bounce_of: str
    recipients: list[RecipientRow]


class EventRow(_Row, frozen=True, kw_only=True, tag="event"):
    """One entry of a message's history."""

    message: str
    event: msgspec.Raw


class FindingRow(_Row, frozen=True, kw_only=True, tag="finding"):
    """One finding (``pillarbox.findings``)."""

    level: int
    code: str
    what: str
    why: str = ""
    fix: str = ""
    evidence: list[str] = []


class SecretRow(Struct, frozen=True, kw_only=True):
    """One secret of a credential, without its verifier."""

    prefix: str
    created_at: float
    created_by: str
    ends_at: float | None
    ended_by: str
    is_former: bool
    has_scram: bool
    is_reversible: bool


class CredentialRow(_Row, frozen=True, kw_only=True, tag="credential"):
    """One credential."""

    name: str
    kind: str
    account: str
    project: str
    is_sandbox: bool
    scopes: list[str]
    senders: list[str]
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None
    revoked_by: str
    last_used_at: float | None
    last_used_from: str
    secrets: list[SecretRow]


class IssuedRow(_Row, frozen=True, kw_only=True, tag="issued"):
    """A new secret, shown only this once."""

    name: str
    kind: str
    user: str  # the user name for logging in
    secret: str  # "" if a person chose it
    prefix: str
    expires_at: float | None
    old_ends_at: float | None  # until when the previous secret stays valid
    is_reversible: bool

    def __repr__(self) -> str:
        return f"IssuedRow({self.name!r})"  # never the secret


class LoginRow(_Row, frozen=True, kw_only=True, tag="login"):
    """The result that a login would have."""

    is_accepted: bool
    source: str
    identity: str = ""
    credential: str = ""
    project: str = ""
    is_sandbox: bool = False
    senders: list[str] = []
    cause: str = ""  # a value of ``pillarbox.policy.autopsy.Cause``
    reason: str = ""
    changed_at: float | None = None


class FailureRow(_Row, frozen=True, kw_only=True, tag="failures"):
    """The refused logins of one application."""

    helo: str
    client: str
    mechanisms: list[str]
    listener: str
    first_at: float
    last_at: float
    count: int
    causes: dict[str, int]  # how often each occurred, the most frequent first
    users: list[str]
    cause: str  # of the last
    reason: str
    credential: str
    changed_at: float | None  # when its credential was rotated or revoked
    recovered_at: float | None


class BanRow(_Row, frozen=True, kw_only=True, tag="ban"):
    """A client that is banned for a while."""

    client: str  # an IPv4 address or an IPv6 /64
    since: float
    until: float
    failures: int
    times: int  # how often it has been banned lately


class SprayRow(_Row, frozen=True, kw_only=True, tag="spray"):
    """The last password spray: attempts on many accounts from many addresses."""

    since: float
    accounts: int
    clients: int
    failures: int


class NoteRow(_Row, frozen=True, kw_only=True, tag="note"):
    """A stored value that is not mail."""

    key: str
    value: msgspec.Raw  # JSON


class Done(_Row, frozen=True, kw_only=True, tag="done"):
    """The answer is complete."""

    count: int = 0  # rows, or what was changed
    text: str = ""


class Failure(_Row, frozen=True, kw_only=True, tag="failure"):
    """It failed; what was done before that is in the rows and in ``count``."""

    text: str
    is_temporary: bool = False
    count: int = 0


Row = (
    StatusRow
    | DestinationRow
    | MessageRow
    | EventRow
    | FindingRow
    | CredentialRow
    | IssuedRow
    | LoginRow
    | FailureRow
    | NoteRow
    | BanRow
    | SprayRow
    | Done
    | Failure
)

encode: Final = msgspec.json.Encoder().encode
"""Return a request or a row as one line, without its line end."""

decode_request: Final = msgspec.json.Decoder(Request).decode
"""Parse a request; raises ``msgspec.MsgspecError`` if malformed."""

decode_row: Final = msgspec.json.Decoder(Row).decode
"""Parse a row; raises ``msgspec.MsgspecError`` if malformed."""
