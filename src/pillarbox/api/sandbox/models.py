"""The models of the native API. Times are RFC 3339 in UTC, sizes octets, names snake_case."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Addressee",
    "Attachment",
    "Codes",
    "Envelope",
    "Event",
    "HeaderField",
    "Links",
    "Message",
    "MessageLink",
    "MessageList",
    "MessageSummary",
    "Node",
    "ProblemDocument",
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ProblemDocument(_Model):
    """An error (RFC 9457)."""

    type: str = Field(examples=["urn:pillarbox:problem:not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no mail '0abc' here."])
    instance: str = Field(examples=["req_0123456789abcdef"])
    code: str = Field(examples=["not_found"], description="Never changes; compare this.")
    hint: str = ""
    errors: list[dict[str, str]] = []


class Addressee(_Model):
    """A person or a role, as a header field names it."""

    address: str = Field(examples=["ann@example.com"])
    name: str = Field("", examples=["Ann"])


class Envelope(_Model):
    """What the SMTP session said, which no reader sees."""

    sender: str = Field(description="The reverse-path, empty for bounces.")
    recipients: list[str] = Field(examples=[["ann@example.com"]])


class MessageSummary(_Model):
    """A mail as it stands in the list."""

    id: str = Field(examples=["09xw2k3j4m5n6"])
    project: str = Field(examples=["inbox"])
    received_at: str = Field(examples=["2026-11-21T10:30:00.123Z"])
    from_: Addressee | None = Field(alias="from")
    to: list[Addressee]
    cc: list[Addressee]
    bcc: list[Addressee] = Field(description="Recipients of the envelope that no field names.")
    reply_to: list[Addressee]
    subject: str
    snippet: str = Field(description="The beginning of the text.")
    message_id: str = Field(description="Without angle brackets.")
    size: int
    attachments: int
    inlines: int = Field(description="Parts that the text refers to, such as pictures.")
    tags: list[str]
    is_read: bool
    envelope: Envelope
    user: str = Field(description="Who logged in to send it.")
    client: str = Field(description="The address it came from.")
    tls: str = Field(description="TLS version and cipher, empty in the clear.")
    session: str = Field(description="The SMTP session that brought it.")


class MessageList(_Model):
    """A page of mails, newest first."""

    object: Literal["list"] = "list"
    data: list[MessageSummary]
    total: int = Field(description="How many the search finds.")
    unread: int
    has_more: bool
    next: str | None = Field(description="Give this as `before` to go on.")


class Attachment(_Model):
    """A part that is no text of the mail."""

    number: int = Field(description="Of the part in the MIME tree, from 1.")
    filename: str
    media_type: str
    disposition: str
    content_id: str
    size: int
    md5: str
    sha1: str
    sha256: str


class MessageLink(_Model):
    """A link of the mail."""

    url: str
    text: str
    source: str = Field(description="`html` or `text`.")
    kind: str = Field(description="`link`, `image`, …")


class Links(_Model):
    """The links of a mail, in their order."""

    links: list[MessageLink]


class Codes(_Model):
    """What looks like one-time codes."""

    codes: list[str] = Field(description="The most likely one first.", examples=[["481516"]])


class Message(MessageSummary):
    """A mail, read."""

    date: str | None = Field(description="Of its Date field.")
    text: str | None
    html: str | None
    parts: list[Attachment] = Field(description="Attachments and pictures.")
    links: list[MessageLink]
    codes: list[str] = Field(description="What looks like one-time codes, the likeliest first.")
    defects: list[str]


class HeaderField(_Model):
    """A field of the header, and what it is for."""

    name: str
    value: str = Field(description="Decoded.")
    raw: str
    what: str = Field("", description="What the field is for.")
    standard: str = Field("", examples=["RFC 5322"])


class Node(_Model):
    """A part of the MIME tree."""

    number: int
    media_type: str
    filename: str
    encoding: str
    charset: str
    size: int
    defects: list[str]
    children: list[Node]


class Event(_Model):
    """What a live event says."""

    kind: Annotated[str, Field(examples=["new"])]
    project: str | None
    ids: list[str]
    messages: list[MessageSummary]
