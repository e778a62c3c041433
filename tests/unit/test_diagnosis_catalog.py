"""The catalog of causes: every entry helps, says where it is known from, and is quick to try."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from pillarbox.diagnosis.catalog.loading import catalog, entry_of
from pillarbox.diagnosis.entry import Entry
from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import MAX_TEXT, Phrase, flatten
from pillarbox.diagnosis.provider import PROVIDERS
from pillarbox.diagnosis.reading.text import read

_ENTRIES = [pytest.param(entry, id=entry.id) for entry in catalog()]


@pytest.mark.parametrize("entry", _ENTRIES)
def test_every_entry_has_a_reason_two_remedies_and_a_source(entry: Entry) -> None:
    """Nobody is told what is wrong without being told what to do now and for good."""
    for text in (entry.title, entry.why, entry.now, entry.for_good):
        assert len(text) > 5
        assert text == text.strip()
    for text in (entry.why, entry.now, entry.for_good):
        assert text.endswith((".", ")", "?"))
    assert entry.sources
    assert entry.patterns


@pytest.mark.parametrize("entry", _ENTRIES)
def test_every_pattern_can_match(entry: Entry) -> None:
    """Codes, enhanced codes, phrases and providers are written as they are compared."""
    providers = {provider for provider, *_ in PROVIDERS}
    assert entry.provider in {"", *providers}
    for pattern in entry.patterns:
        assert pattern.codes or pattern.enhanced or pattern.phrases or pattern.stages
        assert all(re.fullmatch(r"[2-5](\d\d|xx)", code) for code in pattern.codes)
        assert all(
            re.fullmatch(r"[245x]\.[0-7]\.\d{1,3}", enhanced) for enhanced in pattern.enhanced
        )
        assert pattern.providers <= providers
        for phrase in pattern.phrases:
            assert phrase.words == phrase.words.lower()
            assert phrase.weight >= 3  # a shorter one would be found in any text


def test_no_two_entries_have_the_same_id() -> None:
    """An id names one entry, in JSON and in documents."""
    ids = [entry.id for entry in catalog()]
    assert len(set(ids)) == len(ids)


def test_every_rfc_that_is_a_source_is_in_the_ledger() -> None:
    """An RFC that an entry is taken from is one of those that rfc/index.tsv lists."""
    index = (Path(__file__).parents[2] / "rfc" / "index.tsv").read_text("utf-8")
    known = {line.split("\t")[0] for line in index.splitlines()}
    named = {
        number
        for entry in catalog()
        for source in entry.sources
        for number in re.findall(r"RFC (\d+)", source)
    }
    assert named <= known


def test_an_entry_with_an_unknown_key_is_refused() -> None:
    """A misspelled key is an error, and not an entry that says less."""
    with pytest.raises(KeyError, match="remedy"):
        entry_of({"id": "x", "remedy": "none"})


def test_what_reached_no_server_has_no_cause_that_needs_a_reply() -> None:
    """A refused connection is not taken for a refusal by policy, not even as a second guess."""
    (refused,) = read(b"Error: connect ECONNREFUSED 127.0.0.1:587")
    assert [cause.entry.id for cause in explain(refused).causes] == ["connection-refused"]


def test_a_phrase_is_found_over_a_short_gap_only() -> None:
    """A star stands for sixty characters at most, so that far words are not taken together."""
    phrase = Phrase.of("exceeds * maximum size")
    assert phrase.is_in("this exceeds our maximum size")
    assert not phrase.is_in(f"this exceeds {'x' * 80} maximum size")


def test_text_is_flattened_as_phrases_expect_it() -> None:
    """Case, line ends, typographic quotes and more than one space make no difference."""
    assert flatten("The  Mailbox\r\n isn\u2019t \u201cfull\u201d") == 'the mailbox isn\'t "full"'
    assert len(flatten("x" * (2 * MAX_TEXT))) == MAX_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "5" * 1_048_576,
        "550 " * 262_144,
        "550-5.7.1 a\r\n" * 80_000,
        "a@" * 524_288,
        "a@b.c " * 174_000,
        "exceeds " * 131_072,
        "From: a@b\nTo: c@d\n\n" + "<x@y.example>\n" * 80_000,
        "From: a@b\nTo: c@d\n\n" + "> " * 500_000,
        "From: a@b\nTo: c@d\n\n" + "\n" * 1_000_000,
        "From: a@b\nTo: c@d\n\n" + "Final-Recipient: rfc822; a@b.c\n\n" * 32_000,
        "From: a@b\nTo: c@d\n\nFinal-Recipient: rfc822; a@b.c\n" + " x\n" * 340_000,
        "Nov 1 to=<a@b.c>, status=bounced (x)\n" * 28_000,
        "smtplib.x (550, b'" + "(550, b'" * 130_000,
        "** a@b R=x " * 95_000,
        "<" * 1_048_576,
        "From: a@b\nTo: c@d\nContent-Type: text/html\n\n" + "<a " * 350_000,
        '{"event":' * 100_000,
        "a" * 1_048_576,
        "(generated from " * 65_000,
        "x" * 63 + "." * 1_000_000,
    ],
    ids=lambda text: text[:24].replace("\n", "|"),
)
def test_a_mebibyte_of_anything_is_read_within_a_second(text: str) -> None:
    """Reading and explaining take time that is linear in the text, whatever it is."""
    octets = text.encode()
    catalog()
    begun = time.process_time()
    for observation in read(octets):
        explain(observation)
    assert time.process_time() - begun < 6.0


def test_trying_the_whole_catalog_on_a_reply_is_quick() -> None:
    """A reply is explained in a few milliseconds, however long it is."""
    observation = Observation(source=Source.REPLY, text="exceeds quota " * 1_000, code=550)
    explain(observation)
    begun = time.process_time()
    for _ in range(10):
        explain(observation)
    assert time.process_time() - begun < 4.0
