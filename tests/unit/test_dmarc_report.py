"""Aggregate reports: what we write, and what strangers send us."""

from __future__ import annotations

import gzip
import io
import time
import zipfile
import zlib

import pytest
from hypothesis import given, strategies as st

from pillarbox.findings import Level
from pillarbox.mailauth.dmarc_report import (
    DkimAuth,
    OverrideReason,
    PublishedPolicy,
    Report,
    ReportForm,
    Row,
    SpfAuth,
    build_report,
    pack_report,
    read_report,
    report_subject,
)

ROW = Row(
    source_ip="192.0.2.1",
    count=3,
    disposition="quarantine",
    dkim="fail",
    spf="pass",
    header_from="example.net",
    envelope_from="bounce.example.net",
    reasons=(OverrideReason("local_policy", "a <trusted> list & co"),),
    dkim_auth=(DkimAuth("example.net", "sel", "fail", "the body was changed"),),
    spf_auth=(SpfAuth("bounce.example.net", "pass"),),
)
REPORT = Report(
    organization="Example Org",
    email="dmarc@example.org",
    report_id="20270115.example.net@example.org",
    begin=1_800_000_000,
    end=1_800_086_399,
    policy=PublishedPolicy(
        domain="example.net", p="reject", sp="none", np="reject", discovery_method="treewalk"
    ),
    rows=(ROW,),
    generator="pillarbox",
)


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return octets.getvalue()


def refusal(octets: bytes) -> str:
    read = read_report(octets)
    assert read.report is None
    assert read.finding().level is Level.ERROR
    return read.refusal


XML = build_report(REPORT)


def test_a_report_reads_as_it_was_written() -> None:
    """Nothing of a report is lost between two pillarboxes."""
    read = read_report(XML)
    assert read.report == REPORT
    assert not read.problems
    assert read.finding().level is Level.OK
    assert (REPORT.messages, REPORT.passed) == (3, 3)


@pytest.mark.parametrize(
    "octets",
    [
        gzip.compress(XML),
        gzip.compress(XML[:100]) + gzip.compress(XML[100:]),
        gzip.compress(XML) + b"rubbish",
        gzip.compress(XML) + b"\x1f\x8brubbish",
        zipped(("report.xml", XML)),
        zipped(("readme.txt", b"hello"), ("report.XML", XML)),
        zipped(("report", XML), method=zipfile.ZIP_STORED),
        b"\xef\xbb\xbf" + XML,
        b"\r\n " + XML,
        XML.decode().replace("UTF-8", "utf-16").encode("utf-16"),
        XML.replace(b"UTF-8", b"windows-1252"),
    ],
)
def test_reports_come_in_many_wrappings(octets: bytes) -> None:
    """Plain, gzip and zip are read, in every encoding that is seen."""
    assert read_report(octets).report == REPORT


def test_the_older_form_has_what_older_readers_want() -> None:
    """For RFC 7489 there is no namespace, and sp, pct and fo are always there."""
    xml = build_report(REPORT, ReportForm.RFC7489).decode()
    assert "<feedback>" in xml
    assert "<sp>none</sp>\n  <pct>100</pct>\n  <fo>0</fo>" in xml
    assert "np>" not in xml
    assert "generator" not in xml
    read = read_report(xml.encode())
    assert read.report is not None
    assert read.report.rows == REPORT.rows


def test_the_new_form_has_its_namespace() -> None:
    """RFC 9990 §3.1.1.1: the root is in the namespace of DMARC."""
    assert b'<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">' in XML


def test_the_attachment_has_the_name_of_the_standard() -> None:
    """RFC 9990 §3.5.2 tells how file and subject are named; sent again, both are the same."""
    file = pack_report(REPORT, XML, receiver="mx.example.org")
    assert file.name == (
        "mx.example.org!example.net!1800000000!1800086399!20270115examplenetexampleorg.xml.gz"
    )
    assert file == pack_report(REPORT, XML, receiver="mx.example.org")
    assert gzip.decompress(file.content) == XML
    assert report_subject(REPORT, receiver="mx.example.org") == (
        "Report Domain: example.net Submitter: mx.example.org "
        "Report-ID: <20270115.example.net@example.org>"
    )


