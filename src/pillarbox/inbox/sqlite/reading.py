"""Summarizes a message for the list and the index, however malformed it is."""

from __future__ import annotations

from typing import Final

from pillarbox.message.summary import MailSummary, summarize

__all__ = ["read_content"]

_LONGEST: Final = 250  # characters of a snippet


def read_content(octets: bytes) -> MailSummary:
    """Summarize a mail; one that a defect of ours cannot read is stored anyway, with a note."""
    try:
        return summarize(octets)
    except Exception as defect:  # noqa: BLE001 - whatever it is, the mail can be looked at raw
        snippet = f"(pillarbox cannot read this mail: {type(defect).__name__}: {defect})"
        return MailSummary(
            subject="",
            author=None,
            to=(),
            cc=(),
            reply_to=(),
            message_id="",
            snippet=snippet[:_LONGEST],
            text="",
            attachments=0,
            inlines=0,
            filenames=(),
            tags_header=(),
        )
