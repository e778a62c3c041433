"""The message that ``pillarbox send`` makes of its options.

Python's ``email`` package builds the parts and the fields that everybody has; fields that a person
gives are written as they are given. What could break out of its field (a line end or another
control character, in an address, a subject, a name of a file) is refused with the option's name,
and the finished message is read back: it says who it is from and for, or it is not sent.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.message.address_list import Address, parse_address_list
from pillarbox.message.composed import broken_field
from pillarbox.message.identification import make_message_id
from pillarbox.message.mail import read_mail
from pillarbox.message.trace import format_date

__all__ = ["Draft", "DraftInvalid", "build_message", "read_addresses", "read_field"]

_CONTROLS: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FIELD: Final = re.compile(r"([!-9;-~]{1,76}):[ \t]*(.*)", re.DOTALL)
_MADE: Final = ("content-", "mime-version")
_BCC: Final = frozenset({"bcc", "resent-bcc"})
_LINE: Final = 78  # RFC 5322 §2.1.1: lines should not be longer
_LONGEST_LINE: Final = 998
_UNKNOWN: Final = "application/octet-stream"


class DraftInvalid(PermanentError):  # noqa: N818 - reads as what it says
    """An option's value cannot stand in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the message is to say."""

    author: Address
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Path, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()  # names and values; they go before those made here

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address in its header can be written in UTF-8 only (RFC 6531)."""
        everybody = (self.author, *self.to, *self.cc)
        return any(each.mailbox.needs_smtputf8 for each in everybody)


def read_addresses(option: str, values: tuple[str, ...]) -> tuple[Address, ...]:
    """Return the addresses of an option, which may stand in one value with commas between.

    Raises:
        DraftInvalid: One of them is no address.
    """
    addresses: list[Address] = []
    for value in values:
        _check(option, value)
        found = parse_address_list(value.encode())
        if found.error or not found.addresses:
            why = found.error or "no address"
            raise DraftInvalid(f"{option} {value!a}: {why}")
        addresses += found.addresses
    return tuple(addresses)


def read_field(text: str) -> tuple[str, str]:
    """Return the name and the value of a field that is given as ``Name: value``.

    Raises:
        DraftInvalid: It is no field, or one that only the message's parts may have.
    """
    _check("--header", text)
    found = _FIELD.fullmatch(text)
    if found is None:
        raise DraftInvalid(f"--header {text[:60]!a}: write it as 'Name: value'")
    name, value = found[1], found[2].strip()
    if name.lower().startswith(_MADE):
        raise DraftInvalid(f"--header {name}: it is made from the parts of the message")
    if name.lower() in _BCC:
        raise DraftInvalid(f"--header {name}: everybody would read it; use --bcc")
    return name, value


def build_message(draft: Draft, *, now: float, unique: str, hostname: str) -> bytes:
    """Return the message with CRLF line ends.

    Args:
        draft: What it says.
        now: Seconds since 1970, for Date.
        unique: What makes its Message-ID unlike any other.
        hostname: The machine's name, for the same.

    Raises:
        DraftInvalid: It cannot be written; the message says which option is why.
    """
    _check("--subject", draft.subject)
    is_utf8 = draft.needs_smtputf8
    message = EmailMessage(policy=(SMTPUTF8 if is_utf8 else SMTP).clone(cte_type="7bit"))
    given = {name.lower() for name, _ in draft.fields}
    try:
        fields = {
            "From": _written(draft.author),
            "To": ", ".join(map(_written, draft.to)),
            "Cc": ", ".join(map(_written, draft.cc)),
            "Subject": draft.subject,
            "Date": format_date(now),
            "Message-ID": make_message_id(unique, hostname).decode(),
        }
        for name, value in fields.items():
            if value and name.lower() not in given:
                message[name] = value
        _add_contents(message, draft)
        if broken := broken_field(message):
            raise DraftInvalid(f"{broken}: an encoded word in it would end the field")
        octets = message.as_bytes()
        octets += b"" if octets.endswith(b"\r\n") else b"\r\n"
    except (ValueError, IndexError, LookupError, MessageError) as error:
        raise DraftInvalid(f"the message cannot be written: {error}") from None
    octets = b"".join(_lines(draft.fields, is_utf8=is_utf8)) + octets
    _read_back(octets, draft, given)
    return octets


def _check(option: str, text: str) -> None:
    """Refuse what would end a field, or steer who reads it."""
    found = _CONTROLS.search(text)
    if found is not None:
        raise DraftInvalid(
            f"{option}: a control character (U+{ord(found[0]):04X}) is in {text[:60]!a}"
        )


def _written(address: Address) -> str:
    mailbox = address.mailbox
    return str(HeaderAddress(address.name, mailbox.local_part, mailbox.ascii_domain))


def _add_contents(message: EmailMessage, draft: Draft) -> None:
    """Add the texts and the files."""
    if draft.text is not None or draft.html is None:
        message.set_content(draft.text or "")
        if draft.html is not None:
            message.add_alternative(draft.html, subtype="html")
    else:
        message.set_content(draft.html, subtype="html")
    for path in draft.attachments:
        _check("--attach", path.name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DraftInvalid(f"--attach {path}: {error.strerror}") from None
        kind, encoding = mimetypes.guess_type(path.name)
        # A packed file is no text, and a message would have to be taken apart to be attached.
        is_plain = kind is not None and encoding is None and not kind.startswith("message/")
        main, _, sub = (kind if kind is not None and is_plain else _UNKNOWN).partition("/")
        message.add_attachment(content, main, sub, filename=path.name)
    for part in message.walk():
        if part is not message:
            del part["MIME-Version"]  # RFC 2045 §4: parts need none


def _lines(fields: tuple[tuple[str, str], ...], *, is_utf8: bool) -> Iterator[bytes]:
    """Give the fields of the options, folded where they have blanks (RFC 5322 §2.2.3)."""
    for name, value in fields:
        if value.isascii() or is_utf8:
            yield _folded(name, value)
        else:
            text = Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
            yield f"{name}: {text}\r\n".encode()


def _folded(name: str, value: str) -> bytes:
    lines = [f"{name}:"]
    for word in value.split(" "):
        is_full = len(lines[-1]) + 1 + len(word) > _LINE and lines[-1].strip() != f"{name}:"
        if is_full and word:
            lines.append("")
        lines[-1] += f" {word}"
    if any(len(line.encode()) > _LONGEST_LINE for line in lines):
        raise DraftInvalid(f"--header {name}: a line of it would be too long (RFC 5322 §2.1.1)")
    return "\r\n".join(lines).encode() + b"\r\n"


def _read_back(octets: bytes, draft: Draft, given: set[str]) -> None:
    """Make sure that the message names those whom it should name, and nobody else."""
    mail = read_mail(octets)
    for name, found, wanted in (
        ("from", mail.from_, (draft.author,)),
        ("to", mail.to, draft.to),
        ("cc", mail.cc, draft.cc),
    ):
        asked = [f"{each.mailbox.local_part}@{each.mailbox.ascii_domain}" for each in wanted]
        written = [each.address.replace('"', "").replace("\\", "") for each in found]
        bare = [each.replace('"', "").replace("\\", "") for each in asked]
        if name not in given and written != bare:
            raise DraftInvalid(f"--{name}: it cannot be written in a message")
