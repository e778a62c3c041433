from __future__ import annotations

import re
import time

import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.hostile_html import hostile_pieces
from tests.sample_mail import confirmation, newsletter

from pillarbox.console.sandbox.framed import Scheme, frame, frame_policy
from pillarbox.console.sandbox.stylesheet import rewrite_style
from pillarbox.message.mail import Mail, read_mail

_HEAD = b"From: a@example.com\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def _mail(html: str) -> Mail:
    return read_mail(_HEAD + html.encode())


def _framed(html: str, **options: object) -> str:
    return frame(_mail(html), **options).html  # type: ignore[arg-type]


def _light(text: str) -> str:
    return rewrite_style(text, lambda url: url, is_dark=False)


def test_nothing_that_runs_or_loads_is_left() -> None:
    """Of all hostile pieces no script, no handler, no frame and no foreign address is left."""
    for piece in hostile_pieces():
        tree = LexborHTMLParser(_framed(piece))
        assert not tree.css("script, iframe, object, embed, link, base, template, frame"), piece
        assert tree.root is not None
        for node in tree.root.traverse(include_text=False):
            for name, value in node.attributes.items():
                assert not name.lower().startswith("on"), piece
                if name.lower() in {"src", "href", "xlink:href", "srcset", "background", "poster"}:
                    shown = value or ""
                    is_ours = shown.startswith(("data:", "/leave?to=", "#")) or shown == ""
                    assert is_ours or ":" not in shown, (piece, name, shown)


def test_a_link_leads_to_the_page_in_between() -> None:
    """Links open a tab of their own, which knows nothing of this one."""
    html = _framed('<a href="https://example.com/a?b=c&amp;d=e" target=_top rel=opener>x</a>')
    link = LexborHTMLParser(html).css_first("a")
    assert link.attributes == {
        "href": "/leave?to=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d%3De",
        "target": "_blank",
        "rel": "noopener noreferrer",
        "title": "https://example.com/a?b=c&d=e",
    }


def test_links_follow_the_path_of_the_application() -> None:
    """Below a path the page in between is there, too."""
    assert 'href="/mail/leave?to=' in _framed("<a href=https://example.com/>x</a>", root="/mail")


def test_a_place_in_the_mail_stays() -> None:
    """A table of contents works."""
    assert '<a href="#part">' in _framed("<a href=#part>x</a><p id=part>y")


@pytest.mark.parametrize("scheme", ["javascript", "data", "file", "vbscript", "blob", "x-app"])
def test_other_schemes_lead_nowhere(scheme: str) -> None:
    """Only schemes that can be followed from here are links."""
    link = LexborHTMLParser(_framed(f"<a href='{scheme}:x'>x</a>")).css_first("a")
    assert "href" not in link.attributes


def test_inline_pictures_become_part_of_the_page() -> None:
    """A picture of the mail is within the page, so that the frame asks for nothing."""
    framed = frame(read_mail(newsletter().message.as_bytes()))
    assert "data:image/png;base64," in framed.html
    assert "cid:" not in framed.html
    assert framed.remote == 2


def test_inline_pictures_are_bounded() -> None:
    """A picture that is used a million times does not become a page without end."""
    octets = newsletter().message.as_bytes()
    many = octets.replace(b"<h1>", b"<img src=3D'cid:hero@tt'>" * 40_000 + b"<h1>", 1)
    assert len(frame(read_mail(many)).html) < 64 * 1024 * 1024


def test_remote_pictures_are_counted_and_kept_by_https_only() -> None:
    """They give way to a placeholder; asked for, those by https stay."""
    html = "<img src=https://x.example/a><img src=http://x.example/b>"
    assert frame(_mail(html)).remote == 2
    assert "x.example" not in _framed(html)
    shown = _framed(html, shows_remote=True)
    assert "https://x.example/a" in shown
    assert "http://x.example/b" not in shown


def test_the_document_type_stays_as_it_is() -> None:
    """It decides how browsers measure boxes, and so how the mail looks."""
    old = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://x/">'
    assert _framed(f"{old}<p>x").startswith(old)
    assert _framed("<p>x").startswith("<html>")


def test_the_authors_dark_style_is_chosen_by_us() -> None:
    """Media queries for dark colors hold in the dark view and in no other."""
    mail = read_mail(confirmation().message.as_bytes())
    light, dark = frame(mail).html, frame(mail, scheme=Scheme.DARK).html
    assert "@media (max-width: 0px)" in light
    assert "@media (min-width: 0px)" in dark
    assert 'content="dark"' in dark
    assert "invert(1)" in frame(mail, scheme=Scheme.INVERTED).html


def test_styles_load_nothing() -> None:
    """Imports and fonts go, and pictures of other hosts give way."""
    assert _light("@import url('https://x.example/a;b.css') screen; p { color: red }").strip() == (
        "p { color: red }"
    )
    assert _light("@font-face { font-family: x; src: url(y) } p {}").strip() == "p {}"
    replaced = rewrite_style("p { background: URL( 'a\"b' ) }", lambda _: "data:,", is_dark=False)
    assert replaced == 'p { background: url("data:,") }'


def test_a_style_cannot_end_its_element() -> None:
    """What a style sheet says never begins markup."""
    assert "</" not in _light("p::after { content: '</style><img src=x onerror=alert(1)>' }")


def test_what_a_style_means_is_kept() -> None:
    """Selectors, conditional comments and texts stay as they are."""
    html = "<style>ul > li { color: red }</style><!--[if mso]><p>x</p><![endif]--><p>a &lt; b</p>"
    framed = _framed(html)
    assert "ul > li { color: red }" in framed
    assert "<!--[if mso]><p>x</p><![endif]-->" in framed
    assert "a &lt; b" in framed


def test_the_policy_lets_nothing_run() -> None:
    """Scripts and the same origin are never allowed, whatever is asked for."""
    for shows_remote in (False, True):
        policy = frame_policy(shows_remote=shows_remote)
        assert "default-src 'none'" in policy
        assert not re.search(r"script|same-origin|allow-forms|top-navigation", policy)
    assert "https:" not in frame_policy(shows_remote=False)


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<b><i>",
        "<a href=https://x.example/>",
        "<style>@import url(",
        "<style>url(",
        "<p style='url(url(url('>",
        '<p style="@import @import">',
        "<img src=cid:x>",
    ],
)
def test_time_is_bounded(piece: str) -> None:
    """Whatever a mail is made of, it is ready in the time that its size allows."""
    started = time.process_time()
    _framed(piece * (400_000 // len(piece)))
    assert time.process_time() - started < 8
