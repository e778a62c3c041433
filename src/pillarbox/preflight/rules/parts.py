"""Rules for the parts of a message: a plain text beside HTML, character sets, encodings, long
lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from pillarbox.findings import Level
from pillarbox.message.tree import Node
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, excerpt, judged

__all__ = ["RULES"]

_one: Final = partial(judged, Aspect.CONTENT)

_WORD: Final = re.compile(r"[^\W_]{3,}")
_URL: Final = re.compile(r"https?://\S+")
_LEAST_WORDS: Final = 20  # below, nothing can be said of two texts
_SAME: Final = 0.35  # of the words of the HTML that the plain text should have at least
_MAX_WORDS: Final = 5_000
_MAX_LINE: Final = 998  # RFC 5321 §4.5.3.1.6
_SCRAPED: Final = frozenset({"7bit", ""})
# UTF-8 read as windows-1252 (Ã©, â€™, Â£), or octets that were no characters at all.
_GARBLED: Final = re.compile(
    "\u00c3[\u0080-\u00bf\u201a-\u2122]|\u00e2\u20ac[\u2122\u0153\u201c\u201d\u00a6\u02dc]|\u00c2[\u00a0-\u00bf]|\ufffd"
)


def _plain_text(letter: Letter) -> Iterator[Judged]:
    mail = letter.mail
    if mail.html is None:
        if not (mail.text or "").strip() and not mail.attachments and not mail.inlines:
            yield _one(
                Level.WARNING,
                210,
                "The message is empty",
                "There is no text, no HTML and no attachment.",
                "Check that the template was rendered, and that the body was passed to the "
                "library.",
                tenths=20,
            )
        return
    if mail.text is None:
        yield _one(
            Level.WARNING,
            211,
            "There is no plain-text part",
            "Watches, and programs that show no HTML, make up a text of their own; spam filters "
            "count it.",
            "Send multipart/alternative: text/plain first, then text/html.",
            tenths=5,
        )
    elif not mail.text.strip():
        yield _one(
            Level.WARNING,
            212,
            "The plain-text part is empty",
            "Anyone who reads plain text sees nothing, and filters weigh it more than a missing "
            "part.",
            "Give it the same words as the HTML.",
            tenths=7,
        )
    else:
        yield from _other_text(letter)


def _other_text(letter: Letter) -> Iterator[Judged]:
    page = letter.page
    if page is None or "<html" in letter.text[:2_000].lower():
        if page is not None:
            yield _one(
                Level.WARNING,
                213,
                "The plain-text part holds HTML",
                "Anyone who reads plain text sees the tags.",
                "Put only the words there, without tags.",
                tenths=5,
                evidence=(letter.text.strip()[:80],),
            )
        return
    shown, plain = _words(page.text), _words(letter.text)
    if min(len(shown), len(plain)) < _LEAST_WORDS and len(shown) < 2 * _LEAST_WORDS:
        return
    share = len(shown & plain) / max(len(shown), 1)
    if share < _SAME:
        yield _one(
            Level.WARNING,
            214,
            f"The plain text has only {share:.0%} of the words of the HTML",
            "Readers of the two see different messages, and filters take that for a disguise.",
            "Use the same words in both; “view this in a browser” is not enough.",
            tenths=3,
            evidence=(f"text: {' '.join(letter.text.split())[:80]}",),
        )


def _words(text: str) -> set[str]:
    words = _WORD.findall(_URL.sub(" ", text).lower())
    return set(words[:_MAX_WORDS])


def _order(letter: Letter) -> Iterator[Judged]:
    for node in letter.mail.tree.walk():
        types = [child.media_type for child in node.children]
        if (
            node.media_type == "multipart/alternative"
            and {"text/plain", "text/html"} <= set(types)
            and types.index("text/html") < types.index("text/plain")
        ):
            yield _one(
                Level.WARNING,
                215,
                "The HTML comes before the plain text",
                "The last alternative is the preferred one (RFC 2046 §5.1.4), so many programs "
                "show the plain text.",
                "Put text/plain first and text/html last.",
                tenths=3,
            )
            return


def _charset(letter: Letter) -> Iterator[Judged]:
    for node in _texts(letter):
        is_declared = bool(node.charset) or b"charset" in (node.header.get(b"content-type") or b"")
        if not is_declared and not node.content.isascii():
            yield _one(
                Level.WARNING,
                216,
                f"The {node.media_type} part does not say its character set",
                "It then counts as US-ASCII (RFC 2046 §4.1.2), but has other characters, so mail "
                "programs guess.",
                f"Content-Type: {node.media_type}; charset=utf-8",
                tenths=5,
                evidence=(f"part {node.number}",),
            )
        if node.encoding in _SCRAPED and not node.body.isascii():
            yield _one(
                Level.WARNING,
                217,
                f"The {node.media_type} part has 8-bit characters, but does not say so",
                "It then counts as 7bit (RFC 2045 §6.1); servers may strip the eighth bit or "
                "reject it.",
                "Content-Transfer-Encoding: quoted-printable (or base64)",
                tenths=3,
                evidence=(f"part {node.number}",),
            )


def _garbled(letter: Letter) -> Iterator[Judged]:
    for place, text in (("subject", letter.mail.subject), ("text", letter.prose)):
        if (found := _GARBLED.search(text)) is not None:
            yield _one(
                Level.WARNING,
                218,
                "Characters are garbled",
                "Text in UTF-8 was read as another character set on its way into the message.",
                "Check where your program reads or decodes text; use UTF-8 throughout.",
                tenths=5,
                evidence=(f"{place}: {excerpt(text, *found.span())}",),
            )
            return


def _long_lines(letter: Letter) -> Iterator[Judged]:
    for node in letter.mail.tree.walk():
        if node.children:
            continue
        longest = max(map(len, node.body.split(b"\n")), default=0) - 1
        if longest > _MAX_LINE:
            yield _one(
                Level.WARNING,
                219,
                f"A line of part {node.number} ({node.media_type}) has {longest:,} octets",
                "At most 998 are allowed (RFC 5321 §4.5.3.1.6): servers break longer lines, and "
                "with them the DKIM signature.",
                "Encode the part as quoted-printable or base64.",
                tenths=5,
            )
            return


def _structure(letter: Letter) -> Iterator[Judged]:
    defects = letter.mail.defects
    if defects:
        yield _one(
            Level.WARNING,
            225,
            "The structure of the message is malformed",
            "Each mail program guesses in its own way, and filters distrust it.",
            "Let a mail library assemble the parts.",
            tenths=5,
            evidence=defects[:5],
        )


def _texts(letter: Letter) -> Iterator[Node]:
    return (
        node
        for node in letter.mail.tree.walk()
        if node.media_type in {"text/plain", "text/html"} and not node.filename
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _plain_text,
    _order,
    _charset,
    _garbled,
    _long_lines,
    _structure,
)
