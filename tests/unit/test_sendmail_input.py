"""What sendmail makes of its arguments and its input, before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from pillarbox.cli.sendmail import drop
from pillarbox.cli.sendmail.arguments import Arguments, parse_arguments
from pillarbox.cli.sendmail.message import (
    NotAMessage,
    header_recipients,
    message_of_input,
    with_author,
    without_bcc,
)
from pillarbox.cli.sendmail.submission import Server, Submission, parse_url


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-t -i", Arguments([], reads_recipients=True, ignores_dots=True)),
        ("-ti", Arguments([], reads_recipients=True, ignores_dots=True)),
        ("-oi -oem -odb bob", Arguments(["bob"], ignores_dots=True)),
        ("-fann@example.org bob", Arguments(["bob"], sender="ann@example.org")),
        ("-f ann@example.org bob", Arguments(["bob"], sender="ann@example.org")),
        ("-f <> bob", Arguments(["bob"], sender="")),
        ("-r ann bob -F Ann", Arguments(["bob"], sender="ann", full_name="Ann")),
        ("-tif ann", Arguments([], reads_recipients=True, ignores_dots=True, sender="ann")),
        ("bob -i carol", Arguments(["bob", "carol"], ignores_dots=True)),
        ("-i -- -f bob", Arguments(["-f", "bob"], ignores_dots=True)),
        ("-bs", Arguments([], mode="s")),
        ("-bp", Arguments([], mode="p")),
        ("-bm bob", Arguments(["bob"])),
        ("-q", Arguments([], flushes=True)),
        ("-q30m bob", Arguments(["bob"], flushes=True)),
        (
            "-N failure,delay -R hdrs -V id1 b",
            Arguments(["b"], notify="failure,delay", ret="hdrs", envelope_id="id1"),
        ),
        ("-B 8BITMIME -h 3 -O x=y -L tag -X log -p esmtp bob", Arguments(["esmtp", "bob"])),
        ("-U -n -G -Am -Ac -m -Z9 bob", Arguments(["bob"])),
        ("-v bob", Arguments(["bob"], is_verbose=True)),
        ("-", Arguments(["-"])),
        ("-f", Arguments([], sender="")),
        ("-S localhost:1025 -t", Arguments([], server="localhost:1025", reads_recipients=True)),
        ("--smtp-addr=h:1 bob", Arguments(["bob"], server="h:1")),
        ("--smtp-addr h:1 --from x --tofu bob", Arguments(["x", "bob"], server="h:1")),
    ],
)
def test_arguments_are_read_as_programs_write_them(line: str, expected: Arguments) -> None:
    """Flags alone, together, attached, apart, behind recipients, and unknown ones."""
    assert parse_arguments("/usr/sbin/sendmail", line.split()) == expected


@pytest.mark.parametrize(
    ("program", "mode"), [("/usr/bin/mailq", "p"), ("newaliases", "i"), ("sendmail", "m")]
)
def test_the_name_of_the_program_counts(program: str, mode: str) -> None:
    """Mailq and newaliases are links to sendmail."""
    assert parse_arguments(program, []).mode == mode


@given(st.lists(st.text()))
def test_no_arguments_break_the_reader(words: list[str]) -> None:
    """Whatever a program passes, there is an answer."""
    parse_arguments("sendmail", words)


@pytest.mark.parametrize(
    ("octets", "ignores_dots", "message"),
    [
        (b"A: b\n\nhi\n", True, b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\r\n\r\nhi\r\n", True, b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\n\nhi\r\nyou\rthey", True, b"A: b\r\n\r\nhi\r\nyou\r\nthey\r\n"),
        (b"A: b\n\nhi\n.\nmore\n", False, b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\n\nhi\n.\nmore\n", True, b"A: b\r\n\r\nhi\r\n.\r\nmore\r\n"),
        (b"A: b\r\n\r\nhi\r\n.\r\nmore\r\n", False, b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\n\n..\n.x\n", False, b"A: b\r\n\r\n..\r\n.x\r\n"),
        (b"just text\n", True, b"\r\njust text\r\n"),
        (b"A: b\nno field\n", True, b"A: b\r\n\r\nno field\r\n"),
        (b"From ann Sat Nov 21\nA: b\n\nhi\n", True, b"A: b\r\n\r\nhi\r\n"),
        (b"A: b\n", True, b"A: b\r\n\r\n"),
        (b"", True, b"\r\n"),
    ],
)
def test_input_becomes_a_message(octets: bytes, ignores_dots: bool, message: bytes) -> None:
    """Every line ends in CRLF, a header ends in an empty line, a lone dot may be the end."""
    assert message_of_input(octets, ignores_dots=ignores_dots) == message


@given(st.binary(max_size=300), st.booleans())
def test_any_input_becomes_a_well_formed_message(octets: bytes, ignores_dots: bool) -> None:
    """No bare CR or LF is left, whatever came in."""
    message = message_of_input(octets, ignores_dots=ignores_dots)
    bare = message.replace(b"\r\n", b"")
    assert b"\r" not in bare
    assert b"\n" not in bare
    assert message.endswith(b"\r\n")


def test_recipients_come_from_the_header() -> None:
    """To, Cc and Bcc count, each address once; names and groups are read through."""
    content = (
        b'To: "Bob, B." <bob@example.org>, ann@example.org\r\nCc: team: ann@example.org,\r\n'
        b" carol@example.org;\r\nBcc: dave@example.org\r\n\r\nTo: nobody@example.org\r\n"
    )
    assert header_recipients(content) == [
        "bob@example.org",
        "ann@example.org",
        "carol@example.org",
        "dave@example.org",
    ]


def test_resent_fields_go_before() -> None:
    """A message that is sent on goes to whom it is sent on to."""
    content = b"To: a@example.org\r\nResent-To: b@example.org\r\n\r\n"
    assert header_recipients(content) == ["b@example.org"]


def test_a_recipient_field_that_cannot_be_read_is_an_error() -> None:
    """Nobody guesses where mail goes."""
    with pytest.raises(NotAMessage, match="the To field cannot be read"):
        header_recipients(b"To: bob@example.org <eve@example.net>\r\n\r\n")


def test_bcc_is_removed_and_nothing_else() -> None:
    """No recipient learns of a blind one; the rest is not touched."""
    content = b"A: b\r\nBcc: x@example.org,\r\n y@example.org\r\nC: d\r\nbCC: z@example.org\r\n\r\nBcc: q\r\n"
    assert without_bcc(content) == b"A: b\r\nC: d\r\n\r\nBcc: q\r\n"


def test_a_message_has_an_author() -> None:
    """A From field is added where there is none, with the full name in quotes."""
    assert with_author(b"A: b\r\n\r\n", "ann@x", "") == b"From: ann@x\r\nA: b\r\n\r\n"
    assert with_author(b"\r\n", "ann@x", 'A "B"') == b'From: "A \\"B\\"" <ann@x>\r\n\r\n'
    assert with_author(b"from: b\r\n\r\n", "ann@x", "Ann") == b"from: b\r\n\r\n"
    with pytest.raises(NotAMessage):
        with_author(b"\r\n", "ann@x", "a\r\nBcc: eve@example.org")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://h", Server(host="h", port=25)),
        ("smtp://h:587", Server(host="h", port=587, tls="require")),
        ("smtp://u:p%40@h:25", Server(host="h", port=25, user="u", password="p@", tls="require")),
        ("smtps://h", Server(host="h", port=465, tls="implicit")),
        ("smtp://[::1]:2525?tls=never", Server(host="::1", port=2525, tls="never")),
        ("smtp://h:99999", None),
        ("http://h", None),
        ("console://", None),
        ("sandbox://", Server(host="127.0.0.1", port=1025)),
        ("sandbox://box:2025", Server(host="box", port=2025)),
        ("", None),
    ],
)
def test_urls_name_servers(url: str, server: Server | None) -> None:
    """Credentials and port 587 require TLS; what is no SMTP URL is none."""
    assert parse_url(url) == server


def test_a_password_is_not_shown() -> None:
    """A server can be printed."""
    assert "hunter2" not in repr(Server(host="h", port=25, password="hunter2"))


@given(st.binary(), st.text(), st.lists(st.text(), max_size=3))
def test_what_is_kept_reads_back(content: bytes, sender: str, recipients: list[str]) -> None:
    """A message in the drop directory is the message that was to be sent."""
    import tempfile

    submission = Submission(sender=sender, recipients=recipients, content=content, notify="never")
    with tempfile.TemporaryDirectory() as folder:
        path = drop.keep(Path(folder, "drop"), submission)
        assert path.stat().st_mode & 0o777 == 0o600
        assert drop.read(path) == submission
        assert list(drop.dropped(path.parent)) == [path]


def test_where_messages_are_kept() -> None:
    """The environment decides, then the user's state directory."""
    assert drop.drop_directory({"PILLARBOX_SENDMAIL_DROP": "/x"}) == Path("/x")
    assert drop.drop_directory({"HOME": "/home/ann"}) in {
        Path("/home/ann/.local/state/pillarbox/drop"),
        Path("/var/spool/pillarbox/drop"),
    }


def test_a_file_that_is_no_kept_message_is_none(tmp_path: Path) -> None:
    """Rubbish in the directory is not sent."""
    (tmp_path / "a.mail").write_bytes(b"rubbish")
    assert drop.read(tmp_path / "a.mail") is None
    assert list(drop.dropped(tmp_path / "none")) == []
