"""Facts about providers have sources, and hints about a login show no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.checkup.catalog.hosting import hosting_of, hostings, this_machine
from pillarbox.checkup.catalog.logins import form_of, hints, login_forms


def test_every_hosting_provider_has_a_policy_and_a_source() -> None:
    """What is told of somebody can be looked up."""
    for one in hostings():
        assert one.policy
        assert one.source
        assert one.sure in {"high", "medium", "low"}
        assert all(mark == mark.lower() for mark in one.marks)
    assert len({one.id for one in hostings()}) == len(hostings())


@pytest.mark.parametrize(
    ("words", "provider"),
    [
        (["Amazon EC2", "t3.small"], "aws"),
        (["Google", "Google Compute Engine"], "google-cloud"),
        (["Microsoft Corporation", "7783-7084-3265-9085-8269-3286-77"], "azure"),
        (["Hetzner", "vServer"], "hetzner"),
        (["Microsoft Corporation", "Surface Laptop"], None),
        (["QEMU", "Standard PC"], None),
        ([], None),
    ],
)
def test_the_firmware_tells_the_provider(words: list[str], provider: str | None) -> None:
    """By the marks of cloud machines; other machines are nobody's."""
    found = hosting_of(words)
    assert (found.id if found else None) == provider


def test_a_machine_without_firmware_files_is_nobodys(tmp_path: Path) -> None:
    """Containers often have none."""
    assert this_machine(tmp_path) is None
    (tmp_path / "sys_vendor").write_text("DigitalOcean\n")
    found = this_machine(tmp_path)
    assert found is not None
    assert found.id == "digitalocean"


def test_every_login_form_has_a_source_and_patterns_that_hold() -> None:
    """Patterns can be compiled, and say in words what they mean."""
    for one in login_forms():
        assert one.hosts
        assert one.source
        for pattern, words in ((one.secret, one.secret_words), (one.user_pattern, one.user_words)):
            re.compile(pattern)
            assert words or not pattern


def test_a_region_is_part_of_a_host() -> None:
    """Amazon SES has a host for each region."""
    found = form_of("email-smtp.eu-west-1.amazonaws.com")
    assert found is not None
    assert found.id == "ses"
    assert form_of("smtp.example.org") is None


@given(
    user=st.sampled_from(["ann", "ann@example.org", " ann", "apikey", ""]),
    secret=st.text(alphabet="QXZqxz0189!$&", min_size=4, max_size=30).map(lambda text: f"~{text}~"),
    form=st.sampled_from([None, *login_forms()]),
)
def test_no_hint_shows_the_secret(user: str, secret: str, form: object) -> None:
    """What is printed about a login can be pasted into a forum."""
    for hint in hints(user, secret, form):  # type: ignore[arg-type]
        assert secret not in f"{hint.what} {hint.fix}"
        assert hint.fix
