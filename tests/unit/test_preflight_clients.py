"""What a page uses is found, with its lines, and joined with what each client supports."""

from __future__ import annotations

import pytest

from pillarbox.preflight import Support
from pillarbox.preflight.clients.support import client_support, clients, features, used_features
from pillarbox.preflight.clients.triggers import traces_of
from pillarbox.preflight.color import contrast, read_color
from pillarbox.preflight.page import read_page
from pillarbox.preflight.style import read_attribute, read_sheet


@pytest.mark.parametrize(
    ("html", "slug"),
    [
        ("<video></video>", "html-video"),
        ("<IMG SRC=x.WEBP>", "image-webp"),
        ("<img src='data:image/png;base64,AA'>", "image-base64"),
        ("<img srcset='a.avif 2x'>", "image-avif"),
        ("<table><td background='a.gif'></table>", "html-background"),
        ("<table><td background='a.gif'></table>", "image-gif"),
        ("<input type=CHECKBOX>", "html-input-checkbox"),
        ("<input>", "html-input-text"),
        ("<button>x</button>", "html-button-submit"),
        ("<a href='mailto:a@b.net'>x</a>", "html-mailto-links"),
        ("<a href='#top'>x</a>", "html-anchor-links"),
        ("<meta name='color-scheme' content='light'>", "html-meta-color-scheme"),
        ("<!doctype html><p>", "html-doctype"),
        ("<!-- x --><p>", "html-comments"),
        ("<p style='display: FLEX'>", "css-display-flex"),
        ("<p style='display:inline-grid'>", "css-display-grid"),
        ("<p style='width:calc(1px + 2vw)'>", "css-unit-calc"),
        ("<p style='width:calc(1px + 2vw)'>", "css-unit-vw"),
        ("<p style='-webkit-border-radius:1px'>", "css-border-radius"),
        ("<p style='--a:1px'>", "css-variables"),
        ("<p style='color:var(--a)'>", "css-variables"),
        ("<p style='color:red !important'>", "css-important"),
        ("<p style='background:url(a.svg)'>", "image-svg"),
        ("<p style=\"background:url('a.bmp?1')\">", "image-bmp"),
        ("<p style='width:50%'>", "css-unit-percent"),
        ("<p style='width:fit-content'>", "css-intrinsic-size"),
        ("<p style='font-family:system-ui'>", "css-sytem-ui"),
        ("<style>@media (prefers-color-scheme:dark){p{color:red}}</style>",
         "css-at-media-prefers-color-scheme"),
        ("<style>@media (-webkit-min-device-pixel-ratio:2){}</style>",
         "css-at-media-device-pixel-ratio"),
        ("<style>@media (min-width:1px){@supports (gap:1px){p{gap:1px}}}</style>", "css-gap"),
        ("<style>@import url(a.css);</style>", "css-at-import"),
        ("<style>@font-face{font-family:a;src:url(a.woff)}</style>", "css-at-font-face"),
        ("<style>@-webkit-keyframes a{from{color:red}}</style>", "css-at-keyframes"),
        ("<style>a:hover{}</style>", "css-pseudo-class-hover"),
        ("<style>a:not(.b){}</style>", "css-pseudo-class-not"),
        ("<style>a:not(.b){}</style>", "css-selector-class"),
        ("<style>p:before{}</style>", "css-pseudo-element-before"),
        ("<style>p::after{}</style>", "css-pseudo-element-after"),
        ("<style>a > b{}</style>", "css-selector-child"),
        ("<style>a b{}</style>", "css-selector-descendant"),
        ("<style>a+b{}</style>", "css-selector-adjacent-sibling"),
        ("<style>a ~ b{}</style>", "css-selector-general-sibling"),
        ("<style>a, b{}</style>", "css-selector-grouping"),
        ("<style>.a.b{}</style>", "css-selector-chaining"),
        ("<style>#a{}</style>", "css-selector-id"),
        ("<style>[a=b]{}</style>", "css-selector-attribute"),
        ("<style>*{}</style>", "css-selector-universal"),
        ("<style>.a{color:red;.b{color:blue}}</style>", "css-nesting"),
        ("<style>/* x */</style>", "css-comments"),
    ],
)  # fmt: skip
def test_a_feature_is_found(html: str, slug: str) -> None:
    """Elements, attributes, styles, selectors and images show in the page that uses them."""
    assert slug in used_features(read_page(html))


