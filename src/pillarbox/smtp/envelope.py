"""The envelope: a message's sender, its recipients, and the requested transport options.

RFC 5321 §2.3.1; parameters of RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 3030 (BINARYMIME), RFC 6531
(SMTPUTF8), RFC 3461 (DSN) and RFC 8689 (REQUIRETLS).
"""

from __future__ import annotations

from enum import Enum, Flag, auto

from msgspec import Struct

from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = ["BodyType", "Envelope", "Notify", "Recipient", "Ret", "TlsRequired"]


class BodyType(Enum):
    """What kind of octets the content holds (RFC 6152 §3, RFC 3030 §3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"
    BINARY_MIME = "BINARYMIME"


class Ret(Enum):
    """How much of the message a failure notification returns (RFC 3461 §4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(Flag):
    """When the sender wants to be notified about a recipient (RFC 3461 §4.1)."""

    NEVER = auto()
    SUCCESS = auto()
    FAILURE = auto()
    DELAY = auto()


class TlsRequired(Enum):
    """Whether the sender wants TLS all the way (RFC 8689)."""

    BY_POLICY = ""  # as the route and the destination ask
    YES = "yes"  # REQUIRETLS: verified TLS at every hop, or a bounce (§2)
    NO = "no"  # TLS-Required: No: delivery matters more than the destination's policy (§3)


class Recipient(Struct, frozen=True, gc=False):
    """One forward-path with its DSN parameters.

    ``notify`` is None where the client did not say, which means failure and, if the
    server likes, delay (RFC 3461 §4.1). ``original`` is ORCPT as it is to be passed
    on, address type and xtext included, such as ``rfc822;Bob@example.org`` (§4.2).
    """

    address: Mailbox
    notify: Notify | None = None
    original: str | None = None


class Envelope(Struct, frozen=True, gc=False, kw_only=True):
    """The envelope of a mail transaction."""

    reverse_path: ReversePath
    recipients: tuple[Recipient, ...]
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envelope_id: str | None = None  # ENVID, decoded from xtext (RFC 3461 §4.4)
    tls_required: TlsRequired = TlsRequired.BY_POLICY
