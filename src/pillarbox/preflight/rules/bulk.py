"""Rules for bulk mail: the unsubscribing that Gmail, Yahoo and Microsoft require (RFC 2369, RFC
8058).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES", "why_bulk"]

_one: Final = partial(judged, Aspect.HEADERS)

_MARKS: Final = (
    b"list-id", b"list-unsubscribe", b"list-post", b"x-campaign", b"x-campaignid",
    b"x-campaign-id", b"x-mailchimp-campaign",
)  # fmt: skip
_BULK: Final = re.compile(rb"bulk|list|junk", re.IGNORECASE)
_WORDS: Final = re.compile(
    r"unsubscrib|opt[ -]?out|manage (?:your )?(?:email )?preferences|email preferences|abmelden"
    r"|abbestellen|désabonner|désinscri|darse de baja|cancelar (?:la )?suscripci|disiscri"
    r"|uitschrijven|afmelden|avregistrera|отписаться|配信停止|退订",
    re.IGNORECASE,
)
_TARGET: Final = re.compile(rb"<([^<>]*)>")
_ONE_CLICK: Final = re.compile(rb"List-Unsubscribe=One-Click", re.IGNORECASE)
_WHY: Final = (
    "Gmail and Yahoo have required it of bulk senders since 2024, Microsoft since 2025; readers "
    "who find no way to unsubscribe report spam."
)
_FIX: Final = (
    "List-Unsubscribe: <https://your-domain/unsubscribe?id=…>\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
)
_SHOWN: Final = 120


def why_bulk(letter: Letter) -> str:
    """Return what shows that a mail goes to many, "" if nothing does."""
    header = letter.header
    if b"auto-submitted" in header or letter.mail.tree.media_type == "multipart/report":
        return ""  # an answer of a program to one
    for name in _MARKS:
        if name in header:
            return f"it has {name.decode().title()}"
    if (precedence := header.get(b"precedence")) is not None and _BULK.search(precedence):
        return f"its Precedence is {precedence.decode('ascii', 'replace')}"
    for link in letter.links:
        if _WORDS.search(link.text) or _WORDS.search(link.url):
            return f"it has a link “{link.text or link.url}”"[:_SHOWN]
    return ""


def _unsubscribe(letter: Letter) -> Iterator[Judged]:
    reason = why_bulk(letter)
    value = letter.header.get(b"list-unsubscribe")
    if not value:
        if reason and b"list-id" not in letter.header:
            yield _one(
                Level.WARNING, 140, "It looks like bulk mail, but has no List-Unsubscribe", _WHY, _FIX,
                tenths=10, evidence=(reason,),
            )  # fmt: skip
        return
    targets = [found.strip().lower() for found in _TARGET.findall(value)]
    shown = (f"List-Unsubscribe: {letter.field(b'list-unsubscribe')}"[:_SHOWN],)
    if not targets:
        yield _one(
            Level.WARNING, 141, "List-Unsubscribe is malformed",
            "Mail programs show no button for it.", "Put each address in angle brackets: "
            "<https://…>",
            tenths=7, evidence=shown,
        )  # fmt: skip
        return
    yield from _one_click(letter, targets, shown)


def _one_click(letter: Letter, targets: list[bytes], shown: tuple[str, ...]) -> Iterator[Judged]:
    post = letter.header.get(b"list-unsubscribe-post")
    is_https = any(target.startswith(b"https:") for target in targets)
    if post is not None and _ONE_CLICK.fullmatch(post) and is_https:
        yield _one(
            Level.OK, 142, "Readers can unsubscribe with one click (RFC 8058)", evidence=shown
        )
    elif post is not None and not is_https:
        yield _one(
            Level.WARNING, 143, "One-click unsubscribe needs an https address, and there is none",
            "Mail programs then do not offer it.", _FIX, tenths=5, evidence=shown,
        )  # fmt: skip
    elif post is not None:
        yield _one(
            Level.WARNING, 144, "List-Unsubscribe-Post does not say “List-Unsubscribe=One-Click”",
            "Mail programs then do not offer it (RFC 8058 §3.1).", _FIX, tenths=5,
            evidence=(f"List-Unsubscribe-Post: {letter.field(b'list-unsubscribe-post')}"[:_SHOWN],),
        )  # fmt: skip
    elif b"list-post" not in letter.header:  # a list that people write to is no marketing
        yield _one(
            Level.WARNING, 145, "Unsubscribing takes more than one click", _WHY, _FIX,
            tenths=3, evidence=shown,
        )  # fmt: skip


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (_unsubscribe,)
