"""What Python's own library writes, in whatever way it may be written, is read back."""

from __future__ import annotations

import email.policy
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final

from hypothesis import given, strategies as st

from pillarbox.message.encoded_word import decode_text
from pillarbox.message.mail import read_mail
from pillarbox.message.summary import summarize

POLICIES: Final = (
    email.policy.SMTP.clone(cte_type="7bit"),
    email.policy.SMTP,
    email.policy.SMTPUTF8,
    email.policy.SMTP.clone(max_line_length=40),
)
LINE: Final = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\ufeff"),
    max_size=80,
)
WORDS: Final = LINE.map(lambda text: " ".join(text.split()))
# What no sender means: a name that hides something is changed, as other tests say.
NAME: Final = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=30)
TEXT: Final = st.lists(LINE, max_size=6).map(lambda lines: "".join(f"{line}\n" for line in lines))
ENCODINGS: Final = st.sampled_from(["base64", "quoted-printable", "8bit"])


@given(
    policy=st.sampled_from(POLICIES),
    text=TEXT,
    page=TEXT,
    encoding=ENCODINGS,
    files=st.lists(st.tuples(NAME, st.binary(max_size=300)), max_size=3),
)
def test_texts_and_files_are_read_back(
    policy: email.policy.EmailPolicy,
    text: str,
    page: str,
    encoding: str,
    files: list[tuple[str, bytes]],
) -> None:
    """Plain text, a page and files with any names, in each encoding, come out as they went in."""
    message = EmailMessage(policy=policy)
    message["From"] = Address("Ann", "ann", "example.org")
    message.set_content(text, cte=encoding)
    message.add_alternative(page, subtype="html", cte=encoding)
    for name, content in files:
        message.add_attachment(content, "application", "octet-stream", filename=f"{name}.bin")
    octets = message.as_bytes()
    mail = read_mail(octets)
    assert (mail.text, mail.html) == (text or "\n", page or "\n")  # the library ends the line
    assert [(each.shown_name, each.content) for each in mail.attachments] == [
        (f"{name}.bin", content) for name, content in files
    ]
    assert not mail.defects
    found = summarize(octets)
    assert (found.attachments, found.inlines) == (len(files), 0)
    assert found.snippet == " ".join(text.split())[:250] or not text.split()


@given(
    words=WORDS, charset=st.sampled_from(["utf-8", "utf-16", "gb18030", "koi8-r", "windows-1255"])
)
def test_encoded_words_are_read_back(words: str, charset: str) -> None:
    """Whatever the library encodes, in whatever set, and folds, is read as it was."""
    try:
        written = Header(words, charset, maxlinelen=60).encode(linesep="\r\n")
    except UnicodeError:
        return
    assert decode_text(written.encode("utf-8", "surrogateescape")).split() == words.split()


@given(
    names=st.lists(WORDS.filter(lambda words: "\\" not in words and '"' not in words), max_size=4)
)
def test_people_are_read_back(names: list[str]) -> None:
    """Names in any script stand beside the right addresses."""
    message = EmailMessage(policy=email.policy.SMTP)
    people = [Address(name, f"user{number}", "example.org") for number, name in enumerate(names)]
    message["To"] = people
    found = read_mail(message.as_bytes()).to
    assert [each.address for each in found] == [each.addr_spec for each in people]
