"""What is wrong with the settings of reports and of our MTA-STS policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load

DOMAIN = "\n[domain.'example.org']\nrecipients = ['dmarc']\nroute = 'out'"
CERTIFICATE = "\n[certificate.web]\nnames = ['mta-sts.example.org']"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("[reports]\nsender = 'nobody'", {300}),
        ("[reports]\ntls = true\nsender = 'a@elsewhere.test'", {301}),
        ("[reports]\nsender = 'a@elsewhere.test'", set()),
        ("[reports]\ndmarc = true\nsender = 'a@example.org'" + DOMAIN, set()),
        ("[reports]\nreceive = ['nobody']", {302}),
        ("[reports]\nreceive = ['dmarc@elsewhere.test']", {303}),
        ("[reports]\nreceive = ['dmarc@example.org']" + DOMAIN, set()),
        ("[sts_domain.'Example.org']" + CERTIFICATE, {304}),
        ("[sts_domain.'exa mple.org']" + CERTIFICATE, {304, 307}),
        ("[sts_domain.'example.org']\nmx = ['mx.*.org']" + CERTIFICATE, {305}),
        ("[sts_domain.'example.org']\nmax_age = '400 d'" + CERTIFICATE, {306}),
        ("[sts_domain.'example.org']", {307}),
        ("[sts_domain.'example.org']\nmx = ['*.example.org']" + CERTIFICATE, set()),
    ],
)
def test_settings_of_reports_are_checked(tmp_path: Path, text: str, codes: set[int]) -> None:
    """Each mistake has its own finding, and sound settings have none."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(text)
    numbers = {int(each.code.removeprefix("PB-CONFIG-")) for each in check(load(path, {}))}
    assert {number for number in numbers if 300 <= number < 310} == codes
