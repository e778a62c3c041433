"""Mailpit's API: a message submitted as JSON."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from binascii import Error as BinasciiError
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Final

from fastapi import Request, Response
from msgspec import Struct, field

from pillarbox.api.answers import json_answer
from pillarbox.api.mailpit.reading import describes, read_body
from pillarbox.api.serving import TheSandbox
from pillarbox.errors import PermanentError
from pillarbox.message.composed import broken_field
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.ids import show_id
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router, takes_body
from pillarbox.web.settings import MIB

__all__ = ["Message", "compose", "router"]

router = Router(tags=["Mailpit: messages"])

_LARGEST: Final = 40 * MIB  # 25 MiB of attachments in base64, and some text
_ERROR: Final = {"description": "It says why in `Error`.", "content": {"application/json": {}}}
_ASIDE: Final = 32 * 1024  # characters
_PIECE: Final = 1024 * 1024  # characters that are decoded while all other threads wait; in fours
_FIELD_NAME: Final = re.compile(r"[!-9;-~]{1,100}")  # RFC 5322 §3.6.8
_LINE_END: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Controls, and whatever some program takes for the end of a line."""
_BROKEN: Final = "a field cannot contain a line end or control character"
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9.+_-]{1,60}/[A-Za-z0-9.+_-]{1,100}")
_RESERVED: Final = frozenset(
    {
        "to",
        "from",
        "cc",
        "bcc",
        "reply-to",
        "date",
        "subject",
        "content-type",
        "mime-version",
        "x-tags",
    }
)


class _Person(Struct, frozen=True, rename="pascal"):
    email: str = ""
    name: str = ""


class _File(
    Struct,
    frozen=True,
    rename={
        "content_id": "ContentID",
        "content_type": "ContentType",
        "content": "Content",
        "filename": "Filename",
    },
):
    content: str = ""
    filename: str = ""
    content_type: str = ""
    content_id: str = ""


class Message(
    Struct,
    frozen=True,
    rename={
        "sender": "From",
        "to": "To",
        "cc": "Cc",
        "bcc": "Bcc",
        "reply_to": "ReplyTo",
        "subject": "Subject",
        "text": "Text",
        "html": "HTML",
        "headers": "Headers",
        "tags": "Tags",
        "attachments": "Attachments",
    },
):
    """A message in parts."""

    sender: _Person = _Person()
    to: list[_Person] = field(default_factory=list)
    cc: list[_Person] = field(default_factory=list)
    bcc: list[str] = field(default_factory=list)
    reply_to: list[_Person] = field(default_factory=list)
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    attachments: list[_File] = field(default_factory=list)


@router.post(
    "/send", summary="Send a message", responses={"4XX": _ERROR}, openapi_extra=describes(Message)
)
@takes_body(_LARGEST)
async def send(request: Request, sandbox: TheSandbox) -> Response:
    """Take a message in as if it had come by SMTP."""
    body = await read_body(request, Message)
    recipients = [person.email for person in (*body.to, *body.cc)] + body.bcc
    message = await sandbox.ingest(
        await asyncio.to_thread(compose, body) if _is_large(body) else compose(body),
        reverse_path=body.sender.email,
        recipients=recipients,
        project=request.path_params.get("project"),
    )
    return json_answer({"ID": show_id(message)})


def _is_large(body: Message) -> bool:
    """Whether it takes so long to put together that others would wait."""
    return bool(body.attachments) or len(body.text) + len(body.html) > _ASIDE


def compose(body: Message) -> bytes:
    """Return the message that was given in parts.

    Raises:
        Problem: A value cannot stand where it should (400).
    """
    addresses = [person.email for person in (body.sender, *body.to, *body.cc, *body.reply_to)]
    is_ascii = all(address.isascii() for address in addresses)
    message = EmailMessage(policy=SMTP if is_ascii else SMTPUTF8)
    message["From"] = _address(body.sender, "From")
    for name, people in (("To", body.to), ("Cc", body.cc), ("Reply-To", body.reply_to)):
        if people:
            message[name] = [_address(person, name) for person in people]
    message["Subject"] = _one_line(body.subject, "Subject")
    if body.tags:
        message["X-Tags"] = _one_line(", ".join(body.tags), "Tags")
    for name, value in body.headers.items():
        if name.lower() in _RESERVED:
            raise Problem(400, f'cannot overwrite header: "{name}"')
        if not _FIELD_NAME.fullmatch(name):
            raise Problem(400, f"Headers: {name!r} is not a field name")
        message[name] = _one_line(value, f"Headers: {name}")
    message.set_content(body.text)
    if body.html:
        message.add_alternative(body.html, subtype="html")
    for each in body.attachments:
        _attach(message, each)
    if broken := broken_field(message):
        raise Problem(400, f"{broken}: {_BROKEN}")
    return message.as_bytes()


def _attach(message: EmailMessage, file: _File) -> None:
    encoded = file.content.rpartition(",")[2]  # a data: URL is what browsers make of a file
    try:
        content = b"".join(
            b64decode(encoded[start : start + _PIECE], validate=True)
            for start in range(0, len(encoded), _PIECE)
        )
    except (BinasciiError, ValueError):
        raise Problem(400, f"Attachments: {file.filename!r} is not base64") from None
    kind = file.content_type or "application/octet-stream"
    if not _MEDIA_TYPE.fullmatch(kind.partition(";")[0].strip()):
        raise Problem(400, f"Attachments: {file.content_type!r} is not a media type")
    main, _, sub = kind.partition(";")[0].strip().partition("/")
    name = _one_line(file.filename, "Attachments: Filename")
    if file.content_id:
        cid = f"<{_one_line(file.content_id, 'Attachments: ContentID').strip('<>')}>"
        message.add_attachment(
            content, maintype=main, subtype=sub, filename=name, disposition="inline", cid=cid
        )
    else:
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)


def _address(person: _Person, field_name: str) -> Address:
    try:
        mailbox = parse_mailbox(person.email)
        return Address(
            _one_line(person.name, field_name), username=mailbox.local_part, domain=mailbox.domain
        )
    except (PermanentError, ValueError, MessageError):
        raise Problem(400, f"invalid {field_name} address: {person.email}") from None


def _one_line(text: str, where: str) -> str:
    if _LINE_END.search(text):
        raise Problem(400, f"{where}: {_BROKEN}")
    return text
