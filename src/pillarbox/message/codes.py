"""One-time codes: the digits or letters that a message asks its reader to type in.

A guess by proximity: a code is near a word such as "code", "PIN" or 「認証コード」, often on its own
line, sometimes in the subject. Years, amounts, order numbers and telephone numbers are the usual
false matches. Nothing is raised; time is linear in the examined text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.message.mail import Mail
from pillarbox.message.plain import html_to_text

__all__ = ["MAX_CODES", "codes_in"]

MAX_CODES: Final = 10

_LONGEST: Final = 32 * 1024  # characters of text
_MAX_CANDIDATES: Final = 300
_NEAR: Final = 80  # characters between a word and its code in one line
_NEAR_LINES: Final = 3

# As a word or at the end of one, because German and similar languages have compounds.
_WORDS: Final = re.compile(
    # Not one-time codes: postal codes, product codes, source code.
    r"(?<!zip )(?<!zip-)(?<!zip)(?<!post)(?<!postal )(?<!area )(?<!country )(?<!bar)(?<!bar )(?<!qr )"
    r"(?<!qr-)(?<!source )(?<!status )(?<!error )(?<!en)(?<!de)codes?\b|\bcodi\b|passcode|\bpin\b|\bpins\b|\botp\b|\btan\b|\bmfa\b|\b2fa\b|one[- ]time|verif|"
    r"\btoken|authenticat|security key|passwor[dt]|passphrase|"
    r"bestätigung|einmal|sicherheits|kennwort|freischalt|zugangs|"
    r"vérification|confirmation|mot de passe|usage unique|"
    r"código|codigo|clave|contraseña|senha|verificação|codice|verifica|"
    r"verificatie|eenmalig|wachtwoord|toegangs|"
    r"\bkod\b|\bkodu?\b|kode\b|koden\b|koodi|kód\b|kódot|hasło|jednoraz|engång|engangs|"
    r"bekræft|bekreft|şifre|doğrulama|onay|parola|codul|"
    r"\bкод|парол|подтвержд|підтвердж|потвърд|κωδικ|"  # noqa: RUF001 - Cyrillic
    r"コード|認証|暗証|確認番号|ワンタイム|パスワード|验证码|驗證碼|校验码|动态码|代码|密码|密碼|"
    r"인증|코드|비밀번호|رمز|كود|קוד|סיסמ|कोड|ओटीपी|पिन|รหัส|\bmã\b|xác (?:minh|nhận)|otp|sandi",
    re.IGNORECASE,
)
_NOT_THESE: Final = re.compile(
    r"order|invoice|receipt|ticket|booking|reference|ref\b|customer|account|phone|tel\b|fax|call|"
    r"zip|postal|suite|street|p\.?o\.? box|copyright|©|®|article|version|since|"
    r"bestell|rechnung|kunden|auftrag|vorgang|telefon|postleit|plz\b|"
    r"commande|facture|pedido|factura|ordine|fattura|bestelling|factuur|"
    r"zamówien|faktur|tilaus|sipariş|заказ|счет|счёт|注文|订单|訂單|주문|邮编|№",
    re.IGNORECASE,
)
# Digits in one or two groups; upper-case letters mixed with digits in up to three groups.
_CANDIDATE: Final = re.compile(
    r"(?<![A-Za-z0-9_\u00c0-\u052f/@#&=?%$€£¥+*-])(?<![0-9][.,:])"
    r"(?:(?P<prefixed>[A-Z]{1,3}-[0-9]{4,8})|"
    r"(?P<digits>[0-9]{4,10}|[0-9]{3}[ -][0-9]{3}|[0-9]{4}[ -][0-9]{4}|[0-9]{2}[ -][0-9]{2}[ -][0-9]{2}|"
    r"[0-9](?: [0-9]){3,7})|"
    r"(?P<letters>[A-Z0-9]{3,10}(?:-[A-Z0-9]{3,10}){0,3}|[a-z0-9]{6,8}))"
    r"(?![A-Za-z0-9_\u00c0-\u052f@/&=%€£¥$-]|[.:][0-9]|,[0-9]{2,3}(?![0-9])|\.[a-z])"
)
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")
_SEPARATORS: Final = str.maketrans("", "", " -")
_SUBJECT: Final = 60
_ALONE: Final = 45
_SAME_LINE: Final = 60
_LINE_BEFORE: Final = 35
_LEAST: Final = 30


def codes_in(mail: Mail) -> tuple[str, ...]:
    """Return likely one-time codes, the best first, digits without their separators.

    Args:
        mail: The mail.
    """
    text = mail.text or ""
    if not text.strip() and mail.html:
        text = html_to_text(mail.html[: 8 * _LONGEST])
    scores: dict[str, int] = {}
    candidates = (*_scored(mail.subject, extra=_SUBJECT), *_scored(text[:_LONGEST], extra=0))
    for code, score in candidates:
        # A repeated code is more likely; ties keep their order.
        known = scores.get(code)
        scores[code] = score if known is None else max(known, score) + 10
    likely = [code for code, score in scores.items() if score >= _LEAST]
    return tuple(sorted(likely, key=lambda code: -scores[code])[:MAX_CODES])


def _scored(text: str, *, extra: int) -> Iterator[tuple[str, int]]:
    """Yield each candidate in a text with its score."""
    word_line = -_NEAR_LINES - 1
    words_end = ""
    count = 0
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines()))):
        words = [found.span() for found in _WORDS.finditer(line[:1_000])]
        for found in _CANDIDATE.finditer(line[:1_000]):
            code = _code(found)
            count += 1
            if not code or count > _MAX_CANDIDATES:
                continue
            score = _place(line, found, words)
            lines_between = number - word_line
            if not words and lines_between <= _NEAR_LINES and words_end:
                score += _LINE_BEFORE - 5 * lines_between
            if score > 0:
                yield code, score + _form(code, line, found) + (extra if words else 0)
        if words:
            word_line, words_end = number, line


def _place(line: str, found: re.Match[str], words: list[tuple[int, int]]) -> int:
    """Score a candidate by its position."""
    score = 0
    if line.strip(" *_:.>|-\t") == found[0]:
        score += _ALONE
    distances = [
        found.start() - end if end <= found.start() else start - found.end() for start, end in words
    ]
    near = [distance for distance in distances if 0 <= distance <= _NEAR]
    if near:
        score += _SAME_LINE - min(near) // 3
    return score


def _form(code: str, line: str, found: re.Match[str]) -> int:
    """Score a candidate by its form and by the text before it."""
    score = 0
    if code.isdigit():
        score += 15 if len(code) == 6 else 0  # noqa: PLR2004 - by far the usual length
        if _YEAR.fullmatch(code):
            score -= 35
        if len(code) > 8:  # noqa: PLR2004 - rather a telephone number
            score -= 40
    before = line[max(0, found.start() - 30) : found.start()]
    # The closer word counts: "order 1234: your code is 5678".
    other = max((each.end() for each in _NOT_THESE.finditer(before)), default=-1)
    own = max((each.end() for each in _WORDS.finditer(before)), default=-1)
    return score - 50 if other > own else score


def _code(found: re.Match[str]) -> str:
    """Return a candidate as it would be typed in; "" for a word or a name."""
    if found["prefixed"]:
        return found["prefixed"].partition("-")[2]  # "G-123456" is typed without the letter
    if found["digits"]:
        return found["digits"].translate(_SEPARATORS)
    text = found["letters"]
    letters = sum(character.isalpha() for character in text)
    digits = sum(character.isdigit() for character in text)
    joined = text.translate(_SEPARATORS)
    groups = text.split("-")
    is_grouped = len(groups) > 1 and text.isupper() and len({len(group) for group in groups}) == 1
    if not 4 <= len(joined) <= 16 or not (digits or is_grouped):  # noqa: PLR2004 - what people type
        return ""
    return text if letters else joined
