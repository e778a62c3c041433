"""Who may ask, and what browsers may do with the answer (``pillarbox.web.security``)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pillarbox.web.security import (
    answer_headers,
    content_policy,
    host_name,
    is_foreign,
    is_known_host,
)

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "authority",
    [
        "localhost",
        "localhost:8025",
        "LOCALHOST:8025",
        "localhost.:8025",
        "shop.localhost:8025",
        "127.0.0.1:8025",
        "[::1]:8025",
        "192.0.2.7",
        "pillarbox:8025",
        "mail.shop.test",
        "pillarbox.default.svc:8025",
        "sandbox.internal",
    ],
)
def test_a_name_that_nobody_can_point_here_is_ours(authority: str) -> None:
    """Loopback, addresses and names without a dot need no setting."""
    assert is_known_host(authority, NONE)


@pytest.mark.parametrize(
    "authority",
    [
        "evil.example",
        "evil.example:8025",
        "localhost.evil.example",
        "test.evil.example",
        "eviltest.example",
        "127.0.0.1.evil.example",
        "evil.example#localhost",
        "localhost@evil.example",
        "localhost, evil.example",
        "localhost/evil.example",
        "localhost:notaport",
        "localhost:99999",
        "",
        " ",
        "[::1",
    ],
)
def test_a_name_that_somebody_else_may_point_here_is_refused(authority: str) -> None:
    """DNS rebinding and malformed authorities get nothing."""
    assert not is_known_host(authority, NONE)


def test_names_can_be_allowed() -> None:
    """A setting adds names, and the star all of them."""
    assert is_known_host("mail.example.org:8025", frozenset({"mail.example.org"}))
    assert not is_known_host("other.example.org", frozenset({"mail.example.org"}))
    assert is_known_host("other.example.org", frozenset({"*"}))


def test_a_host_is_read_without_port_and_brackets() -> None:
    """The host of an authority is in lower case, and an address has no brackets."""
    assert host_name("Example.ORG:80") == "example.org"
    assert host_name("[2001:db8::1]:80") == "2001:db8::1"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_refused"),
    [
        (None, "", False),  # a program
        (None, "same-origin", False),
        (None, "none", False),  # typed in
        (None, "cross-site", True),
        (None, "same-site", True),
        ("http://localhost:8025", "", False),
        ("https://localhost:8025", "", False),  # a proxy speaks TLS for us
        ("https://mail.example.org", "same-origin", False),  # a proxy asks by another name
        ("http://localhost:3000", "same-site", True),
        ("http://localhost:3000", "", True),  # another program here
        ("http://evil.example", "", True),
        ("null", "", True),  # a sandboxed frame, such as that of a mail
        ("file://", "", True),
        ("http://localhost:8025.evil.example", "", True),
        ("http://[", "", True),
    ],
)
def test_a_page_elsewhere_is_told_by_what_browsers_say(
    origin: str | None, fetch_site: str, is_refused: bool
) -> None:
    """Origin counts first, then Sec-Fetch-Site; who sends neither is no browser."""
    assert (
        is_foreign("localhost:8025", origin=origin, fetch_site=fetch_site, origins=NONE)
        is is_refused
    )


def test_an_origin_can_be_allowed() -> None:
    """A setting lets a page elsewhere in."""
    allowed = frozenset({"https://app.example.org"})
    assert not is_foreign(
        "localhost", origin="https://app.example.org", fetch_site="cross-site", origins=allowed
    )


def test_a_policy_allows_only_what_is_given() -> None:
    """Everything is forbidden first."""
    policy = content_policy(img_src="'self' data:", sandbox="")
    assert policy.startswith("default-src 'none'")
    assert "img-src 'self' data:" in policy
    assert "script-src" not in policy
    assert policy.endswith("sandbox")


def test_every_answer_forbids_a_browser_to_do_anything_with_it() -> None:
    """The fields of an answer that is no page: nothing loads, nothing runs, nothing is kept."""
    fields = answer_headers()
    assert b"sandbox" in fields[b"content-security-policy"]
    assert fields[b"x-content-type-options"] == b"nosniff"
    assert fields[b"cache-control"] == b"no-store"
    assert b"access-control-allow-origin" not in fields


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_is_sent_breaks_the_check(authority: str, origin: str) -> None:
    """Whatever stands in Host and Origin, there is an answer, and no name with a dot is let in."""
    if is_known_host(authority, NONE):
        host = host_name(authority) or ""
        assert (
            "." not in host
            or host.endswith((".localhost", ".test", ".internal", ".svc"))
            or host[-1].isdigit()
            or ":" in host
        )
    if not is_foreign(authority, origin=origin, fetch_site="", origins=NONE):
        assert authority.lower() in origin.lower()
