"""What a text says happened, before anything is concluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["Observation", "Source"]


class Source(Enum):
    """What kind of text it was read from."""

    REPLY = "reply"
    LOG = "log line"
    ERROR = "error of a program"
    BOUNCE = "bounce mail"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One failure of one recipient, or of an attempt, as a text tells it.

    ``text`` holds neither the reply code nor the enhanced code. What is not known is "" or None.
    """

    source: Source
    text: str
    code: int | None = None  # RFC 5321 §4.2.1
    enhanced: EnhancedCode | None = None  # RFC 3463 §2
    stage: Stage | None = None
    by: str = ""  # the program that wrote it: "Postfix", "smtplib"
    host: str = ""  # the server that said it
    recipient: str = ""
    provider: str = ""  # an id of ``provider.PROVIDERS``
    action: str = ""  # RFC 3464 §2.3.3: "failed", "delayed", "delivered", ...

    @property
    def severity(self) -> int | None:
        """The class of the failure, 2, 4 or 5, by the most exact code that there is."""
        if self.enhanced is not None:
            return self.enhanced.class_
        return self.code // 100 if self.code is not None else None
