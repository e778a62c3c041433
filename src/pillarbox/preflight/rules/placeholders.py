"""Rules for what a program forgot to fill in: template marks, empty values, sample text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from pillarbox.findings import Level
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, excerpt, judged, plural

__all__ = ["RULES"]

_MARKS: Final = re.compile(
    r"\{\{[^{}\n]{1,80}\}\}"  # Handlebars, Jinja, Liquid, Django
    r"|\{%-?[ ]{0,3}[a-z]\w{1,20}\b[^%\n]{0,80}%\}"
    r"|\$\{[^{}\n]{1,80}\}"  # JavaScript, JSP, shell
    r"|#\{[a-z_][\w.@ ]{0,60}\}"  # Ruby, Pug
    r"|\*\|[A-Z][A-Z0-9_:.-]{0,60}\|\*"  # Mailchimp
    r"|\[\[[ ]{0,3}[A-Za-z_][^\[\]\n]{0,60}\]\]"
    r"|%%[A-Za-z_=\[][^%\n]{0,60}%%"  # Salesforce
    r"|%[A-Z][A-Z0-9_]{2,40}%(?![0-9A-F])"
    r"|%recipient\.[\w-]{1,40}%"  # Mailgun
    r"|<%[=-]?[^%\n]{1,80}%>"  # ERB, EJS, ASP
    r"|&lt;%[=-]?[^%\n]{1,80}%&gt;"
    r"|##[A-Z][A-Z0-9_]{2,40}##"
    r"|\{(?:first|last|full|user|company)?[_ ]?(?:name|email|url|link)\}"
    r"|\[(?:(?:first|last|full|your|customer|recipient|company)[ _-]?name|insert [a-z ]{2,30})\]",
    re.IGNORECASE,
)
_CASED: Final = re.compile(r"%[A-Z][A-Z0-9_]{2,40}%|\*\|[A-Z].*|##[A-Z].*")
_EMPTY_VALUES: Final = re.compile(
    r"\[object \w{1,20}\]"
    r"|\b(?:hello|hi|hey|dear|hallo|liebe[r]?|bonjour|hola|ciao),?[ ]+(?:undefined|null|none|nan)\b"
    r"|(?<![\w.])(?:undefined|null|nan)(?:[ ]+(?:undefined|null|nan))+\b"
    r"|(?<![\"'])[:#$€£][ ]{0,2}(?:undefined|null|nan)(?![\w'.-]|[ ](?:method|variable|local|index)\b)"
    r"|(?m:^[ \t]{0,20}(?:undefined|null|NaN)[ \t]{0,20}$)"
    r"|\b(?:invalid date|1 January 1970|Jan 0?1, 1970|0001-01-01)\b",
    re.IGNORECASE,
)
_EMPTY_IN_URL: Final = re.compile(
    r"(?:[/=:]|%20)(?:undefined|null|nan|none|\[object(?:%20| )object\])(?=$|[/?&#])", re.IGNORECASE
)
_NOBODY: Final = re.compile(
    r"(?m:^[ \t]{0,20}(?:dear|hello|hi|hey|hallo|bonjour|hola)[ \t]{1,3}[,!][ \t]{0,3}$)",
    re.IGNORECASE,
)
_SAMPLE: Final = re.compile(r"(?i:lorem ipsum|dolor sit amet)|\b(?:TODO|FIXME):")
# What programs say when they fail: there such words are what the mail is about.
_REPORT: Final = re.compile(
    r"Traceback \(most recent call last\)"
    r"|(?m:^[ \t]{1,20}at [^\n]{1,200}:\d{1,7}\)?[ \t]{0,5}\r?$)"  # JavaScript, Java
    r"|(?m:^[ \t]{0,20}#?\d{0,3}[ \t]{0,5}/?[\w./-]{1,200}\.(?:rb|php|py|go|js|ts|ex|cs)[:(]\d{1,7}\b)"
)
_MOST: Final = 5  # pieces of evidence
_MAX_MARKS: Final = 1_000
_MAX_LINES: Final = 20
_MAX_REPORT: Final = 64 * 1024  # characters


def _marks(letter: Letter) -> Iterator[Judged]:
    found = list(dict.fromkeys(islice(_found_marks(letter), _MAX_MARKS)))
    if not found:
        return
    lines = tuple(_line_of(letter, mark) for _, mark in found[:_MAX_LINES])
    many = f"{plural(len(found), 'placeholder')} were" if len(found) > 1 else "A placeholder was"
    yield judged(
        Aspect.CONTENT,
        Level.WARNING,
        220,
        f"{many} left in",
        "Readers see the placeholder instead of the value.",
        "Give the template a value for each, or a default, and check the spelling of the names.",
        tenths=10,
        evidence=tuple(f"{place}: {mark}" for place, mark in found[:_MOST]),
        lines=lines,
    )


def _found_marks(letter: Letter) -> Iterator[tuple[str, str]]:
    code = letter.page.code if letter.page is not None else ""
    for place, text in _places(letter):
        for found in _MARKS.finditer(text):
            mark = found[0]
            is_cased = mark[0] in "%*#" and not mark.startswith(("%%", "%r", "#{"))
            if (not is_cased or _CASED.match(mark)) and mark not in code:
                yield place, mark


def _places(letter: Letter) -> Iterator[tuple[str, str]]:
    """Yield what a reader may see, with the name of the place."""
    yield "subject", letter.mail.subject
    for person in chain(letter.mail.from_, letter.mail.to, letter.mail.reply_to):
        yield "header", f"{person.name} {person.address}"
    yield "text", letter.text
    if letter.page is not None:
        yield "HTML", letter.page.text
        for element in letter.page.elements:
            for name, value in element.attributes.items():
                if len(value) > 2 and name not in {"style", "class"}:  # noqa: PLR2004 - a mark has more
                    yield f"HTML <{element.tag} {name}>", value


def _line_of(letter: Letter, text: str) -> int:
    if letter.page is None:
        return 0
    position = letter.page.source.find(text)
    return letter.page.source.count("\n", 0, position) + 1 if position >= 0 else 0


def _empty_values(letter: Letter) -> Iterator[Judged]:
    code = letter.page.code if letter.page is not None else ""
    found = [
        (excerpt(text, *match.span()), match[0])
        for _, text in (() if _is_report(letter) else _texts(letter))
        for match in _EMPTY_VALUES.finditer(text)
        if match[0].strip() not in code
    ]
    found += [
        (reference.shown, match[0])
        for reference in letter.references
        if (match := _EMPTY_IN_URL.search(reference.url)) is not None
    ]
    if found:
        words = ", ".join(dict.fromkeys(f"“{word.strip()}”" for _, word in found[:3]))
        yield judged(
            Aspect.CONTENT,
            Level.WARNING,
            221,
            f"A value was missing when the message was created: {words}",
            "Readers see a programming language's word for an empty value.",
            "Find the template variable, and give it a value or a default.",
            tenths=10,
            evidence=tuple(dict.fromkeys(shown for shown, _ in found))[:_MOST],
            lines=tuple(_line_of(letter, word.strip()) for _, word in found[:_MOST]),
        )


def _is_report(letter: Letter) -> bool:
    """Tell whether a mail reports the failure of a program, with the lines of code that led there."""
    return any(_REPORT.search(text[:_MAX_REPORT]) for _, text in _texts(letter))


def _nobody(letter: Letter) -> Iterator[Judged]:
    for _, text in _texts(letter):
        if (found := _NOBODY.search(text)) is not None:
            yield judged(
                Aspect.CONTENT,
                Level.WARNING,
                222,
                f"The greeting names nobody: “{found[0].strip()}”",
                "The name was empty when the message was created.",
                "Give the name a default, or use another greeting where it is empty.",
                tenths=3,
                evidence=(excerpt(text, *found.span()),),
            )
            return


def _sample(letter: Letter) -> Iterator[Judged]:
    for place, text in _texts(letter):
        if (found := _SAMPLE.search(text)) is not None:
            yield judged(
                Aspect.CONTENT,
                Level.WARNING,
                223,
                f"Sample text was left in: “{found[0]}”",
                "Readers are not meant to see it.",
                "Replace it with the real text.",
                tenths=5,
                evidence=(f"{place}: {excerpt(text, *found.span())}",),
                lines=(_line_of(letter, found[0]),),
            )
            return


def _texts(letter: Letter) -> Iterator[tuple[str, str]]:
    yield "subject", letter.mail.subject
    yield "text", letter.text
    if letter.page is not None:
        yield "HTML", letter.page.text


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _marks,
    _empty_values,
    _nobody,
    _sample,
)
