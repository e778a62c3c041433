from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from pillarbox.console.sandbox.connection import connection_of
from pillarbox.console.sandbox.highlight import text_pieces
from pillarbox.console.sandbox.posting import SAMPLES, sample
from pillarbox.console.sandbox.uploads import Part, parts_of
from pillarbox.errors import PermanentError
from pillarbox.message.codes import codes_in
from pillarbox.message.mail import read_mail
from pillarbox.preflight import Facts, assess
from pillarbox.sandbox.info import Addresses


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_mail_without_defects(name: str) -> None:
    """Each sample has its lines ended as mail has, and reads without a complaint of MIME."""
    octets = sample(name, 1_795_000_000.0).octets
    mail = read_mail(octets)
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert mail.message_id
    assert mail.html
    assert not mail.defects


def test_samples_show_what_they_are_for() -> None:
    """One has a code, one a file, and one has faults that are found."""
    mails = {name: sample(name, 1_795_000_000.0).octets for name in SAMPLES}
    assert codes_in(read_mail(mails["code"])) == ("724118",)
    assert [file.filename for file in read_mail(mails["receipt"]).attachments] == [
        "order-10432.csv"
    ]
    faults = assess(read_mail(mails["faulty"]), mails["faulty"], Facts())
    assert len([judged for judged in faults.findings if judged.finding.level >= 2]) >= 3


def test_snippets_hold_the_address() -> None:
    """Every framework's lines name the host of the page and the listener's port."""
    request = Request({"type": "http", "headers": [(b"host", b"mail.test:8025")]})
    info = cast(
        "Any",
        SimpleNamespace(
            addresses=Addresses(smtp=("0.0.0.0:2525",)),
            auth="any",
            needs_login=False,
            starttls="off",
        ),
    )
    found = connection_of(request, info)
    assert (found.host, found.port, found.tls) == ("mail.test", 2525, "none")
    for snippet in found.snippets:
        assert "2525" in snippet.text
        assert "mail.test" in snippet.text or snippet.key == "compose"
        assert "PORT" not in snippet.text.replace("_PORT", "")


def test_links_of_a_text_are_found() -> None:
    """A link ends before the sentence does; put together the pieces are the text."""
    text = "See https://example.com/a?b=c, or (http://x.example).\nEnd"
    pieces = list(text_pieces(text))
    assert "".join(piece for piece, _ in pieces) == text
    assert [url for _, url in pieces if url] == ["https://example.com/a?b=c", "http://x.example"]


def test_files_of_a_form_are_read_octet_for_octet() -> None:
    """Fields come in their order, whatever their content; what is no such form has none."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="project"\r\n\r\nshop\r\n'
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.eml"\r\n\r\n\r\n\x00--b\n\r\n'
        b"--b--\r\n"
    )
    assert list(parts_of(body, "multipart/form-data; boundary=b")) == [
        Part("project", "", b"shop"),
        Part("files", "a.eml", b"\r\n\x00--b\n"),
    ]
    assert not list(parts_of(body, "text/plain; boundary=b"))
    assert not list(parts_of(b"", "multipart/form-data; boundary=b"))


def test_a_form_of_endless_parts_is_refused() -> None:
    """Boundaries are split a thousand times, whatever the size of the body."""
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\na\r\n'
    assert len(list(parts_of(part * 999 + b"--x--\r\n", kind))) == 999
    with pytest.raises(PermanentError, match="1,000 files at most"):
        list(parts_of(part * 2_000, kind))
