"""What the inbox finds is what an independent reader of the same mail would find."""

from __future__ import annotations

import asyncio
import base64
import unicodedata
from dataclasses import dataclass
from zlib import crc32

from hypothesis import given, settings, strategies as st
from msgspec.structs import replace
from tests.inboxes import inbox_at, keep, mail
from tests.mail import NOW

from pillarbox.inbox.values import Selection
from pillarbox.search.folding import words_of
from pillarbox.search.language import QueryError, parse_query
from pillarbox.search.query import Query, Term, Word
from pillarbox.store.port import MessageId

_TEXTS = (
    "Hello world",
    "hel lo",
    "Größe zählt",
    "code-482913",
    "東京 tower",
    "a b c",
    "100% _x_ *",
)
_NAMES = ("Ann", "Bob O'Hara", "Zoë", "Carl (NEAR)")
_ADDRESSES = ("ann@example.com", "bob@example.org", "zoe@example.net")
_TAGS = ("urgent", "To-Do", "a_b")


@dataclass(frozen=True)
class Written:
    """A mail as its author has written it."""

    subject: str
    text: str
    author: str
    address: str
    to: str
    cc: str
    envelope: str
    tags: tuple[str, ...]
    at: float
    is_read: bool
    padding: int
    filename: str

    @property
    def people(self) -> dict[Word, list[str]]:
        """Whom each field names."""
        named = {self.to, self.cc} - {""}
        return {
            Word.FROM: [f"{self.author} {self.address}"],
            Word.TO: [self.to],
            Word.CC: [self.cc] if self.cc else [],
            Word.BCC: [] if self.envelope in named else [self.envelope],
            Word.REPLY_TO: [],
        }


written_mails = st.builds(
    Written,
    subject=st.sampled_from(_TEXTS),
    text=st.lists(st.sampled_from(_TEXTS), max_size=3).map(" / ".join),
    author=st.sampled_from(_NAMES),
    address=st.sampled_from(_ADDRESSES),
    to=st.sampled_from(_ADDRESSES),
    cc=st.sampled_from(("", *_ADDRESSES)),
    envelope=st.sampled_from(_ADDRESSES),
    tags=st.lists(st.sampled_from(_TAGS), unique=True).map(tuple),
    at=st.integers(0, 10).map(lambda n: NOW + n),
    is_read=st.booleans(),
    padding=st.integers(0, 3),
    filename=st.sampled_from(("", "bill 7.pdf")),
)

_values = st.one_of(
    st.sampled_from(
        (*_TEXTS, *_NAMES, *_ADDRESSES, *_TAGS, "hel", "HELL", "h", "4829", "京", "grosse", "o'h")
    ),
    st.sampled_from(("'", '"', "*", "a AND b", "NEAR(a b)", "%", "_", "x' OR 1=1 --", "-a", "^b")),
    st.text("ab hlo%_*\"'東ö", max_size=5),
)
_plain_terms = st.builds(
    Term,
    word=st.sampled_from(
        [
            *(Word.ANY, Word.FROM, Word.TO, Word.CC, Word.BCC, Word.REPLY_TO),
            *(Word.ADDRESSED, Word.SUBJECT, Word.TAG),
        ]
    ),
    value=_values,
    is_negated=st.booleans(),
    is_phrase=st.booleans(),
)
_chosen_terms = st.builds(
    lambda chosen, is_negated: Term(*chosen, is_negated=is_negated),
    st.sampled_from(
        [(Word.IS, v) for v in ("read", "unread", "tagged")]
        + [(Word.HAS, v) for v in ("attachment", "inline")]
    ),
    st.booleans(),
)
_numbered_terms = st.one_of(
    st.builds(
        lambda word, number, is_negated: Term(word, "", is_negated, number=number),
        st.sampled_from((Word.BEFORE, Word.AFTER)),
        st.integers(-1, 11).map(lambda n: NOW + n),
        st.booleans(),
    ),
    st.builds(
        lambda word, number, is_negated: Term(word, "", is_negated, number=number),
        st.sampled_from((Word.LARGER, Word.SMALLER)),
        st.integers(0, 4).map(lambda n: 1000.0 * n),
        st.booleans(),
    ),
)
queries = st.builds(
    Query,
    st.lists(st.one_of(_plain_terms, _chosen_terms, _numbered_terms), max_size=4).map(tuple),
    st.sampled_from(("", "newest", "oldest", "largest", "smallest")),
)


# --- the independent reader ----------------------------------------------------------------


