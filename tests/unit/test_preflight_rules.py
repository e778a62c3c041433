"""Each rule for mail finds what it is for, and nothing in a mail that is fine."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest
from tests.preflight_mail import WORDS, assess_octets, codes, mail

from pillarbox.findings import Level
from pillarbox.preflight import (
    Aspect,
    AuthenticationFacts,
    Facts,
    LinkAnswer,
    MethodFact,
    SpamRule,
    SpamVerdict,
    from_json,
    to_json,
)

_ROOT = Path(__file__).parents[2]
_WORDS = f"<p>{WORDS}</p>"
_PNG = '<img src="https://acme-shop.com/a.png" width="600" height="300" alt="a">'


def _without(name: str) -> bytes:
    return mail(fields={name: None})


def _with(**fields: str) -> bytes:
    return mail(fields={name.replace("_", "-"): value for name, value in fields.items()})


def _html(extra: str) -> bytes:
    return mail(_WORDS + extra)


def _link(url: str, text: str = "here") -> bytes:
    return _html(f'<a href="{url}">{text}</a>')


def _file(name: str, content: bytes = b"x", media_type: str = "application/octet-stream") -> bytes:
    return mail(attached=(name, media_type, content))


_FOUND = [
    ("101", _without("From")),
    ("102", _with(From="Acme <orders>")),
    ("103", _with(From="a@acme-shop.com, b@acme-shop.com")),
    ("104", _with(From="Acme <orders@localhost>")),
    ("104", _with(From="Acme <orders@web1.internal>")),
    ("105", _with(From="Acme <no-reply@acme-shop.com>")),
    ("106", _with(From="orders@acme-shop.com")),
    ("107", _with(From='"boss@bank.com" <orders@acme-shop.com>')),
    ("108", _with(Reply_To="nobody")),
    ("109", _with(Reply_To="help@other.net")),
    ("110", _without("To")),
    ("111", mail(more="Bcc: secret@reader.net\r\n")),
    ("112", mail(more="Subject: another\r\n")),
    ("113", _without("Message-ID")),
    ("114", _with(Message_ID="20261121.1@acme-shop.com")),
    ("115", _with(Message_ID="<1@build-7>")),
    ("116", _with(Subject="Schöne Grüße")),
    ("117", _with(X_Note="x" * 1_200)),
    ("118", _without("MIME-Version")),
    ("119", mail(more="X-PHP-Originating-Script: 33:mail.php\r\n")),
    ("120", _with(From="Acme <orders@example.com>")),
    ("131", _without("Date")),
    ("132", _with(Date="yesterday")),
    ("140", _link("https://acme-shop.com/u", "Unsubscribe")),
    ("141", mail(more="List-Unsubscribe: https://acme-shop.com/u\r\n")),
    ("143", mail(more="List-Unsubscribe: <mailto:u@acme-shop.com>\r\n"
                      "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")),
    ("144", mail(more="List-Unsubscribe: <https://acme-shop.com/u>\r\n"
                      "List-Unsubscribe-Post: yes\r\n")),
    ("145", mail(more="List-Unsubscribe: <https://acme-shop.com/u>\r\n")),
    ("150", mail(more="Received: from a.net (a.net [8.8.8.8]) by b.net with ESMTPS id 2;\r\n"
                      " Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                      "Received: from c.net (c.net [8.8.4.4]) by a.net with ESMTPS id 1;\r\n"
                      " Sat, 21 Nov 2026 10:00:00 +0000\r\n")),
    ("151", mail(more="Received: from a.net (a.net [8.8.8.8]) by b.net with ESMTPS id 2;\r\n"
                      " Sat, 21 Nov 2026 10:00:00 +0000\r\n"
                      "Received: from c.net (c.net [8.8.4.4]) by a.net with ESMTPS id 1;\r\n"
                      " Sat, 21 Nov 2026 10:05:00 +0000\r\n")),
    ("152", mail(more="Received: from a.net (a.net [8.8.8.8]) by b.net with ESMTP id 2;\r\n"
                      " Sat, 21 Nov 2026 10:00:00 +0000\r\n")),
    ("155", mail(more="List-Post: <mailto:list@acme-shop.com>\r\nList-Id: <list.acme-shop.com>\r\n"
                      "Received: by b.net; Sat, 21 Nov 2026 10:00:01 +0000\r\n"
                      "Received: by a.net; Sat, 21 Nov 2026 10:00:00 +0000\r\n")),
    ("156", mail(more="Return-Path: <SRS0=ab=cd=acme-shop.com=x@forward.net>\r\n")),
    ("201", _with(Subject="")),
    ("202", _with(Subject="many words " * 12)),
    ("203", _with(Subject="BUY NOW BEFORE IT IS TOO LATE")),
    ("204", _with(Subject="Sale!!!")),
    ("205", _with(Subject="Re: your order")),
    ("210", mail(None, "  ")),
    ("211", mail(text=None)),
    ("212", mail(text=" \n")),
    ("213", mail(text=f"<html><body>{WORDS}</body></html>")),
    ("214", mail(text="Please view this newsletter in your browser, because the program that you "
                      "read mail with does not support pages; thank you very much for understanding")),
    ("215", mail().replace(b"text/plain", b"text/x").replace(b"text/html", b"text/plain")
        .replace(b"text/x", b"text/html")),
    ("217", mail(None, None).replace(
        b'multipart/alternative; boundary="b"\r\n\r\n--b--',
        "text/plain; charset=utf-8\r\n\r\ncaf\u00e9".encode())),
    ("219", mail(None, None).replace(
        b'multipart/alternative; boundary="b"\r\n\r\n--b--', b"text/plain\r\n\r\n" + b"x" * 1_200)),
    ("216", mail(None, None, fields={"MIME-Version": "1.0"}).replace(
        b'multipart/alternative; boundary="b"\r\n\r\n--b--', "text/plain\r\n\r\ncaf\u00e9".encode())),
    ("218", mail(text=None, html=f"<p>{WORDS} Ã©tÃ©</p>")),
    ("220", _html("<p>Dear {{ first_name }}</p>")),
    ("220", _with(Subject="Hello %FIRSTNAME%")),
    ("220", _html("<p>*|FNAME|* ${name} [[name]] &lt;%= name %></p>")),
    ("220", _link("https://acme-shop.com/{{token}}")),
    ("220", _with(From="{{ sender }} <orders@acme-shop.com>")),
    ("221", _html("<p>Hello undefined,</p>")),
    ("221", _html("<p>Total: $NaN</p>")),
    ("221", _html("<p>[object Object]</p>")),
    ("221", _html("<table><tr><td>null</td></tr></table>")),
    ("221", _link("https://acme-shop.com/orders/undefined")),
    ("222", mail(text=f"Dear ,\n\n{WORDS}")),
    ("223", _html("<p>Lorem ipsum dolor sit amet</p>")),
    ("225", mail().replace(b"--b--\r\n", b"")),
    ("301", _link("http://localhost:3000/confirm")),
    ("301", _link("http://127.1/confirm")),
    ("301", _link("https://10.1.2.3/confirm")),
    ("301", _link("http://app.local/confirm")),
    ("301", mail(text=f"{WORDS} http://localhost/x")),
    ("302", _link("/orders/4")),
    ("302", _link("www.acme-shop.com/orders")),
    ("303", _link("https://[acme-shop.com/")),
    ("304", _link("#", "Track your order")),
    ("305", _link("https://tracker.evil.net/x", "www.acme-shop.com")),
    ("306", _link("https://bit.ly/3xyz")),
    ("307", _link("http://8.8.8.8/x")),
    ("308", _link("https://acme-shop.com@evil.net/")),
    ("309", _link("https://staging.acme-shop.com/x")),
    ("309", _link("https://a1b2.ngrok-free.app/x")),
    ("310", _link("https://example.com/x")),
    ("311", _link("http://acme-shop.com/x")),
    ("312", _link("acme-app://open")),
    ("313", _link("https://xn--bcher-kva.com/")),
    ("314", _html("".join(f'<a href="https://acme-shop.com/{n}">n</a>' for n in range(120)))),
    ("401", _html('<img src="https://acme-shop.com/a.png" width="9" height="9">')),
    ("402", _html(f'<a href="https://acme-shop.com/">{_PNG.replace("alt", "title")}</a>'
                  .replace('title="a"', 'alt=""'))),
    ("403", _html('<img src="https://acme-shop.com/a.png" alt="a">')),
    ("404", _html('<img src="cid:logo" width="9" alt="a">')),
    ("405", mail(_PNG)),
    ("405", mail("<img src='https://acme-shop.com/a' width='600' alt=''><p>Unsubscribe here</p>")),
    ("405", mail("<img src='https://acme-shop.com/a.png' alt='a'>")),
    ("406", _html('<img src="https://acme-shop.com/o.gif" width="1" height="1" alt="">')),
    ("411", _html("<style>p:hover { animation: x 1s }</style>")),
    ("412", _html("<video src='https://acme-shop.com/a.mp4' controls></video>")),
    ("413", mail(f"<p>{WORDS} {WORDS}</p>")),
    ("414", _html("<table><tr><td><table><tr><td>x</td></tr></table></td></tr></table>")),
    ("415", _html('<p style="color:#eee;background-color:#fff">x</p>')),
    ("416", mail(f"<p>View this email in your browser</p>{_WORDS}")),
    ("417", _html("<div>" * 1_000)),
    ("418", _html("<style>@media (prefers-color-scheme: dark) { p { color: #fff } }</style>")),
    ("501", _html("<script>alert(1)</script>")),
    ("502", _html('<p onclick="x()">x</p>')),
    ("502", _html("<svg/onload=alert(1)>")),
    ("503", _link("java\nscript:alert(1)")),
    ("503", _link("data:text/html,x")),
    ("504", _html('<iframe src="https://acme-shop.com/"></iframe>')),
    ("505", _html('<form action="https://acme-shop.com/"><input name="a"></form>')),
    ("506", _html('<input type="password">')),
    ("507", _html('<meta http-equiv="refresh" content="0;url=https://acme-shop.com/">')),
    ("508", _html('<base href="https://acme-shop.com/">')),
    ("509", _html('<link rel="stylesheet" href="https://acme-shop.com/a.css">')),
    ("601", _html(f"<p>{'word ' * 22_000}</p>")),
    ("602", _html(f"<p>{'word ' * 19_000}</p>")),
    ("605", _file("a.bin", b"x" * 9_000_000)),
    ("701", _file("setup.exe")),
    ("701", _file("notes.txt", b"MZ\x90\x00")),
    ("702", _file("invoice.pdf.html")),
    ("702", _file("invoice\u202efdp.scr")),
    ("703", _file("table.xlsm")),
    ("704", _file("page.html", media_type="text/html")),
    ("705", _file("a.zip", b"PK\x03\x04\x14\x00\x01\x00\x08\x00")),
    ("706", _file("", media_type="application/pdf").replace(b'; filename=""', b"")),
]  # fmt: skip


def test_a_fine_mail_is_fine() -> None:
    """A plain, complete mail loses no point, and nothing is held against it."""
    found = assess_octets(mail())

    assert [one for one in found.findings if one.finding.level > Level.OK] == []
    assert found.score.arithmetic == "10 = 10"
    assert found.worst is Level.OK


@pytest.mark.parametrize(("number", "octets"), _FOUND, ids=[row[0] for row in _FOUND])
def test_a_rule_finds_what_it_is_for(number: str, octets: bytes) -> None:
    """What a rule is for gets its code, a reason and a fix."""
    found = assess_octets(octets)

    judged = next(one for one in found.findings if one.finding.code == f"PB-MAIL-{number}")
    assert judged.finding.why
    assert judged.finding.fix
    assert judged.finding.level > Level.OK
    assert (judged.tenths > 0) is (judged.finding.level > Level.NOTE) or number == "120"


@pytest.mark.parametrize(
    "octets",
    [
        mail(more="List-Unsubscribe: <mailto:u@acme-shop.com>, <https://acme-shop.com/u>\r\n"
                  "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
        mail(f"{_WORDS}{_PNG}"),
        mail(f"{_WORDS}<pre>echo ${{HOME}} {{{{ name }}}}: undefined</pre>", f"{WORDS}\n{{{{ name }}}}"),
        mail(f'{_WORDS}<a href="https://dev.to/acme">blog</a>'),
        mail(f'{_WORDS}<a href="mailto:help@acme-shop.com">Write to us</a>'),
        mail(f'{_WORDS}<a href="https://click.acme-shop.com/1">www.acme-shop.com</a>'),
        mail(f'{_WORDS}<a href="https://acme-shop.com/file">invoice.pdf</a>'),
        mail(f"{_WORDS}<p>100% of {{all}} 50% [sic] is null and void, undefined behavior</p>"),
        mail(f"{_WORDS}<p style='color:#fff;background:#fff;display:none'>preview</p>"),
        mail(text=f"{WORDS} https://acme-shop.com/%E2%9C%93%AB%CD?a=%7B%7D"),
        mail("<p>Yes</p><img src='https://acme-shop.com/smile.png' alt=':)' width='16' height='16'>"),
        mail(f"<p>Your code is <b>123456</b></p>{_PNG.replace('600', '120').replace('300', '40')}"),
        mail("<p>Your code is 123456.</p><img src='https://acme-shop.com/logo.png' alt='Acme'>"),
        _with(Subject="Fwd: your order"),
        _html('<link href="https://fonts.googleapis.com/css?family=Ubuntu" rel="stylesheet">'),
        mail(text="Lost: undefined method 'total' for nil"),
        mail(text="TypeError: undefined\n    at handler (/srv/app/index.js:12:9)\n  value: null"),
        mail(text='Total: NaN\nTraceback (most recent call last):\n  File "cart.py", line 1'),
        mail(f"{_WORDS}<p>Your TODO list: call the bank</p>"),
        mail(more="Precedence: bulk\r\nAuto-Submitted: auto-replied\r\n"),
        mail(attached=("invoice.pdf", "application/pdf", b"%PDF-1.7")),
        mail(attached=("a.b.report.v2.xlsx", "application/vnd.ms-excel", b"PK\x03\x04\x14\x00\x00")),
        mail(more="Received: from app ([127.0.0.1]) by localhost with ESMTP id 1;\r\n"
                  " Sat, 21 Nov 2026 10:00:02 +0000\r\n"),
    ],
)  # fmt: skip
def test_ordinary_things_are_not_held_against_a_mail(octets: bytes) -> None:
    """What honest senders do every day costs no point."""
    found = assess_octets(octets)

    assert [one.finding.what for one in found.findings if one.finding.level > Level.NOTE] == []
    assert found.score.points == 10


def test_the_arithmetic_of_the_score_is_right() -> None:
    """Ten, less what each finding takes off, is the score."""
    found = assess_octets(mail(fields={"Subject": None, "Message-ID": None}))

    assert found.score.arithmetic == "10 - 0.5 (PB-MAIL-113) - 0.5 (PB-MAIL-201) = 9"
    assert found.score.points == 9.0


def test_a_score_never_falls_below_zero() -> None:
    """However much is wrong, the rows add up to ten."""
    html = "<script></script><iframe></iframe><a href='http://localhost/'>x</a>" * 2
    found = assess_octets(
        mail(html, None, fields=dict.fromkeys(("From", "To", "Date", "Subject", "Message-ID"))),
        Facts(
            spam=(SpamVerdict(filter="rspamd", score=30, threshold=15),),
            authentication=AuthenticationFacts(
                methods=tuple(
                    MethodFact(method=name, result="fail") for name in ("spf", "dkim", "dmarc")
                )
            ),
        ),
    )

    assert found.score.points == 0
    assert sum(row.tenths for row in found.score.deductions) == 100


def test_the_worst_comes_first_and_each_has_its_aspect() -> None:
    """Findings are sorted by how much they matter."""
    found = assess_octets(mail(f"{_WORDS}<script></script>", fields={"Subject": "Re: x"}))

    levels = [one.finding.level for one in found.findings]
    assert levels == sorted(levels, reverse=True)
    assert [one.finding.code for one in found.of(Aspect.SAFETY)] == ["PB-MAIL-501"]
    assert found.count(Level.ERROR) == 1


def test_findings_name_the_line_of_the_html() -> None:
    """Who looks for the place in the source finds it."""
    found = assess_octets(mail(f'{_WORDS}\n\n<a href="http://localhost/">x</a>'))

    judged = next(one for one in found.findings if one.finding.code == "PB-MAIL-301")
    assert judged.lines == (3,)
    assert judged.finding.evidence == ("HTML line 3: http://localhost/ “x”",)


def test_a_link_to_localhost_is_no_error_while_a_program_is_tried() -> None:
    """Caught mail leads to the machine where its program runs, which is a warning there."""
    octets = mail(f'{_WORDS}<a href="http://localhost/">x</a>')
    for facts, level in ((Facts(), Level.ERROR), (Facts(is_rehearsal=True), Level.WARNING)):
        (judged,) = assess_octets(octets, facts).of(Aspect.LINKS)
        assert (judged.finding.code, judged.finding.level) == ("PB-MAIL-301", level)


def test_an_assessment_survives_json() -> None:
    """What is kept beside a mail is read back as it was; what another release kept is not."""
    facts = Facts(
        links=(LinkAnswer(url="https://a.net/", status=404),),
        spam=(SpamVerdict(filter="rspamd", score=1, threshold=15, rules=(SpamRule("A", 1.0),)),),
        authentication=AuthenticationFacts(methods=(MethodFact(method="spf", result="pass"),)),
    )
    found = assess_octets(mail(f"{_WORDS}<video></video>"), facts)

    kept = to_json(found)

    assert from_json(kept) == found
    assert from_json(kept.replace(b'{"edition":"', b'{"edition":"old ')) is None
    assert from_json(b"rubbish") is None


def test_a_date_is_judged_by_when_the_mail_was_taken() -> None:
    """An old mail in a file is not late; one that is sent with an old date is."""
    old = {"Date": "Mon, 01 Jan 2024 10:00:00 +0000"}
    ahead = {"Date": "Sun, 22 Nov 2026 10:00:00 +0000"}
    taken = "Received: by b.net; {}, 01 Jan 2024 10:00:05 +0000\r\n".format("Mon")
    now = 1_795_255_200.0  # Sat, 21 Nov 2026 10:00:00 +0000

    assert "PB-MAIL-134" not in codes(mail(fields=old))
    assert "PB-MAIL-134" not in codes(mail(fields=old, more=taken), Facts(now=now))
    assert "PB-MAIL-134" in codes(mail(fields=old), Facts(now=now))
    assert "PB-MAIL-133" in codes(mail(fields=ahead), Facts(now=now))


@pytest.mark.parametrize(
    ("method", "result", "number", "level"),
    [
        ("spf", "pass", "010", Level.OK),
        ("spf", "none", "001", Level.WARNING),
        ("spf", "softfail", "004", Level.ERROR),
        ("spf", "skipped", "011", Level.NOTE),
        ("dkim", "none", "002", Level.WARNING),
        ("dkim", "fail", "005", Level.ERROR),
        ("dkim", "temperror", "011", Level.NOTE),
        ("dmarc", "none", "003", Level.WARNING),
        ("dmarc", "fail", "006", Level.ERROR),
        ("arc", "fail", "007", Level.NOTE),
        ("iprev", "fail", "008", Level.ERROR),
    ],
)
def test_authentication_is_told_as_it_is(
    method: str, result: str, number: str, level: Level
) -> None:
    """What failed is a failure, and what could not be told is none."""
    facts = Facts(
        authentication=AuthenticationFacts(
            methods=(MethodFact(method=method, result=result, subject="acme-shop.com"),)
        )
    )
    found = {one.finding.code: one.finding.level for one in assess_octets(mail(), facts).findings}

    assert found[f"PB-MAIL-{number}"] is level


def test_one_signature_that_passes_is_enough() -> None:
    """A second one that fails costs nothing then."""
    facts = Facts(
        authentication=AuthenticationFacts(
            methods=(
                MethodFact(method="dkim", result="pass", is_aligned=True),
                MethodFact(method="dkim", result="fail"),
            )
        )
    )

    assert assess_octets(mail(), facts).score.points == 10


def test_a_mail_that_was_forwarded_as_it_is_is_not_blamed_for_spf() -> None:
    """Where DMARC passes by DKIM, the forwarder's address says nothing against the mail."""
    facts = Facts(
        authentication=AuthenticationFacts(
            methods=(
                MethodFact(method="spf", result="fail"),
                MethodFact(method="dkim", result="pass", is_aligned=True),
                MethodFact(method="dmarc", result="pass"),
            )
        )
    )

    assert assess_octets(mail(), facts).score.points == 10


