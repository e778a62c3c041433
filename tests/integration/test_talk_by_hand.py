"""``pillarbox talk`` as a person types at it: keys, completion, secrets, and hostile replies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab_thread import lab_server_in_thread
from tests.mute_server import mute_server
from tests.terminal import Terminal, at_terminal

from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer

_CTRL_C = "\x03"
_CTRL_D = "\x04"
_HOSTILE = b"220 \x1b]0;owned\x07\x1b[2J\x9b31m mx.test\r\n"
_UP = "\x1b[A"


@pytest.fixture(scope="module")
def server() -> Iterator[LabServer]:
    """A lab server with TLS and a user."""
    made = LabServer(
        "mx.talk.test",
        tls=self_signed_context("mx.talk.test"),
        logins=LabLogins({"ann": "good words"}),
    )
    with lab_server_in_thread(made):
        yield made


def ask(terminal: Terminal, keys: str, answer: str) -> str:
    """Type at the next prompt, and wait for an answer; return what was shown up to it."""
    terminal.expect("\r\n> ")
    terminal.type(keys)
    return terminal.expect(answer)


def test_a_whole_session_is_typed_by_hand(server: LabServer, tmp_path: Path) -> None:
    """Completion, TLS, a password that is not shown, pipelining, content, BDAT, and history."""
    mail = tmp_path / "mail.eml"
    mail.write_text("Subject: By hand\n\nHi\n")
    before = len(server.messages)
    where = f"127.0.0.1:{server.port}"
    with at_terminal(["talk", where, "--any-certificate"]) as terminal:
        ask(terminal, "EHL\t\n", "STARTTLS")  # the tab key writes the rest
        ask(terminal, "/startt\t\n", "certificate NOT verified")
        ask(terminal, "/auth ann\n", "Password of ann: ")
        terminal.type(_CTRL_C)  # thought better of it
        terminal.expect("nothing was given")
        ask(terminal, "/auth ann\n", "Password of ann: ")
        terminal.type("good words\n")
        terminal.expect("235")
        ask(terminal, "/pipe MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>\n", "250 2.1.5")
        ask(terminal, "DATA\n", "354")
        for line in ("Subject: typed", "", "/end is no mark here", "# nor is this", "."):
            terminal.expect("> ")
            terminal.type(f"{line}\n")
        terminal.expect("The message is accepted")
        ask(terminal, "MAIL FROM:<e@b.example>\n", "250")
        ask(terminal, "RCPT TO:<c@d.example>\n", "250")
        ask(terminal, f"/bdat {str(mail)[:-3]}\t 9\n", "LAST")
        terminal.expect("The message is accepted")
        ask(terminal, f"{_UP}{_UP}{_UP}\n", "> MAIL FROM:<e@b.example>\r\n< 250")
        ask(terminal, "/nonsense\n", "/nonsense is none of")
        ask(terminal, "QUIT\n", "The server says goodbye")
        assert terminal.end() == 0
    assert "good words" not in terminal.seen
    typed, sent = [one.content for one in server.messages[before:]]
    assert typed == b"Subject: typed\r\n\r\n/end is no mark here\r\n# nor is this\r\n"
    assert sent == b"Subject: By hand\r\n\r\nHi\r\n"


def test_ctrl_c_ends_it_at_a_prompt_and_while_nothing_is_answered() -> None:
    """The status is 130 both times, at once, without a traceback."""
    with mute_server(_HOSTILE) as port:
        for keys, shown in (("half a line", "half a line"), ("NOOP\n", "Nothing is requested")):
            with at_terminal(["talk", f"127.0.0.1:{port}"]) as terminal:
                terminal.expect("\r\n> ")
                terminal.type(keys)
                terminal.expect(shown)
                assert terminal.interrupt() == 130
            assert "Traceback" not in terminal.seen


def test_replies_cannot_steer_the_terminal_and_fit_a_narrow_one() -> None:
    """Escape sequences are shown as text, meanings are wrapped; Ctrl-D ends with status 0."""
    environment = {"TERM": "vt100"}
    with (
        mute_server(_HOSTILE) as port,
        at_terminal(["talk", f"127.0.0.1:{port}"], columns=40, environment=environment) as terminal,
    ):
        terminal.expect("> ")
        terminal.type(_CTRL_D)
        assert terminal.end() == 0
    assert "\x1b]0;owned" not in terminal.seen
    assert "\x9b" not in terminal.seen
    assert "owned" in terminal.seen
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.seen)
    notes = [line for line in plain.split("\r\n") if line.startswith("  ")]
    assert max(map(len, notes)) <= 40
