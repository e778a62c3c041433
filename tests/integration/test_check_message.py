"""``pillarbox check message``: what it prints, what it gives to programs, and how it exits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.authentic_mail import key_line, key_of
from tests.preflight_mail import WORDS, mail
from tests.web_sandbox import sandbox_web

from pillarbox.cli.main import cli
from pillarbox.mailauth import dkim

ZONE = f"""
$TTL 60
$ORIGIN .
4.4.8.8.in-addr.arpa PTR mail.example.net.
example.net. TXT "v=spf1 ip4:8.8.4.4 -all"
example.net. A 8.8.4.4
_dmarc.example.net. TXT "v=DMARC1; p=reject"
mail.example.net. A 8.8.4.4
{key_line("example.net")}
"""
TRACE = (
    b"Return-Path: <ann@example.net>\r\n"
    b"Received: from mail.example.net (mail.example.net [8.8.4.4]) by mx.reader.net with ESMTPS\r\n"
    b" id 7; Sat, 21 Nov 2026 10:00:04 +0000\r\n"
)
PLAIN = mail(fields={"From": "Ann <ann@example.net>"})
SENT = dkim.sign(PLAIN, [key_of("example.net")], now=time.time() - 60) + PLAIN


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("zone").write_text(ZONE)
    Path("sent.eml").write_bytes(SENT)
    Path("good.eml").write_bytes(TRACE + SENT)
    Path("unix.eml").write_bytes((TRACE + SENT).replace(b"\r\n", b"\n"))
    Path("changed.eml").write_bytes(
        TRACE + SENT.replace(b"--b--\r\n", b"--b\r\n\r\nThe list\r\n--b--\r\n")
    )


def run(*arguments: str, **options: bytes) -> Result:
    return CliRunner().invoke(cli, ["check", "message", *arguments, "--zone", "zone"], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["good.eml", "unix.eml"])
def test_a_good_mail_exits_with_0(name: str) -> None:
    """The score is whole; the way and who sent it are shown, whatever ends the file's lines."""
    result = run(name)

    assert result.exit_code == 0, result.output
    for text in ("10 of 10", "10 = 10", "mx.reader.net", "ESMTPS", "SPF", "DKIM", "DMARC", "pass"):
        assert text in result.output
    assert "SPF for 8.8.4.4 and <ann@example.net>" in result.output
    assert "FAIL" not in result.output


def test_a_broken_signature_is_explained() -> None:
    """What was added is named, as an error, with what it costs."""
    result = run("changed.eml", "--original", "sent.eml")

    assert result.exit_code == 1
    text = " ".join(result.output.split())
    assert "a part (text/plain) was added to it: “The list”" in text
    assert "body +The list" in text
    assert "- 2 (PB-MAIL-005)" in text


def test_an_original_that_was_not_compared_is_told() -> None:
    """Where no signature is broken, nobody takes the silence for "nothing was changed"."""
    result = run("good.eml", "--original", "sent.eml")

    assert result.exit_code == 0, result.output
    assert "nothing was compared" in result.output


def test_standard_input_and_quiet() -> None:
    """A mail may come by a pipe; --quiet has a line for each thing to put right."""
    octets = mail(f'<p>{WORDS} {{{{name}}}}</p><a href="http://localhost/">x</a>')

    result = run("-", "--quiet", input=octets)

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "FAIL  PB-MAIL-301  A link points to a host that readers cannot reach",
        "WARN  PB-MAIL-001  There is no SPF record for acme-shop.com",
        "WARN  PB-MAIL-220  A placeholder was left in",
        "WARN  PB-MAIL-003  There is no DMARC record for acme-shop.com",
    ]


def test_json_has_everything() -> None:
    """Programs get the score, the hops, the verdicts, the damage and the findings."""
    result = run("changed.eml", "--json", "--verbose")

    found = json.loads(result.output)
    assert found["score"] == 8.0
    assert found["arithmetic"] == "10 - 2 (PB-MAIL-005) = 8"
    assert found["deductions"][0]["points"] == 2.0
    assert [part["media_type"] for part in found["parts"]][:2] == [
        "multipart/alternative",
        "text/plain",
    ]
    assert [hop["server"] for hop in found["hops"]] == ["mx.reader.net"]
    assert {one["method"]: one["result"] for one in found["authentication"]}["spf"] == "pass"
    assert found["damages"][0]["body_changed"] is True
    assert found["client"] == {
        "address": "8.8.4.4",
        "helo": "mail.example.net",
        "reverse_path": "ann@example.net",
        "from_fields": True,
    }
    assert any(one["name"] == "_dmarc.example.net" for one in found["dns"])
    assert {one["code"] for one in found["findings"]} > {"PB-MAIL-005", "PB-MAIL-603"}
    assert found["clients"]


