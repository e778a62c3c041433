"""The check of the relay policy: what is dangerous or useless in it has a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load

BASE = """
[node]
hostname = "mail.example.org"
directory = "{directory}"
[listener.submission]
kind = "submission"
bind = ["127.0.0.1:2525"]
trusted_networks = ["127.0.0.1"{trusted}]
[listener.mx]
kind = "mx"
bind = ["127.0.0.1:2526"]
[domain."example.org"]
recipients = ["postmaster"]
route = "out"
[route.out]
kind = "mx"
recipients = ["*"]
"""
RULE = "[rule.r]\naction='allow'\n"


def codes(tmp_path: Path, text: str, trusted: str = "") -> set[int]:
    path = tmp_path / "pillarbox.toml"
    path.write_text(BASE.format(directory=tmp_path, trusted=trusted) + text)
    found = check(load(path, {}))
    assert all(each.why and each.fix for each in found)
    return {int(each.code.removeprefix("PB-CONFIG-")) for each in found}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[policy]\nacknowledged_networks=['0.0.0.0/0']", 110),
        ("[policy]\nacknowledged_networks=['203.0.113.0/24']", 111),
        ("[policy]\nacknowledged_networks=['10.0.0.0/8']", 111),
        ("[policy]\nacknowledged_networks=['here']", 112),
        (RULE + "senders=['ann']\ncredentials=['a']", 112),
        (RULE + "recipients=['*.*.org']\ncredentials=['a']", 112),
        (RULE + "networks=['10.0.0.1/8']", 112),
        ("[owner.o]\nsenders=['@']\ncredentials=['a']", 112),
        (RULE + "credentials=['a']\nlisteners=['nowhere']", 113),
        (RULE + "credentials=[]", 114),
        (RULE, 115),
        (RULE + "senders=['@example.org']", 115),
        (RULE + "listeners=['mx']\nrecipients=['*']", 115),
        (RULE + "recipients=['*.org']", 115),
        (RULE + "recipients=['a.org', 'b.a.org', '*.org']", 115),
        (RULE + "recipients=['*.org', '*.a.org']", 115),
        ("[rule.s]\naction='refuse'\nsenders=['@a.test']\n" + RULE + "senders=['@*.a.test']", 115),
        ("[rule.s]\naction='refuse'\nsenders=['r*@a.test']\n" + RULE + "senders=['@a.test']", 115),
        ("[rule.a]\naction='refuse'\n[rule.b]\naction='refuse'\ncredentials=['x']", 116),
        ("[owner.o]\nsenders=['@example.org']", 117),
        ("[owner.o]\nsenders=['*']\ncredentials=['*']", 118),
        (RULE + "networks=['203.0.113.0/24']", 119),
    ],
)
def test_each_mistake_is_found(tmp_path: Path, text: str, code: int) -> None:
    """A mistake has its own finding, and no other one."""
    assert codes(tmp_path, text) == {code}


@pytest.mark.parametrize(
    "text",
    [
        RULE + "listeners=['mx']\nrecipients=['example.net', '*.example.net']",
        RULE + "networks=['192.168.0.0/16']",
        RULE + "credentials=['shop']\nrecipients=['*']",
        RULE + "networks=['203.0.113.0/24']\n[policy]\nacknowledged_networks=['203.0.113.0/24']",
        "[owner.o]\nsenders=['@example.org']\nnetworks=['203.0.113.0/24']",
        "[rule.r]\naction='refuse'\nnetworks=['203.0.113.0/24']",
    ],
)
def test_sound_policies_pass(tmp_path: Path, text: str) -> None:
    """What says by name what it opens has nothing to complain about."""
    assert codes(tmp_path, text) == set()


def test_a_public_network_is_trusted_once_it_is_acknowledged(tmp_path: Path) -> None:
    """trusted_networks takes a network that is not private only together with its name again."""
    network = ', "203.0.113.0/24"'
    assert codes(tmp_path, "", network) == {27}
    wrong = "[policy]\nacknowledged_networks=['203.0.113.0/25']"
    assert codes(tmp_path, wrong, network) == {27, 111}
    right = "[policy]\nacknowledged_networks=['203.0.113.0/24']"
    assert codes(tmp_path, right, network) == set()


def test_users_who_own_no_sender_are_told_of(tmp_path: Path) -> None:
    """A login that could never send is found before somebody tries."""
    users = tmp_path / "users"
    users.touch(mode=0o600)
    users.write_text("ann@example.org:$argon2id$x\nshop:$argon2id$x\n")
    auth = f"[auth]\nfile='{users}'\n"
    assert codes(tmp_path, auth) == {120}
    owner = "[owner.shop]\ncredentials=['shop']\nsenders=['@example.org']\n"
    assert codes(tmp_path, auth + owner) == set()
