"""Reports of others: read from files and mails, kept in bounds, printed."""

from __future__ import annotations

import asyncio
import gzip
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings, strategies as st

from pillarbox.cli.main import cli
from pillarbox.mailauth.dmarc_report import PublishedPolicy, Report, Row, build_report
from pillarbox.reports import shelf as shelves
from pillarbox.reports.received import ReceivedReport, read_file, read_reports
from pillarbox.reports.shelf import Shelf, ShelfFull
from pillarbox.store.memory import MemoryDisk, MemoryStore

SUITES = Path(__file__).parents[3] / "shared" / "suites"
XML = build_report(
    Report(
        organization="Receiver",
        email="dmarc@receiver.test",
        report_id="1@receiver.test",
        begin=1_795_132_800,
        end=1_795_219_199,
        policy=PublishedPolicy(domain="one.test", p="reject"),
        rows=(
            Row(source_ip="192.0.2.1", count=5, disposition="pass", dkim="pass", spf="fail", header_from="one.test"),
            Row(source_ip="192.0.2.9", count=2, disposition="reject", dkim="fail", spf="fail", header_from="one.test"),
        ),
    )
)  # fmt: skip
TLS = json.dumps(
    {
        "organization-name": "Sender",
        "date-range": {
            "start-datetime": "2026-11-20T00:00:00Z",
            "end-datetime": "2026-11-20T23:59:59Z",
        },
        "contact-info": "tls@sender.test",
        "report-id": "1",
        "policies": [
            {
                "policy": {"policy-type": "sts", "policy-domain": "one.test"},
                "summary": {
                    "total-successful-session-count": 7,
                    "total-failure-session-count": 3,
                },
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "receiving-mx-hostname": "mx.one.test",
                        "failed-session-count": 3,
                    }
                ],
            }
        ],
    }
).encode()


def mailed(content: bytes, media_type: str, name: str) -> bytes:
    """Return a message with an attachment."""
    message = EmailMessage()
    message["From"], message["To"] = "a@receiver.test", "dmarc@one.test"
    message.set_content("A report.")
    maintype, _, subtype = media_type.partition("/")
    message.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return message.as_bytes()


def written(folder: Path, name: str, content: bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content)
    return path


def run(*words: object) -> Result:
    """Run ``pillarbox reports``."""
    return CliRunner().invoke(cli, ["reports", *map(str, words)])


def test_dmarc_reports_are_read_in_whatever_they_come(tmp_path: Path) -> None:
    """XML, gzip, zip and the message that one came in."""
    packed = tmp_path / "report.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("report.xml", XML)
    files = [
        written(tmp_path, "report.xml", XML),
        written(tmp_path, "report.xml.gz", gzip.compress(XML)),
        packed,
        written(tmp_path, "report.eml", mailed(gzip.compress(XML), "application/gzip", "r.xml.gz")),
    ]
    results = [run("dmarc", "--each", "--json", file) for file in files]
    assert [result.exit_code for result in results] == [0] * 4
    found = [json.loads(result.stdout) for result in results]
    assert [(each["domain"], each["total"], each["failed"]) for each in found] == [
        ("one.test", 7, 2)
    ] * 4
    # What failed comes first.
    assert [row["what"] for row in found[0]["rows"]] == ["192.0.2.9", "192.0.2.1"]


