"""What broke a signature, found by undoing it, by the original, and by what servers said."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.authentic_mail import signed, zone

from pillarbox.checkup.signatures.damage import Damage, explain_damage
from pillarbox.message.header import scan_header
from pillarbox.preflight.route import read_route

_SENT = (
    b"From: Ann <ann@example.net>\r\nTo: food@lists.example\r\nSubject: Lunch\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello,\r\n\r\nwhere?\r\n"
)
_FIRST = (
    b"Received: from mail.example.net (mail.example.net [8.8.8.8]) by lists.example with ESMTPS\r\n"
    b" id 1; Sat, 21 Nov 2026 10:00:01 +0000\r\n"
)
_SECOND = (
    b"Received: from lists.example (lists.example [8.8.4.4]) by mx.reader.example with ESMTPS\r\n"
    b" id 2; Sat, 21 Nov 2026 10:00:09 +0000\r\n"
)
_SEEN = b"Authentication-Results: lists.example; dkim=pass header.d=example.net\r\n"
_FOOTER = b"\r\n_____\r\nfood mailing list\r\nhttps://lists.example/\r\n"


def explain(content: bytes, original: bytes | None = None) -> tuple[Damage, ...]:
    hops = read_route(scan_header(content))
    keys = zone(signers=("example.net",))
    return asyncio.run(explain_damage(content, hops, keys, original=original))


def one(content: bytes, original: bytes | None = None) -> Damage:
    (found,) = explain(content, original)
    return found


def changed(old: bytes, new: bytes, sent: bytes = _SENT) -> bytes:
    """Return a mail that was changed after it was signed, behind two hops."""
    was = signed("example.net", sent)
    assert old in was
    return _SECOND + _SEEN + _FIRST + was.replace(old, new, 1)


def test_a_signature_that_fits_has_no_damage() -> None:
    """Nothing is said where nothing was done."""
    assert explain(_SECOND + _FIRST + signed("example.net", _SENT)) == ()


def test_a_footer_is_found() -> None:
    """What a list appends is named, and where it stood when the signature was still right."""
    found = one(changed(b"where?\r\n", b"where?\r\n" + _FOOTER))

    assert (found.body_changed, found.header_changed) == (True, False)
    assert found.how == (
        "The body was changed: 4 lines were appended to it: “___ food mailing list https://lists.example/”.",
    )
    assert found.where == (
        "lists.example still saw it pass: it was broken there or by mx.reader.example."
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"Subject: Lunch", b"Subject: [food] Lunch", "the subject was tagged “[food]”"),
        (b"Subject: Lunch", b"Subject: ***SPAM*** Lunch", "the subject was tagged “***SPAM***”"),
        (b"Subject: Lunch", b"Subject: EXTERNAL: Lunch", "the subject was tagged “EXTERNAL:”"),
        (b"To: food", b"Reply-To: food@lists.example\r\nTo: food", "a field was added: Reply-To"),
        (b"MIME-Version", b"Cc: all@lists.example\r\nMIME-Version", "a field was added: Cc"),
    ],
)
def test_a_change_of_the_header_is_found(old: bytes, new: bytes, said: str) -> None:
    """Tags and added fields are undone, and named when the signature fits then."""
    found = one(changed(old, new))

    assert (found.body_changed, found.header_changed) == (False, True)
    assert said in found.sentence


def test_all_that_a_list_does_is_found_together() -> None:
    """A tag, a Reply-To and a footer at once do not hide each other."""
    content = changed(b"where?\r\n", b"where?\r\n" + _FOOTER)
    content = content.replace(b"Subject: Lunch", b"Subject: [food] Lunch")
    content = content.replace(b"To: food", b"Reply-To: food@lists.example\r\nTo: food", 1)

    sentence = one(content).sentence

    for said in ("4 lines were appended", "tagged “[food]”", "a field was added: Reply-To"):
        assert said in sentence


def test_a_banner_is_found() -> None:
    """A warning that was put on top is named."""
    found = one(changed(b"Hello,", b"CAUTION: from outside\r\n\r\nHello,"))

    assert "2 lines were put on top of it: “CAUTION: from outside”" in found.sentence


def test_a_part_that_was_added_is_found() -> None:
    """A footer as a part of its own is named, in a multipart and around a plain body."""
    multipart = _SENT.replace(
        b"text/plain\r\n\r\nHello,\r\n\r\nwhere?\r\n",
        b'multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n\r\nYou\r\n--b--\r\n',
    )
    found = one(
        changed(b"--b--", b"--b\r\nContent-Type: text/plain\r\n\r\nThe list\r\n--b--", multipart)
    )

    assert "a part (text/plain) was added to it: “The list”" in found.sentence


def test_what_cannot_be_undone_is_not_guessed() -> None:
    """Words that were changed are told as a change, without a story."""
    found = one(changed(b"where?", b"when?").replace(b"Subject: Lunch", b"Subject: Dinner"))

    assert found.how[0] == "The body was changed."
    assert found.how[1].startswith("One of the signed fields was changed")


def test_the_original_shows_every_difference() -> None:
    """With the mail as it was sent, fields and lines that differ are listed."""
    content = changed(b"where?", b"when?").replace(b"Subject: Lunch", b"Subject: Dinner")

    found = one(content, signed("example.net", _SENT))

    assert found.differences == ("Subject: “Lunch” -> “Dinner”", "body -where?", "body +when?")


def test_a_server_that_changed_the_encoding_is_heard() -> None:
    """Sendmail says when it has encoded a body anew."""
    content = changed(b"where?", b"wh=65re?")
    content = content.replace(
        b"MIME-Version",
        b"X-MIME-Autoconverted: from 8bit to quoted-printable by a.net\r\nMIME-Version",
    )

    assert "from 8bit to quoted-printable by a.net" in one(content).sentence


def test_arc_tells_where_it_was_right() -> None:
    """The results that a forwarder sealed are heard like others."""
    arc = b"ARC-Authentication-Results: i=1; lists.example; dkim=pass header.i=@example.net\r\n"
    content = changed(b"where?", b"when?").replace(_SEEN, arc)

    assert one(content).where.startswith("lists.example still saw it pass")


def test_nobody_is_blamed_where_nobody_says_anything() -> None:
    """Without hops, no server is named."""
    content = signed("example.net", _SENT).replace(b"where?", b"when?")

    assert one(content).where == ""


def test_a_hostile_message_costs_little() -> None:
    """A thousand fields and a hundred thousand lines are tried within bounds."""
    was = signed("example.net", _SENT)
    many = was.replace(b"Subject: Lunch", b"Subject: [a] Dinner\r\n" * 400 + b"Subject: [a] Dinner")
    content = many + b"line\r\n" * 100_000

    begin = time.process_time()
    found = one(content)

    assert (found.body_changed, found.header_changed) == (True, True)
    assert time.process_time() - begin < 10