def test_answers_of_links_are_told_apart() -> None:
    """A dead link is an error; one that turns programs away, or that we do not ask, is none."""
    facts = Facts(
        links=(
            LinkAnswer(url="https://a.net/gone", status=404),
            LinkAnswer(url="https://b.net/", problem="timed out"),
            LinkAnswer(url="https://c.net/", status=403),
            LinkAnswer(url="http://10.0.0.1/", problem="no public address", is_refused=True),
            LinkAnswer(url="https://d.net/", status=200, final_url="https://e.org/"),
        )
    )
    found = {one.finding.code: one.finding.level for one in assess_octets(mail(), facts).findings}

    assert found["PB-MAIL-330"] is Level.ERROR
    assert found["PB-MAIL-331"] is Level.WARNING
    assert {found[f"PB-MAIL-{number}"] for number in (332, 333, 334)} == {Level.NOTE}
    fine = Facts(links=(LinkAnswer(url="https://a.net/", status=200),))
    assert "PB-MAIL-335" in {one.finding.code for one in assess_octets(mail(), fine).findings}


@pytest.mark.parametrize(
    ("score", "number"), [(1.0, "802"), (10.0, "803"), (15.0, "804"), (-3.0, "802")]
)
def test_a_filter_is_believed_by_its_own_threshold(score: float, number: str) -> None:
    """Half of a filter's threshold is close to spam, all of it is spam."""
    verdict = SpamVerdict(filter="rspamd", score=score, threshold=15.0)
    found = assess_octets(mail(), Facts(spam=(verdict,)))

    assert f"PB-MAIL-{number}" in {one.finding.code for one in found.findings}


def test_a_filter_that_does_not_answer_is_no_finding_against_the_mail() -> None:
    """What could not be asked costs no point."""
    verdict = SpamVerdict(filter="rspamd", score=0, threshold=0, problem="refused")

    found = assess_octets(mail(), Facts(spam=(verdict,)))

    assert found.score.points == 10
    assert "PB-MAIL-801" in codes(mail(), Facts(spam=(verdict,)))


def _written_numbers() -> list[int]:
    """Return the number behind each level that a rule names."""
    numbers = []
    for path in sorted((_ROOT / "src/pillarbox/preflight/rules").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for level, number in pairwise(node.args):
                    if ast.unparse(level).startswith("Level.") and isinstance(number, ast.Constant):
                        numbers.append(number.value)
    return numbers


def test_every_code_has_one_meaning_and_is_documented() -> None:
    """Each code stands once in the rules, and each has its row in the documentation."""
    documented = (_ROOT / "docs/check-message.md").read_text(encoding="utf-8")
    numbers = _written_numbers()

    assert len(numbers) > 80
    assert len(numbers) == len(set(numbers))
    assert [one for one in numbers if f"| PB-MAIL-{one:03} |" not in documented] == []
