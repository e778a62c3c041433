"""The inboxes that the contract is tried on, and mail to catch with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from tests.mail import NOW, kept_message

from pillarbox.inbox.sqlite import SqliteInbox
from pillarbox.inbox.values import Summary
from pillarbox.search.language import parse_query
from pillarbox.search.query import Query
from pillarbox.store.port import Batch, KeptMessage, MessageId

MakeInbox = Callable[[], SqliteInbox]
"""Makes one that is not open; of a file, it has what the one before it has kept."""

KINDS: Final[dict[str, Callable[[Path], Path | None]]] = {
    "memory": lambda _: None,
    "file": lambda folder: folder / "inbox.db",
}


def inbox_at(path: Path | None, **options: float) -> SqliteInbox:
    """Return an inbox at a path, or in memory, that is not open yet."""
    return SqliteInbox(path, now=lambda: NOW, **options)


def run(make: MakeInbox, steps: Callable[[SqliteInbox], Awaitable[None]]) -> None:
    """Run steps with an open inbox."""

    async def main() -> None:
        inbox = make()
        await inbox.open()
        try:
            await steps(inbox)
        finally:
            await inbox.close()

    asyncio.run(main())


def mail(
    *,
    subject: str = "Hello",
    text: str = "Good morning.",
    author: str = "Ann Miller <ann@example.com>",
    to: str = "Bob <bob@example.org>",
    fields: str = "",
    envelope: Iterable[str] = ("bob@example.org",),
    at: float = NOW,
    session: str = "",
) -> KeptMessage:
    """Make a mail as the door has it kept."""
    header = f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\n{fields}"
    content = f"{header}Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode()
    return replace(kept_message(*envelope, content=content, at=at), session=session)


async def keep(inbox: SqliteInbox, *mails: KeptMessage) -> tuple[MessageId, ...]:
    """Keep mails in one commit; return their ids."""
    await inbox.commit(Batch(keep=list(mails)))
    return tuple(kept.id for kept in mails)


def asked(text: str) -> Query:
    """Parse a query as of now."""
    return parse_query(text, now=NOW)


async def subjects(inbox: SqliteInbox, text: str = "", project: str | None = None) -> list[str]:
    """Return the subjects of what a query finds, in the order of the list."""
    page = await inbox.find(asked(text), project=project, limit=1000)
    assert page.total == len(page.summaries)
    return [summary.subject for summary in page.summaries]


class Listener:
    """Remembers what an inbox has told."""

    def __init__(self, inbox: SqliteInbox) -> None:
        self.kept: list[Summary] = []
        self.gone: list[MessageId] = []
        inbox.on_kept(self.kept.extend)
        inbox.on_gone(self.gone.extend)
