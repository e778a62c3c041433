"""Explaining takes any octets: it reads them or finds nothing in them, and never fails."""

from __future__ import annotations

from hypothesis import given, strategies as st

from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.reading.text import read

_PIECES = st.sampled_from(
    [
        b"550 ",
        b"550-5.1.1 ",
        b"4.7.1",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"From: a@b.example\n",
        b"To: c@d.example\n",
        b'Content-Type: multipart/report; boundary="b"\n',
        b"--b\n",
        b"--b--\n",
        b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/rfc822\n",
        b"Final-Recipient: rfc822; e@f.example\n",
        b"Status: 5.2.2\n",
        b"Action: failed\n",
        b"Diagnostic-Code: smtp; ",
        b"to=<e@f.example>, ",
        b"status=bounced (",
        b"stat=Deferred: ",
        b"** e@f.example R=x: ",
        b"smtplib.SMTPDataError: (554, b'",
        b'{"event":"recipient.bounced","at":1,"reply":"',
        b'"}',
        b"said: ",
        b"User unknown",
        b"\xff\x00",
        b"> ",
        b"<",
        b">",
    ]
)


@given(st.one_of(st.binary(max_size=400), st.lists(_PIECES, max_size=30).map(b"".join)))
def test_any_octets_are_explained_or_not(octets: bytes) -> None:
    """Whatever is given, there are observations with causes, or none; codes are in their range."""
    for observation in read(octets):
        diagnosis = explain(observation)
        assert observation.code is None or 200 <= observation.code < 600
        if observation.code is not None:
            assert diagnosis.causes
        if diagnosis.is_hard:
            assert not diagnosis.is_temporary


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="\r\n"), max_size=200))
def test_line_ends_of_a_reply_make_no_difference(text: str) -> None:
    """A reply is the same with LF as with CRLF."""
    reply = f"550-5.1.1 {text}\r\n550 5.1.1 end\r\n".encode()
    assert read(reply) == read(reply.replace(b"\r\n", b"\n"))
