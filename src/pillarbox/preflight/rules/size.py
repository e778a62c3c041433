"""Rules for the size of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES"]

_KB: Final = 1_024
_MB: Final = 1_024 * 1_024
_CLIPPED: Final = 102 * _KB  # octets of HTML that Gmail shows
_NEAR: Final = 90 * _KB
_REFUSED: Final = 25 * _MB  # Gmail's limit as sent; Microsoft 365 and Yahoo take about as much
_LARGE: Final = 10 * _MB


def _html(letter: Letter) -> Iterator[Judged]:
    if letter.mail.html is None:
        return
    size = len(letter.mail.html.encode())
    shown = f"{size / _KB:,.0f} KB" if size >= _KB else "less than 1 KB"
    if size > _CLIPPED:
        yield judged(
            Aspect.SIZE,
            Level.WARNING,
            601,
            f"The HTML has {shown}: Gmail cuts it off after 102 KB",
            "Readers see “[Message clipped]”, and what comes at the end, such as the unsubscribe "
            "link, is hidden.",
            "Remove repeated styles, comments and hidden rows.",
            tenths=10,
        )
    elif size > _NEAR:
        yield judged(
            Aspect.SIZE,
            Level.NOTE,
            602,
            f"The HTML has {shown}: Gmail cuts it off after 102 KB",
            "Click tracking makes URLs, and so the HTML, longer.",
            "Leave some room.",
        )
    else:
        yield judged(Aspect.SIZE, Level.OK, 603, f"The HTML has {shown}; Gmail shows up to 102 KB")


def _whole(letter: Letter) -> Iterator[Judged]:
    size = letter.mail.size
    if size > _REFUSED:
        yield judged(
            Aspect.SIZE,
            Level.ERROR,
            604,
            f"The message is {size / _MB:.1f} MB in transit",
            "Gmail and others reject more than 25 MB (552 5.3.4); base64 makes files a third "
            "larger.",
            "Put the files on a server, and send links.",
            tenths=20,
        )
    elif size > _LARGE:
        yield judged(
            Aspect.SIZE,
            Level.WARNING,
            605,
            f"The message is {size / _MB:.1f} MB in transit",
            "Many companies reject more than 10 MB.",
            "Put large files on a server, and send links.",
            tenths=5,
        )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (_html, _whole)
