"""Decides, before a word is said, what of a message can be sent to a server as it is.

Nothing is converted here: where the server lacks what the message needs, the recipients
fail with a reply of our own (RFC 6152 §3, RFC 6531 §3.2, RFC 1870 §6.1, RFC 8689 §4.2.1).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.client_commands import mail_command, rcpt_command, wire_path
from pillarbox.smtp.client_extensions import Extensions
from pillarbox.smtp.client_outcome import RecipientOutcome, Stage
from pillarbox.smtp.envelope import BodyType, Envelope, TlsRequired
from pillarbox.smtp.line_ends import has_only_crlf
from pillarbox.smtp.reply import Reply

__all__ = ["BARE_LINE_END", "NO_REQUIRETLS", "Plan", "plan"]


def _local(stage: Stage, code: int, enhanced: str, text: str) -> RecipientOutcome:
    return RecipientOutcome(
        is_delivered=False, stage=stage, reply=Reply.of(code, enhanced, text), is_local=True
    )


_NO_8BIT: Final = _local(
    Stage.MAIL, 554, "5.6.3", "The content has 8-bit octets, which the next server does not take"
)
_NO_BINARY: Final = _local(
    Stage.MAIL, 554, "5.6.3", "The content is BINARYMIME, which is not passed on"
)
_NO_UTF8: Final = _local(
    Stage.MAIL, 550, "5.6.7", "The message needs SMTPUTF8, which the next server does not offer"
)
_NO_UTF8_RECIPIENT: Final = _local(
    Stage.RECIPIENT, 550, "5.6.7", "The address needs SMTPUTF8, which the next server lacks"
)
NO_REQUIRETLS: Final = _local(
    Stage.MAIL, 550, "5.7.30", "The message asks for REQUIRETLS, which the next server lacks"
)
_BAD_SENDER: Final = _local(Stage.MAIL, 553, "5.1.7", "The sender's address cannot be written")
_BAD_RECIPIENT: Final = _local(
    Stage.RECIPIENT, 553, "5.1.3", "The recipient's address cannot be written"
)
BARE_LINE_END: Final = _local(
    Stage.DATA, 554, "5.6.0", "The content has a CR or LF that is not a line end"
)


class Plan(Struct, frozen=True, gc=False):
    """The commands of a transaction, and the recipients that fail without asking the server.

    ``recipients`` are indexes into the envelope, in the order of ``commands``.
    """

    mail: bytes
    commands: tuple[bytes, ...]
    recipients: tuple[int, ...]
    outcomes: tuple[RecipientOutcome | None, ...]


def plan(
    envelope: Envelope,
    size: int,
    offered: Extensions,
    *,
    has_8bit: bool,
    octets: bytes | None,
    is_lmtp: bool = False,
) -> Plan:
    """Return what is to be said for a message.

    Args:
        envelope: Who it is from and for.
        size: Octets of the content (RFC 1870 §3).
        offered: The server's extensions.
        has_8bit: Whether the content holds octets over 127.
        octets: The content, if it is in memory; its line ends are checked.
        is_lmtp: Whether the server is the mail store, where the way ends (RFC 8689 §4.4).
    """
    if envelope.tls_required is TlsRequired.YES and not (offered.requiretls or is_lmtp):
        return Plan(b"", (), (), (NO_REQUIRETLS,) * len(envelope.recipients))
    refusal = _refusal(envelope, size, offered, has_8bit=has_8bit, octets=octets)
    if refusal is not None:
        return Plan(b"", (), (), (refusal,) * len(envelope.recipients))
    smtputf8 = offered.smtputf8 and _needs_smtputf8(envelope)
    path = wire_path(envelope.reverse_path, smtputf8=smtputf8)
    if path is None:
        return Plan(b"", (), (), (_BAD_SENDER,) * len(envelope.recipients))
    mail = mail_command(envelope, path, size, offered, smtputf8=smtputf8, has_8bit=has_8bit)
    commands: list[bytes] = []
    numbers: list[int] = []
    outcomes: list[RecipientOutcome | None] = []
    for number, recipient in enumerate(envelope.recipients):
        target = wire_path(recipient.address, smtputf8=smtputf8)
        if target is not None:
            commands.append(rcpt_command(recipient, target, offered))
            numbers.append(number)
            outcomes.append(None)
        elif recipient.address.needs_smtputf8 and not smtputf8:
            outcomes.append(_NO_UTF8_RECIPIENT)
        else:
            outcomes.append(_BAD_RECIPIENT)
    return Plan(mail, tuple(commands), tuple(numbers), tuple(outcomes))


def _needs_smtputf8(envelope: Envelope) -> bool:
    return (
        envelope.smtputf8
        or _is_internationalized(envelope.reverse_path)
        or any(not recipient.address.local_part.isascii() for recipient in envelope.recipients)
    )


def _is_internationalized(path: ReversePath) -> bool:
    return path is not None and path.needs_smtputf8


def _refusal(
    envelope: Envelope, size: int, offered: Extensions, *, has_8bit: bool, octets: bytes | None
) -> RecipientOutcome | None:
    """Return why no recipient at all can be served, None if some can."""
    # RFC 6531 §3.2: a header in UTF-8 cannot be told from here, so the flag decides.
    if not offered.smtputf8 and (envelope.smtputf8 or _is_internationalized(envelope.reverse_path)):
        return _NO_UTF8
    if envelope.body is BodyType.BINARY_MIME:
        return _NO_BINARY
    if has_8bit and not offered.eight_bit_mime:
        return _NO_8BIT
    if offered.max_size is not None and size > offered.max_size:
        return _local(
            Stage.MAIL,
            552,
            "5.3.4",
            f"The content has {size} octets; the next server takes {offered.max_size}",
        )
    # Some servers would take a lone CR or LF for the end of the content.
    if octets is not None and not has_only_crlf(octets):
        return BARE_LINE_END
    return None
