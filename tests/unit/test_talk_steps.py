"""What a line in ``pillarbox talk`` means, and what can be said next."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from pillarbox.checkup.talk.completion import Scene, Where, completions, next_lines
from pillarbox.checkup.talk.steps import (
    Authenticate,
    Expect,
    Pipeline,
    Raw,
    Say,
    SecureNow,
    SendContent,
    Step,
    Wait,
    parse_step,
)
from pillarbox.errors import PermanentError
from pillarbox.smtp.client_extensions import Extensions


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("", None),
        ("  # nothing", None),
        ("EHLO me.example ", Say("EHLO me.example")),
        ("< 250", Expect("250")),
        ("<250 STARTTLS", Expect("250", "STARTTLS")),
        ("< 4xx", Expect("4xx")),
        ("/starttls", SecureNow()),
        ("/auth ann", Authenticate("", "ann")),
        ("/auth plain ann b", Authenticate("PLAIN", "ann b")),
        ("/pipe RSET | NOOP |", Pipeline(("RSET", "NOOP"))),
        ("/data a mail.eml", SendContent(file="a mail.eml")),
        ("/bdat mail.eml", SendContent(file="mail.eml", uses_bdat=True)),
        ("/bdat a mail.eml 7", SendContent(file="a mail.eml", uses_bdat=True, piece=7)),
        (r"/text a\nb", SendContent(text="a\nb")),
        (r"/raw NOOP\r\n\x00é", Raw(b"NOOP\r\n\0\xc3\xa9")),
        (r"/b64 \0ann\0secret", Raw(b"\0ann\0secret", in_base64=True)),
        ("/wait 1.5", Wait(1.5)),
    ],
)
def test_a_line_is_read(line: str, step: Step | None) -> None:
    """Marks stand for what they say; everything else is a line for the server."""
    assert parse_step(line) == step


@pytest.mark.parametrize(
    "line",
    ["/nonsense", "< nonsense", "< 25", "/starttls x", "/auth", "/pipe |", "/data", "/wait x"],
)
def test_a_line_that_cannot_be_meant_is_told(line: str) -> None:
    """What is wrong is said in words."""
    with pytest.raises(PermanentError):
        parse_step(line)


@given(st.text(max_size=40))
def test_no_line_breaks_the_reader(line: str) -> None:
    """Any line is a step, nothing, or told to be wrong."""
    with contextlib.suppress(PermanentError):
        parse_step(line)


@pytest.mark.parametrize(
    ("expected", "code", "text", "fits"),
    [
        (Expect("250"), 250, "x", True),
        (Expect("25x"), 251, "x", True),
        (Expect("2xx"), 354, "x", False),
        (Expect("250", "starttls"), 250, "250-STARTTLS\n250 HELP", True),
        (Expect("250", "AUTH"), 250, "250 HELP", False),
    ],
)
def test_a_reply_is_held_against_what_is_expected(
    expected: Expect, code: int, text: str, *, fits: bool
) -> None:
    """The code counts by its digits, the words whatever their case."""
    assert expected.fits(code, text) is fits


def test_advice_follows_the_session() -> None:
    """What comes next is what the server offers and the order of SMTP allows."""
    offered = Extensions(starttls=True, chunking=True, auth=frozenset({"PLAIN"}))
    scene = Scene(Where.GREETED, offered, is_secure=False, hello="me.example")
    assert next_lines(scene)[:2] == ("/starttls", "/auth")
    assert "/bdat FILE" in next_lines(
        Scene(Where.RECIPIENT, offered, is_secure=True, hello="me.example")
    )
    assert completions(scene, "auth") == ("AUTH PLAIN",)
    assert completions(scene, "ehlo") == ("EHLO me.example",)
    assert completions(scene, "/d") == ("/data ",)
