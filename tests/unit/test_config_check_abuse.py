"""What is wrong with the settings of rates, lists, greylisting and bans."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load

LISTENERS = (
    "[listener.mx]\nkind='mx'\nbind=['127.0.0.1:2500']\n"
    "[listener.in]\nkind='submission'\nbind=['127.0.0.1:2525']\n"
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[rate.a]\nsubject='all'\nmessages=['10/fortnight']", 180),
        ("[rate.a]\nsubject='all'\nrecipients=['0/s']", 180),
        ("[rate.a]\nsubject='all'", 181),
        ("[rate.a]\nsubject='credential'\nmessages=['1/s']\nlisteners=['mx']", 182),
        ("[rate.a]\nsubject='all'\nmessages=['1/s']\nlisteners=['out']", 183),
        ("[greylist]\nlisteners=['in']", 183),
        ("[dns_list.'bad.test']\nlisteners=['in']", 183),
        ("[client_name]\nlisteners=['in']", 183),
        ("[guessing]\nexcept_networks=['10.0.0.1/8']", 184),
        ("[rate.a]\nsubject='all'\nmessages=['1/s']\nexcept_networks=['home']", 184),
        ("[dns_list.'bad']", 185),
        ("[dns_list.'bad test.org']", 185),
        ("[dns_list.'bad.test']\ncodes=['127.0.0']", 186),
        ("[dns_list.'bad.test']\naction='score'", 187),
        ("[greylist]\nenabled=true\nwindow='1 s'", 188),
        ("[rate.a]\nsubject='credential'\nmessages=['10/s', '500/h']\nlisteners=['in']", None),
        ("[dns_list.'bad.test']\naction='score'\n[screening]\nrefuse_score=3", None),
        ("[dns_list.'good.test']\nkind='allow'\ncodes=['127.0.*.1-3']\nlisteners=['mx']", None),
        ("[greylist]\nenabled=true\nlisteners=['mx']\nexcept_networks=['192.0.2.0/24']", None),
    ],
)
def test_settings_against_abuse_are_checked(tmp_path: Path, text: str, code: int | None) -> None:
    """Each mistake has its own finding, and sound settings have none."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(LISTENERS + text)
    findings = check(load(path, {}))
    numbers = {int(each.code.removeprefix("PB-CONFIG-")) for each in findings}
    assert {number for number in numbers if 180 <= number < 190} == ({code} - {None})
