"""The search language: what people type, and what is understood."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pillarbox.search.folding import fold, words_of
from pillarbox.search.language import QueryError, parse_query
from pillarbox.search.query import Query, Term, Word
from pillarbox.search.words import MAIL_WORDS, SENT_WORDS, WORDS

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC).timestamp()
DAY = 86_400.0


def terms(text: str) -> tuple[Term, ...]:
    """Return the terms of a query."""
    return parse_query(text, now=NOW).terms


def word(value: str, **more: bool) -> Term:
    """Return a term without a word before it."""
    return Term(Word.ANY, value, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("   ", ()),
        ("hello world", (word("hello"), word("world"))),
        ('"hello world"', (word("hello world", is_phrase=True),)),
        ("-spam !ham", (word("spam", is_negated=True), word("ham", is_negated=True))),
        ('-"your code"', (word("your code", is_negated=True, is_phrase=True),)),
        ("from:ann", (Term(Word.FROM, "ann"),)),
        ("FROM:Ann", (Term(Word.FROM, "Ann"),)),
        ("!to:bob", (Term(Word.TO, "bob", is_negated=True),)),
        ('subject:"reset your"', (Term(Word.SUBJECT, "reset your", is_phrase=True),)),
        ("reply-to:help", (Term(Word.REPLY_TO, "help"),)),
        ("message-id:<1@x>", (Term(Word.MESSAGE_ID, "<1@x>"),)),
        ("is:unread", (Term(Word.IS, "unread"),)),
        ("IS:Unread", (Term(Word.IS, "unread"),)),
        ("has:attachments", (Term(Word.HAS, "attachment"),)),
        ("-has:inline", (Term(Word.HAS, "inline", is_negated=True),)),
        ("tag:a:b", (Term(Word.TAG, "a:b"),)),
    ],
)
def test_what_is_typed_is_understood(text: str, expected: tuple[Term, ...]) -> None:
    """Words, phrases, words with values, and their opposites."""
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"your co', (word("your co", is_phrase=True),)),
        ('from:"ann m', (Term(Word.FROM, "ann m", is_phrase=True),)),
        ("from:", ()),
        ('subject:""', ()),
        ("hello -", (word("hello"),)),
        ("is:", ()),
        ("before:", ()),
        ('a"b"c', (word("a"), word("b", is_phrase=True), word("c"))),
        ('"', ()),
        ("... -- !", ()),
    ],
)
def test_what_is_not_finished_counts_as_far_as_it_goes(
    text: str, expected: tuple[Term, ...]
) -> None:
    """Nobody sees an error while still typing."""
    assert terms(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a?b=c",
        "12:30",
        "Re:",
        "re:hello",
        "mailto:ann@example.com",
        "a::b",
        "::",
    ],
)
def test_what_people_paste_is_text(text: str) -> None:
    """Addresses of pages, times and reply marks are no words of the language."""
    assert all(term.word is Word.ANY for term in terms(text))


def test_quotation_marks_of_phones_are_quotation_marks() -> None:
    """Whatever a keyboard makes of them."""
    assert terms("“your code” „x y“ «z»") == (
        word("your code", is_phrase=True),
        word("x y", is_phrase=True),
        word("z", is_phrase=True),
    )


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("form:ann", "from:"),
        ("subjct:x", "subject:"),
        ("Frm:x", "from:"),
        ("replyto:x", "reply-to:"),
        ("sort:size", "order:"),
        ("Since:yesterday", "after:"),
        ("sender:ann", "from:"),
        ("is:unred", "is:unread"),
        ("has:atachment", "has:attachment"),
        ("order:old", "order:oldest"),
    ],
)
def test_an_unknown_word_is_told_the_closest(text: str, suggestion: str) -> None:
    """The error names what was probably meant, for people and for programs."""
    with pytest.raises(QueryError) as refused:
        parse_query(text, now=NOW)
    assert refused.value.suggestion == suggestion
    assert f'Did you mean "{suggestion}"?' in str(refused.value)


def test_a_word_like_no_other_is_told_all() -> None:
    """Where nothing is close, the error lists the words, and says how to look for a text."""
    with pytest.raises(QueryError) as refused:
        parse_query("xyzzyq:1", now=NOW)
    assert refused.value.suggestion == ""
    assert "from:, has:" in str(refused.value)
    assert "quotation marks" in str(refused.value)


def test_words_of_operators_are_for_sent_mail() -> None:
    """What cannot be asked here is said to be of mail that was sent; there it is understood."""
    with pytest.raises(QueryError, match="asks of mail that was sent"):
        parse_query("status:deferred", now=NOW)
    found = parse_query("status:deferred code:5.1.1", now=NOW, words=SENT_WORDS)
    assert found.terms == (Term(Word.STATUS, "deferred"), Term(Word.CODE, "5.1.1"))


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", 30),
        ("5m", 300),
        ("5 min", 300),
        ("2h", 7_200),
        ("2 hours ago", 7_200),
        ("3d", 3 * DAY),
        ("1w", 7 * DAY),
        ("2mo", 60 * DAY),
        ("1y", 365 * DAY),
        ("now", 0),
        ("today", 10.5 * 3600),
        ("yesterday", 10.5 * 3600 + DAY),
        ("2026-11-21", 10.5 * 3600),
        ("2026-11-21T09:30", 3_600),
        ("2026-11-21 09:30", 3_600),
        ("2026-11-21T09:30Z", 3_600),
        ("2026-11-21T09:30+02:00", 3 * 3_600),
        ("2026/11/2", 10.5 * 3600 + 19 * DAY),
        ("1795246200", NOW - 1_795_246_200),
    ],
)
def test_times_are_dates_or_how_long_ago(text: str, ago: float) -> None:
    """Days mean their first moment; lengths count from now."""
    (term,) = terms(f'after:"{text}"')
    assert term.number == pytest.approx(NOW - ago)


def test_days_are_those_of_the_asker() -> None:
    """Today begins when it does in the time zone that is given."""
    zone = timezone(timedelta(hours=13))
    (term,) = parse_query("after:today", now=NOW, zone=zone).terms
    assert term.number == datetime(2026, 11, 21, tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    "text", ["sometime", "2026-13-01", "0000-01-01", "99999999999999", "-1d", "2h3", "\u0662h"]
)
def test_no_time_is_told_what_is_one(text: str) -> None:
    """The error shows the forms that are understood."""
    with pytest.raises(QueryError, match="2026-11-21"):
        parse_query(f'before:"{text}"', now=NOW)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("2000", 2000), ("50k", 51_200), ("1.5M", 1_572_864), ("1MiB", 1 << 20), ("2gb", 2 << 30)],
)
def test_sizes_have_units(text: str, octets: float) -> None:
    """Octets, or K, M, G of 1,024."""
    (term,) = terms(f"larger:{text}")
    assert (term.word, term.number) == (Word.LARGER, octets)


@pytest.mark.parametrize("text", ["big", "1X", "-5", "1e9", "1.2.3", "9" * 40])
def test_no_size_is_told_what_is_one(text: str) -> None:
    """The error shows the forms that are understood."""
    with pytest.raises(QueryError, match=r"1\.5M"):
        parse_query(f"smaller:{text}", now=NOW)


def test_the_last_order_counts() -> None:
    """Order is no condition."""
    assert parse_query("order:oldest x order:largest", now=NOW) == Query((word("x"),), "largest")
    assert parse_query("order:oldest order:", now=NOW).order == "oldest"


def test_a_query_is_bounded() -> None:
    """Longer ones, and ones with very many terms, are refused in words."""
    with pytest.raises(QueryError, match="2000 characters"):
        parse_query("x" * 2_001, now=NOW)
    with pytest.raises(QueryError, match="50 terms"):
        parse_query("x " * 51, now=NOW)


@pytest.mark.parametrize("text", ['"' * 2000, "-" * 2000, "a:" * 1000, "from:" * 400, "!" * 2000])
def test_the_time_is_linear(text: str) -> None:
    """No text of the allowed length takes long."""
    began = time.process_time()
    with contextlib.suppress(QueryError):
        parse_query(text, now=NOW)
    assert time.process_time() - began < 4


def test_every_example_of_the_table_is_understood() -> None:
    """The help shows what works."""
    for row in WORDS:
        (term,) = parse_query(row.example, now=NOW, words=SENT_WORDS).terms
        assert term.word is row.word
        assert row.meaning
    assert {row.word for row in WORDS} == set(Word)
    assert MAIL_WORDS < SENT_WORDS


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Grüße aus KÖLN", "grusse aus koln"),
        ("  a \t b\n", "a b"),
        ("ÅNGSTRÖM", "angstrom"),
        ("\uff26\uff55\uff4c\uff4c", "full"),
        ("İstanbul", "istanbul"),
        ("Ver\u00adtrag\u200d", "vertrag"),
    ],
)
def test_case_and_accents_do_not_count(text: str, folded: str) -> None:
    """Text is compared without them, and without what is only there for the look."""
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bob@example.org's 3rd-rate_code", ["bob", "example", "org", "s", "3rd", "rate", "code"]),
        ("東京tower", ["東", "京", "tower"]),
        ("café—noir…", ["cafe", "noir"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("party🎉", ["party🎉"]),
        ("a\x00b\ud800c", ["a", "b", "c"]),
        ("«да» \u0661\u0662", ["да", "\u0661\u0662"]),
    ],
)
def test_words_are_runs_of_letters(text: str, words: list[str]) -> None:
    """Of any script; where a script has no spaces, each character is a word."""
    assert words_of(text) == words


def test_the_documentation_has_the_table() -> None:
    """docs/search.md says of each word of caught mail what the help of the page says."""
    page = (Path(__file__).parents[2] / "docs/search.md").read_text("utf-8")
    for row in WORDS:
        if row.word is Word.ANY or row.word in MAIL_WORDS:
            assert f"| `{row.example}` | {row.meaning} |" in page
