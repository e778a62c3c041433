"""Dialogs of the pure client with servers of all manners."""

from __future__ import annotations

import pytest
from tests.client_dialog import Driver, envelope, mailbox, play, play_from_ready

from pillarbox.smtp.client import ClientConnection
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.client_plan import BARE_LINE_END
from pillarbox.smtp.envelope import BodyType, Notify, Recipient, Ret
from pillarbox.smtp.sasl.selection import Login

LOGIN = Login(user="user", password="secret", in_clear=True)


def driver(*recipients: str, **more: object) -> Driver:
    connection = ClientConnection("client.test")
    return Driver(connection, envelope(*recipients), **more)  # type: ignore[arg-type]


def codes(done: Driver) -> list[int | None]:
    return [outcome.reply.code if outcome.reply else None for outcome in done.outcomes]


def test_a_message_is_sent_command_by_command_without_pipelining() -> None:
    """Without PIPELINING each command waits for its reply."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        S: 250 ok
        C: RCPT TO:<b@b.example>
        S: 250 ok
        C: DATA
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250 2.0.0 queued as 1
        """,
        driver(),
    )
    assert done.outcomes[0].is_delivered
    assert done.outcomes[0].stage is Stage.FINAL
    assert done.connection.is_ready


def test_commands_go_in_one_write_with_pipelining() -> None:
    """With PIPELINING, MAIL, RCPT and DATA go together (RFC 2920)."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example> SIZE=23
        C: RCPT TO:<b@b.example>
        C: RCPT TO:<c@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250 ok
        """,
        driver("b@b.example", "c@b.example"),
        "PIPELINING",
        "SIZE",
    )
    assert [outcome.is_delivered for outcome in done.outcomes] == [True, True]


def test_a_small_content_goes_with_its_commands_by_bdat() -> None:
    """With CHUNKING everything is one flight, and dots are not doubled (RFC 3030)."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: BDAT 6 LAST
        C: .dot
        S: 250 ok
        S: 250 ok
        S: 250 ok
        """,
        driver(content=b".dot\r\n"),
        "PIPELINING",
        "CHUNKING",
    )
    assert done.outcomes[0].is_delivered


def test_a_large_content_goes_in_chunks_once_a_recipient_is_accepted() -> None:
    """A large content waits for the replies to RCPT; its last chunk says LAST."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        S: 250 ok
        S: 250 ok
        C: BDAT 5
        C: one
        C: BDAT 5 LAST
        C: two
        S: 250 got it
        S: 250 kept it
        """,
        driver(pieces=(b"one\r\n", b"two\r\n")),
        "PIPELINING",
        "CHUNKING",
    )
    assert done.outcomes[0].is_delivered
    assert done.outcomes[0].reply is not None
    assert done.outcomes[0].reply.text == "kept it"


def test_a_large_content_is_not_sent_when_nobody_is_accepted() -> None:
    """No chunk is sent for nobody, and the next message resets the transaction."""
    script = """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        S: 250 ok
        S: 550 5.1.1 nobody
        C: RSET
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        S: 250 ok
        S: 250 ok
        S: 550 5.1.1 nobody
        """
    done = play_from_ready(
        script, driver(pieces=(b"one\r\n",), messages=2), "PIPELINING", "CHUNKING"
    )
    assert [codes(done), len(done.settled)] == [[550], 2]


def test_a_refused_chunk_ends_the_content() -> None:
    """What is said to the first chunk that fails is the outcome; the rest is drained."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        S: 250 ok
        S: 250 ok
        C: BDAT 5
        C: one
        C: BDAT 5 LAST
        C: two
        S: 552 5.3.4 too big
        S: 503 5.5.1 no transaction
        """,
        driver(pieces=(b"one\r\n", b"two\r\n")),
        "PIPELINING",
        "CHUNKING",
    )
    assert codes(done) == [552]
    assert done.connection.is_ready


