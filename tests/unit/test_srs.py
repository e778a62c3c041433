"""SRS: forwarded mail keeps SPF, and its bounces find the way back, but nobody else's do."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from pillarbox.errors import PermanentError
from pillarbox.mailauth.srs import SenderRewriter, SrsRefused, is_rewritten
from pillarbox.smtp.address import Mailbox

SECRET, OLDER = b"0123456789abcdef", b"fedcba9876543210"
DAY = 86_400.0
NOW = 20_000 * DAY + 1234.0
ANN = Mailbox("ann", "example.net")


def rewriter(*secrets: bytes, domain: str = "forward.example") -> SenderRewriter:
    return SenderRewriter(domain, secrets or (SECRET,))


def forward(one: SenderRewriter, sender: Mailbox, now: float = NOW) -> Mailbox:
    made = one.forward(sender, now=now)
    assert made is not None
    return made


def test_a_sender_is_rewritten_and_found_again() -> None:
    """The path becomes an address of ours, and a bounce to it goes to the old one."""
    made = forward(rewriter(), ANN)
    assert made.domain == "forward.example"
    assert made.local_part.startswith("SRS0=")
    assert made.local_part.endswith("=example.net=ann")
    assert is_rewritten(made)
    assert rewriter().reverse(made, now=NOW + 3 * DAY) == ANN


def test_the_null_reverse_path_stays_null() -> None:
    """A bounce that is forwarded stays a bounce (RFC 5321 §4.5.5)."""
    assert rewriter().forward(None, now=NOW) is None


def test_a_second_forwarder_wraps_the_first_and_a_third_does_not_add() -> None:
    """SRS1 holds the first forwarder, whose bounces come back over all hops."""
    first, second, third = (rewriter(domain=f"{name}.example") for name in ("a", "b", "c"))
    one = forward(first, ANN)
    two = forward(second, one)
    three = forward(third, two)
    assert two.local_part.startswith("SRS1=")
    assert len(three.local_part) == len(two.local_part)
    assert third.reverse(three, now=NOW) == one
    assert second.reverse(two, now=NOW) == one
    assert first.reverse(one, now=NOW) == ANN


def test_case_does_not_count() -> None:
    """A server on the way that folds case breaks nothing."""
    made = forward(rewriter(), ANN)
    folded = Mailbox(made.local_part.upper(), made.domain)
    assert str(rewriter().reverse(folded, now=NOW)).lower() == str(ANN)


def test_an_older_secret_still_opens_and_a_removed_one_does_not() -> None:
    """Secrets can be rotated without losing bounces."""
    made = forward(rewriter(OLDER), ANN)
    assert rewriter(SECRET, OLDER).reverse(made, now=NOW) == ANN
    with pytest.raises(SrsRefused, match="not ours"):
        rewriter(SECRET).reverse(made, now=NOW)


@pytest.mark.parametrize("days", [0, 1, 21])
def test_bounces_are_taken_for_three_weeks(days: int) -> None:
    """As long as mail may wait in a queue, its bounce is taken back."""
    made = forward(rewriter(), ANN)
    assert rewriter().reverse(made, now=NOW + days * DAY) == ANN


@pytest.mark.parametrize("days", [22, 300, 1000, -30])
def test_stale_addresses_are_refused(days: int) -> None:
    """An address that was harvested is worth nothing after a while."""
    made = forward(rewriter(), ANN)
    with pytest.raises(SrsRefused, match="days old"):
        rewriter().reverse(made, now=NOW + days * DAY)


@pytest.mark.parametrize(
    "local",
    [
        "SRS0=forged=xx=example.net=ann",
        "SRS0=aaaaaa=aa=example.net=ann",
        "SRS0=aaaaaa=!!=example.net=ann",
        "SRS0==aa=example.net=ann",
        "SRS0=aaaaaa",
        "SRS0=",
        "SRS1=aaaaaa=example.net==aaaaaa=aa=example.net=ann",
        "SRS1=aaaaaa=example.net",
        "ann",
        "SRS0=" + "a" * 10_000,
        "SRS0=\udcff=aa=b=c",
    ],
)
def test_forged_addresses_are_refused(local: str) -> None:
    """Nobody sends through us to an address of his choice."""
    with pytest.raises(SrsRefused):
        rewriter().reverse(Mailbox(local, "forward.example"), now=NOW)


def test_no_part_can_be_exchanged() -> None:
    """The hash covers the day, the host and the user together."""
    _, digest, day, host, user = forward(rewriter(), ANN).local_part.split("=")
    for parts in (
        (digest, day, "evil.example", user),
        (digest, day, host, "bob"),
        (digest, "zz", host, user),
    ):
        with pytest.raises(SrsRefused):
            rewriter().reverse(Mailbox("=".join(("SRS0", *parts)), "forward.example"), now=NOW)


@pytest.mark.parametrize("secrets", [(), (b"short",), (SECRET, b"")])
def test_weak_secrets_are_refused(secrets: tuple[bytes, ...]) -> None:
    """A secret that can be guessed is an error of configuration."""
    with pytest.raises(PermanentError):
        SenderRewriter("forward.example", secrets)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64),
    st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.floats(0, 4e9),
)
def test_whatever_is_rewritten_is_found_again(local: str, domain: str, now: float) -> None:
    """Rewriting and taking back are inverse, at any time, for any sender."""
    sender = Mailbox(local, domain)
    one, two = rewriter(), rewriter(domain="second.example")
    made = forward(one, sender, now)
    assert len(made.local_part.encode()) <= max(64, len(local.encode()))
    if made == sender:  # it did not fit
        return
    assert one.reverse(made, now=now) == sender
    again = forward(two, made, now)
    assert again == made or two.reverse(again, now=now) == made


def test_what_would_not_fit_stays() -> None:
    """A path that no strict server would take is not made (RFC 5321 §4.5.3.1.1)."""
    long = Mailbox("a" * 50, "example.net")
    assert rewriter().forward(long, now=NOW) == long