@pytest.mark.parametrize(
    "octets",
    [
        b'<!DOCTYPE feedback [<!ENTITY a "b">]><feedback>&a;</feedback>',
        b'<!DOCTYPE f SYSTEM "file:///etc/passwd"><feedback/>',
        b'<!DOCTYPE f [<!ENTITY % x SYSTEM "http://169.254.169.254/"> %x;]><feedback/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE f []><feedback/>'.encode("utf-16"),
        b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><feedback>&b;</feedback>',
    ],
)
def test_entities_are_never_expanded(octets: bytes) -> None:
    """A report with a document type is refused before anything in it takes effect."""
    assert "document type" in refusal(octets)


def _bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1024 * 1024)
    return b"".join(packer.compress(block) for _ in range(200)) + packer.flush()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (_bomb(), "grows to more than"),
        (gzip.compress(gzip.compress(XML)), "packed more than once"),
        (zipped(("a.xml", bytes(20_000_000))), "grows to more than"),
        (zipped(("a.zip", zipped(("a.xml", XML)))), "packed more than once"),
        (zipped(*((f"{n}.xml", b"") for n in range(100))), "should have one"),
        (zipped(), "no XML"),
        (zipped(("a.xml", XML), method=zipfile.ZIP_LZMA), "not read"),
        (zipped(("a.xml", XML))[:-30], "damaged"),
        (gzip.compress(XML)[:-20], "cut off"),
        (gzip.compress(XML)[:4] + b"\xff" * 40, "damaged"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged"),
        (bytes(11 * 1024 * 1024), "larger than"),
        (b"<a>" * 100_000, "nested more than"),
        (b"<feedback>" + b"<a/>" * 300_000 + b"</feedback>", "too many elements"),
        (b"<feedback", "no XML"),
        (b"", "no XML"),
        (b"hello", "no XML"),
        (b"<html/>", "not feedback"),
        (b"<feedback/>", "report_metadata is missing"),
        (XML.replace(b"<begin>", b"<begin>-"), "no period"),
        (XML.replace(b"1800086399", b"17"), "no period"),
        (XML.replace(b"<domain>example.net</domain>", b"<domain>&lt;x&gt;</domain>"), "no domain"),
        (XML.replace(b"192.0.2.1", b"192.0.2.1000"), "none of its records"),
    ],
)
def test_bombs_and_rubbish_are_refused(octets: bytes, reason: str) -> None:
    """What is too large, grows, nests or is no report is refused with its reason, soon."""
    began = time.process_time()
    assert reason in refusal(octets)
    assert time.process_time() - began < 8.0


def test_a_bad_row_is_left_out_and_named() -> None:
    """One row that makes no sense costs only itself."""
    start, end = XML.index(b" <record>"), XML.index(b"</feedback>")
    bad = XML[start:end].replace(b"<count>3<", b"<count>many<")
    read = read_report(XML[:end] + bad + XML[end:])
    assert read.report == REPORT
    assert read.problems == ("record 2: the count 'many' is no number",)
    assert read.finding().level is Level.WARNING


def test_nothing_in_a_report_steers_a_terminal() -> None:
    """Texts of strangers come out in one line, without controls."""
    xml = XML.replace(b"Example Org", "a&#10;b\u202e\u009bc".encode())
    report = read_report(xml).report
    assert report is not None
    assert report.organization == "a b  c"


def test_what_is_no_text_in_xml_is_replaced() -> None:
    """A control character in a row makes no report that nobody can read."""
    row = Row(
        source_ip="192.0.2.1", count=1, disposition="none", dkim="fail", spf="fail",
        header_from="example.net", reasons=(OverrideReason("other", "a\0b\ud800<&>"),),
    )  # fmt: skip
    report = Report(
        organization="x", email="x@y.z", report_id="1", begin=0, end=1,
        policy=PublishedPolicy(domain="example.net"), rows=(row,),
    )  # fmt: skip
    read = read_report(build_report(report)).report
    assert read is not None
    assert read.rows[0].reasons[0].comment == "a?b?<&>"


@given(st.binary(max_size=200), st.integers(0, len(XML)))
def test_damaged_reports_never_crash(noise: bytes, place: int) -> None:
    """Whatever stands in a report, it is read or refused."""
    for octets in (XML[:place] + noise + XML[place:], gzip.compress(XML)[:place] + noise):
        read = read_report(octets)
        assert (read.report is None) == bool(read.refusal)
