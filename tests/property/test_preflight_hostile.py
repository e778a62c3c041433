"""Whatever a mail says, judging it raises nothing and takes little time."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.preflight_mail import mail

from pillarbox.message.mail import read_mail
from pillarbox.preflight import Facts, assess, from_json, to_json
from pillarbox.preflight.page import read_page, shallow
from pillarbox.preflight.route import read_route
from pillarbox.preflight.style import read_attribute, read_sheet

_FRAGMENTS = (
    "<div>", "</div>", "<p>", "<a href='", "'>", "</a>", "<img src=", "<style>", "</style>", "<!--",
    "-->", "<svg>", "<math>", "<td>", "<table>", "{{", "}}", "${", "%A", "http://", "localhost",
    "@", "[", "]", ":", "javascript:", "cid:", "&#0;", "\x00", "\ud7ff", "é", "undefined", "\n", " ",
    "style='color:", "{", "}", "(", ")", "url(", ";", "<script>", "<title>", "on=", "<base>",
)  # fmt: skip
_LONG = (
    "{{", "{%", "${", "#{", "*|", "[[", "%%", "%A", "<%", "##A", "Hello ", "dear   ", "undefined ",
    "\n \n", "http://a", "https://a.b/<", "a.", "a-", "[object ", "<a href=", "<img ", "<style>@media(",
    "<style>/*", "<style>a:not(", "<style>[", "<style>{", "<p style='(", "<svg><style>", "<!--", "<div>",
    "</b><math>", "<ruby></a>", "</a><rt>", "<svg><td>", "<b><p>", "<table><tr><td>", "<select><option>",
    "<h1>", "<a>a</a>", "<pre>word ",
)  # fmt: skip
_SIZE = 100_000
_PATIENCE = 3.0  # seconds of CPU; a tenth of one is usual


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    html=st.lists(st.sampled_from(_FRAGMENTS), max_size=60).map("".join),
    subject=st.text(max_size=40),
)
def test_any_page_is_judged(html: str, subject: str) -> None:
    """No markup makes a rule raise, and what is found goes into JSON and back."""
    octets = mail(html, html, fields={"Subject": subject.replace("\r", "").replace("\n", "")})

    found = assess(read_mail(octets), octets, Facts(now=0.0))

    assert from_json(to_json(found)) == found


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_judged(octets: bytes) -> None:
    """What is no mail at all is judged as well."""
    found = assess(read_mail(octets), octets, Facts(now=0.0))

    assert 0 <= found.score.points <= 10


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:;{}()[]@#.,>+~*\"'/\\-! \n%0url", max_size=80))
def test_any_style_is_read(style: str) -> None:
    """No style makes the reader raise."""
    read_sheet(style)
    read_attribute(style)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=5))
def test_any_received_field_is_read(values: list[bytes]) -> None:
    """No trace field makes the reader of the way raise."""
    lines = (b"Received: " + value.replace(b"\n", b"").replace(b"\r", b"") for value in values)

    read_route(read_mail(b"\r\n".join(lines) + b"\r\n\r\n").tree.header)


@pytest.mark.parametrize("fragment", _LONG)
def test_no_repetition_takes_long(fragment: str) -> None:
    """Time is about linear in what a mail repeats: markup, text and subject."""
    many = fragment * (_SIZE // len(fragment))
    for octets in (mail(many, None), mail(None, many), mail(fields={"Subject": many[:30_000]})):
        read = read_mail(octets)
        begin = time.process_time()
        assess(read, octets, Facts())
        assert time.process_time() - begin < _PATIENCE


def test_a_deep_page_is_cut_and_said_to_be() -> None:
    """Elements that nest deeper than browsers keep up with are not built into a tree."""
    page = read_page("<div>" * 100_000)

    assert page.is_cut
    assert len(page.elements) < 1_000


@pytest.mark.parametrize(
    "html",
    [
        "<a " + " ".join(f"a{number}=x" for number in range(40_000)) + ">",
        "".join(f"<body a{number}>" for number in range(40_000)),
        "<!--><a " + " ".join(f"a{number}" for number in range(40_000)) + ">",
        *(
            before + "<div>" * 40_000
            for before in ("<!-->", "<title-x>", "<?<!--?>", '<p a="<!--">', "</ <!-- >")
        ),
        '<div><br a="</div>">' * 40_000,
    ],
    ids=lambda html: html[:24],
)
def test_what_lexbor_takes_long_for_is_cut(html: str) -> None:
    """Neither many attributes, nor depth behind what looks like a comment, is built into a tree."""
    assert len(shallow(html)) < len(html) // 2


def test_a_mail_with_comments_and_attributes_is_whole() -> None:
    """Conditional comments and ordinary attributes cut nothing."""
    row = '<tr><td width="10" style="a:b" title="a > b"><!--[if mso]></td><![endif]-->x</td></tr>'
    html = "<!doctype html><table>" + row * 2_000 + "</table>"
    assert shallow(html) == html
