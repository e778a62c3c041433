"""Sample messages for the demo, so that its first page has something to show."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Final
from zlib import crc32

from pillarbox.message.trace import format_date

__all__ = ["demonstration_mail"]

_TABLE: Final = 'width="560" cellpadding="0" cellspacing="0" border="0" align="center"'
_CELL: Final = (
    "font-family:Helvetica,Arial,sans-serif;color:#1f2933;font-size:16px;line-height:24px"
)
_PAGE: Final = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
</head><body style="margin:0;padding:32px 0;background:#f3f5f8">
<table role="presentation" {table} style="background:#ffffff;border-radius:12px">
<tr><td style="padding:32px;{cell}">{content}</td></tr></table></body></html>
"""
_BUTTON: Final = (
    '<p style="margin:24px 0"><a href="{url}" style="background:#1d4ed8;color:#ffffff;'
    'padding:12px 20px;border-radius:8px;text-decoration:none">{text}</a></p>'
)


def demonstration_mail(now: float) -> tuple[EmailMessage, ...]:
    """Return messages of the kinds that programs send, the last one with mistakes in it.

    Args:
        now: When they were written, seconds since 1970.
    """
    right = (_newsletter(), _order(), _code(), _welcome())
    for message in right:
        message["Date"] = format_date(now)
    return (*right, _mistakes())


def _message(subject: str, *, author: str, to: str, text: str, tags: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"] = author
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{crc32(subject.encode()):08x}@shop.example>"
    if tags:
        message["X-Tags"] = tags
    message.set_content(text)
    return message


def _with_page(message: EmailMessage, content: str) -> EmailMessage:
    page = _PAGE.format(title=message["Subject"], table=_TABLE, cell=_CELL, content=content)
    message.add_alternative(page, subtype="html")
    return message


def _welcome() -> EmailMessage:
    message = _message(
        "Welcome to Acorn, Ann",
        author="Acorn <hello@shop.example>",
        to="Ann Park <ann@example.com>",
        tags="welcome",
        text="Hi Ann,\n\nyour account is ready: https://shop.example/start\n\nThe Acorn team\n",
    )
    return _with_page(
        message,
        "<h1 style='font-size:24px;margin:0 0 16px'>Your account is ready</h1>"
        "<p>Hi Ann, good to have you here. The first three orders are on us.</p>"
        + _BUTTON.format(url="https://shop.example/start", text="Take a look around")
        + "<p style='color:#52606d'>The Acorn team</p>",
    )


def _code() -> EmailMessage:
    return _message(
        "Your sign-in code is 418 207",
        author="Acorn <no-reply@shop.example>",
        to="ann@example.com",
        tags="login",
        text="418207 is your code. It is good for ten minutes.\n\n"
        "Or open https://shop.example/login?token=5d1f1c6b\n",
    )


def _order() -> EmailMessage:
    message = _message(
        "Order 10432: on its way",
        author="Acorn Orders <orders@shop.example>",
        to="Bob Lind <bob@example.org>",
        tags="order",
        text="Dear Bob,\n\ntwo parcels left our house today. The invoice is attached.\n",
    )
    _with_page(
        message,
        "<h1 style='font-size:22px;margin:0 0 16px'>Two parcels are on their way</h1>"
        "<p>Dear Bob, your order 10432 left our house today.</p>"
        + _BUTTON.format(url="https://shop.example/track/10432", text="Follow the parcels"),
    )
    message.add_attachment("item,price\nlamp,39.00\nshade,12.50\n", filename="invoice-10432.csv")
    return message


def _newsletter() -> EmailMessage:
    message = _message(
        "Acorn monthly: small lights for long nights",
        author="Acorn <news@shop.example>",
        to="readers@lists.shop.example",
        tags="newsletter",
        text="This month: lamps for reading, and how to repair an old shade.\n",
    )
    message["List-Unsubscribe"] = "<https://shop.example/unsubscribe/7f3a>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return _with_page(
        message,
        "<h1 style='font-size:24px;margin:0 0 16px'>Small lights for long nights</h1>"
        "<p>Three lamps for reading, and how to repair an old shade.</p>"
        + _BUTTON.format(url="https://shop.example/november", text="Read on"),
    )


def _mistakes() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "staging@localhost"
    message["To"] = "carl@example.net"
    message["Subject"] = "Hello {{first_name}}, reset your password"
    message.set_content(
        "<p>Hello {{first_name}},</p><p><a href='http://localhost:3000/reset?t=undefined'>click "
        "here</a></p><img src='http://192.168.0.7/logo.png'><script>alert(1)</script>",
        subtype="html",
    )
    return message
