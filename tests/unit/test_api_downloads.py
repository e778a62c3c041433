"""Content of mail as an answer (``pillarbox.api.downloads``)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pillarbox.api.downloads import content_disposition, download


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/xml",
        "application/atom+xml",
        "text/xsl",
        "text/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "multipart/x-mixed-replace",
        "application/x-shockwave-flash",
        "application/mathml+xml",
        "text/html\r\nSet-Cookie: a=b",
        "nonsense",
        "",
        "text/plain/extra",
    ],
)
@pytest.mark.parametrize("is_shown", [True, False])
def test_what_a_browser_could_run_is_octets_to_save(media_type: str, is_shown: bool) -> None:
    """Pages, pictures with scripts and what is no type at all never run in our origin."""
    answer = download(b"<script>", filename="x", media_type=media_type, is_shown=is_shown)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pictures_of_safe_types_may_be_shown() -> None:
    """A PNG is inline where that was asked for, and a PDF never is."""
    shown = download(b"", filename="a.png", media_type="image/png", is_shown=True)
    assert shown.headers["content-disposition"] == 'inline; filename="a.png"'
    assert shown.headers["content-type"] == "image/png"
    saved = download(b"", filename="a.pdf", media_type="application/pdf", is_shown=True)
    assert saved.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("filename", "field"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("..\\..\\boot.ini", 'attachment; filename="boot.ini"'),
        ("C:\\x\\y.txt", 'attachment; filename="y.txt"'),
        ("a\0b.txt", 'attachment; filename="a_b.txt"'),
        ('a"; filename="b.exe', 'attachment; filename="a_; filename=_b.exe"'),
        ("a\r\nSet-Cookie: x=y", 'attachment; filename="a__Set-Cookie_ x=y"'),
        ("invoice\u202efdp.exe", 'attachment; filename="invoice_fdp.exe"'),
        ("CON", 'attachment; filename="_CON"'),
        ("nul.txt", 'attachment; filename="_nul.txt"'),
        ("-rf", 'attachment; filename="rf"'),
        (".htaccess", 'attachment; filename="htaccess"'),
        ("", 'attachment; filename="fallback"'),
        ("...", 'attachment; filename="fallback"'),
        ("\ud800.txt", 'attachment; filename="txt"'),
        (
            "Rechnung Nr 5 \u20ac.pdf",
            "attachment; filename=\"Rechnung Nr 5 _.pdf\"; filename*=UTF-8''Rechnung%20Nr%205%20%E2%82%AC.pdf",
        ),
    ],
)
def test_names_are_made_harmless(filename: str, field: str) -> None:
    """A name is no path, hides nothing, and cannot end the field."""
    assert content_disposition("attachment", filename, "fallback") == field


def test_a_long_name_keeps_its_suffix() -> None:
    """4 KiB of name become 200 characters that still say what it is."""
    field = content_disposition("attachment", "a" * 4096 + ".pdf", "fallback")
    assert field.endswith('.pdf"')
    assert len(field) < 260


@given(st.text(max_size=300), st.text(max_size=60))
def test_no_name_and_no_type_breaks_the_answer(filename: str, media_type: str) -> None:
    """Whatever a mail says, each field is one line of Latin-1 that a server can send."""
    answer = download(b"", filename=filename, media_type=media_type, is_shown=True)
    for name, value in answer.raw_headers:
        assert not set(value) & set(range(32)), name
        assert b"\x7f" not in value
    named = answer.headers["content-disposition"]
    assert named.count('"') == 2
    assert "/" not in named.partition("filename*")[0].partition("filename=")[2]
