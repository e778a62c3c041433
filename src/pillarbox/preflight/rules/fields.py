"""Rules for header fields (RFC 5322 §3.6, RFC 6854, RFC 2047)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from pillarbox.findings import Level
from pillarbox.message.address_list import parse_address_list
from pillarbox.message.people import read_people
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.hosts import is_example, is_internal, organization
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES"]

_one: Final = partial(judged, Aspect.HEADERS)

_ONCE: Final = (
    "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references",
    "subject", "date",
)  # fmt: skip
_MESSAGE_ID: Final = re.compile(rb"<[^<>@\s]+@(\[[^\[\]\s]+\]|[^<>@\s\[\]]+)>")
_MAX_LINE: Final = 998  # RFC 5322 §2.1.1
_NO_REPLY: Final = re.compile(r"(?:do[-_.]?)?not?[-_.]?reply", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
_SHOWN: Final = 120


def _from(letter: Letter) -> Iterator[Judged]:
    value = letter.header.get(b"from")
    if value is None:
        yield _one(
            Level.ERROR,
            101,
            "There is no From field",
            "Every message needs one (RFC 5322 §3.6); Gmail and others reject messages without it.",
            "Set From: to the author's address.",
            tenths=30,
        )
        return
    found = parse_address_list(value)
    if found.error or not found.addresses:
        yield _one(
            Level.ERROR,
            102,
            "The From field cannot be read",
            "Receivers cannot tell who wrote the message, DMARC cannot pass, and many reject it.",
            'Write it as: From: "Name" <name@your-domain>',
            tenths=20,
            evidence=(
                f"From: {letter.field(b'from')}"[:_SHOWN],
                *([found.error] * bool(found.error)),
            ),
        )
        return
    if len(found.addresses) > 1 and b"sender" not in letter.header:
        yield _one(
            Level.WARNING,
            103,
            f"From names {len(found.addresses)} authors, and there is no Sender",
            "Sender is then required (RFC 5322 §3.6.2), and many receivers reject more than one "
            "author.",
            "Name one author in From.",
            tenths=10,
            evidence=(f"From: {letter.field(b'from')}"[:_SHOWN],),
        )
    yield from _author(letter, str(found.addresses[0].mailbox))


def _author(letter: Letter, address: str) -> Iterator[Judged]:
    domain = address.rpartition("@")[2]
    shown = f"From: {letter.field(b'from')}"[:_SHOWN]
    name = read_people(letter.header.get(b"from") or b"")[0].name.strip()
    if is_internal(domain):
        yield _one(
            Level.WARNING,
            104,
            f"The author's domain {domain} does not exist on the internet",
            "Nobody can reply, and receivers reject authors whose domain has no mail server.",
            "Use an address in a domain of your own.",
            tenths=5,
            evidence=(shown,),
        )
    if _NO_REPLY.search(address.partition("@")[0]):
        yield _one(
            Level.NOTE,
            105,
            "The author's address asks readers not to reply",
            "Readers have questions, and mail providers trust senders more when people reply to "
            "them.",
            "Put a mailbox that somebody reads in From or in Reply-To.",
            evidence=(shown,),
        )
    if not name:
        yield _one(
            Level.NOTE,
            106,
            "The author has no display name",
            "Readers see only the bare address in their list.",
            f'Write From: "Your name" <{address}>',
            evidence=(shown,),
        )
    elif (other := _ADDRESS.search(name)) is not None and other[0].lower() != address.lower():
        yield _one(
            Level.WARNING,
            107,
            "The author's display name contains a different address than the author's own",
            "Impostors do this, so filters weigh it heavily.",
            "Remove the address from the display name.",
            tenths=10,
            evidence=(shown,),
        )


def _answers(letter: Letter) -> Iterator[Judged]:
    reply_to, author = letter.header.get(b"reply-to"), letter.header.get(b"from")
    if not reply_to or not author:
        return
    answers, authors = parse_address_list(reply_to), parse_address_list(author)
    if answers.error:
        yield _one(
            Level.WARNING,
            108,
            "The Reply-To field cannot be read",
            "A reply goes to nobody, or to whomever the reader's program guesses.",
            "Write it as: Reply-To: name@your-domain",
            tenths=3,
            evidence=(f"Reply-To: {letter.field(b'reply-to')}"[:_SHOWN],),
        )
    elif answers.mailboxes and authors.mailboxes:
        one, other = (
            organization(str(some.mailboxes[0]).rpartition("@")[2]) for some in (answers, authors)
        )
        if one != other:
            yield _one(
                Level.NOTE,
                109,
                f"Replies go to a different domain ({one}) than the author's ({other})",
                "This is common for help desks and mailing lists, but also for impostors, so some "
                "filters count it.",
                "If this is not intended, leave Reply-To out.",
                evidence=(f"Reply-To: {letter.field(b'reply-to')}"[:_SHOWN],),
            )


def _recipients(letter: Letter) -> Iterator[Judged]:
    header = letter.header
    if not (header.get(b"to") or header.get(b"cc")):
        yield _one(
            Level.WARNING,
            110,
            "No recipient is named: neither To nor Cc",
            "Readers see “undisclosed recipients”, and filters take the message for a mass "
            "mailing.",
            "Put the recipient in To, and send each one a separate message.",
            tenths=3,
        )
    if header.get(b"bcc"):
        yield _one(
            Level.WARNING,
            111,
            "The Bcc field is in the message itself",
            "Every recipient can read who else was sent a copy.",
            "Put hidden recipients in the envelope only (RCPT TO), and leave Bcc out.",
            tenths=5,
            evidence=(f"Bcc: {letter.field(b'bcc')}"[:_SHOWN],),
        )


def _twice(letter: Letter) -> Iterator[Judged]:
    twice = [name for name in _ONCE if letter.header.count(name.encode()) > 1]
    if twice:
        names = ", ".join(name.title() for name in twice)
        yield _one(
            Level.ERROR,
            112,
            f"Fields that may appear only once appear several times: {names}",
            "RFC 5322 §3.6 allows one of each; Gmail rejects such messages with 550 5.7.1.",
            "Set each field once. The usual cause is that a library and your program both set it.",
            tenths=15,
            evidence=tuple(
                f"{name.title()}: {value.decode('utf-8', 'replace')}"[:_SHOWN]
                for name in twice[:3]
                for value in letter.header.get_all(name.encode())[:3]
            ),
        )


def _message_id(letter: Letter) -> Iterator[Judged]:
    value = letter.header.get(b"message-id")
    if not value:
        yield _one(
            Level.WARNING,
            113,
            "There is no Message-ID",
            "Replies cannot be threaded, duplicates cannot be recognized, and filters count it.",
            "Let your mail library create one: <unique@your-domain>. Many relays add it, but not "
            "all.",
            tenths=5,
        )
        return
    found = _MESSAGE_ID.fullmatch(value)
    shown = (f"Message-ID: {letter.field(b'message-id')}"[:_SHOWN],)
    if found is None:
        yield _one(
            Level.WARNING,
            114,
            "The Message-ID is malformed",
            "RFC 5322 §3.6.4 requires <left@right>; Gmail rejects some malformed ones.",
            "Write it as <unique@your-domain>, with both angle brackets.",
            tenths=5,
            evidence=shown,
        )
    elif is_internal(domain := found[1].decode("utf-8", "replace").lower()):
        yield _one(
            Level.NOTE,
            115,
            f"The Message-ID was made on a machine named {domain}",
            "It reveals the name of an internal machine, and may not be unique.",
            "Make it end in a domain of your own.",
            evidence=shown,
        )


def _octets(letter: Letter) -> Iterator[Judged]:
    header = letter.raw[: letter.header.size]
    if not header.isascii():
        line = next((one for one in header.splitlines() if not one.isascii()), b"")
        yield _one(
            Level.WARNING,
            116,
            "The header has non-ASCII characters that are not encoded",
            "Only servers with SMTPUTF8 accept such a message (RFC 6531); elsewhere it is "
            "rejected or garbled.",
            "Encode them as in RFC 2047 (=?UTF-8?…?=); mail libraries do so when given text.",
            tenths=3,
            evidence=(line.decode("utf-8", "replace")[:_SHOWN],),
        )
    longest = max(header.split(b"\n"), key=len, default=b"")
    if len(longest.rstrip(b"\r")) > _MAX_LINE:
        yield _one(
            Level.ERROR,
            117,
            f"A line of the header is {len(longest):,} octets long",
            "At most 998 are allowed (RFC 5322 §2.1.1): servers cut or reject it.",
            "Fold the field: break the line before a space.",
            tenths=10,
            evidence=(longest[:_SHOWN].decode("utf-8", "replace"),),
        )


def _mime(letter: Letter) -> Iterator[Judged]:
    header = letter.header
    if b"content-type" in header and b"mime-version" not in header:
        yield _one(
            Level.WARNING,
            118,
            "There is a Content-Type, but no MIME-Version",
            "Strict mail programs then show the raw text (RFC 2045 §4), and filters count it.",
            "Add MIME-Version: 1.0",
            tenths=3,
        )
    if script := letter.field(b"x-php-originating-script"):
        yield _one(
            Level.NOTE,
            119,
            "The header reveals which PHP script sent the message",
            "It tells attackers about a file on your server.",
            "Set mail.add_x_header = Off in php.ini.",
            evidence=(f"X-PHP-Originating-Script: {script}"[:_SHOWN],),
        )


def _example(letter: Letter) -> Iterator[Judged]:
    author = letter.mail.from_[0].address if letter.mail.from_ else ""
    if author and is_example(author.rpartition("@")[2]):
        yield _one(
            Level.NOTE,
            120,
            "The author's domain is reserved for examples",
            "Fine in a test; receivers reject it.",
            "Use your own domain before it goes out.",
            evidence=(author,),
        )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _from,
    _answers,
    _recipients,
    _twice,
    _message_id,
    _octets,
    _mime,
    _example,
)
