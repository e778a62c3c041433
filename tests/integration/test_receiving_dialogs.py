"""The dialog files, played against a listener over a real socket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.dialogs_player import matches, read_dialog
from tests.receiving import any_certificate, listener, receiving

from pillarbox.config.relay import relay_policy
from pillarbox.policy.recipients import LocalDomain, LocalDomains

DIALOGS = sorted((Path(__file__).parents[1] / "dialogs").glob("*.dialog"))
# A user file holds hashes of passwords, by which nothing but these can be checked.
FOR_USER_FILES = [
    path
    for path in DIALOGS
    if {"PLAIN", "LOGIN"}.issuperset(read_dialog(path).options.get("auth_mechanisms", ()))
]


@pytest.mark.parametrize("on_uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("path", FOR_USER_FILES, ids=lambda path: path.stem)
def test_a_dialog_goes_as_written_over_a_socket(path: Path, on_uvloop: bool) -> None:
    """A listener gives the same replies as the pure connection."""
    dialog = read_dialog(path)
    kinds = {"mx": listener(trusted_networks=("127.0.0.0/8",))}
    with receiving(kinds, users={"user": "pencil"}, on_uvloop=on_uvloop) as rig:
        accepts = rig.receiver._listeners["mx"]
        options = replace(
            accepts.service.options,
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in dialog.options.items()
            },
        )
        accepts.service = replace(
            accepts.service,
            options=options,
            options_for_loopback=options,
            relay=relay_policy(rig.settings, LocalDomains([LocalDomain(name="ours.test")])),
        )
        with rig.client() as wire:
            for step in dialog.steps:
                where = f"{path.name}:{step.line}"
                if step.kind == "C":
                    wire.send(step.octets)
                elif step.kind == "S":
                    reply = wire.reply().rpartition("\n")[2]
                    assert matches(step, reply), f"{where}: {reply}"
                elif step.text == "closed":
                    assert wire.rest() == b"", where
                elif step.text == "tls":
                    wire.sock = any_certificate().wrap_socket(wire.sock)
