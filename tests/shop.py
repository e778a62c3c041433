"""A program that sends mail: what the examples of docs/testing.md test. Copied beside them."""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

_CODE = "482913"


def is_right(code: str) -> bool:
    """Whether a code is the one that was sent."""
    return code == _CODE


def sign_up(
    address: str,
    *,
    smtp: tuple[str, int] | None = None,
    user: str = "",
    trusted: Path | None = None,
) -> str:
    """Write to a new customer; try again once if the connection is lost."""
    message = EmailMessage()
    message["From"] = "The shop <shop@example.com>"
    message["To"] = address
    message["Subject"] = "Welcome to the shop"
    message.set_content(f"Your code is {_CODE}.")
    link = '<a href="https://shop.example/confirm?token=7">Confirm your address</a>'
    message.add_alternative(f"<p>Hello! {link}", subtype="html")
    for _ in range(2):
        try:
            _send(message, smtp or _configured(), user, trusted)
        except smtplib.SMTPRecipientsRefused:
            return "address refused"
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            continue
        return "sent"
    return "server down"


async def sign_up_later(address: str, smtp: tuple[str, int]) -> None:
    """Write to a new customer a little later."""
    await asyncio.sleep(0.05)
    await asyncio.to_thread(sign_up, address, smtp=smtp)


def _configured() -> tuple[str, int]:
    url = urlsplit(os.environ["EMAIL_URL"])
    assert (url.hostname, str(url.port)) == (os.environ["SMTP_HOST"], os.environ["SMTP_PORT"])
    return url.hostname or "", url.port or 0


def _send(message: EmailMessage, smtp: tuple[str, int], user: str, trusted: Path | None) -> None:
    with _connected(smtp, trusted) as client:
        if user:
            client.login(user, "secret")
        client.send_message(message)


def _connected(smtp: tuple[str, int], trusted: Path | None) -> smtplib.SMTP:
    if trusted is None:
        return smtplib.SMTP(*smtp, timeout=10)
    context = ssl.create_default_context(cafile=str(trusted))
    return smtplib.SMTP_SSL(*smtp, timeout=10, context=context)
