"""The state of sending one report: its recipients, what was accepted, what is retried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from msgspec import Struct

from pillarbox.errors import TemporaryError
from pillarbox.reports.counts import Counts, Day
from pillarbox.reports.message import PackedReport, report_message
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import AddressError, parse_mailbox

__all__ = ["Delivery", "Identity", "Mail", "NotSent", "Post", "Prepared", "Subject", "Target"]


class NotSent(TemporaryError):  # noqa: N818 - a report is not sent, it does not err
    """Sending to one address failed, temporarily unless ``is_final`` is set."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


Mail = Callable[[bytes, Mailbox, Mailbox], Awaitable[None]]
"""Submits a message (content, sender, recipient); raises ``NotSent``."""

Post = Callable[[str, str, bytes], Awaitable[None]]
"""Posts a content to a URI (the URI, the media type, the octets); raises ``NotSent``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who reports."""

    sender: Mailbox
    organization: str
    contact: str

    @property
    def domain(self) -> str:
        """The organization name in reports."""
        return self.sender.ascii_domain


@dataclass(frozen=True, slots=True)
class Target:
    """One address that asks for reports."""

    uri: str
    max_size: int | None = None  # octets of the packed report


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A report and its recipients."""

    targets: tuple[Target, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # addresses that must not be used, and why
    open: str = ""  # why the recipients are not known yet, "" if they are
    build: Callable[[int | None], PackedReport] | None = None  # with at most this many octets
    messages: int = 0


R = TypeVar("R", bound=Struct)


class Subject(Protocol[R]):
    """One kind of report."""

    @property
    def kind(self) -> str:
        """``tls`` or ``dmarc``."""
        ...

    @property
    def counts(self) -> Counts[R]:
        """Its counts."""
        ...

    async def prepare(self, day: str, domain: str, counted: Day[R]) -> Prepared:
        """Find out who wants a report, and how to build it."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """How reports are sent."""

    identity: Identity
    mail: Mail
    post: Post

    async def send(self, report: PackedReport, target: Target) -> None:
        """Send a report to an address.

        Raises:
            NotSent: Sending failed.
        """
        if target.max_size is not None and len(report.content) > target.max_size:
            raise NotSent(f"it takes {target.max_size} octets at most", is_final=True)
        scheme, _, rest = target.uri.partition(":")
        if scheme.lower() != "mailto":
            await self.post(target.uri, report.media_type, report.content)
            return
        try:
            to = parse_mailbox(rest.partition("?")[0])
        except AddressError as error:
            raise NotSent(str(error), is_final=True) from None
        if to.needs_smtputf8:
            raise NotSent("the address is not in ASCII", is_final=True)
        sender = self.identity.sender
        await self.mail(report_message(report, sender=sender, to=to), sender, to)
