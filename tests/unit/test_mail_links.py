"""The links that a mail names."""

from __future__ import annotations

import pytest

from pillarbox.message.links import Link, links_in, links_in_html, links_in_text
from pillarbox.message.mail import read_mail


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("See https://a.example/x?y=1&z=2.", ["https://a.example/x?y=1&z=2"]),
        ("(https://a.example/b_(c))", ["https://a.example/b_(c)"]),
        ("<https://a.example/>", ["https://a.example/"]),
        ("HTTPS://A.example, http://b.example!", ["HTTPS://A.example", "http://b.example"]),
        ("www.example.org", ["https://www.example.org"]),
        ("https://a.example/ä?q=「x」", ["https://a.example/ä?q="]),
        ("ftp://a.example mailto:a@b.c javascript:x", []),
    ],
)
def test_addresses_are_found_in_text(text: str, urls: list[str]) -> None:
    """An address ends before what belongs to the sentence around it."""
    assert [link.url for link in links_in_text(text)] == urls


@pytest.mark.parametrize(
    ("markup", "links"),
    [
        ('<a href="https://a.example/?a=1&amp;b=2">Click <b>here</b></a>',
         [("https://a.example/?a=1&b=2", "Click here", "link")]),
        ("<A HREF=https://a.example>x</A>", [("https://a.example", "x", "link")]),
        ("<a href='x'><img src='y' alt='Logo'></a>", [("x", "Logo", "link"), ("y", "Logo", "image")]),
        ("<img srcset='a.png 1x, b.png 2x'>", [("a.png", "", "image"), ("b.png", "", "image")]),
        ("<td background='z.gif'>", [("z.gif", "", "image")]),
        ("<form action='/f'>", [("/f", "", "form")]),
        ("<p style='background:url(s.png)'>", [("s.png", "", "image")]),
        ("<a href='#top'>x</a><img src='cid:1'><img src='data:image/png;base64,x'>", []),
        ("<!-- <a href='no'> --><!--[if mso]><a href='yes'>x</a><![endif]-->", [("yes", "x", "link")]),
        ("<a title='a>b' href='x'>y</a>", [("x", "y", "link")]),
        ("<a href='first' href='second'>x</a>", [("first", "x", "link")]),
    ],
)  # fmt: skip
def test_addresses_are_found_in_a_page(markup: str, links: list[tuple[str, str, str]]) -> None:
    """Links, images, forms and styles are found with what the reader sees of them."""
    assert [(link.url, link.text, link.kind) for link in links_in_html(markup)] == links


def test_the_page_goes_before_the_text_and_nothing_is_given_twice() -> None:
    """A mail's links are those of its page, then those of its text."""
    mail = read_mail(
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nhttps://a.example https://a.example"
        b"\r\n--b\r\nContent-Type: text/html\r\n\r\n<a href='https://b.example'>b</a>\r\n--b--\r\n"
    )
    assert links_in(mail) == (
        Link("https://b.example", "b", "html", "link"),
        Link("https://a.example", "https://a.example", "text", "link"),
    )