def test_tls_reports_are_read_in_whatever_they_come(tmp_path: Path) -> None:
    """JSON, gzip and the message that one came in."""
    packed = gzip.compress(TLS)
    files = [
        written(tmp_path, "report.json", TLS),
        written(tmp_path, "report.json.gz", packed),
        written(tmp_path, "a.eml", mailed(packed, "application/tlsrpt+gzip", "r.json.gz")),
        written(tmp_path, "b.eml", mailed(TLS, "application/tlsrpt+json", "r.json")),
    ]
    results = [run("tls", "--each", "--json", file) for file in files]
    found = [json.loads(result.stdout) for result in results]
    assert [(each["organization"], each["total"], each["failed"]) for each in found] == [
        ("Sender", 10, 3)
    ] * 4
    printed = run("tls", "--each", files[0]).stdout
    for words in ("sts mx.one.test", "certificate-expired", "10, 3 of them failed"):
        assert words in printed


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The others are printed, and the exit status tells."""
    good, bad = written(tmp_path, "good.xml", XML), written(tmp_path, "bad.xml", b"<feedback>")
    result = run("dmarc", "--each", good, bad)
    assert result.exit_code == 1
    assert "Receiver" in result.stdout
    assert "bad.xml: it is no XML" in result.stderr
    assert "but 1 report for `pillarbox reports dmarc`" in run("tls", "--each", good).stderr
    assert run("dmarc").exit_code == 2
    assert run("dmarc", "--received", good).exit_code == 2


def test_filters_choose(tmp_path: Path) -> None:
    """By domain, and by whether anything failed."""
    good = written(tmp_path, "good.xml", XML)
    assert run("dmarc", "--each", "--domain", "one.test", "--failed", good).exit_code == 0
    assert run("dmarc", "--each", "--domain", "two.test", good).exit_code == 1


@pytest.mark.parametrize("suite", ["dmarc-reports-parsedmarc", "dmarc-reports-opendmarc", "tlsrpt"])
def test_reports_of_the_world_are_read_or_refused(suite: str) -> None:
    """Whatever lies in the outside suites comes out as figures or as a reason."""
    folder = SUITES / suite
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    seen = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".xml", ".json", ".eml", ".gz", ".zip"}:
            found = read_file(path.read_bytes())
            assert found.reports or found.refusal, path
            seen += bool(found.reports)
    assert seen >= 2


@settings(max_examples=150)
@given(st.binary(max_size=300), st.sampled_from([XML, TLS, gzip.compress(XML)]), st.data())
def test_damage_makes_no_exception(junk: bytes, sound: bytes, data: Any) -> None:
    """Files and messages that were cut, overwritten or made up are refused in words."""
    at = data.draw(st.integers(0, len(sound)))
    damaged = sound[:at] + junk + sound[at + len(junk) :]
    for octets in (junk, damaged, mailed(damaged, "application/gzip", "x.xml.gz")):
        read_file(octets)
        read_reports(octets)


def received(number: int = 1, **changes: Any) -> ReceivedReport:
    """Return a report."""
    given: dict[str, Any] = {
        "kind": "tls",
        "organization": "Sender",
        "contact": "",
        "report_id": f"{number}",
        "domain": "one.test",
        "begin": 1_795_132_800.0,
        "end": 1_795_219_199.0,
        "policy": "sts",
        "total": 1,
        "failed": 0,
        **changes,
    }
    return ReceivedReport(**given)


def on_shelf(test: Any) -> None:
    """Run a test with an empty shelf."""

    async def main() -> None:
        store = MemoryStore("main", lambda: 0.0, MemoryDisk())
        await store.open()
        await test(Shelf(store.notes, 100.0))
        await store.close()

    asyncio.run(main())


def test_a_report_that_comes_again_is_kept_once() -> None:
    """Unless it pretends: who is not proved replaces nobody's report."""

    async def test(shelf: Shelf) -> None:
        await shelf.put(received(total=5), is_proved=True, now=0.0)
        await shelf.put(received(total=6), is_proved=True, now=1.0)
        await shelf.put(received(total=9), is_proved=False, now=2.0)
        kept = await shelf.all("tls", now=3.0)
        assert {(each.total, each.is_proved) for each in kept} == {(6, True), (9, False)}
        assert await shelf.all("dmarc", now=3.0) == []
        assert await shelf.all("tls", now=103.0) == []

    on_shelf(test)


def test_a_flood_of_reports_fills_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many a day are kept, and no more."""
    monkeypatch.setattr(shelves, "MOST_A_DAY", 3)

    async def test(shelf: Shelf) -> None:
        for number in range(3):
            await shelf.put(received(number), is_proved=False, now=0.0)
        with pytest.raises(ShelfFull):
            await shelf.put(received(4), is_proved=False, now=0.0)
        assert len(await shelf.all("tls", now=1.0)) == 3

    on_shelf(test)
