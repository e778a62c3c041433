"""The one-time codes that a mail asks its reader to type in."""

from __future__ import annotations

import pytest

from pillarbox.message.codes import codes_in
from pillarbox.message.mail import read_mail

MAILS = [
    ("123456", "Your verification code is 123456."),
    (
        "123456",
        "Your code:\n\n123 456\n\nIt expires in 10 minutes. © 2026 Example, 94105 San Francisco",
    ),
    ("482913", "G-482913 is your Google verification code."),
    ("847201", "OTP:847201"),
    ("7391", "Ihr Bestätigungscode lautet 7391. Bestellung 10002345 vom 12.11.2026"),
    ("552190", "Votre code de vérification : 552190\nCommande 998877"),
    ("112233", "Your order 5551234 is ready.\nUse the code 112233 to pick it up."),
    ("AB12-CD34", "Your one-time code is AB12-CD34"),
    ("384756", "認証コード: 384756\n有効期限は10分です。"),
    ("384756", "【网站】您的验证码是384756,5分钟内有效。"),
    ("384756", "인증번호는 384756 입니다."),
    ("1234", "Din kod är 1234"),
    ("004217", "Ваш код подтверждения: 004217"),
    ("5823", "Su clave de acceso es 5823 y vence en 2026"),
    ("8842", "Uw verificatiecode: 8842"),
    ("661204", "Il tuo codice è 661204"),
    ("661204", "Twój kod: 661204"),
    ("661204", "Doğrulama kodunuz: 661204"),
    ("661204", "رمز التحقق: 661204"),
    ("XK4-9QP", "Enter this code in the open browser window: XK4-9QP"),
    ("QWE-RTY", "Your confirmation code is below\n\nQWE-RTY"),
    ("a1b2c3", "Enter the passcode a1b2c3 now"),
    ("123456", "Password reset token: 123456. Reference: 987654"),
    ("73920164", "Your single-use code is: 73920164"),
    ("121212", "Code\n\n1 2 1 2 1 2\n"),
    (None, "Your invoice 20261121 of 2026 over 1234.50 EUR. Call 18005551234."),
    (None, "We met in 2019 at 1600 Amphitheatre Parkway."),
    (None, "Nothing to see here."),
    (None, "Delivered to ZIP code 94105. Postcode: 10115 Berlin. Error code 5001."),
    (None, "Visit https://example.org/verify?code=123456&x=1"),
]


@pytest.mark.parametrize(("code", "text"), MAILS)
def test_the_likeliest_code_comes_first(code: str | None, text: str) -> None:
    """A code stands near a word for it; years, amounts and orders are none."""
    mail = read_mail(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode())
    assert codes_in(mail)[:1] == (() if code is None else (code,))


def test_a_code_is_found_in_the_subject() -> None:
    """Many put it where the list of mails shows it."""
    assert codes_in(read_mail(b"Subject: 90210 is your login code\r\n\r\nHello")) == ("90210",)


def test_a_code_is_found_in_a_page() -> None:
    """Without a plain text, the page is read."""
    mail = read_mail(
        b"Content-Type: text/html\r\n\r\n<p>Use this code to sign in:</p><div><b>831204</b></div>"
        b"<p>Not you? Call 5551234567</p><p>Copyright 2026</p>"
    )
    assert codes_in(mail) == ("831204",)
