"""Writes the commands of a mail transaction (RFC 5321 §4.1.1.2, §4.1.1.3).

No value can end its command early: an address with characters that RFC 5321 does not allow on the
wire is not written at all, and a parameter that cannot be encoded is left out.
"""

from __future__ import annotations

import re
from typing import Final

from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.client_extensions import Extensions
from pillarbox.smtp.envelope import BodyType, Envelope, Notify, Recipient, TlsRequired

__all__ = ["mail_command", "rcpt_command", "wire_path", "xtext"]

# Nearly every address matches this and needs no closer look.
_PLAIN_LOCAL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
)
_PLAIN_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]+")
# Control characters (C0, DEL, C1), line separators and surrogates, in quotes or not.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 6531 §3.3: U-labels; what else could end a path or start a parameter is left out.
_NAME: Final = re.compile(r"[^\s\x00-\x20\x7f<>()\[\]\\,;:@\"]+")
_LITERAL: Final = re.compile(r"\[[!-Z^-~]+\]")  # RFC 5321 §4.1.3
# RFC 3461 §4.2: addr-type ";" xtext.
_ORIGINAL: Final = re.compile(r"[!-<>-~]+;[!-~]+")
_NOT_XTEXT: Final = re.compile(r"[^!-*,-<>-~]")  # RFC 3461 §4


def xtext(text: str) -> str | None:
    """Return ``text`` as xtext (RFC 3461 §4), None if it is not ASCII."""
    if not text.isascii():
        return None
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def wire_path(mailbox: ReversePath, *, smtputf8: bool = False) -> str | None:
    """Return a path with its angle brackets, None for an address that cannot be written.

    Args:
        mailbox: The address; None is the null reverse-path.
        smtputf8: Whether the command may contain UTF-8 (RFC 6531 §3.4). Without it a domain is
            written in A-labels, and a local part beyond ASCII cannot be written at all.
    """
    if mailbox is None:
        return "<>"
    local, domain = mailbox.local_part, mailbox.domain
    if not (_PLAIN_LOCAL.fullmatch(local) and _PLAIN_DOMAIN.fullmatch(domain)):
        if not smtputf8 and not domain.isascii():
            domain = mailbox.ascii_domain
        if not _is_writable(local, domain, smtputf8=smtputf8):
            return None
        return f"<{Mailbox(local, domain)}>"
    return f"<{local}@{domain}>"


def _is_writable(local: str, domain: str, *, smtputf8: bool) -> bool:
    if _FORBIDDEN.search(local) or _FORBIDDEN.search(domain):
        return False
    if not smtputf8 and not (local.isascii() and domain.isascii()):
        return False
    if not domain:
        return local.lower() == "postmaster"  # RFC 5321 §4.5.1
    return bool(_NAME.fullmatch(domain) or _LITERAL.fullmatch(domain))


def mail_command(
    envelope: Envelope, path: str, size: int, offered: Extensions, *, smtputf8: bool, has_8bit: bool
) -> bytes:
    """Return MAIL with the parameters that the server takes.

    Args:
        envelope: What was asked for.
        path: The reverse-path, from ``wire_path``.
        size: Octets of the content.
        offered: The server's extensions.
        smtputf8: Whether the transaction is an internationalized one.
        has_8bit: Whether the content holds octets over 127.
    """
    command = f"MAIL FROM:{path}"
    if offered.takes_size:
        command += f" SIZE={size}"  # RFC 1870 §6
    if offered.eight_bit_mime and (has_8bit or envelope.body is BodyType.EIGHT_BIT_MIME):
        command += " BODY=8BITMIME"  # RFC 6152 §3
    if smtputf8:
        command += " SMTPUTF8"  # RFC 6531 §3.4
    if envelope.tls_required is TlsRequired.YES and offered.requiretls:
        command += " REQUIRETLS"  # RFC 8689 §2
    if offered.dsn:
        if envelope.ret is not None:
            command += f" RET={envelope.ret.value}"  # RFC 3461 §4.3
        if envelope.envelope_id and (encoded := xtext(envelope.envelope_id)):
            command += f" ENVID={encoded}"  # RFC 3461 §4.4
    return f"{command}\r\n".encode()


def rcpt_command(recipient: Recipient, path: str, offered: Extensions) -> bytes:
    """Return RCPT with its DSN parameters where the server takes them (RFC 3461 §4.1, §4.2)."""
    command = f"RCPT TO:{path}"
    if offered.dsn:
        if recipient.notify is not None:
            command += f" NOTIFY={_notify(recipient.notify)}"
        if recipient.original and _ORIGINAL.fullmatch(recipient.original):
            command += f" ORCPT={recipient.original}"
    return f"{command}\r\n".encode()


def _notify(notify: Notify) -> str:
    # RFC 3461 §4.1: NEVER stands alone.
    if not notify or Notify.NEVER in notify:
        return "NEVER"
    return ",".join(
        flag.name or "" for flag in (Notify.SUCCESS, Notify.FAILURE, Notify.DELAY) if flag in notify
    )