def test_dots_are_doubled_in_data() -> None:
    """A line that starts with a dot gets another one, also across pieces (RFC 5321 §4.5.2)."""
    stuffed = """
        C: MAIL FROM:<a@a.example>
        S: 250 ok
        C: RCPT TO:<b@b.example>
        S: 250 ok
        C: DATA
        S: 354 go
        C: ..
        C: ..a
        C: b.
        C: ...
        C: .
        S: 250 ok
        """
    content = b".\r\n.a\r\nb.\r\n..\r\n"
    play_from_ready(stuffed, driver(content=content))
    for cut in range(1, len(content)):
        play_from_ready(stuffed, driver(pieces=(content[:cut], content[cut:])))
    play_from_ready(stuffed, driver(pieces=tuple(bytes([octet]) for octet in content)))


def test_a_content_without_line_end_gets_one() -> None:
    """The final dot always stands on a line of its own."""
    script = """
        C: MAIL FROM:<a@a.example>
        S: 250 ok
        C: RCPT TO:<b@b.example>
        S: 250 ok
        C: DATA
        S: 354 go
        C: no end
        C: .
        S: 250 ok
        """
    play_from_ready(script, driver(content=b"no end"))
    play_from_ready(script, driver(pieces=(b"no", b" end")))


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\n.\r\n", b"a\r", b"a\r.\n"])
def test_a16_a_bare_line_end_never_leaves_us(content: bytes) -> None:
    """A16: a content that could smuggle a message into a careless server is refused here."""
    done = play_from_ready("", ready := driver(content=content))
    assert done.outcomes == (BARE_LINE_END,)
    assert done.connection.is_ready
    ready.connection.data_to_send()
    for cut in range(1, len(content)):
        pieces = driver(pieces=(content[:cut], content[cut:]))
        play_from_ready(
            """
            C: MAIL FROM:<a@a.example>
            S: 250 ok
            C: RCPT TO:<b@b.example>
            S: 250 ok
            C: DATA
            """,
            pieces,
        )
        assert b"\n.\r\n" not in pieces.receive(b"354 go\r\n")
        assert pieces.outcomes == (BARE_LINE_END,)
        assert pieces.connection.is_closed


def test_helo_follows_where_ehlo_is_unknown() -> None:
    """A server that answers EHLO with 502 is greeted with HELO (RFC 5321 §3.2)."""
    done = play(
        """
        S: 220 old.test
        C: EHLO client.test
        S: 502 what
        C: HELO client.test
        S: 250 old.test at your service
        C: MAIL FROM:<a@a.example>
        """,
        driver(),
    )
    assert done.connection.extensions.name == "old.test"


def test_lmtp_greets_with_lhlo_and_has_an_outcome_for_each_recipient() -> None:
    """After the dot there is a reply for each recipient that was accepted (RFC 2033)."""
    lmtp = Driver(
        ClientConnection("client.test", is_lmtp=True), envelope("a@x.test", "b@x.test", "c@x.test")
    )
    done = play(
        """
        S: 220 store.test
        C: LHLO client.test
        S: 250-store.test
        S: 250-CHUNKING
        S: 250 PIPELINING
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<a@x.test>
        C: RCPT TO:<b@x.test>
        C: RCPT TO:<c@x.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 5.1.1 who
        S: 250 ok
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250 2.1.5 kept
        S: 452 4.2.2 full
        """,
        lmtp,
    )
    assert codes(done) == [250, 550, 452]
    assert [outcome.stage for outcome in done.outcomes] == [
        Stage.FINAL,
        Stage.RECIPIENT,
        Stage.FINAL,
    ]


def test_i10_each_recipient_gets_its_own_truth() -> None:
    """I10: one refused, some deferred, the others delivered."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<1@b.example>
        C: RCPT TO:<2@b.example>
        C: RCPT TO:<3@b.example>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 who
        S: 250 ok
        S: 452 4.5.3 too many
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250 ok
        """,
        driver("1@b.example", "2@b.example", "3@b.example"),
        "PIPELINING",
    )
    assert codes(done) == [550, 250, 452]
    assert [outcome.is_delivered for outcome in done.outcomes] == [False, True, False]


