"""A mail in short, as a list shows it and a search finds it."""

from __future__ import annotations

from pillarbox.message.people import Person
from pillarbox.message.summary import MAX_SNIPPET, MAX_TEXT, summarize

PAGE = b"Content-Type: text/html; charset=utf-8\r\n\r\n"


def test_the_header_is_summed_up() -> None:
    """Subject, people, id and tags are there, decoded."""
    found = summarize(
        b"From: =?utf-8?q?=C3=84nn?= <a@example.org>, b@example.org\r\nTo: c@example.org\r\n"
        b"Cc: d@example.org\r\nReply-To: e@example.org\r\nSubject: =?utf-8?q?=C3=84?=\r\n"
        b"Message-ID: <1@example.org>\r\nX-Tags: one, two,,one\r\n\r\nHello\r\n"
    )
    assert found.author == Person("a@example.org", "Änn")
    assert found.to == (Person("c@example.org"),)
    assert (found.cc[0].address, found.reply_to[0].address) == ("d@example.org", "e@example.org")
    assert (found.subject, found.message_id, found.tags_header) == (
        "Ä", "1@example.org", ("one", "two"),
    )  # fmt: skip
    assert (found.snippet, found.text) == ("Hello", "Hello\r\n")


def test_the_snippet_is_one_short_line() -> None:
    """Blanks and line ends are squeezed; it is cut."""
    found = summarize(b"\r\n  One\r\n\r\n two \t three\r\n" + b"word " * 500)
    assert found.snippet.startswith("One two three word")
    assert len(found.snippet) == MAX_SNIPPET


def test_a_page_is_summed_up_by_what_it_shows() -> None:
    """Styles, scripts, comments and the title are no text; a plain text goes before the page."""
    markup = (
        b"<html><head><title>No</title><style>p{}</style></head><body><!-- no --><p>Hi&nbsp;<b>y</b>ou"
        b"<script>no()</script><p>two &amp; three</body></html>"
    )
    assert summarize(PAGE + markup).snippet == "Hi you two & three"
    found = summarize(
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n"
        b"--b\r\n" + PAGE + markup + b"\r\n--b--\r\n"
    )
    assert found.snippet == "plain"
    assert "three" in found.text  # found by what only the page says


def test_parts_are_counted() -> None:
    """What the page shows is inline; all else is attached; both have names to be found by."""
    found = summarize(
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n" + PAGE + b"<img src=cid:1>"
        b"\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-ID: <1>\r\n\r\nx"
        b"\r\n--b\r\nContent-Type: application/pdf; name=b.pdf\r\n\r\nx\r\n--b--\r\n"
    )
    assert (found.inlines, found.attachments, found.filenames) == (1, 1, ("a.png", "b.pdf"))


def test_what_goes_into_the_index_is_bounded() -> None:
    """Of a large text its beginning is decoded."""
    assert len(summarize(b"\r\n" + b"word " * 1_000_000).text) == MAX_TEXT
