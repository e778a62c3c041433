"""Fields that Python's email package would let an encoded word end (reliability rows F01, F03)."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import msgspec
import pytest

from pillarbox.api.mailpit.sending import Message, compose
from pillarbox.cli.send.message import Draft, DraftInvalid, build_message, read_addresses
from pillarbox.console.sandbox.posting import write
from pillarbox.errors import PermanentError
from pillarbox.message.composed import broken_field
from pillarbox.web.problems import Problem

WORDS = (
    "=?utf-8?q?a=0d=0aBcc:_evil=40example.org?=",
    "=?utf-8?q?a=0aBcc:_evil=40example.org?=",
    "=?utf-8?b?YQ0KQmNjOiBldmlsQGV4YW1wbGUub3Jn?=",
    "=?iso-8859-1?q?a=0d?= =?utf-8?q?=0aBcc:_evil=40example.org?=",
    "=?utf-8?q?=1b=5b2J?=",
)
ADDRESS = {"Email": "ann@example.org", "Name": "Ann"}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("where", ["From", "To", "Cc", "ReplyTo", "Subject", "Headers", "Tags"])
def test_no_field_of_the_api_ends_in_an_encoded_word(where: str, word: str) -> None:
    """CVE-2024-6923 and its like by the API: a 400 that names the field, and no second field."""
    person = {"Email": "ann@example.org", "Name": word}
    given = {"Headers": {"X-A": word}, "Tags": [word], "From": person, "Subject": word}
    body = {"From": ADDRESS, "To": [ADDRESS], where: given.get(where, [person])}
    with pytest.raises(Problem) as refused:
        compose(msgspec.convert(body, Message))
    assert refused.value.status == 400


@pytest.mark.parametrize("word", WORDS)
def test_no_subject_of_a_person_ends_in_an_encoded_word(word: str) -> None:
    """Neither that of `pillarbox send` nor that of the page."""
    (address,) = read_addresses("--to", ("ann@example.org",))
    with pytest.raises(DraftInvalid):
        build_message(
            Draft(author=address, to=(address,), subject=word, text="x"),
            now=0.0,
            unique="x",
            hostname="localhost",
        )
    with pytest.raises(PermanentError):
        write(
            sender="a@example.org",
            recipients=["b@example.org"],
            subject=word,
            text="x",
            html="",
            now=0.0,
        )


def test_words_without_line_ends_are_as_they_were() -> None:
    """A subject that is encoded already, a name in any script."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "=?utf-8?q?Gr=C3=BC=C3=9Fe?= and more"
    message["From"] = Address("Jürgen", addr_spec="j@example.org")
    assert broken_field(message) == ""