def test_i10_a_354_for_nobody_is_answered_with_the_dot_alone() -> None:
    """I10: nothing is sent for nobody; the refusals stand, whatever follows (RFC 2920)."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 who
        S: 354 go
        C: .
        S: 250 taken all the same
        """,
        driver(),
        "PIPELINING",
    )
    assert codes(done) == [550]
    assert done.connection.is_ready


def test_i10_the_next_message_resets_what_is_left_open() -> None:
    """I10: accepted MAIL, refused DATA: RSET goes before the next MAIL, in the same write."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 ok
        S: 450 later
        S: 503 no recipient
        C: RSET
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 reset
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250 ok
        """,
        driver(messages=2),
        "PIPELINING",
    )
    assert codes(done) == [450]
    assert done.settled[1].outcomes[0].is_delivered


def test_a_refused_sender_is_the_outcome_of_all() -> None:
    """What MAIL got, everybody got; RCPT is not asked for without PIPELINING."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        S: 451 4.7.1 greylisted
        """,
        driver("1@b.example", "2@b.example"),
    )
    assert codes(done) == [451, 451]
    assert done.outcomes[0].stage is Stage.MAIL


def test_a_server_that_takes_recipients_after_refusing_the_sender_gets_nothing() -> None:
    """A yes to RCPT means nothing after a no to MAIL."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 550 not you
        S: 250 ok
        S: 354 go
        C: .
        S: 250 ok
        """,
        driver(),
        "PIPELINING",
    )
    assert codes(done) == [550]


def test_dsn_parameters_are_passed_on_where_offered() -> None:
    """RET, ENVID, NOTIFY and ORCPT go to a server with DSN, in xtext (RFC 3461)."""
    asked = envelope(ret=Ret.HEADERS, envelope_id="QQ+3 1=x")
    recipient = Recipient(
        mailbox("b@b.example"), Notify.SUCCESS | Notify.FAILURE, "rfc822;Bob+40@b.example"
    )
    asked = type(asked)(
        reverse_path=asked.reverse_path,
        recipients=(recipient, Recipient(mailbox("c@b.example"), Notify.NEVER)),
        ret=asked.ret,
        envelope_id=asked.envelope_id,
    )
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example> RET=HDRS ENVID=QQ+2B3+201+3Dx
        C: RCPT TO:<b@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40@b.example
        C: RCPT TO:<c@b.example> NOTIFY=NEVER
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 450 later
        """,
        Driver(ClientConnection("client.test"), asked),
        "PIPELINING",
        "DSN",
    )
    assert done.settled[0].dsn_passed_on


def test_the_null_sender_is_written_as_such() -> None:
    """A notification comes from <> (RFC 5321 §4.5.5)."""
    play_from_ready(
        "C: MAIL FROM:<>",
        Driver(ClientConnection("client.test"), envelope(sender=None)),
    )


def refused_here(done: Driver) -> list[str]:
    assert all(outcome.is_local and not outcome.is_delivered for outcome in done.outcomes)
    assert done.connection.is_ready
    return [str(outcome.reply)[:9] for outcome in done.outcomes]


def test_a_content_over_the_servers_size_is_refused_here() -> None:
    """I08: SIZE 1 is believed; nothing is said to the server (RFC 1870 §6.1)."""
    assert refused_here(play_from_ready("", driver(), "SIZE 1")) == ["552 5.3.4"]


def test_8bit_content_needs_8bitmime() -> None:
    """Content is not converted: without 8BITMIME it cannot go (RFC 6152 §3)."""
    assert refused_here(play_from_ready("", driver(has_8bit=True))) == ["554 5.6.3"]
    play_from_ready("C: MAIL FROM:<a@a.example> BODY=8BITMIME", driver(has_8bit=True), "8BITMIME")


def test_binary_content_is_refused_here() -> None:
    """BINARYMIME is not spoken (RFC 3030 §3)."""
    binary = Driver(ClientConnection("client.test"), envelope(body=BodyType.BINARY_MIME))
    assert refused_here(play_from_ready("", binary, "CHUNKING", "BINARYMIME")) == ["554 5.6.3"]


def test_smtputf8_is_used_where_offered_and_needed() -> None:
    """A local part beyond ASCII goes in UTF-8, with the parameter (RFC 6531 §3.4)."""
    play_from_ready(
        """
        C: MAIL FROM:<a@a.example> SMTPUTF8
        S: 250 ok
        C: RCPT TO:<bøb@blåbær.example>
        """,
        driver("bøb@blåbær.example"),
        "SMTPUTF8",
    )


def test_a_domain_beyond_ascii_goes_as_a_labels_without_smtputf8() -> None:
    """A U-label domain alone does not need SMTPUTF8 (RFC 6531 §3.2)."""
    play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        S: 250 ok
        C: RCPT TO:<bob@xn--blbr-roah.example>
        """,
        driver("bob@blåbær.example"),
    )