@pytest.mark.parametrize(
    ("html", "slug"),
    [
        ("<!-- <video></video> -->", "html-video"),
        ("<style>.a.b{}</style>", "css-selector-descendant"),
        ("<style>a{}</style>", "css-selector-class"),
        ("<style>.a{}</style>", "css-selector-type"),
        ("<p style='display:block'>", "css-display-flex"),
        ("<video src='a.mp4'></video>", "image-mp4"),
        ("<script src='a.svg'></script>", "image-svg"),
        ("<p style='content:\"video\"'>", "html-video"),
        ("<style>@keyframes a{50%{color:red}}</style>", "css-unit-percent"),
        ("<p>display:flex</p>", "css-display-flex"),
    ],
)
def test_what_only_looks_like_a_feature_is_none(html: str, slug: str) -> None:
    """Comments, texts and near neighbors are not taken for it."""
    assert slug not in used_features(read_page(html))


def test_lines_of_the_source_are_told() -> None:
    """A use names its line, in the HTML, in a sheet and in an attribute of several lines."""
    page = read_page(
        "<html>\n<style>\np { gap: 1px }\n</style>\n<p\nstyle='color:red;\nz-index:1'>\n<video>"
    )
    found = used_features(page)

    assert found["css-gap"] == [3]
    assert found["html-video"] == [8]
    assert found["html-style"] == [2]


def test_a_page_without_reach_loses_nowhere() -> None:
    """Plain words are supported by everybody, and nobody's share of the market is in it."""
    found = client_support(read_page("plain words"))

    assert [one.percent for one in found.clients if one.percent not in {None, 100}] == []
    assert len(found.clients) == len(clients()) == 41


def test_percentages_count_what_is_known() -> None:
    """Partly counts half, and what was not tested counts on neither side."""
    found = client_support(read_page("<video></video>"))
    tally = next(one for one in found.clients if one.name == "gmail.ios")
    use = next(one for one in found.features if one.slug == "html-video")

    assert use.support["gmail.ios"] is Support.NO
    assert use.url == "https://www.caniemail.com/features/html-video/"
    assert (use.count, use.lines) == (1, (1,))
    assert tally.yes + tally.partly + tally.no + tally.unknown == len(found.features)
    assert tally.percent == (2 * tally.yes + tally.partly) * 50 // (
        tally.yes + tally.partly + tally.no
    )


def test_every_tested_feature_has_a_trace() -> None:
    """No feature of the facts is one that can never be found."""
    assert len(features()) == 305
    assert all(traces_of(slug) for slug in features())


def test_a_hidden_tag_is_seen_as_a_browser_sees_it() -> None:
    """The tree is that of a browser: what looks like a comment to a pattern may be none."""
    page = read_page("<!--><script>alert(1)</script>-->")

    assert page.first("script") is not None


def test_a_style_is_read_once() -> None:
    """The same attribute costs nothing the second time, and declarations are kept as written."""
    style = "color: red; background-color: #fff"

    assert read_attribute(style) is read_attribute(style)
    assert read_attribute(style).declarations == (("color", "red"), ("background-color", "#fff"))
    assert read_sheet("p { background: url(a.png) }").urls == ("a.png",)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#FFF", (255, 255, 255)),
        ("00ff00", (0, 255, 0)),
        ("rgb(1, 2, 3)", (1, 2, 3)),
        ("rgba(1,2,3,1)", (1, 2, 3)),
        ("rgba(1,2,3,.5)", None),
        ("White", (255, 255, 255)),
        ("inherit", None),
        ("", None),
    ],
)
def test_colors_are_read(text: str, color: tuple[int, int, int] | None) -> None:
    """A color that lets others through, or is none, is not known."""
    assert read_color(text) == color


def test_contrast_is_that_of_wcag() -> None:
    """Black on white is 21 to 1, and the order does not matter."""
    black, white = (0, 0, 0), (255, 255, 255)

    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, black) == pytest.approx(21)
    assert contrast((118, 118, 118), white) == pytest.approx(4.54, abs=0.01)
