"""Laws of messages given as JSON (``pillarbox.api.mailpit.sending``)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from pillarbox.api.mailpit.sending import Message, compose
from pillarbox.message.mail import read_mail
from pillarbox.web.problems import Problem
from pillarbox.web.routing import read_json

TEXT = st.text(max_size=30)
ADDRESS = st.one_of(st.emails(), TEXT)
PERSON = st.fixed_dictionaries({"Email": ADDRESS}, optional={"Name": TEXT})


@given(
    sender=PERSON,
    people=st.lists(PERSON, max_size=2),
    subject=TEXT,
    text=TEXT,
    headers=st.dictionaries(TEXT, TEXT, max_size=2),
    filename=TEXT,
)
@example({"Email": " "}, [], "", "", {}, "")
@example({"Email": "a@b"}, [{"Email": "\u00e9@b"}], "x" * 2000, "\u2028", {"X": "\u2028"}, "\u202e")
def test_whatever_is_given_is_a_mail_or_a_problem(
    sender: dict[str, str],
    people: list[dict[str, str]],
    subject: str,
    text: str,
    headers: dict[str, str],
    filename: str,
) -> None:
    """Either there is a mail with this subject and no field that was not asked for, or a 400."""
    attachment = {"Content": "aGk=", "Filename": filename}
    body = {"From": sender, "To": people, "Subject": subject, "Text": text, "Headers": headers}
    try:
        octets = compose(_read({**body, "Attachments": [attachment]}))
    except Problem as problem:
        if problem.status == 400:
            return
        raise
    mail = read_mail(octets)
    assert not mail.values("Bcc")
    assert len(mail.values("Subject")) == 1
    assert len(mail.values("From")) == 1
    assert mail.subject.split() == subject.split() or not subject.isprintable()


def _read(body: dict[str, Any]) -> Message:
    from msgspec import convert

    return convert(read_json(json.dumps(body).encode()), Message)


def test_half_a_character_is_refused() -> None:
    """A lone surrogate ends before anything is made of it."""
    with pytest.raises(Problem, match="surrogate"):
        read_json(b'{"Text": "\\ud800"}')
