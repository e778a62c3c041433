from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
from selectolax.lexbor import LexborHTMLParser
from starlette.requests import Request
from tests.hostile_html import MARK, hostile_texts

from pillarbox.findings import Finding, Level
from pillarbox.web.assets import icons, shipped_assets, static_router
from pillarbox.web.pages import (
    PAGE_POLICY,
    Pages,
    problem_page,
    show_duration,
    show_moment,
    show_size,
)
from pillarbox.web.problems import Problem

_ROOMS = ("pillarbox.web", "pillarbox.console")


def _request(path: str = "/", accept: str = "text/html") -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": [(b"accept", accept.encode()), (b"host", b"localhost")],
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("localhost", 80),
        }
    )


def _templates() -> Iterator[tuple[str, str]]:
    def walk(folder: Traversable) -> Iterator[tuple[str, str]]:
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from walk(entry)
            else:
                yield entry.name, entry.read_text("utf-8")

    for room in _ROOMS:
        yield from walk(files(room) / "templates")


def test_no_template_turns_escaping_off() -> None:
    """Nothing of a mail can be marked as safe: no template says so."""
    for name, text in _templates():
        assert not re.search(r"\|\s*safe\b|autoescape|Markup|\|\s*urlize|\|\s*xmlattr", text), name


def test_no_template_has_scripts_or_styles_of_its_own() -> None:
    """The policy of pages lets only files run, so that what is smuggled in cannot."""
    for name, text in _templates():
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text), name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), name
    assert "unsafe" not in PAGE_POLICY


def test_no_file_asks_another_host() -> None:
    """Style sheets and scripts name no address outside."""
    for name, octets in shipped_assets().contents.items():
        if name.endswith((".css", ".js")):
            text = octets.decode()
            assert not re.search(r"https?://|url\(\s*['\"]?//|import\(|eval\(|new Function", text)


def test_every_attribute_of_a_template_is_quoted() -> None:
    """A value in an attribute stands in quotation marks, or escaping would not hold it."""
    for name, text in _templates():
        assert not re.search(r"\s[\w-]+=\{\{", text), name


@pytest.mark.parametrize("text", hostile_texts())
def test_findings_show_texts_as_texts(text: str) -> None:
    """Whatever a finding quotes is text on the page."""
    finding = Finding(
        level=Level.ERROR, code="PB-TEST-001", what=text, why=text, fix=text, evidence=(text,)
    )
    template = Pages()._environment.from_string(
        '{% import "findings.html" as f with context %}{{ f.finding_list(findings) }}'
    )
    tree = LexborHTMLParser(template.render(findings=[finding]))
    assert not tree.css(f"[{MARK}], script, img")
    shown = tree.css_first(".what").text().strip()
    assert shown == text.replace("\x00", "").strip()


def test_errors_are_pages_for_people_and_problems_for_programs() -> None:
    """A browser gets a page with the way back, a program a problem of RFC 9457."""
    problem = Problem(404, "There is no <b>such</b> message.")
    page = problem_page(_request("/mail/x"), problem)
    assert page.status_code == 404
    assert b"There is no &lt;b&gt;such&lt;/b&gt; message." in page.body
    for request in (_request("/mail/x", "*/*"), _request("/api/x", "text/html")):
        answer = problem_page(request, problem)
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_path_of_a_file_holds_its_content() -> None:
    """One hash of all files stands in every path; a file that is not shipped is a mistake."""
    assets = shipped_assets()
    assert assets.path("css/base.css") == f"/static/{assets.version}/css/base.css"
    with pytest.raises(KeyError):
        assets.path("../pages.py")


def test_fonts_and_icons_come_with_their_licenses() -> None:
    """What others made is shipped with what they ask for."""
    assert b"SIL OPEN FONT LICENSE" in shipped_assets().contents["fonts/OFL.txt"]
    assert "ISC License" in (files("pillarbox.web") / "icons" / "LICENSE.txt").read_text("utf-8")


def test_every_icon_that_is_named_is_there() -> None:
    """A template asks for no icon that is not drawn."""
    known = icons()
    for name, text in _templates():
        for icon in re.findall(r"icon\('([a-z0-9-]+)'", text):
            assert icon in known, (name, icon)


@pytest.mark.parametrize(
    ("octets", "shown"),
    [(0, "0 octets"), (1, "1 octet"), (999, "999 octets"), (1536, "1.5 KiB"), (2**20, "1.0 MiB")],
)
def test_sizes_for_people(octets: int, shown: str) -> None:
    """A size has at most three digits and its unit."""
    assert show_size(octets) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 seconds"), (1, "1 second"), (90, "90 seconds"), (5400, "90 minutes"), (86400, "1 day")],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    """A duration is told in the largest unit that fits it."""
    assert show_duration(seconds) == shown


def test_a_time_that_no_calendar_knows_is_no_error() -> None:
    """A Date far away shows something."""
    assert show_moment(1e300) == "1970-01-01 00:00:00 UTC"


def test_a_page_that_names_no_icon_has_one() -> None:
    """A browser finds the icon where it asks for it by itself."""
    routes = {getattr(route, "path", "") for route in static_router().routes}
    assert "/favicon.ico" in routes
