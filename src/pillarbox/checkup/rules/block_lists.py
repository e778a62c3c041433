"""Judges the answers of block lists."""

from __future__ import annotations

from collections.abc import Iterator

from pillarbox.checkup.facts.domain import DomainFacts
from pillarbox.checkup.facts.listing import Listing
from pillarbox.checkup.remark import Area, Remark, Status, remarks_of

__all__ = ["judge_lists"]

_remark = remarks_of(Area.SENDERS, "PB-LIST")
_POLICY = "PBL"


def judge_lists(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what lists say, nothing where they were not asked."""
    if not facts.asked_lists:
        return
    if facts.listings is None:
        yield _remark(Status.SKIP, 1, "Block lists could not be asked: no answer in time")
        return
    for listing in facts.listings:
        if listing.codes:
            yield _listed(listing)
    silent = [one for one in facts.listings if one.refusal]
    if silent:
        yield _remark(
            Status.SKIP,
            1,
            f"{len(silent)} block lists could not be asked",
            "Most do not answer public resolvers, or clients that ask too often.",
            "Use a resolver of your own with --resolver, or check their web pages.",
            tuple(f"{one.list.name}: {one.refusal} ({one.list.delist})" for one in silent),
        )
    asked = {one.list.zone for one in facts.listings if not one.refusal}
    subjects = dict.fromkeys(one.subject for one in facts.listings if not one.refusal)
    if asked and not any(one.codes for one in facts.listings):
        yield _remark(
            Status.PASS,
            2,
            f"None of {len(asked)} block lists names {', '.join(subjects)}",
        )


def _listed(listing: Listing) -> Remark:
    meanings = [listing.list.meanings.get(code, "listed") for code in listing.codes]
    is_heavy = listing.list.weight == "heavy"
    is_policy = all(meaning.startswith(_POLICY) for meaning in meanings)
    return _remark(
        Status.FAIL if is_heavy else Status.WARN,
        3 if listing.list.of == "addresses" else 4,
        f"{listing.subject} is listed by {listing.list.name} ({', '.join(meanings)})",
        "Large receivers reject mail from it, or mail that links to it."
        if is_heavy
        else "Some receivers reject or mark mail because of this list.",
        "Send through your provider's smart host; or, if the provider allows mail servers, have "
        "the address removed at {listing.list.delist}."
        if is_policy
        else "Find and stop what sends the spam first (a stolen password, a web form, another"
        f" machine behind the address); then ask to be removed: {listing.list.delist}",
        (
            f"{listing.subject}: {', '.join(listing.codes)}",
            *filter(None, [listing.text]),
            f"terms: {listing.list.terms}",
        ),
        points=10 if is_heavy else 3,
    )
