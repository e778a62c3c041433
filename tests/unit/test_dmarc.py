"""DMARC: whose mail a message is, by RFC 9989."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st
from tests.authentic_mail import zone

from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth import dmarc
from pillarbox.mailauth.dmarc import DkimIdentifier, Mode, Policy, Result, SpfIdentifier
from pillarbox.mailauth.dmarc.authors import read_authors
from pillarbox.mailauth.dmarc.record import Record
from pillarbox.mailauth.dmarc.tree_walk import walked_names
from pillarbox.mailauth.resolver import Answer, Outcome


def at(domain: str, text: str) -> str:
    """Return the line of a zone that publishes a record for a domain."""
    return f'_dmarc.{domain}. TXT "{text}"'


def evaluate(
    domains: Sequence[str],
    resolver: ZoneResolver,
    *,
    spf: tuple[str, str] | None = None,
    dkim: Sequence[tuple[str, str]] = (),
    mode: Mode = Mode.TREE_WALK,
) -> dmarc.Evaluation:
    return asyncio.run(
        dmarc.evaluate(
            domains,
            spf=None if spf is None else SpfIdentifier(*spf),
            dkim=[DkimIdentifier(*one) for one in dkim],
            resolver=resolver,
            mode=mode,
        )
    )


def discover(domain: str, resolver: ZoneResolver, mode: Mode = Mode.TREE_WALK) -> dmarc.Discovery:
    return asyncio.run(dmarc.discover(domain, resolver, mode))


def parsed(text: str) -> Record:
    record = dmarc.parse_record(text)
    assert record is not None
    return record


# --- the record -------------------------------------------------------------------------------


def test_a_record_is_read_with_its_defaults() -> None:
    """Tags that are left out have the values of RFC 9989 §4.7."""
    record = parsed("v=DMARC1; p=reject")
    assert (record.p, record.sp, record.np) == (Policy.REJECT, None, None)
    assert (record.dkim_is_strict, record.spf_is_strict, record.is_testing) == (False,) * 3
    assert (record.psd, record.failure_options, record.problems) == ("u", "0", ())


def test_every_tag_is_read() -> None:
    """All tags of the registry, with blanks where they may stand."""
    record = parsed(
        "v = DMARC1 ; p = Quarantine ;sp=reject;np=none; adkim=s; aspf=S; psd=n; t=y; fo=1:d:s;"
        " rua=mailto:a@x.test , https://x.test/r; ruf=mailto:b@x.test; "
    )
    assert (record.p, record.sp, record.np) == (Policy.QUARANTINE, Policy.REJECT, Policy.NONE)
    assert (record.dkim_is_strict, record.spf_is_strict, record.psd) == (True, True, "n")
    assert record.is_testing
    assert record.failure_options == "1:d:s"
    assert [one.mailbox for one in record.aggregate] == ["a@x.test", ""]
    assert record.problems == ()


@pytest.mark.parametrize(
    "text",
    ["", "v=DMARC2; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1", "DMARC1", "v=DMARC1p=none"],
)
def test_other_texts_are_no_records(text: str) -> None:
    """The version comes first, and in its case; else all is ignored (RFC 9989 §4.7)."""
    assert dmarc.parse_record(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v=DMARC1; p=none; x=1", "unknown tag x; it is ignored"),
        ("v=DMARC1; p=none; p=reject", "the tag p stands twice"),
        ("v=DMARC1; p=none; adkim=q", "adkim=q is not r or s; it counts as r"),
        ("v=DMARC1; p=none; psd=x", "psd=x is not u, y or n; it counts as u"),
        ("v=DMARC1; p=none; fo=2", "fo=2 is not made of 0, 1, d and s; it counts as 0"),
        ("v=DMARC1; p=none; pct=101", "pct=101 is no number from 0 to 100"),
        ("v=DMARC1; p=none; pct=-1", "pct=-1 is no number from 0 to 100"),
        ("v=DMARC1; p=none; nonsense", '"nonsense" has no equals sign; it is ignored'),
        ("v=DMARC1; p=none; rua=a@b.test", "rua: 'a@b.test' is no URI such as mailto:a@b.c"),
        ("v=DMARC1; rua=mailto:a@b.test", "p is missing, which counts as p=none"),
    ],
)
def test_mistakes_are_forgiven_and_named(text: str, problem: str) -> None:
    """What is wrong with one tag costs only that tag (RFC 9989 §4.8)."""
    record = parsed(text)
    assert record.problems == (problem,)
    assert (record.p, record.applies) == (Policy.NONE, True)


@pytest.mark.parametrize("tag", ["p=rejekt", "p=none; sp=x", "p=none; np="])
def test_a_broken_policy_counts_only_for_reports(tag: str) -> None:
    """Without a valid policy and without a valid rua, there is no DMARC (RFC 9989 §4.10.1)."""
    assert not parsed(f"v=DMARC1; {tag}").applies
    assert not parsed(f"v=DMARC1; {tag}; rua=nobody").applies
    record = parsed(f"v=DMARC1; {tag}; rua=mailto:a@b.test")
    assert (record.applies, record.p, record.sp) == (True, Policy.NONE, None)


def test_what_is_obsolete_is_read_and_named() -> None:
    """pct, rf, ri and sizes are gone, and a reader still wants to know them."""
    record = parsed("v=DMARC1; p=reject; pct=5; rf=afrf; ri=60; rua=mailto:a@b.test!10m")
    assert record.pct == 5
    assert record.aggregate[0].max_size == 10 * 2**20
    assert record.obsolete == ("pct=5", "rf=afrf", "ri=60", "the size !10m in rua")


@given(st.text(max_size=200))
def test_no_record_crashes(text: str) -> None:
    """Whatever is published is read, or is none."""
    record = dmarc.parse_record("v=DMARC1;" + text)
    assert record is None or record.p in Policy


@pytest.mark.parametrize("filler", ["a=b;", ";", "p=none;", "rua=mailto:a@b.c,;", "=", "a" * 99])
def test_a_record_of_64_kib_costs_little(filler: str) -> None:
    """The longest record that DNS can carry is read in a moment."""
    text = ("v=DMARC1; p=none; rua=" + filler * 65_000)[:65_000]
    began = time.process_time()
    dmarc.parse_record(text)
    assert time.process_time() - began < 4.0


# --- the tree walk ----------------------------------------------------------------------------


def test_a_long_name_is_walked_in_eight_steps() -> None:
    """The example of RFC 9989 §4.10."""
    assert walked_names("a.b.c.d.e.f.g.h.i.j.mail.example.com") == (
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    )


@pytest.mark.parametrize("labels", range(1, 60))
def test_no_walk_asks_more_than_eight_names(labels: int) -> None:
    """A name of any length costs eight questions at most, and ends at the top."""
    names = walked_names(".".join("x" * labels))
    assert len(names) == min(labels, 8)
    assert names[-1] == "x"


@pytest.mark.parametrize(
    ("records", "organization"),
    [
        ({}, "a.mail.example.com"),
        ({"mail.example.com": "", "example.com": ""}, "example.com"),
        ({"mail.example.com": "; psd=n", "example.com": ""}, "mail.example.com"),
        ({"com": "; psd=y"}, "example.com"),
        ({"example.com": "; psd=y"}, "mail.example.com"),
        ({"mail.example.com": "; psd=y", "example.com": ""}, "a.mail.example.com"),
        ({"a.mail.example.com": "; psd=y", "example.com": ""}, "a.mail.example.com"),
        ({"a.mail.example.com": "; psd=n", "example.com": ""}, "a.mail.example.com"),
        ({"example.com": "", "com": "; psd=y"}, "example.com"),
        ({"a.mail.example.com": ""}, "a.mail.example.com"),
    ],
)
def test_the_organization_is_found_by_its_records(
    records: dict[str, str], organization: str
) -> None:
    """The rules and examples of RFC 9989 §4.10.2."""
    lines = [at(name, f"v=DMARC1; p=none{more}") for name, more in records.items()]
    assert discover("a.mail.example.com", zone(*lines)).organizational_domain == organization


@pytest.mark.parametrize(
    ("domain", "policy", "tag"),
    [
        ("example.com", Policy.REJECT, "p"),
        ("real.example.com", Policy.QUARANTINE, "sp"),
        ("below.host.example.com", Policy.QUARANTINE, "sp"),
        ("missing.example.com", Policy.NONE, "np"),
        ("own.example.com", Policy.NONE, "p"),
        ("x.own.example.com", Policy.NONE, "np"),
        ("registered.bank", Policy.QUARANTINE, "np"),
        ("bank", Policy.REJECT, "p"),
    ],
)
def test_the_policy_is_found_and_its_tag_named(domain: str, policy: Policy, tag: str) -> None:
    """The tag p is for the domain itself, sp for names that exist, np for those that do not."""
    resolver = zone(
        at("example.com", "v=DMARC1; p=reject; sp=quarantine; np=none"),
        at("own.example.com", "v=DMARC1; p=none"),
        at("bank", "v=DMARC1; p=reject; np=quarantine; psd=y"),
        "real.example.com. A 192.0.2.1",
        "x.below.host.example.com. A 192.0.2.1",
    )
    found = discover(domain, resolver)
    assert (found.policy, found.policy_tag) == (policy, tag)


def test_several_records_are_none() -> None:
    """Two records at one name are both discarded, and the walk goes on."""
    resolver = zone(
        at("a.example.com", "v=DMARC1; p=reject"),
        at("a.example.com", "v=DMARC1; p=none"),
        at("example.com", "v=DMARC1; p=quarantine"),
    )
    found = discover("a.example.com", resolver)
    assert found.record_domain == "example.com"
    assert found.walk.steps[0].note == "2 DMARC records, so none of them counts"


def test_other_texts_beside_a_record_do_not_disturb() -> None:
    """A verification token at _dmarc costs nothing."""
    resolver = zone(at("example.com", "hello"), at("example.com", "v=DMARC1; p=reject"))
    assert discover("example.com", resolver).policy is Policy.REJECT


def test_under_test_one_level_less_is_asked_for() -> None:
    """t=y makes quarantine of reject, and none of quarantine (RFC 9989 §4.7)."""
    for policy, left in (("reject", "quarantine"), ("quarantine", "none"), ("none", "none")):
        found = discover("a.test", zone(at("a.test", f"v=DMARC1; p={policy}; t=y")))
        assert (found.policy.value, found.disposition.value) == (policy, left)


def test_by_the_list_the_organization_is_what_was_registered() -> None:
    """The older way knows co.uk, and asks at most two names (RFC 7489 §6.6.3)."""
    resolver = zone(
        at("example.co.uk", "v=DMARC1; p=reject; sp=none"), at("uk", "v=DMARC1; p=reject")
    )
    found = discover("a.b.example.co.uk", resolver, Mode.SUFFIX_LIST)
    assert (found.organizational_domain, found.policy_tag) == ("example.co.uk", "sp")
    assert [step.domain for step in found.walk.steps] == ["a.b.example.co.uk", "example.co.uk"]
    assert discover("other.co.uk", resolver, Mode.SUFFIX_LIST).record is None


@pytest.mark.parametrize(
    ("domain", "is_registry"),
    [("com", True), ("co.uk", True), ("example.co.uk", False), ("github.io", False), ("xyz", True)],
)
def test_only_registries_sign_for_nobody(domain: str, is_registry: bool) -> None:
    """A company below whose name others have names still sends mail; a registry does not."""
    assert dmarc.ListedSuffixes().is_registry(domain) is is_registry


# --- the verdict ------------------------------------------------------------------------------

RELAXED = at("example.com", "v=DMARC1; p=reject")
STRICT = at("strict.test", "v=DMARC1; p=reject; adkim=s; aspf=s")


@pytest.mark.parametrize(
    ("author", "spf", "dkim", "result"),
    [
        ("example.com", ("example.com", "pass"), [], Result.PASS),
        ("example.com", ("bounce.example.com", "pass"), [], Result.PASS),
        ("news.example.com", ("example.com", "pass"), [], Result.PASS),
        ("example.com", None, [("mail.example.com", "pass")], Result.PASS),
        ("example.com", None, [("EXAMPLE.com.", "pass")], Result.PASS),
        ("example.com", ("evil.test", "pass"), [("evil.test", "pass")], Result.FAIL),
        ("example.com", ("badexample.com", "pass"), [], Result.FAIL),
        ("example.com", ("com", "pass"), [], Result.FAIL),
        ("example.com", ("example.com", "softfail"), [("example.com", "fail")], Result.FAIL),
        ("example.com", None, [("evil.test", "pass"), ("a.example.com", "pass")], Result.PASS),
        ("example.com", ("example.com", "temperror"), [], Result.TEMPERROR),
        ("example.com", ("evil.test", "temperror"), [], Result.FAIL),
        ("example.com", ("example.com", "permerror"), [], Result.FAIL),
        ("example.com", ("example.com", "pass"), [("example.com", "temperror")], Result.PASS),
        ("example.com", None, [], Result.FAIL),
        ("strict.test", ("strict.test", "pass"), [], Result.PASS),
        ("strict.test", ("a.strict.test", "pass"), [("b.strict.test", "pass")], Result.FAIL),
        ("a.strict.test", ("strict.test", "pass"), [("a.strict.test", "pass")], Result.PASS),
        ("nothing.test", ("nothing.test", "pass"), [], Result.NONE),
    ],
)
def test_a_message_is_judged_by_alignment(
    author: str,
    spf: tuple[str, str] | None,
    dkim: list[tuple[str, str]],
    result: Result,
) -> None:
    """What passed counts only for its own organization, or strictly for its own name."""
    judged = evaluate([author], zone(RELAXED, STRICT), spf=spf, dkim=dkim)
    assert judged.result is result
    assert judged.reason
    assert (judged.disposition is Policy.REJECT) == (result is Result.FAIL)


def test_a_public_suffix_is_nobodys_organization() -> None:
    """Two registrations below one suffix are not aligned, although both find its record."""
    resolver = zone(at("bank", "v=DMARC1; p=reject; psd=y"))
    judged = evaluate(["one.bank"], resolver, spf=("two.bank", "pass"))
    assert judged.result is Result.FAIL
    assert evaluate(["one.bank"], resolver, spf=("a.one.bank", "pass")).result is Result.PASS


def test_a_department_of_its_own_is_not_aligned_with_the_rest() -> None:
    """psd=n draws a border inside an organization (RFC 9989 §5.1.8)."""
    resolver = zone(RELAXED, at("lab.example.com", "v=DMARC1; p=none; psd=n"))
    assert (
        evaluate(["lab.example.com"], resolver, spf=("example.com", "pass")).result is Result.FAIL
    )
    assert (
        evaluate(["example.com"], resolver, spf=("lab.example.com", "pass")).result is Result.FAIL
    )


def test_silent_dns_is_a_temporary_error() -> None:
    """Where an answer is missing nobody passes or fails (RFC 9989 §5.3.6)."""
    judged = evaluate(["a.broken.test"], zone(";! fail broken.test"), spf=("x.test", "pass"))
    assert (judged.result, judged.disposition) == (Result.TEMPERROR, Policy.NONE)
    assert "SERVFAIL" in judged.reason


def test_an_own_record_and_an_equal_name_need_nothing_more() -> None:
    """Dead servers above do not hinder what is clear without them (RFC 9989 §4.10.2)."""
    resolver = zone(at("a.b.test", "v=DMARC1; p=reject"), ";! fail _dmarc.b.test")
    assert evaluate(["a.b.test"], resolver, spf=("a.b.test", "pass")).result is Result.PASS
    assert evaluate(["a.b.test"], resolver, spf=("c.b.test", "pass")).result is Result.TEMPERROR


def test_the_worst_of_several_authors_counts() -> None:
    """An author that passes does not vouch for another one (RFC 9989 §11.5)."""
    judged = evaluate(["own.test", "example.com"], zone(RELAXED), spf=("own.test", "pass"))
    assert (judged.result, judged.author_domain) == (Result.FAIL, "example.com")
    assert judged.disposition is Policy.REJECT
    assert [other.author_domain for other in judged.others] == ["own.test"]


@pytest.mark.parametrize(
    ("values", "domains", "problem"),
    [
        ([b"Ann <ann@Example.COM>"], ("example.com",), ""),
        ([b"ann@example.com, bob@example.com"], ("example.com",), ""),
        ([b"ann@one.test, bob@two.test"], ("one.test", "two.test"), ""),
        ([b"ann@one.test", b"bob@two.test"], ("one.test", "two.test"), ""),
        ([b'"service@bank.test" <evil@one.test>'], ("one.test",), ""),
        (["ann@bücher.test".encode()], ("xn--bcher-kva.test",), ""),
        ([], (), "there is no From field"),
        ([b"Undisclosed:;"], (), "the From field names nobody"),
        ([b"ann@[192.0.2.1]"], (), "'[192.0.2.1]' in From is no domain"),
        ([b"ann@one.test, bob@[192.0.2.1]"], ("one.test",), "'[192.0.2.1]' in From is no domain"),
        ([b"a@bank.test)b@one.test"], (), "the From field cannot be read: "),
        ([b"ann@one.test", b"(("], ("one.test",), "the From field cannot be read"),
        ([b"a@b@c.test"], (), "the From field cannot be read"),
        (
            [b",".join(b"a@d%d.test" % number for number in range(9))],
            tuple(f"d{number}.test" for number in range(5)),
            "From names 9 domains, more than 5",
        ),
    ],
)
def test_every_author_counts(values: list[bytes], domains: tuple[str, ...], problem: str) -> None:
    """All addresses of all From fields count, and what cannot be read is a problem."""
    authors = read_authors(values)
    assert authors.domains == domains
    assert authors.problem.startswith(problem)
    assert bool(authors.problem) == bool(problem)


@pytest.mark.parametrize(
    "values", [[], [b"x"], [b"ann@example.com", b"(("], [b"Undisclosed:;"], [b"a@b)c@d.test"]]
)
def test_a_message_without_a_readable_author_is_not_vouched_for(values: list[bytes]) -> None:
    """Where readers may see another author than we do, nothing passes."""
    judged = asyncio.run(
        dmarc.evaluate(
            read_authors(values),
            spf=SpfIdentifier("example.com", "pass"),
            dkim=[],
            resolver=zone(RELAXED),
        )
    )
    assert (judged.result, judged.disposition) == (Result.PERMERROR, Policy.REJECT)


class Counting:
    """Counts the questions that a resolver is asked."""

    def __init__(self, resolver: ZoneResolver) -> None:
        self._resolver = resolver
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer[bytes]:
        self.asked.append(name)
        return await self._resolver.txt(name)


def test_a_message_asks_a_bounded_number_of_names_and_none_twice() -> None:
    """Five authors, ten signatures and names of fifty labels cost what a hundred names cost."""
    long = ".".join("x" * 50)
    resolver = Counting(zone(at("test", "v=DMARC1; p=reject")))
    authors = tuple(f"{long}.a{number}.test" for number in range(5))
    signers = [DkimIdentifier(f"s{number}.{authors[0]}", "pass") for number in range(10)]
    asyncio.run(
        dmarc.evaluate(
            authors,
            spf=SpfIdentifier(f"y.{long}.test", "pass"),
            dkim=signers,
            resolver=resolver,  # type: ignore[arg-type]
        )
    )
    assert len(resolver.asked) == len(set(resolver.asked))
    assert len(resolver.asked) <= 16 * 8


def test_a_walk_ends_where_dns_is_silent() -> None:
    """Dead servers cost one question, not one for each label."""
    found = discover("a.b.c.d.test", zone(";! fail b.c.d.test"))
    assert [step.domain for step in found.walk.steps] == ["a.b.c.d.test"]


# --- reports ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("mailto:d@example.com", True),
        ("mailto:d@reports.example.com", True),
        ("mailto:d@willing.test", True),
        ("mailto:d@unwilling.test", False),
        ("mailto:d@broken.test", None),
        ("mailto:d@[192.0.2.1]", None),
    ],
)
def test_reports_go_only_where_they_are_wanted(uri: str, allowed: bool | None) -> None:
    """An address of strangers gets no report unless its domain says so (RFC 9990 §4)."""
    text = f"v=DMARC1; p=none; rua={uri}"
    resolver = zone(
        at("example.com", text),
        'example.com._report._dmarc.willing.test. TXT "v=DMARC1; rua=mailto:other@willing.test"',
        ";! fail example.com._report._dmarc.broken.test",
    )
    found = asyncio.run(dmarc.report_destinations(parsed(text), "example.com", resolver))
    if "[" in uri:
        assert found == ()
    else:
        assert [one.is_allowed for one in found] == [allowed]
        if "unwilling" not in uri and "willing" in uri:
            assert found[0].address.uri == "mailto:other@willing.test"


def test_an_override_stays_with_its_host() -> None:
    """A destination cannot hand its reports on to a third (RFC 9990 §4, step 9)."""
    resolver = zone('a.test._report._dmarc.b.test. TXT "v=DMARC1; rua=mailto:victim@c.test"')
    record = parsed("v=DMARC1; p=none; rua=mailto:d@b.test")
    (found,) = asyncio.run(dmarc.report_destinations(record, "a.test", resolver))
    assert (found.is_allowed, found.address.uri) == (True, "mailto:d@b.test")


def test_a_record_cannot_ask_for_a_storm() -> None:
    """Of many addresses, five get reports."""
    uris = ",".join(f"mailto:a{number}@example.com" for number in range(50))
    record = parsed(f"v=DMARC1; p=none; rua={uris}")
    found = asyncio.run(dmarc.report_destinations(record, "example.com", zone()))
    assert sum(one.is_allowed is True for one in found) == 5


# --- explanations -----------------------------------------------------------------------------


def explained(domain: str, *lines: str) -> dmarc.Explanation:
    return asyncio.run(dmarc.explain(domain, zone(*lines)))


def test_what_to_publish_follows_the_road() -> None:
    """From nothing to reject, each stage is the next thing to publish."""
    text = ""
    seen = []
    for _ in range(6):
        told = explained("a.test", *([at("a.test", text)] if text else []))
        assert told.publish_at == "_dmarc.a.test"
        text = told.publish
        seen.append(text.removesuffix("; rua=mailto:dmarc-reports@a.test"))
    assert seen == [
        "v=DMARC1; p=none",
        "v=DMARC1; p=quarantine; t=y",
        "v=DMARC1; p=quarantine",
        "v=DMARC1; p=reject; t=y",
        "v=DMARC1; p=reject",
        "v=DMARC1; p=reject",
    ]


def test_what_is_published_next_has_no_mistakes() -> None:
    """Whatever a record has wrong, the one to publish reads without a remark."""
    told = explained(
        "a.test", at("a.test", "v=DMARC1; p=reject; pct=5; x=1; adkim=s; rua=mailto:a@a.test!5m,b")
    )
    assert {finding.code for finding in told.findings} == {"PB-DMARC-004", "PB-DMARC-005"}
    record = parsed(told.publish)
    assert not record.problems
    assert not record.obsolete
    assert record.dkim_is_strict
    assert record.is_testing  # what pct was for


def test_two_records_are_explained() -> None:
    """The most frequent mistake is named with its remedy."""
    told = explained("a.test", at("a.test", "v=DMARC1; p=none"), at("a.test", "v=DMARC1; p=reject"))
    assert told.findings[0].code == "PB-DMARC-001"
    assert told.findings[0].evidence == ("v=DMARC1; p=none", "v=DMARC1; p=reject")


def test_every_outcome_of_dns_has_words() -> None:
    """A step of the walk always says what was found."""
    found = discover(
        "a.b.test", zone(at("a.b.test", "x"), "b.test. A 192.0.2.1", ";! fail _dmarc.test")
    )
    assert [step.outcome for step in found.walk.steps] == [
        Outcome.FOUND,
        Outcome.NO_SUCH_NAME,
        Outcome.UNAVAILABLE,
    ]
    assert all(step.note for step in found.walk.steps)
