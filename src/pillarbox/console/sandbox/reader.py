"""A message as the reader shows it: the heading above every view, and each view.

Plain values for templates, which escape them and decide nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pillarbox.console.sandbox.checks import ChecksView, Verdict, read_verdict
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.files import EventView, FileView, events_of, files_of
from pillarbox.console.sandbox.framed import frame
from pillarbox.console.sandbox.highlight import (
    LONGEST,
    Piece,
    html_pieces,
    message_pieces,
    text_pieces,
)
from pillarbox.console.sandbox.hues import TagEntry
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.session import SessionView, session_view
from pillarbox.inbox.values import DEFAULT_PROJECT, Summary
from pillarbox.message.codes import codes_in
from pillarbox.message.explanations import explain_field
from pillarbox.message.links import Link, links_in
from pillarbox.message.mail import Mail
from pillarbox.message.people import Person
from pillarbox.message.tree import Node
from pillarbox.sandbox.service import Sandbox
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId

__all__ = ["VIEWS", "FieldView", "MailView", "Tab", "make_mail"]

VIEWS: Final = {
    "message": "Message",
    "text": "Text",
    "source": "HTML",
    "headers": "Headers",
    "parts": "Parts",
    "files": "Files",
    "links": "Links",
    "checks": "Checks",
    "session": "Session",
    "raw": "Raw",
}
"""The views of a mail by their names in paths, in the order in which they stand."""

_FIRST: Final = "message"
_SHOWN_CODES: Final = 2
_LONGEST_TEXT: Final = 512 * 1024  # characters


@dataclass(frozen=True, slots=True)
class Tab:
    """One view to go to."""

    key: str
    title: str
    path: str  # below the mail's own
    count: int | None = None
    is_empty: bool = False  # there is nothing to see in it


@dataclass(frozen=True, slots=True)
class FieldView:
    """A header field with what it is for."""

    name: str
    value: str
    what: str = ""
    standard: str = ""
    reading: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """A mail, and one view of it."""

    id: str
    place: Place
    view: str
    summary: Summary
    tags: tuple[TagEntry, ...]
    authors: tuple[Person, ...]
    sender: Person | None
    project: str  # "" where it is the default one
    envelope: str  # where it differs from the header, in words
    codes: tuple[str, ...]
    main_link: str  # the main call to action, "" if none stands out
    files: tuple[FileView, ...]
    tabs: tuple[Tab, ...]
    verdict: Verdict | None
    has_html: bool
    text: str
    text_pieces: tuple[tuple[str, str], ...] = ()  # of the text: what stands there, and its target
    text_is_cut: bool = False
    remote_count: int = 0
    source: list[Piece] = field(default_factory=list)
    source_size: int = 0
    source_is_cut: bool = False
    fields: tuple[FieldView, ...] = ()
    tree: Node | None = None
    events: tuple[EventView, ...] = ()
    links: tuple[Link, ...] = ()
    all_codes: tuple[str, ...] = ()
    session: SessionView | None = None
    checks: ChecksView | None = None
    checks_problem: str = ""


async def make_mail(
    desk: Desk, message: MessageId, place: Place, view: str = "message", **given: Any
) -> MailView | None:
    """Return a mail with one view of it; None if there is no such mail.

    Args:
        desk: The context of the page.
        message: The id of the mail.
        place: The place that its links preserve.
        view: One of ``VIEWS``.
        **given: Further fields of the view, such as its checks.
    """
    sandbox = desk.sandbox
    await desk.hues.load()
    summary, mail = await sandbox.summary(message), await sandbox.mail(message)
    if summary is None or mail is None:
        return None
    shown = await _view(sandbox, summary, view)
    shown["tags"] = tuple(desk.hues.entry(tag) for tag in summary.tags)
    kept = await sandbox.inbox.assessment(message)
    verdict = read_verdict(kept) if kept else None
    return await asyncio.to_thread(
        partial(_mail_view, summary, mail, place, view, verdict, {**shown, **given})
    )


def _mail_view(
    summary: Summary,
    mail: Mail,
    place: Place,
    view: str,
    verdict: Verdict | None,
    shown: dict[str, Any],
) -> MailView:
    name = show_id(summary.id)
    files = files_of(name, mail, hashes=view == "files")
    links = links_in(mail)
    codes = codes_in(mail)
    followed = [link for link in links if link.kind == "link"]
    text = mail.text or ""
    return MailView(
        id=name,
        place=place,
        view=view,
        summary=summary,
        authors=mail.from_,
        sender=mail.sender[0] if mail.sender and mail.sender[:1] != mail.from_[:1] else None,
        project="" if summary.project == DEFAULT_PROJECT else summary.project,
        envelope=_envelope(summary),
        codes=codes[:_SHOWN_CODES],
        main_link=_main_link(followed),
        files=files,
        tabs=_tabs(summary, mail, files=len(files), links=len(followed), codes=len(codes)),
        verdict=verdict,
        has_html=mail.html is not None,
        text=text[:_LONGEST_TEXT],
        text_is_cut=len(text) > _LONGEST_TEXT,
        links=links if view == "links" else (),
        all_codes=codes,
        **_of_mail(mail, view),
        **shown,
    )


def _tabs(summary: Summary, mail: Mail, *, files: int, links: int, codes: int) -> tuple[Tab, ...]:
    """Return the views, with item counts where useful."""
    counts = {"files": files, "links": links}
    empty = {
        "text": not mail.text,
        "source": mail.html is None,
        "files": not files and not mail.calendar,
        "links": not links and not codes,
        "session": not summary.session,
    }
    return tuple(
        Tab(
            key,
            title,
            "" if key == _FIRST else f"/{key}",
            counts.get(key) or None,
            empty.get(key, False),
        )
        for key, title in VIEWS.items()
    )


def _of_mail(mail: Mail, view: str) -> dict[str, Any]:
    """Return expensive data that only one view needs."""
    if view == "message" and mail.html is not None:
        return {"remote_count": frame(mail).remote}
    if view in {"message", "text"}:
        return {"text_pieces": tuple(text_pieces((mail.text or "")[:_LONGEST_TEXT]))}
    if view == "source" and mail.html is not None:
        return {
            "source": html_pieces(mail.html),
            "source_size": len(mail.html.encode("utf-8", "replace")),
            "source_is_cut": len(mail.html) > LONGEST,
        }
    if view == "headers":
        return {"fields": tuple(_field(each.name, each.value) for each in mail.fields)}
    if view == "parts":
        return {"tree": mail.tree}
    if view == "files":
        return {"events": events_of(mail)}
    return {}


async def _view(sandbox: Sandbox, summary: Summary, view: str) -> dict[str, Any]:
    """Return the data that a view needs besides the mail itself."""
    if view == "raw":
        octets = await sandbox.content(summary.id) or b""
        text = octets[: 2 * LONGEST].decode("utf-8", "replace").replace("\r\n", "\n")
        return {"source": message_pieces(text), "source_is_cut": len(text) > LONGEST}
    if view == "session" and summary.session:
        transcript = await sandbox.transcript(summary.session)
        return {"session": session_view(transcript) if transcript else None}
    return {}


def _field(name: str, value: str) -> FieldView:
    explanation = explain_field(name, value)
    return FieldView(
        name,
        value,
        explanation.what,
        explanation.standard,
        tuple((each.label, each.text) for each in explanation.readings),
    )


def _envelope(summary: Summary) -> str:
    """Describe the envelope, if it differs from the header."""
    named = {person.address.lower() for person in (*summary.to, *summary.cc, *summary.bcc)}
    recipients = [one for one in summary.recipients if one.lower() not in named]
    author = summary.author.address.lower() if summary.author else ""
    said = []
    if summary.reverse_path.lower() != author:
        said.append(f"from {summary.reverse_path or '<> (no bounces)'}")
    if recipients:
        said.append(f"to {', '.join(recipients)}")
    return " ".join(said)


def _main_link(links: list[Link]) -> str:
    """Return the target of a mail's one button: of two or three links the first."""
    targets = list(dict.fromkeys(link.url for link in links if link.url.startswith("http")))
    return targets[0] if 1 <= len(targets) <= 3 else ""  # noqa: PLR2004 - more are a newsletter
