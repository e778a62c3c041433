"""A model walks random command sequences, failing ones included, against the real server."""

from __future__ import annotations

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.server_driver import Driver, ServerOptions

from pillarbox.smtp import events
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.session import COMMANDS, TRANSITIONS, State, Verb

OPTIONS = ServerOptions(
    hostname="mx.local.test",
    auth_mechanisms=("PLAIN",),
    auth_before_tls=True,
    starttls=True,
    max_errors=0,
    max_junk_commands=0,
)
NO = Reply.of(550, "5.7.1", "No")
LATER = Reply.of(451, "4.3.0", "Later")
MALFORMED = (
    b"MAIL FROM:<a..b@c>",
    b"MAIL TO:<a@b>",
    b"MAIL FROM:<a@b> SIZE=x",
    b"RCPT TO:<>",
    b"RCPT TO:<a@b> FOO=1",
    b"RCPT",
    b"DATA now",
    b"AUTH NTLM",
    b"EHLO",
    b"RSET x",
    b"FOO",
    b"",
)


class SessionMachine(RuleBasedStateMachine):
    """What a client may do, and what must then be true."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Reply | None = None
        self.driver = Driver(OPTIONS, lambda _: self.answer).greet()
        self.greeted = False
        self.extended = False
        self.mail = False
        self.recipients = 0
        self.chunks = b""
        self.in_chunks = False
        self.authenticated = False
        self.encrypted = False
        self.expected: list[tuple[int, bytes]] = []

    answers = st.sampled_from([None, None, None, NO, LATER])

    def say(self, octets: bytes, answer: Reply | None = None) -> int:
        """Send octets; return the code of the last reply."""
        self.answer = answer
        before = len(self.driver.sent)
        self.driver.feed(octets)
        self.answer = None
        return int(self.driver.sent[before:].splitlines()[-1][:3])

    def forget(self) -> None:
        """Forget the transaction."""
        self.mail = self.in_chunks = False
        self.recipients = 0
        self.chunks = b""

    @rule(answer=answers, verb=st.sampled_from([b"EHLO", b"HELO"]))
    def hello(self, answer: Reply | None, verb: bytes) -> None:
        """EHLO resets a transaction when it succeeds."""
        code = self.say(verb + b" x.test\r\n", answer)
        assert code == (250 if answer is None else answer.code)
        if answer is None:
            self.greeted, self.extended = True, verb == b"EHLO"
            self.forget()

    @rule(answer=answers)
    def mail_from(self, answer: Reply | None) -> None:
        """MAIL needs a greeting and no transaction."""
        code = self.say(b"MAIL FROM:<a@b.test>\r\n", answer)
        if not self.greeted or self.mail:
            assert code == 503
        elif answer is None:
            assert code == 250
            self.mail = True
        else:
            assert code == answer.code

    @rule(answer=answers)
    def rcpt_to(self, answer: Reply | None) -> None:
        """RCPT needs MAIL, and no chunk behind it."""
        code = self.say(b"RCPT TO:<c@d.test>\r\n", answer)
        if not self.mail or self.in_chunks:
            assert code == 503
        elif answer is None:
            assert code == 250
            self.recipients += 1
        else:
            assert code == answer.code

    @rule(refuses=answers, judges=answers)
    def data(self, refuses: Reply | None, judges: Reply | None) -> None:
        """DATA needs a recipient; whatever becomes of the content, the transaction is over."""
        code = self.say(b"DATA\r\n", refuses)
        if not self.recipients or self.in_chunks:
            assert code == 503
            return
        assert code == (354 if refuses is None else refuses.code)
        if refuses is not None:
            return
        if self.say(b"RSET\r\n.\r\n", judges) == 250:
            self.expected.append((self.recipients, b"RSET\r\n"))
        self.forget()

    @rule(answer=answers, is_last=st.booleans())
    def bdat(self, answer: Reply | None, is_last: bool) -> None:
        """BDAT needs a recipient; a refused chunk ends the transaction and is never commands."""
        last = b" LAST" if is_last else b""
        starts = not self.in_chunks
        may_come = self.extended and bool(self.recipients)
        code = self.say(b"BDAT 6" + last + b"\r\nQUIT\r\n", answer)
        if not may_come:
            assert code == 503
            self.forget()
        elif answer is not None and (starts or is_last):
            assert code == answer.code
            self.forget()
        else:
            assert code == 250
            self.in_chunks = True
            self.chunks += b"QUIT\r\n"
            if is_last:
                self.expected.append((self.recipients, self.chunks))
                self.forget()

    @rule()
    def broken_content(self) -> None:
        """A content with a lone LF is refused at its true end, and ends its transaction."""
        if self.say(b"DATA\r\n") == 354:
            assert self.say(b"a\nb\n.\n\r\n.\r\n") == 550
            self.forget()

    @rule()
    def reset(self) -> None:
        """RSET is always allowed."""
        assert self.say(b"RSET\r\n") == 250
        self.forget()

    @rule(line=st.sampled_from(MALFORMED))
    def malformed(self, line: bytes) -> None:
        """A malformed command changes nothing."""
        assert 500 <= self.say(line + b"\r\n") < 560

    @rule(line=st.sampled_from([b"NOOP", b"HELP", b"VRFY x", b"EXPN x", b"XCLIENT x=y"]))
    def bystander(self, line: bytes) -> None:
        """These change nothing, wherever they come."""
        assert self.say(line + b"\r\n") in {250, 214, 252, 502, 550}

    @rule(answer=answers)
    def auth(self, answer: Reply | None) -> None:
        """AUTH comes once, after EHLO, outside of a transaction."""
        code = self.say(b"AUTH PLAIN AGEAYg==\r\n", answer)
        if not self.extended or self.mail or self.authenticated:
            assert code == 503
        else:
            assert code == (235 if answer is None else answer.code)
            self.authenticated |= answer is None

    @precondition(lambda self: not self.encrypted)
    @rule()
    def starttls(self) -> None:
        """STARTTLS forgets everything; it does not come after AUTH or in a transaction."""
        code = self.say(b"STARTTLS\r\n")
        if not self.extended or self.mail or self.authenticated:
            assert code == 503
            return
        assert code == 220
        self.forget()
        self.greeted = self.extended = self.authenticated = False
        self.encrypted = True

    @invariant()
    def messages_are_those_of_the_model(self) -> None:
        """What was accepted is what the model expects, with as many recipients."""
        ended = [event for event in self.driver.events if isinstance(event, events.MessageEnded)]
        assert self.driver.messages == [content for _, content in self.expected]
        assert all(event.envelope.recipients for event in ended)
        assert self.driver.connection.in_transaction == self.mail


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class LongSessionMachine(SessionMachine):
    """The same for longer."""


TestLongSession = pytest.mark.slow(LongSessionMachine.TestCase)
TestLongSession.settings = settings(max_examples=2_000, stateful_step_count=60, deadline=None)


def test_the_table_is_total() -> None:
    """Every state has a row, every verb has rules, and QUIT leads out of every open state."""
    assert set(TRANSITIONS) == set(State)
    assert set(COMMANDS) == set(Verb)
    for state in set(State) - {State.CLOSED}:
        assert TRANSITIONS[state][Verb.QUIT] is State.CLOSED
    assert TRANSITIONS[State.CLOSED] == {}