def plain(text: str) -> str:
    """Take case, accents and superfluous spaces off, character by character."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


def words(text: str) -> list[str]:
    """Cut a text into runs of letters and digits, and single Chinese characters."""
    found = [""]
    for letter in plain(text):
        if "\u4e00" <= letter <= "\u9fff":
            found += [letter, ""]
        elif letter.isalnum():
            found[-1] += letter
        else:
            found.append("")
    return [word for word in found if word]


def stands_in(wanted: list[str], text: str, *, is_whole: bool) -> bool:
    """Whether words stand together in a text, the last of them perhaps only begun."""
    there = words(text)
    for begin in range(len(there) - len(wanted) + 1):
        stretch = there[begin : begin + len(wanted)]
        if stretch[:-1] == wanted[:-1] and (
            stretch[-1] == wanted[-1] or (not is_whole and stretch[-1].startswith(wanted[-1]))
        ):
            return True
    return False


def is_found(written: Written, term: Term, size: int) -> bool:
    """Whether a mail is what a term asks for, negation left aside."""
    word, value = term.word, term.value
    if word is Word.ANY:
        wanted = words(value)
        is_whole = term.is_phrase or len(wanted[-1]) < 2
        people = "\n".join(who for field in written.people.values() for who in field)
        texts = (written.subject, people, written.text, written.filename)
        return any(stands_in(wanted, text, is_whole=is_whole) for text in texts)
    if word is Word.ADDRESSED:
        return any(plain(value) in plain("\n".join(f)) for f in written.people.values())
    if word in written.people:
        return plain(value) in plain("\n".join(written.people[word]))
    answers = {
        Word.SUBJECT: lambda: plain(value) in plain(written.subject),
        Word.TAG: lambda: plain(value) in map(plain, written.tags),
        Word.IS: lambda: {
            "read": written.is_read,
            "unread": not written.is_read,
            "tagged": bool(written.tags),
        }[value],
        Word.HAS: lambda: value == "attachment" and bool(written.filename),
        Word.BEFORE: lambda: written.at < term.number,
        Word.AFTER: lambda: written.at >= term.number,
        Word.LARGER: lambda: size > term.number,
        Word.SMALLER: lambda: size < term.number,
    }
    return answers[word]()


def expected(mails: dict[MessageId, tuple[Written, int]], query: Query) -> list[MessageId]:
    """Return what a query must find, in its order."""
    found = [
        number
        for number, (written, size) in mails.items()
        if all(
            is_found(written, term, size) != term.is_negated
            for term in query.terms
            if term.word is not Word.ANY or words(term.value)
        )
    ]
    found.sort(reverse=query.order != "oldest")
    if query.order in ("largest", "smallest"):
        found.sort(key=lambda n: mails[n][1], reverse=query.order == "largest")
    return found


def octets_of(written: Written) -> bytes:
    """Write the mail out."""
    kept = mail(
        subject=written.subject,
        author=f'"{written.author}" <{written.address}>',
        to=written.to,
        fields=(f"Cc: {written.cc}\r\n" if written.cc else "")
        + (f"X-Tags: {', '.join(written.tags)}\r\n" if written.tags else "")
        + f"X-Padding: {'=' * 900 * written.padding}\r\n",
        text=written.text,
    )
    assert kept.content is not None
    if not written.filename:
        return kept.content
    head, body = kept.content.split(b"\r\n\r\n", 1)
    header = head.replace(
        b"Content-Type: text/plain; charset=utf-8", b'Content-Type: multipart/mixed; boundary="b"'
    )
    return (
        header + b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body + b"\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "
        b'filename="' + written.filename.encode() + b'"\r\n\r\nx\r\n--b--\r\n'
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(written_mails, min_size=1, max_size=8), st.lists(queries, min_size=1, max_size=8))
def test_sql_finds_what_a_reader_finds(written: list[Written], asked: list[Query]) -> None:
    """Every query gives the same mails in the same order, however words and syntax look."""

    async def main() -> None:
        inbox = inbox_at(None)
        await inbox.open()
        try:
            mails: dict[MessageId, tuple[Written, int]] = {}
            for each in written:
                octets = octets_of(each)
                kept = replace(
                    mail(envelope=(each.envelope,), at=each.at),
                    content=octets,
                    size=len(octets),
                    checksum=crc32(octets),
                )
                await keep(inbox, kept)
                mails[kept.id] = (each, len(octets))
            read = frozenset(number for number, (each, _) in mails.items() if each.is_read)
            await inbox.mark(Selection(ids=read), is_read=True)
            for query in asked:
                page = await inbox.find(query)
                found = [summary.id for summary in page.summaries]
                assert found == expected(mails, query), query
                assert page.total == len(found)
                assert page.unread == len(set(found) - read)
        finally:
            await inbox.close()

    asyncio.run(main())


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_typed_is_understood_or_told(text: str) -> None:
    """Any text is a query or a ``QueryError``, and a query finds something or nothing."""
    try:
        query = parse_query(text, now=NOW)
    except QueryError:
        return

    async def main() -> None:
        inbox = inbox_at(None)
        await inbox.open()
        try:
            await keep(inbox, mail(subject=text.replace("\r", "").replace("\n", "")[:20] or "x"))
            await inbox.find(query)
        finally:
            await inbox.close()

    asyncio.run(main())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40).filter(lambda text: bool(words_of(text))))
def test_every_word_of_a_text_finds_it(text: str) -> None:
    """The index cuts a text of any script into the words that a query is cut into."""

    async def main() -> None:
        inbox = inbox_at(None)
        await inbox.open()
        try:
            encoded = base64.b64encode(text.encode()).decode()
            kept = mail(text=encoded, fields="Content-Transfer-Encoding: base64\r\n", to="b@x.org")
            await keep(inbox, kept)
            found = words_of(text)
            for number, word in enumerate(found):
                for value in (word, word[:2], " ".join(found[number : number + 3])):
                    for is_phrase in (False, True):
                        query = Query((Term(Word.ANY, value, is_phrase=is_phrase),))
                        if not is_phrase or value != word[:2] or value == word:
                            assert (await inbox.find(query)).total == 1, (value, is_phrase)
        finally:
            await inbox.close()

    asyncio.run(main())


_LATIN_TEXTS = st.text(
    st.one_of(
        st.characters(max_codepoint=0xFF),
        st.sampled_from(
            "\u034f\u200b\u200c\u200d\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u20ac"
        ),
    ),
    max_size=40,
)


@given(_LATIN_TEXTS)
def test_latin_text_takes_no_other_way_than_all(text: str) -> None:
    """The short way for Western text cuts it into the same words as the long way for any."""
    assert [*words_of(text), "東"] == words_of(f"{text} 東")
