"""URLs as they are shown."""

from __future__ import annotations

import pytest

from pillarbox.policy.masked_url import masked_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/hook", "https://example.org/hook"),
        ("https://example.org/hook?token=s&x=y#z", "https://example.org/hook?token=***&x=***#z"),
        ("http://user:secret@localhost:11333/", "http://***@localhost:11333/"),
        ("http://u:s@e@example.org/a@b?c", "http://***@example.org/a@b?c"),
        ("http://example.org/?a=b=c", "http://example.org/?a=***"),
        ("order=newest", "order=newest"),
        ("", ""),
    ],
)
def test_a_url_shows_where_it_leads_and_no_secret(url: str, shown: str) -> None:
    """Users, and the values of a query, may be secrets; the place is none."""
    assert masked_url(url) == shown
