"""Nobody can use a listener as an open relay."""

from __future__ import annotations

import pytest
from tests.receiving import HOSTNAME, any_certificate, listener, receiving

from pillarbox.config.settings import LimitSettings, ListenerKind

L, T, H, OURS = "local.test", "third.test", HOSTNAME, "127.0.0.1"
SENDERS = ("", f"x@{T}", f"x@{L}", "x", "x@localhost", f"x@{H}", f"x@[{OURS}]")
# Each form asks for mail to somebody who is not here; well-known lists, and ours.
FORMS = (
    f"<u@{T}>",
    f"<u%{T}@{L}>",
    f"<u%{T}@[{OURS}]>",
    f"<u%{T}@{H}>",
    f'<"u@{T}">',
    f'<"u%{T}">',
    f'<"u@{T}"@{L}>',
    f'<"u%{T}"@{L}>',
    f"<u@{T}@{L}>",
    f"<u@{T}@[{OURS}]>",
    f'<"u@{T}"@[{OURS}]>',
    f"<u@{T}@{H}>",
    f"<@{L}:u@{T}>",
    f"<@[{OURS}]:u@{T}>",
    f"<@{H}:u@{T}>",
    f"<@{H},@{L}:u@{T}>",
    f"<{T}!u>",
    f"<{T}!u@{L}>",
    f"<{T}!u@[{OURS}]>",
    f"<{T}!u@{H}>",
    f"<{L}!u@{T}>",
    f"<u%{T}>",
    f"<u@{T}.>",
    "<u@[192.0.2.1]>",
    "<u@[IPv6:::ffff:192.0.2.1]>",
    f"<u@{L}@{T}>",
    f'<"u\\@{T}"@{L}>',
    f"<u(c)@{T}>",
    f"<u@{L}\0@{T}>",
    f"<u\uff20{T}@{L}>",
    f"<u\uff05{T}@{L}>",
    "<u@third\u3002test>",
    f"<{T}::u@{L}>",
    f"<u@{T} >",
    f"<u@{L}>,<u@{T}>",
    f"<u@sub.{L}>",
    f"<SRS0=forged=xx={T}=u@{L}>",
    f"<u+{T}=x@{L}>",
    f"<@{T},@{L}:u@{L}>",
    "<|/bin/sh>",
    "</tmp/x>",
    "<:include:/etc/passwd>",
    "<-oQ/tmp>",
    f"<|/bin/sh@{L}>",
    f"<-oQ/tmp@{L}>",
    f"<${{run{{x}}}}@{L}>",
    f"<;id@{L}>",
)
KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION),
    "submissions": listener(ListenerKind.SUBMISSIONS),
    "mx that trusts others": listener(trusted_networks=("10.0.0.0/8",)),
}


@pytest.mark.parametrize("name", KINDS)
def test_no_form_of_address_is_relayed_for_a_stranger(name: str) -> None:
    """Every way to write a foreign recipient is refused for every sender, with SMTPUTF8 too."""
    limits = LimitSettings(errors=100_000, commands=100_000)
    accepted = []
    with receiving(KINDS, limits=limits, users={"ann": "x"}) as rig, rig.client(name) as wire:
        if name == "submissions":
            wire.sock = any_certificate().wrap_socket(wire.sock)
        wire.hello()
        for parameter in ("", " SMTPUTF8"):
            for sender in SENDERS:
                for form in FORMS:
                    wire.ask("RSET")
                    wire.ask(f"MAIL FROM:<{sender}>{parameter}")
                    reply = wire.ask(f"RCPT TO:{form}")
                    if reply[:3] not in {"550", "554", "501", "553", "503", "530", "500", "555"}:
                        accepted.append((sender, form, reply))
        assert wire.ask("DATA")[:3] in {"503", "554", "530"}
        assert not rig.kept
    assert not accepted


MALFORMED = (
    f"<{'a' * 65}@{L}>",
    f"<a@{'b' * 64}.{L}>",
    f"<a@{'.'.join(['b' * 60] * 5)}>",
    f"<{'a' * 60}@{'.'.join(['b' * 61] * 3)}.{L}>",
    f"<@{L}>",
    f"<a..b@{L}>",
    f"<.a@{L}>",
    f"<a.@{L}>",
    f'<"a b"@{L}>',
    f"<ann@{L}:25>",
    f"<ann@{L}/../x>",
)


@pytest.mark.parametrize("name", ["mx", "office", "office with TLS"])
def test_what_is_no_address_is_refused_as_such(name: str) -> None:
    """E39, E40: lengths, dots, spaces, ports and paths get 501 5.1.3 or 553 5.1.3, never 250."""
    trusted = {"trusted_networks": ("127.0.0.1",)}
    kinds = {
        "mx": listener(),
        "office": listener(ListenerKind.SUBMISSION, **trusted),
        "office with TLS": listener(ListenerKind.SUBMISSIONS, **trusted),
    }
    limits = LimitSettings(errors=100)
    with receiving(kinds, limits=limits) as rig, rig.client(name) as wire:
        if name == "office with TLS":
            wire.sock = any_certificate().wrap_socket(wire.sock)
        wire.hello()
        assert wire.ask("MAIL FROM:<x@third.test>").startswith("250")
        for path in MALFORMED:
            assert wire.ask(f"RCPT TO:{path}")[:9] in {"501 5.1.3", "553 5.1.3"}, path
        for path in ("<postmaster>", f"<postmaster@{L}>", f"<ABUSE@{L.upper()}>", f"<ann@{L}>"):
            assert wire.ask(f"RCPT TO:{path}").startswith("250"), path


def test_trusted_networks_and_our_own_recipients_are_served() -> None:
    """A trusted client may send anywhere, and strangers may reach postmaster and abuse."""
    kinds = {"mx": listener(), "office": listener(trusted_networks=("127.0.0.0/8",))}
    with receiving(kinds) as rig:
        with rig.client("office") as wire:
            wire.hello()
            wire.ask("MAIL FROM:<x@third.test>")
            assert wire.ask("RCPT TO:<u@third.test>").startswith("250")
            assert wire.ask("RCPT TO:<nobody@local.test>").startswith("550 5.1.1")
        with rig.client("mx") as wire:
            wire.hello()
            wire.ask("MAIL FROM:<>")
            for recipient in (
                "postmaster",
                "postmaster@local.test",
                "abuse@LOCAL.TEST",
                "ann@local.test",
            ):
                assert wire.ask(f"RCPT TO:<{recipient}>").startswith("250")
