"""DNS lists, greylisting and names on an mx listener, with a zone of our own."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import pytest
from tests.receiving import PASSWORD, Rig, listener, receiving

from pillarbox.config.settings import (
    CheckAction,
    ClientNameSettings,
    DnsListAction,
    DnsListKind,
    DnsListSettings,
    GreylistSettings,
    RateSettings,
    RateSubject,
    ScreeningSettings,
)
from pillarbox.dns.zone import ZoneResolver
from pillarbox.events.types import CheckRuled
from pillarbox.receive.checks import Check
from pillarbox.screening.client_names import HeloName, ReverseName
from pillarbox.screening.dns_lists import AllowedClients, DnsLists
from pillarbox.screening.greylisting import Greylisting, GreylistMemory
from pillarbox.store.memory.disk import MemoryDisk
from pillarbox.store.memory.notes import MemoryNotes

ZONE = """$TTL 60
$ORIGIN .
1.0.0.127.bad.test. A 127.0.0.2
1.0.0.127.bad.test. TXT "see https://bad.test/127.0.0.1"
1.0.0.127.other.test. A 127.0.0.9
1.0.0.127.good.test. A 127.0.5.1
1.0.0.127.sold.test. A 198.51.100.1
1.0.0.127.closed.test. A 127.255.255.254
1.0.0.127.in-addr.arpa. PTR mail.client.test.
mail.client.test. A 127.0.0.1
elsewhere.test. A 192.0.2.1
outside.test. TXT "v=spf1 ip4:127.0.0.1 -all"
;! timeout silent.test
"""
REFUSE = DnsListSettings(action=DnsListAction.REFUSE)
NOTE = DnsListSettings()


def zone() -> ZoneResolver:
    return ZoneResolver(ZONE, timeout=0.3)


class Clock:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time


def lists(
    allowed: AllowedClients | None = None,
    screening: ScreeningSettings | None = None,
    **zones: DnsListSettings,
) -> DnsLists:
    """Return the check of lists; ``bad_test`` stands for ``bad.test``."""
    return DnsLists(
        {name.replace("_", "."): each for name, each in zones.items()},
        screening or ScreeningSettings(timeout=0.1),
        zone(),
        Clock().now,
        AllowedClients(100) if allowed is None else allowed,
    )


def replies(
    rig: Rig, helo: str = "mail.client.test", sender: str = "eve@outside.test"
) -> list[str]:
    """Send a message as far as it gets, and return the replies to MAIL and RCPT."""
    with rig.client() as wire:
        assert wire.reply().startswith("220")
        wire.ask(f"EHLO {helo}")
        wire.send(f"MAIL FROM:<{sender}>", "RCPT TO:<ann@local.test>")
        found = [wire.reply(), wire.reply()]
        if found[1].startswith("250"):
            wire.ask("DATA")
            assert wire.ask("From: <eve@outside.test>\r\n\r\nHello\r\n.").startswith("250")
        return found


def test_what_is_refused_uses_up_no_rate() -> None:
    """A recipient that has to come again for greylisting takes nothing from the rate."""
    rates = {"all": RateSettings(subject=RateSubject.ALL, recipients=("1/h",))}
    clock = Clock()
    with receiving(checks=[greylisting(clock)], rates=rates) as rig:
        assert replies(rig)[1].startswith("451 4.7.1 Greylisted")
        clock.time += 60.0
        assert replies(rig)[1].startswith("250")
        assert replies(rig)[1].startswith("452 4.7.1 Too many recipients")


def test_a_listed_client_is_refused_with_the_reason() -> None:
    """The reply names the list and what it says; the event has the answers of DNS."""
    with receiving(checks=[lists(bad_test=REFUSE, other_test=NOTE)]) as rig:
        mail, _ = replies(rig)
        assert mail == (
            "550-5.7.1 [127.0.0.1] is listed by bad.test\n550 5.7.1 see https://bad.test/127.0.0.1"
        )
        (ruled,) = rig.named(CheckRuled)
        assert ruled.ruling == "refuse"
        assert ruled.reason == "listed by bad.test, other.test"
        assert ruled.evidence == [
            "1.0.0.127.bad.test: 127.0.0.2 (see https://bad.test/127.0.0.1)",
            "1.0.0.127.other.test: 127.0.0.9",
        ]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("silent_test", REFUSE),
        ("missing_test", REFUSE),
        ("sold_test", REFUSE),
        ("closed_test", REFUSE),
        ("bad_test", DnsListSettings(action=DnsListAction.REFUSE, codes=("127.0.0.3-9",))),
        ("bad_test", DnsListSettings(action=DnsListAction.REFUSE, except_networks=("127.0.0.1",))),
        ("bad_test", NOTE),
    ],
)
def test_what_is_no_listing_turns_nobody_away(name: str, settings: DnsListSettings) -> None:
    """Time-outs, other codes, lists that refuse to answer us, and domains that were sold."""
    with receiving(checks=[lists(**{name: settings})]) as rig:
        assert replies(rig)[0].startswith("250")


def test_who_logs_in_is_no_stranger() -> None:
    """What is said of the address of a client does not count once it has logged in."""
    kinds = {"mx": listener(auth=True, auth_without_tls=True)}
    checks = [lists(bad_test=REFUSE), *names(CheckAction.REFUSE)]
    login = "AUTH PLAIN " + b64encode(f"\0ann\0{PASSWORD}".encode()).decode()
    with receiving(kinds, users={"ann": PASSWORD}, checks=checks) as rig, rig.client() as wire:
        wire.reply()
        wire.ask("EHLO local.test")
        assert wire.ask("MAIL FROM:<ann@local.test>").startswith("550")
        assert wire.ask(login).startswith("235")
        assert wire.ask("MAIL FROM:<ann@local.test>").startswith("250")


def test_a_list_that_refuses_to_answer_is_a_finding() -> None:
    """The operator hears that it protects nobody."""
    with receiving(checks=[lists(closed_test=REFUSE)]) as rig:
        replies(rig)
        (ruled,) = rig.named(CheckRuled)
        assert ruled.finding == "PB-SCREENING-001"
        assert ruled.message


@pytest.mark.parametrize(("weight", "code"), [(1, "250"), (2, "451"), (3, "550")])
def test_weights_are_added_up(weight: int, code: str) -> None:
    """Two lists together defer from one sum on, and refuse from another."""
    scored = DnsListSettings(action=DnsListAction.SCORE, weight=weight)
    one = DnsListSettings(action=DnsListAction.SCORE, weight=1)
    screening = ScreeningSettings(timeout=0.1, defer_score=3, refuse_score=4)
    check = lists(screening=screening, bad_test=scored, other_test=one)
    with receiving(checks=[check]) as rig:
        assert replies(rig)[0].startswith(code)


def test_an_allow_list_wins() -> None:
    """Who is on it is neither refused nor asked to come again."""
    good = DnsListSettings(kind=DnsListKind.ALLOW, codes=("127.0.*.1-3",))
    allowed = AllowedClients(100)
    check = lists(allowed, bad_test=REFUSE, good_test=good)
    clock = Clock()
    greylist = greylisting(clock, allowed=allowed)
    with receiving(checks=[check, greylist]) as rig:
        assert [reply[:3] for reply in replies(rig)] == ["250", "250"]


def greylisting(
    clock: Clock,
    allowed: AllowedClients | None = None,
    memory: GreylistMemory | None = None,
    **settings: object,
) -> Greylisting:
    known = AllowedClients(1) if allowed is None else allowed
    return Greylisting(
        GreylistSettings(enabled=True, delay=60.0, **settings),  # type: ignore[arg-type]
        memory or GreylistMemory(MemoryNotes(MemoryDisk(), lambda: None), b"k", clock.now),
        zone(),
        5.0,
        lambda client: known.get(client, clock.now()) is not None,
    )


def test_strangers_come_again() -> None:
    """The first try is deferred, one too early as well; then the triplet is known."""
    clock = Clock()
    with receiving(checks=[greylisting(clock)]) as rig:
        assert replies(rig)[1] == "451 4.7.1 Greylisted, try again in 60 seconds"
        clock.time += 20.0
        assert replies(rig)[1] == "451 4.7.1 Greylisted, try again in 40 seconds"
        clock.time += 40.0
        assert replies(rig)[1].startswith("250")
        assert replies(rig)[1].startswith("250")
        assert replies(rig, sender="mallory@outside.test")[1].startswith("451")
        rulings = [(each.ruling, each.reason) for each in rig.named(CheckRuled)]
        assert rulings[:3] == [
            ("defer", "it is not known"),
            ("defer", "it came again too soon"),
            ("note", "it came again after 60 s"),
        ]


def test_a_network_that_keeps_coming_again_is_known() -> None:
    """After some triplets nothing of it is deferred any more."""
    clock = Clock()
    with receiving(checks=[greylisting(clock, believe_after=2)]) as rig:
        for number in range(2):
            assert replies(rig, sender=f"s{number}@outside.test")[1].startswith("451")
            clock.time += 60.0
            assert replies(rig, sender=f"s{number}@outside.test")[1].startswith("250")
        assert replies(rig, sender="new@outside.test")[1].startswith("250")


def test_who_passes_spf_may_be_let_through() -> None:
    """A server that its domain names need not come again, if so configured."""
    with receiving(checks=[greylisting(Clock(), skip_spf_pass=True)]) as rig:
        assert replies(rig)[1].startswith("250")
        assert replies(rig, sender="eve@elsewhere.test")[1].startswith("451")


def test_greylisting_outlives_a_restart_and_is_shared() -> None:
    """Another node, with the same store and key, knows who has tried already."""
    clock, notes = Clock(), MemoryNotes(MemoryDisk(), lambda: None)
    one, two = (GreylistMemory(notes, b"k", clock.now) for _ in range(2))
    with receiving(checks=[greylisting(clock, memory=one)]) as rig:
        assert replies(rig)[1].startswith("451")
        rig.wait(one.settle())
    clock.time += 60.0
    with receiving(checks=[greylisting(clock, memory=two)]) as rig:
        assert replies(rig)[1].startswith("250")


def names(action: CheckAction) -> Sequence[Check]:
    settings = ClientNameSettings(reverse=action, helo=action)
    resolver = zone()
    return [
        ReverseName(settings, resolver, 5.0),
        HeloName(settings, resolver, 5.0, lambda name: name == "local.test"),
    ]


def test_the_verified_name_of_a_client_is_in_the_trace() -> None:
    """Received names the client by what DNS says, and the events have the evidence."""
    with receiving(checks=names(CheckAction.REFUSE)) as rig:
        assert replies(rig)[1].startswith("250")
        header = rig.content(rig.kept[0])
        assert header.startswith(
            b"Received: from mail.client.test (mail.client.test [127.0.0.1])\r\n"
        )
        (ruled,) = rig.named(CheckRuled)
        assert (ruled.check, ruled.ruling) == ("reverse_name", "note")
        assert ruled.evidence == ["PTR 127.0.0.1: mail.client.test", "mail.client.test: 127.0.0.1"]


@pytest.mark.parametrize("helo", ["local.test", "localhost", "[192.0.2.7]", "under_score"])
def test_names_that_nobody_has_may_be_refused(helo: str) -> None:
    """Our own name, half a name, another's address; by setting they are only noted."""
    with receiving(checks=names(CheckAction.REFUSE)) as rig:
        assert replies(rig, helo)[0] == "550 5.7.1 Say your own name in EHLO"
    with receiving(checks=names(CheckAction.NOTE)) as rig:
        assert replies(rig, helo)[0].startswith("250")
        assert "helo_name" in {each.check for each in rig.named(CheckRuled)}


def test_a_name_that_does_not_fit_is_only_noted() -> None:
    """RFC 5321 §4.1.4 forbids to refuse mail because HELO does not fit the address."""
    with receiving(checks=names(CheckAction.REFUSE)) as rig:
        assert replies(rig, "elsewhere.test")[1].startswith("250")
        ruled = {each.check: each for each in rig.named(CheckRuled)}["helo_name"]
        assert ruled.reason == "the client says it is elsewhere.test, which is not it"
        assert ruled.evidence == ["elsewhere.test: 192.0.2.1"]
        assert replies(rig, "[127.0.0.1]")[1].startswith("250")
