"""``pillarbox reports dmarc|tls`` on files, folders, mboxes and Maildirs."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest
from tests.forked import run_forked

XML = """<?xml version="1.0"?><feedback><report_metadata><org_name>Example Mail</org_name>
<email>dmarc@example.net</email><report_id>{id}</report_id><date_range><begin>1763510400</begin>
<end>1763596799</end></date_range></report_metadata><policy_published><domain>example.org</domain>
<p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>{count}</count>
<policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
</row><identifiers><header_from>example.org</header_from></identifiers><auth_results><dkim>
<domain>example.org</domain><selector>a</selector><result>pass</result></dkim></auth_results>
</record></feedback>"""

TLS = {
    "organization-name": "Example Mail",
    "date-range": {
        "start-datetime": "2026-11-01T00:00:00Z",
        "end-datetime": "2026-11-01T23:59:59Z",
    },
    "contact-info": "tls@example.net",
    "report-id": "1",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-domain": "example.org"},
            "summary": {"total-successful-session-count": 9, "total-failure-session-count": 2},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "receiving-mx-hostname": "mx.example.org",
                    "failed-session-count": 2,
                }
            ],
        }
    ],
}


def mail(attachment: bytes) -> bytes:
    """Return a mail as reporters send them."""
    import base64

    return (
        b"From: dmarc@example.net\nTo: dmarc@example.org\nSubject: Report Domain: example.org\n"
        b"MIME-Version: 1.0\nContent-Type: application/gzip; name=r.xml.gz\n"
        b"Content-Disposition: attachment; filename=r.xml.gz\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(attachment)
    )


def packed(id_: str, count: int) -> bytes:
    """Return a report with one row, packed."""
    return gzip.compress(XML.format(id=id_, count=count).encode(), mtime=0)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return run_forked("reports", *map(str, arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a packed report, a Maildir, an mbox, one report twice, and a stranger."""
    (tmp_path / "one.xml.gz").write_bytes(packed("1", 10))
    (tmp_path / "again.xml").write_text(XML.format(id="1", count=10))
    maildir = tmp_path / "Maildir" / "new"
    maildir.mkdir(parents=True)
    (maildir / "1763510400.host").write_bytes(mail(packed("2", 20)))
    separator = b"From MAILER-DAEMON Sat Nov 21 10:00:00 2026\n"
    mbox = b"".join(separator + mail(packed(id_, 100)) + b"\n" for id_ in ("3", "4"))
    (tmp_path / "archive.mbox").write_bytes(mbox)
    (tmp_path / "notes.txt").write_text("nothing to see\n")
    return tmp_path


def test_a_folder_is_read_as_one(folder: Path) -> None:
    """All forms are read, doubles count once, what is something else is passed over."""
    done = run("dmarc", folder, "--offline", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["domain"], found["reports"], found["total"]) == ("example.org", 4, 230)
    assert "1 report came twice" in done.stderr
    assert "1 file with something else" in done.stderr


def test_a_zone_file_names_the_sources(folder: Path, tmp_path: Path) -> None:
    """With --zone the names of addresses come from the file, when they are confirmed."""
    zone = tmp_path / "zone"
    zone.write_text(
        "$ORIGIN .\n$TTL 60\n1.2.0.192.in-addr.arpa. PTR o1.sendgrid.net.\n"
        "o1.sendgrid.net. A 192.0.2.1\n"
    )
    done = run("dmarc", folder / "one.xml.gz", "--zone", zone, "--json")
    assert done.returncode == 0, done.stderr
    assert [source["name"] for source in json.loads(done.stdout)["sources"]] == ["Twilio SendGrid"]


def test_verbose_shows_each_answer_of_dns(folder: Path, tmp_path: Path) -> None:
    """--verbose names what DNS was asked, and what it said."""
    zone = tmp_path / "zone"
    zone.write_text("$ORIGIN .\n$TTL 60\n1.2.0.192.in-addr.arpa. PTR o1.sendgrid.net.\n")
    done = run("dmarc", folder / "one.xml.gz", "--zone", zone, "--verbose")
    assert "192.0.2.1 PTR: o1.sendgrid.net" in done.stderr


def test_a_page_is_written(folder: Path) -> None:
    """--html writes one page and says where; nothing else is printed."""
    page = folder / "page.html"
    done = run("dmarc", folder, "--offline", "--html", page)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Who sends as example.org" in page.read_text()


def test_tls_reports_name_what_to_do(tmp_path: Path) -> None:
    """A failure is counted by exchanger, with what it means and what to do, and ends with 1."""
    (tmp_path / "tls.json").write_text(json.dumps(TLS))
    done = run("tls", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "2 sessions with mx.example.org: certificate-expired" in done.stdout
    assert "Renew the certificate of mx.example.org" in done.stdout


def test_quiet_says_only_what_is_wrong(tmp_path: Path) -> None:
    """A line for each, with its code."""
    (tmp_path / "tls.json").write_text(json.dumps(TLS))
    done = run("tls", tmp_path, "--quiet")
    assert done.returncode == 1, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["WARN", "PB-DIGEST-006"]]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is no report is named with the reason, and the command ends with 1."""
    broken = tmp_path / "broken.xml"
    broken.write_text("<feedback><oops>")
    done = run("dmarc", broken, "--offline")
    assert done.returncode == 1
    assert f"{broken}: it is no XML" in done.stderr


def test_each_report_can_be_seen_by_itself(folder: Path) -> None:
    """--each shows the reports one by one, with their rows."""
    done = run("dmarc", folder / "one.xml.gz", "--each")
    assert done.returncode == 0, done.stderr
    assert "192.0.2.1" in done.stdout
    assert "Example Mail, dmarc@example.net" in done.stdout


def test_every_key_for_programs_is_documented(folder: Path, tmp_path: Path) -> None:
    """docs/reports.md names all keys of the objects, of sources and of failures."""
    (tmp_path / "tls.json").write_text(json.dumps(TLS))
    dmarc = json.loads(run("dmarc", folder, "--offline", "--json").stdout)
    tls = json.loads(run("tls", tmp_path / "tls.json", "--json").stdout)
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    inner = {*dmarc["sources"][0], *tls["failures"][0], *tls["policies"][0], *tls["findings"][0]}
    assert {key for key in {*dmarc, *tls, *inner} if f"`{key}`" not in page} == set()
