from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from pillarbox.console.sandbox.highlight import LONGEST, html_pieces, message_pieces


@given(st.text(alphabet="<>/=\"'!-& ;ab\n#x1", max_size=80))
def test_pieces_put_together_are_the_source(source: str) -> None:
    """Colors add nothing to the source and take nothing away."""
    assert "".join(text for _, text in html_pieces(source)) == source
    assert "".join(text for _, text in message_pieces(source)) == source


def test_tags_names_and_values_are_told_apart() -> None:
    """Each kind has its color."""
    pieces = html_pieces('<a href="x">1 &amp; 2</a><!-- c -->')
    assert ("tag", "<a") in pieces
    assert ("name", "href") in pieces
    assert ("value", '="x"') in pieces
    assert ("entity", "&amp;") in pieces
    assert ("comment", "<!-- c -->") in pieces


def test_names_of_fields_are_told_apart_in_the_header_only() -> None:
    """A body that looks like a field stays plain."""
    assert message_pieces("To: a\nFrom: b\n\nNot: c\n") == [
        ("field", "To:"),
        ("", " a\n"),
        ("field", "From:"),
        ("", " b\n\nNot: c\n"),
    ]


@pytest.mark.parametrize("piece", ["<a", "<a b", "<a b='", "<!--", "&a", "<a b=c>", '"', "<a>"])
def test_time_is_linear(piece: str) -> None:
    """Nothing that is sent makes coloring slow."""
    started = time.process_time()
    html_pieces(piece * (LONGEST // len(piece)))
    assert time.process_time() - started < 4
