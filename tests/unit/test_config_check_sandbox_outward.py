"""What is wrong with the settings of what may leave a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load

RELAY = "[sandbox_release]\nrelay = 'smtp://mail.example.com:587'\nrecipients = ['@example.org']\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (RELAY, set()),
        ("[sandbox_release]\nrelay = 'mail.example.com'\nrecipients = ['@example.org']", {315}),
        ("[sandbox_release]\nrelay = 'smtp://mail.example.com'", {316}),
        (RELAY.replace("smtp:", "smtps:"), {317}),
        (RELAY.replace("smtp://", "smtp://u:p@").replace("587", "587?tls=may"), {318}),
        (RELAY.replace("smtp://mail.example.com", "smtp://u:p@localhost"), set()),
        (RELAY.replace("@example.org", "exa mple"), {319}),
        (RELAY + "blocked = ['x y']", {319}),
        (RELAY.replace("@example.org", "*"), {320}),
        (RELAY + "return_path = 'nobody'", {321}),
        ("[sandbox_forward.a]", {322}),
        (RELAY + "[sandbox_forward.a]\nrecipients = ['a@example.org']", set()),
        (RELAY + "[sandbox_forward.a]\nrecipients = ['a@example.com']", {323}),
        (
            RELAY
            + "blocked = ['a@example.org']\n[sandbox_forward.a]\nrecipients = ['a@example.org']",
            {323},
        ),
        (RELAY + "[sandbox_forward.a]\nrecipients = ['a']", {323}),
        (RELAY + "[sandbox_forward.a]\nsearch = 'colour:red'", {325}),
        (RELAY + "[sandbox_forward.a]\nproject = 'shop'", {326}),
        (RELAY + "[sandbox_forward.a]\nproject = 'shop'\n[sandbox_project.shop]", set()),
        ("[sandbox_webhook.a]\nurl = 'http://localhost:3000/x'\nsearch = 'tag:a'", set()),
        ("[sandbox_webhook.a]\nurl = 'localhost:3000'", {324}),
        ("[sandbox_webhook.a]\nurl = 'http://u@h/'", {324}),
        ("[sandbox_webhook.a]\nurl = 'http://[/'", {324}),
        ("[sandbox_webhook.a]\nurl = 'https://h/'\nsearch = 'colour:red'", {325}),
    ],
)
def test_settings_of_ways_out_are_checked(tmp_path: Path, text: str, codes: set[int]) -> None:
    """Each mistake has its own finding, and sound settings have none."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(text)
    path.chmod(0o600)
    findings = check(load(path, {}))
    numbers = {int(each.code.removeprefix("PB-CONFIG-")) for each in findings}
    assert {number for number in numbers if 315 <= number < 330} == codes
    assert not any("{key}" in each.what + each.fix for each in findings)