def test_only_the_recipient_that_needs_smtputf8_fails_without_it() -> None:
    """The others are served, and the numbers of the recipients stay right."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 who
        S: 503 nobody
        """,
        driver("bøb@b.example", "bob@b.example"),
        "PIPELINING",
    )
    assert [str(outcome.reply)[:9] for outcome in done.outcomes] == ["550 5.6.7", "550 5.1.1"]
    assert [outcome.is_local for outcome in done.outcomes] == [True, False]


def test_an_internationalized_message_needs_smtputf8() -> None:
    """A content that was taken with SMTPUTF8 goes only to servers with it."""
    flagged = Driver(ClientConnection("client.test"), envelope(smtputf8=True))
    assert refused_here(play_from_ready("", flagged)) == ["550 5.6.7"]
    sender = Driver(ClientConnection("client.test"), envelope(sender="å@a.example"))
    assert refused_here(play_from_ready("", sender)) == ["550 5.6.7"]


@pytest.mark.parametrize(
    "address",
    [
        "b\r\nRSET@b.example",
        "b@b.example>\r\nDATA",
        "b\x00@b.example",
        "b@b example",
        "b@b.example> NOTIFY=NEVER",
        "b@",
        "b\x85@b.example",
        "b\u2028@b.example",
        "b@[1.2.3.4]]",
        "b@[1.2.3.4 ]",
    ],
)
def test_no_address_can_end_its_command(address: str) -> None:
    """An address with CR, LF, NUL, or a space outside of quotes is never written."""
    assert refused_here(play_from_ready("", driver(address), "SMTPUTF8")) == ["553 5.1.3"]
    sender = Driver(ClientConnection("client.test"), envelope(sender=address))
    assert refused_here(play_from_ready("", sender, "SMTPUTF8")) == ["553 5.1.7"]


def test_odd_local_parts_are_quoted() -> None:
    """Spaces, brackets and quotes are fine inside of quotes (RFC 5321 §4.1.2)."""
    play_from_ready(
        r"""
        C: MAIL FROM:<a@a.example>
        S: 250 ok
        C: RCPT TO:<"a b> \"\\.."@[192.0.2.1]>
        """,
        driver('a b> "\\..@[192.0.2.1]'),
    )


def test_login_by_plain_keeps_the_password_out_of_the_conversation() -> None:
    """PLAIN sends its response at once; people see three stars."""
    done = play_from_ready(
        """
        C: AUTH PLAIN AHVzZXIAc2VjcmV0
        S: 235 2.7.0 welcome
        C: MAIL FROM:<a@a.example>
        """,
        driver(login=LOGIN),
        "AUTH LOGIN PLAIN",
    )
    said = list(done.connection.record)
    assert "> AUTH PLAIN ***" in said
    assert not any("c2VjcmV0" in line or "secret" in line for line in said)


