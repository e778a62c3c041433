"""Reloading the listeners while clients are connected."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import partial

import pytest
from tests.receiving import LOCAL_TEST, listener, receiving, wait_until

from pillarbox.config.settings import (
    AuthSettings,
    GuessSettings,
    IntakeSettings,
    ListenerKind,
    RuleAction,
    RuleSettings,
    TlsSettings,
)
from pillarbox.errors import PermanentError
from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.receive.binding import bind_listeners, close_all

KINDS = {"mx": listener(), "submission": listener(ListenerKind.SUBMISSION)}


def test_new_settings_hold_for_new_sessions_on_the_same_sockets() -> None:
    """A listener keeps its address; who is connected keeps the settings of before."""
    with receiving(KINDS) as rig, rig.client() as before:
        before.hello()
        address = rig.address()
        settings = replace(rig.settings, intake=IntakeSettings(max_message_size=1_000))
        domains = LocalDomains(
            [LOCAL_TEST, LocalDomain(name="new.test", recipients=frozenset("n"))]
        )
        rig.call(lambda: rig.receiver.reload(settings, domains))
        assert rig.address() == address
        with rig.client() as after:
            assert "SIZE 1000" in after.hello()
            after.ask("MAIL FROM:<>")
            assert after.ask("RCPT TO:<n@new.test>").startswith("250")
        assert before.ask("MAIL FROM:<> SIZE=2000").startswith("250")
        assert before.ask("RCPT TO:<n@new.test>").startswith("550 5.7.1")


def test_new_rules_hold_for_new_sessions() -> None:
    """A relay policy that is loaded again decides from the next connection on."""
    with receiving(KINDS) as rig:
        rule = RuleSettings(action=RuleAction.ALLOW, recipients=("backup.test",))
        for rules, code in (({"backup": rule}, "250"), ({}, "550")):
            settings = replace(rig.settings, rule=rules)
            rig.call(partial(rig.receiver.reload, settings, LocalDomains([LOCAL_TEST])))
            with rig.client() as wire:
                wire.hello()
                wire.ask("MAIL FROM:<>")
                assert wire.ask("RCPT TO:<n@backup.test>").startswith(code)


def test_listeners_come_and_go() -> None:
    """A new listener is bound, one that is gone stops accepting, and its sessions go on."""
    with receiving(KINDS) as rig, rig.client("submission") as old:
        old.hello()
        gone = rig.address("submission")
        settings = replace(rig.settings, listener={"mx": KINDS["mx"], "second": listener()})
        rig.call(lambda: rig.receiver.reload(settings, LocalDomains([LOCAL_TEST])))
        assert set(rig.receiver.addresses) == {"mx", "second"}
        with rig.client("second") as wire:
            wire.hello()
        with pytest.raises(ConnectionError):
            socket.create_connection(gone)
        assert old.ask("NOOP").startswith("250")


@pytest.mark.parametrize("part", ["auth", "tls", "bind"])
def test_what_cannot_be_used_changes_nothing(part: str) -> None:
    """A missing user file, a missing certificate or a port in use leaves all as it was."""
    with receiving(KINDS, users={"ann": "x"}) as rig:
        host, port = rig.address()
        missing = rig.settings.node.directory / "missing"
        settings = {
            "auth": replace(rig.settings, auth=AuthSettings(file=missing)),
            "tls": replace(rig.settings, tls=TlsSettings(certificate=missing)),
            "bind": replace(
                rig.settings,
                listener={**KINDS, "new": replace(KINDS["mx"], bind=(f"{host}:{port}",))},
            ),
        }[part]
        settings = replace(settings, guessing=GuessSettings(free_failures=0))
        with pytest.raises(PermanentError):
            rig.call(lambda: rig.receiver.reload(settings, LocalDomains()))
        assert not rig.receiver.guesses.failed("192.0.2.1", "ann", 0.0)
        with rig.client() as wire:
            wire.hello()
            wire.ask("MAIL FROM:<>")
            assert wire.ask("RCPT TO:<ann@local.test>").startswith("250")


def test_an_address_that_cannot_be_bound_leaves_none_bound() -> None:
    """The error names the address, and the others are free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PermanentError, match=address):
            bind_listeners({"one": listener(), "two": replace(listener(), bind=(address,))})
    with pytest.raises(PermanentError, match="not an address"):
        bind_listeners({"one": replace(listener(), bind=("nonsense",))})


def test_sockets_can_be_bound_beforehand() -> None:
    """Bound sockets are handed over, as by a node that gives up its privileges in between."""
    sockets = bind_listeners({"mx": replace(listener(), bind=("127.0.0.1:0", "[::1]:0"))})
    assert [sock.family for sock in sockets["mx"]] == [socket.AF_INET, socket.AF_INET6]
    close_all(sockets["mx"])


def test_session_ids_are_short_and_never_repeat() -> None:
    """Each session has its own id, of about ten characters."""
    with receiving() as rig:
        for _ in range(5):
            with rig.client() as wire:
                wire.hello()
                wire.ask("QUIT")
        wait_until(lambda: len(rig.reasons()) == 5)
        ids = {getattr(each, "session", "") for each in rig.events} - {""}
    assert len(ids) == 5
    assert all(len(each) <= 16 for each in ids)