def test_a_draft_is_not_blamed_for_what_is_still_to_come() -> None:
    """Without a way behind it, a missing signature and SPF are told, and cost nothing."""
    Path("draft.eml").write_bytes(PLAIN)

    result = run("draft.eml")

    assert result.exit_code == 0, result.output
    assert "10 of 10" in result.output
    assert "not told" in result.output


def test_the_client_may_be_named() -> None:
    """--ip, --helo and --from stand in for the fields; wrong ones are refused as usage."""
    result = run("sent.eml", "--ip", "203.0.113.9", "--from", "<ann@example.net>", "--json")

    said = {one["method"]: one["result"] for one in json.loads(result.output)["authentication"]}
    assert (said["spf"], said["dkim"], said["dmarc"]) == ("fail", "pass", "pass")
    assert run("sent.eml", "--ip", "x").exit_code == 2
    assert run("sent.eml", "--helo", "x").exit_code == 2
    assert run("sent.eml", "--ip", "8.8.8.8", "--from", "no address").exit_code == 2


def test_silent_dns_is_no_fault_of_the_mail() -> None:
    """What could not be told costs nothing, and the exit status says that it is not sure."""
    Path("zone").write_text(f";! fail example.net\n;! fail in-addr.arpa\n{ZONE}")

    result = run("good.eml")

    assert result.exit_code == 75, result.output
    assert "10 of 10" in result.output
    assert "temperror" in result.output


def test_verbose_shows_what_is_fine_and_what_dns_said() -> None:
    """Each answer of DNS, and each finding that is in order."""
    result = run("good.eml", "--verbose")

    assert "DNS answers" in result.output
    assert "PB-MAIL-603" in result.output
    assert '_dmarc.example.net TXT: "v=DMARC1; p=reject"' in result.output


def test_a_mail_of_a_running_sandbox_is_fetched_by_its_id() -> None:
    """An id is asked from the sandbox; one that is not there, and no sandbox, are told."""
    with sandbox_web() as running:
        shown = running.send_message(SENT)
        at = f"http://127.0.0.1:{running.port}"
        found = json.loads(run(shown, "--sandbox", at, "--json").output)
        gone = run("0000000000000", "--sandbox", at)

    assert found["message"]["subject"] == "Your order has shipped"
    assert {one["method"]: one["result"] for one in found["authentication"]}["dkim"] == "pass"
    assert (gone.exit_code, "has no mail 0000000000000" in gone.output) == (1, True)
    absent = run(shown, "--sandbox", "http://127.0.0.1:1")
    assert (absent.exit_code, "no sandbox answers" in absent.output) == (75, True)


def test_what_is_neither_file_nor_id_is_told() -> None:
    """A name that leads nowhere is wrong usage, not a finding about a mail."""
    result = run("nothing.eml")

    assert result.exit_code == 2
    assert "is no file, and no id of a mail" in result.output


def test_hostile_text_cannot_steer_the_terminal() -> None:
    """Escape sequences of a mail are shown, not sent."""
    Path("evil.eml").write_bytes(
        mail(fields={"Subject": "\x1b[31mred", "From": '"\x1b]0;x\x07" <a@acme-shop.com>'})
    )

    assert "\x1b" not in run("evil.eml", "--verbose").output


def test_a_forwarded_mail_is_told_from_a_forged_one(tmp_path: Path) -> None:
    """Where an earlier client passes SPF, nobody is told to allow the forwarder's address."""
    zone = tmp_path / "zone"
    zone.write_text('shop.example. TXT "v=spf1 ip4:45.33.1.5 -all"\n')
    mail = tmp_path / "mail.eml"
    mail.write_text(
        "Return-Path: <hello@shop.example>\n"
        "Received: from fwd.example (fwd.example [45.33.2.9]) by mx.home.example with ESMTPS id 2;"
        " Sat, 21 Nov 2026 10:00:05 +0000\n"
        "Received: from mail.shop.example (mail.shop.example [45.33.1.5]) by fwd.example with ESMTPS"
        " id 1; Sat, 21 Nov 2026 10:00:02 +0000\n"
        "From: Shop <hello@shop.example>\nTo: ann@home.example\nSubject: Your order\n"
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\nMessage-ID: <1@shop.example>\n\nHello\n"
    )
    arguments = ["check", "message", str(mail), "--zone", str(zone), "--json"]
    said = json.loads(CliRunner().invoke(cli, arguments).output)
    (spf,) = [one for one in said["authentication"] if one["method"] == "spf"]
    assert "it was forwarded by fwd.example: SPF passes for 45.33.1.5" in spf["reason"]
    assert "Do not add the forwarder's address" in spf["fix"]