def test_login_by_login_answers_two_challenges() -> None:
    """LOGIN is asked for the name, then for the password; a third question is canceled."""
    opening = """
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dXNlcg==
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        """
    done = play_from_ready(opening + "S: 535 5.7.8 no", driver(login=LOGIN), "AUTH LOGIN")
    assert done.answers[-1].stage is Stage.AUTH
    assert list(done.connection.record)[-5:] == [
        "< 334 VXNlcm5hbWU6",
        "> ***",
        "< 334 UGFzc3dvcmQ6",
        "> ***",
        "< 535 5.7.8 no",
    ]
    play_from_ready(
        opening + "S: 334 bW9yZQ==\nC: *\nS: 501 canceled",
        driver(login=LOGIN),
        "AUTH LOGIN",
    )


def test_a_password_that_the_server_repeats_is_masked_in_the_record() -> None:
    """What was sent base64-coded comes back in no answer that is kept, logged or shown."""
    dialog = """
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dXNlcg==
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 500 what is c2VjcmV0? secret?
        """
    done = play_from_ready(dialog, driver(login=LOGIN), "AUTH LOGIN")
    assert done.connection.record[-1] == "< 500 what is ***? ***?"
    assert str(done.answers[-1].reply) == "500 what is ***? ***?"


def test_a_password_is_never_sent_in_the_clear_unasked() -> None:
    """Without TLS, and without being told, the connection refuses to log in."""
    done = play_from_ready("C: MAIL FROM:<a@a.example>", driver(), "AUTH PLAIN")
    with pytest.raises(RuntimeError, match="no mechanism"):
        done.connection.authenticate(Login(user="user", password="secret"))


STARTTLS = """
    S: 220 mx.test
    C: EHLO client.test
    S: 250-mx.test
    S: 250-AUTH PLAIN
    S: 250 STARTTLS
    C: STARTTLS
    """


def test_everything_starts_anew_after_starttls() -> None:
    """What the server offered before TLS is forgotten (RFC 3207 §4.2)."""
    done = play(
        STARTTLS
        + """
        S: 220 go
        C: EHLO client.test
        S: 250-mx.test
        S: 250 SIZE 5000
        C: MAIL FROM:<a@a.example> SIZE=23
        """,
        driver(starttls=True),
    )
    assert done.connection.extensions.auth == frozenset()
    assert done.connection.is_secure


@pytest.mark.parametrize("injected", ["S: 250-evil", "S: 250 evil"])
def test_b04_octets_behind_the_220_to_starttls_are_thrown_away(injected: str) -> None:
    """B04: what comes in the clear behind 220, whole reply or part of one, ends the connection."""
    opened = driver(starttls=True)
    play(STARTTLS, opened)
    opened.connection.receive_data(b"220 go\r\n" + injected.removeprefix("S: ").encode() + b"\r\n")
    assert opened.connection.is_closed
    apart = driver(starttls=True)
    play(STARTTLS, apart)
    apart.connection.receive_data(b"220 go\r\n")
    apart.connection.receive_data(b"2")
    assert apart.connection.is_closed


def test_b05_a_refused_starttls_is_told() -> None:
    """B05: 454 is an answer like any other; what follows is the driver's policy."""
    done = play(STARTTLS + "S: 454 4.7.0 no TLS today", driver(starttls=True))
    assert (done.answers[-1].stage, done.answers[-1].reply.code) == (Stage.TLS, 454)


def test_i03_250_to_data_is_a_violation() -> None:
    """I03: the content is not sent, and nothing was delivered."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        """,
        driver(),
        "PIPELINING",
    )
    [outcome] = done.outcomes
    assert (outcome.is_delivered, outcome.reply, outcome.is_uncertain) == (False, None, False)
    assert outcome.stage is Stage.DATA
    assert 'answered DATA with "250 ok"' in outcome.reason
    assert done.connection.is_closed


def test_i08_chunking_that_is_none_is_told_and_nothing_is_bounced() -> None:
    """I08: 502 to BDAT is no word on the message; the connection cannot be trusted on."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: BDAT 23 LAST
        C: Subject: hi
        C:
        C: Hello.
        S: 250 ok
        S: 250 ok
        S: 502 5.5.2 what
        S: 500 what
        """,
        driver(),
        "PIPELINING",
        "CHUNKING",
    )
    [outcome] = done.outcomes
    assert (outcome.reply, outcome.is_uncertain) == (None, False)
    assert done.settled[0].chunking_failed
    assert not done.settled[0].is_reusable


