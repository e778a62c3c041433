"""How code in this package refuses: an error that carries the reply to send."""

from __future__ import annotations

from pillarbox.errors import PermanentError
from pillarbox.smtp.reply import Reply

__all__ = ["RefusedError"]


class RefusedError(PermanentError):
    """The input is refused; ``reply`` is the answer, ``reason`` more detail for the operator."""

    def __init__(self, reply: Reply, reason: str = "") -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.reason = reason
