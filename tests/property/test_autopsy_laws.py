"""Laws of the autopsy: it takes whatever a client says, and shows none of it."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given, strategies as st

from pillarbox.access.hashes import former_matches, hash_key, key_matches, make_former
from pillarbox.access.issue import prefix_of
from pillarbox.access.node_key import NodeKey
from pillarbox.policy.autopsy import HIDDEN, Cause, looks_like_token, repaired, shown_identity

TEXTS = st.text(st.characters(exclude_categories=()), max_size=60)


@given(TEXTS, TEXTS)
def test_repairs_are_few_and_none_is_what_was_said(user: str, secret: str) -> None:
    """Whatever a client says, what it may have meant is a short list of other pairs."""
    repairs = list(repaired(user, secret))
    pairs = [(each.user, each.secret) for each in repairs]
    assert len(pairs) == len(set(pairs)) <= 40
    assert (user, secret) not in pairs
    assert all(each.user and each.secret for each in repairs)


@given(st.text("abc@.", min_size=1), st.text("xyz1 ", min_size=1).filter(str.strip))
def test_what_was_coded_twice_is_undone(user: str, secret: str) -> None:
    """Base64 around both, or around the password alone, comes off."""
    twice = [b64encode(each.encode()).decode() for each in (user, secret)]
    for pair in ((twice[0], twice[1]), (user, twice[1])):
        assert (Cause.ENCODED_TWICE, user, secret) in [
            (each.cause, each.user, each.secret) for each in repaired(*pair)
        ]


@given(TEXTS, TEXTS)
def test_a_user_name_with_the_secret_in_it_is_hidden(user: str, secret: str) -> None:
    """A name that is shown holds neither the secret nor a key."""
    shown = shown_identity(user, is_known=False, secret=secret)
    assert shown == HIDDEN or (not secret or secret not in shown)
    assert "pb_" not in shown
    looks_like_token(secret)


@given(TEXTS, TEXTS, st.binary(min_size=1, max_size=64))
def test_a_former_key_is_told_from_all_others(secret: str, other: str, material: bytes) -> None:
    """Only the same secret under the same key matches, and the hash itself does not."""
    valid = secret.encode("utf-8", "replace").decode()
    key = NodeKey(material, is_configured=False).former
    kept = hash_key(valid)
    former = make_former(kept, key)
    assert key_matches(kept, valid)
    assert former_matches(former, valid, key)
    assert not former_matches(former, valid, NodeKey(material + b"x", is_configured=False).former)
    assert not key_matches(former, valid)
    if other != valid:
        assert not key_matches(kept, other)
        other_valid = other.encode("utf-8", "replace").decode()
        assert other_valid == valid or not former_matches(former, other_valid, key)
    prefix_of(secret)