def test_a_reply_nobody_waits_for_ends_the_connection() -> None:
    """I05: a reply that comes when nothing was asked pairs with nothing, not with what comes."""
    done = play_from_ready("C: MAIL FROM:<a@a.example>\nS: 550 no\nS: 250 ok", driver())
    assert codes(done) == [550]
    assert done.connection.is_closed
    assert done.ended is not None
    assert "nobody waits for" in done.ended.reason


FLIGHT = ["250 ok", "250 ok", "250 ok", "354 go", "250 ok"]
STAGES = [Stage.MAIL, Stage.RECIPIENT, Stage.RECIPIENT, Stage.DATA, Stage.FINAL]


@pytest.mark.parametrize("position", range(5))
def test_i04_421_at_each_stage_answers_all_that_is_open(position: int) -> None:
    """I04: who has an outcome keeps it; all others get the 421, and the connection is over."""
    done = driver("b@b.example", "c@b.example")
    script = (
        "C: MAIL FROM:<a@a.example>\nC: RCPT TO:<b@b.example>\nC: RCPT TO:<c@b.example>\nC: DATA"
    )
    play_from_ready(script, done, "PIPELINING")
    for reply in [*FLIGHT[:position], "421 4.3.2 bye"]:
        done.receive(reply.encode() + b"\r\n")
    assert codes(done) == [421, 421]
    assert [outcome.stage for outcome in done.outcomes] == [STAGES[position]] * 2
    assert not any(outcome.is_uncertain for outcome in done.outcomes)
    assert done.connection.is_closed
    assert done.ended is not None
    assert done.ended.reply is not None


@pytest.mark.parametrize(
    ("script", "stage"),
    [
        ("S: 421 busy", Stage.GREETING),
        ("S: 220 hi\nC: EHLO client.test\nS: 421 busy", Stage.HELLO),
        (STARTTLS + "S: 421 busy", Stage.TLS),
    ],
)
def test_i04_421_before_a_message_is_the_answer(script: str, stage: Stage) -> None:
    """I04: 421 to the greeting, EHLO or STARTTLS answers it and ends the connection."""
    done = play(script, driver(starttls=True))
    assert (done.answers[-1].stage, done.answers[-1].reply.code) == (stage, 421)
    assert done.connection.is_closed


def test_a_lost_connection_is_uncertain_only_after_the_whole_content() -> None:
    """I07: before the final dot nothing was delivered; behind it nobody knows."""
    before = driver()
    play_from_ready("C: MAIL FROM:<a@a.example>", before)
    before.connection.fail("the server closed the connection")
    before.receive(b"")
    assert not before.outcomes[0].is_uncertain
    after = driver()
    script = "C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA"
    play_from_ready(script, after)
    after.receive(b"354 go\r\n")
    after.connection.fail("the server closed the connection")
    after.receive(b"")
    [outcome] = after.outcomes
    assert (outcome.is_uncertain, outcome.stage, outcome.reply) == (True, Stage.FINAL, None)


def test_a_no_before_the_contents_end_counts() -> None:
    """A server that refuses a content in the middle is believed and left."""
    early = driver(pieces=(b"one\r\n",))
    early.react = lambda _event: None  # type: ignore[method-assign]
    play("S: 220 mx.test", early)
    connection = early.connection
    connection.hello()
    connection.data_to_send()
    connection.receive_data(b"250-x\r\n250 PIPELINING\r\n")
    connection.send(early.envelope, 10_000, None)
    connection.receive_data(b"250 ok\r\n250 ok\r\n354 go\r\n")
    connection.send_content(b"one\r\n")
    connection.receive_data(b"552 5.3.4 enough\r\n")
    del early.react
    early.receive(b"")
    assert codes(early) == [552]
    assert not early.outcomes[0].is_uncertain
    assert connection.is_closed


