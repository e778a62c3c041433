"""What `pillarbox send` writes: what was asked for, or nothing."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pillarbox.cli.send.message import (
    Draft,
    DraftInvalid,
    build_message,
    read_addresses,
    read_field,
)
from pillarbox.message.mail import read_mail

TEXT = st.text(max_size=60)
MARKS = st.sampled_from(
    [
        '"',
        "\\",
        "<",
        ">",
        "@",
        ",",
        ":",
        ";",
        "(",
        ")",
        "[",
        "]",
        " ",
        "\t",
        "\n",
        "=?utf-8?q?",
        "?=",
        "ä",
        "😀",
    ]
)
MIXED = st.lists(st.one_of(MARKS, st.sampled_from(["a", "b.c", "example.org"])), max_size=12).map(
    "".join
)


@given(
    author=MIXED,
    name=MIXED,
    subject=st.one_of(TEXT, MIXED),
    body=TEXT,
    value=st.one_of(TEXT, MIXED),
)
def test_a_message_names_whom_it_was_told_to(
    author: str, name: str, subject: str, body: str, value: str
) -> None:
    """Whatever the options hold, it is refused, or nobody else is named and no field is added."""
    try:
        authors = read_addresses("--from", (f"{author} <ann@example.org>",))
        to = read_addresses("--to", (f"{name} <bob@example.org>",))
        draft = Draft(
            author=authors[0],
            to=to,
            subject=subject,
            text=body,
            fields=(read_field(f"X-A: {value}"),),
        )
        octets = build_message(draft, now=0.0, unique="1", hostname="h.example")
    except DraftInvalid:
        return
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    mail = read_mail(octets)
    assert [each.address for each in mail.from_] == ["ann@example.org"]
    assert [each.address for each in mail.to] == [
        f"{each.mailbox.local_part}@{each.mailbox.domain}" for each in to
    ]
    known = {"x-a", "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
             "content-transfer-encoding"}  # fmt: skip
    assert {field.name.lower() for field in mail.fields} <= known
    assert len(mail.fields) <= len(known)
