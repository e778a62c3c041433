"""Mails for the tests of ``preflight``: one that is fine, and what can be changed of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Final

from pillarbox.message.mail import read_mail
from pillarbox.preflight import Assessment, Facts, assess

__all__ = ["FINE", "assess_octets", "codes", "mail"]

FINE: Final = {
    "From": "Acme Shop <orders@acme-shop.com>",
    "To": "Ann <ann@reader.net>",
    "Subject": "Your order has shipped",
    "Date": "Sat, 21 Nov 2026 10:00:00 +0000",
    "Message-ID": "<20261121.1@acme-shop.com>",
    "MIME-Version": "1.0",
}
WORDS: Final = (
    "Hello Ann, your order number four has left our house today and will be with you on Tuesday. "
    "You can follow it on its way, and tell us where to leave it if nobody is at home then."
)


def mail(
    html: str | None = f"<p>{WORDS}</p>",
    text: str | None = WORDS,
    *,
    fields: Mapping[str, str | None] | None = None,
    more: str = "",
    attached: tuple[str, str, bytes] | None = None,
) -> bytes:
    """Return a mail that is fine, but for what is said.

    Args:
        html: The page; None: there is none.
        text: The plain text; None: there is none.
        fields: Fields in place of the fine ones; None: without it.
        more: Further fields, each with its line end.
        attached: File name, media type and content of an attachment.
    """
    header = {**FINE, **(fields or {})}
    parts = [
        f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content.encode()).decode().replace("\n", "\r\n")
        for kind, content in (("plain", text), ("html", html))
        if content is not None
    ]
    kind = "alternative"
    if attached is not None:
        name, media_type, content = attached
        kind = "mixed"
        parts.append(
            f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: base64\r\n"
            f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
            + base64.encodebytes(content).decode().replace("\n", "\r\n")
        )
    lines = "".join(f"{name}: {value}\r\n" for name, value in header.items() if value is not None)
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    head = f'{lines}{more}Content-Type: multipart/{kind}; boundary="b"\r\n\r\n'
    return f"{head}{body}--b--\r\n".encode()


def assess_octets(octets: bytes, facts: Facts | None = None) -> Assessment:
    """Judge a mail."""
    return assess(read_mail(octets), octets, facts or Facts())


def codes(octets: bytes, facts: Facts | None = None) -> dict[str, str]:
    """Return the findings of a mail: what each code says."""
    found = assess_octets(octets, facts).findings
    return {one.finding.code: one.finding.what for one in found if one.finding.level}
