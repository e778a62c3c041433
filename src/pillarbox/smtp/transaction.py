"""The open mail transaction of a client, on the server side (RFC 5321 §3.3)."""

from __future__ import annotations

from pillarbox.smtp.commands import Mail
from pillarbox.smtp.envelope import Envelope, Recipient

__all__ = ["ServerTransaction"]


class ServerTransaction:
    """What MAIL and RCPT have said so far."""

    __slots__ = ("mail", "recipients")

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.recipients: list[Recipient] = []

    def envelope(self) -> Envelope:
        """Return what has been accepted."""
        mail = self.mail
        return Envelope(
            reverse_path=mail.reverse_path,
            recipients=tuple(self.recipients),
            body=mail.body,
            smtputf8=mail.smtputf8,
            ret=mail.ret,
            envelope_id=mail.envelope_id,
            tls_required=mail.tls_required,
        )