def test_the_conversation_shows_what_was_said() -> None:
    """Commands, replies and the content's size are there, in their order."""
    done = play_from_ready(
        """
        C: MAIL FROM:<a@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 2.1.0 ok
        S: 250 2.1.5 ok
        S: 354 go
        C: Subject: hi
        C:
        C: Hello.
        C: .
        S: 250-kept
        S: 250 as 1
        """,
        driver(),
        "PIPELINING",
    )
    assert list(done.settled[0].conversation) == [
        "> MAIL FROM:<a@a.example>",
        "> RCPT TO:<b@b.example>",
        "> DATA",
        "< 250 2.1.0 ok",
        "< 250 2.1.5 ok",
        "< 354 go",
        "> (23 octets)",
        "< 250-kept",
        "< 250 as 1",
    ]


def test_a_long_conversation_is_cut() -> None:
    """A message to very many shows its first two hundred lines, and how many there are."""
    many = [f"{number}@b.example" for number in range(1000)]
    done = driver(*many)
    commands = "".join(f"C: RCPT TO:<{address}>\n" for address in many)
    play_from_ready(f"C: MAIL FROM:<a@a.example>\n{commands}C: DATA", done, "PIPELINING")
    done.receive(b"550 no\r\n" * 1002)
    lines = done.settled[0].conversation
    assert len(lines) == 200
    assert lines[-1] == "* 1805 more lines"


def test_actions_out_of_turn_are_defects() -> None:
    """A driver that sends before EHLO is told so."""
    with pytest.raises(RuntimeError, match="cannot follow"):
        ClientConnection("client.test").send(envelope(), 1, b"x")
    with pytest.raises(ValueError, match="no name"):
        ClientConnection("client.test\r\nRSET")


@pytest.mark.parametrize("answer", ["221 bye", "250 ok", "354 go on", "500 what", "421 bye"])
def test_i02_whatever_answers_quit_ends_the_connection(answer: str) -> None:
    """I02: there is no wrong answer to a goodbye."""
    done = play_from_ready("C: MAIL FROM:<a@a.example>\nS: 550 no", driver())
    done.connection.quit()
    assert done.connection.data_to_send() == b"QUIT\r\n"
    done.receive(f"{answer}\r\n".encode())
    assert done.connection.is_closed
    assert done.ended is not None


def test_a_loss_before_all_was_written_is_not_uncertain() -> None:
    """A final dot that never left this machine cannot have been read."""
    done = driver()
    play_from_ready(
        "C: MAIL FROM:<a@a.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA", done
    )
    done.receive(b"354 go\r\n")
    done.connection.fail("the server did not answer", is_all_written=False)
    done.receive(b"")
    assert not done.outcomes[0].is_uncertain


@pytest.mark.parametrize("challenge", ["334 not base64!", "334 bW9yZQ==", "334 \u00e9"])
def test_a_challenge_without_sense_is_canceled(challenge: str) -> None:
    """PLAIN has no challenges: the exchange is canceled, and a server that goes on is left."""
    done = play_from_ready(
        f"C: AUTH PLAIN AHVzZXIAc2VjcmV0\nS: {challenge}\nC: *\nS: 334 ",
        driver(login=LOGIN),
        "AUTH PLAIN",
    )
    assert done.connection.is_closed
    assert done.ended is not None
    assert "after it was canceled" in done.ended.reason


def test_a_server_cannot_ask_for_a_password_forever() -> None:
    """Challenges are counted; after eight the exchange is canceled."""
    again = "S: 334 \nC: AHVzZXIAc2VjcmV0\n" * 8
    done = play_from_ready(
        f"C: AUTH PLAIN AHVzZXIAc2VjcmV0\n{again}S: 334 \nC: *\nS: 501 canceled",
        driver(login=LOGIN),
        "AUTH PLAIN",
    )
    assert done.answers[-1].reply.code == 501
