"""Many DMARC reports read as one: sources by name, what a policy would cost, what to do."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pillarbox.mailauth.dmarc_report import (
    DkimAuth,
    OverrideReason,
    PublishedPolicy,
    Report,
    Row,
    SpfAuth,
)
from pillarbox.reports.digest.dmarc_digest import DmarcDigest, digest_dmarc
from pillarbox.reports.digest.page import render_dmarc
from pillarbox.reports.digest.senders import known_sender
from pillarbox.reports.digest.sources import Standing

DAY = 86_400
OWN = "192.0.2.10"


def row(
    address: str,
    count: int,
    *,
    dkim: str = "fail",
    spf: str = "fail",
    signer: str = "",
    envelope: str = "",
    reason: str = "",
) -> Row:
    """Return a row about mail from example.org."""
    return Row(
        source_ip=address,
        count=count,
        disposition="none",
        dkim=dkim,
        spf=spf,
        header_from="example.org",
        reasons=(OverrideReason(reason),) if reason else (),
        dkim_auth=(DkimAuth(signer, "s1", "pass"),) if signer else (),
        spf_auth=(SpfAuth(envelope, "pass"),) if envelope else (),
    )


def digest(
    *rows: Row, policy: str = "none", names: dict[str, str] | None = None, own: str = ""
) -> DmarcDigest:
    """Digest one report with these rows."""
    report = Report(
        organization="Example Mail",
        email="dmarc@example.net",
        report_id="1",
        begin=20_000 * DAY,
        end=20_001 * DAY - 1,
        policy=PublishedPolicy(domain="example.org", p=policy),
        rows=rows,
    )
    networks = [ip_network(own)] if own else []
    (found,) = digest_dmarc([report], names or {}, networks)
    return found


ALIGNED = row(OWN, 900, dkim="pass", spf="pass", signer="example.org", envelope="example.org")


def test_a_service_is_named_by_its_envelope_and_told_how_to_align() -> None:
    """Mail of SendGrid under its own envelope is a service's, with the way to its settings."""
    found = digest(ALIGNED, row("198.51.100.7", 100, envelope="em.sendgrid.net"))
    service = found.sources[1]
    assert (service.name, service.standing) == ("Twilio SendGrid", Standing.SERVICE)
    advice = found.findings[0]
    assert advice.what == "100 of 100 messages from Twilio SendGrid do not pass"
    assert "em.sendgrid.net, not of example.org" in advice.why
    assert "Sender Authentication" in advice.fix


def test_a_source_is_named_by_its_confirmed_host_name() -> None:
    """A source that no signature names goes by the registered domain of its host name."""
    found = digest(row("198.51.100.7", 5), names={"198.51.100.7": "a12.out.example.net"})
    assert [source.name for source in found.sources] == ["example.net"]


def test_own_networks_are_one_source_that_has_to_sign() -> None:
    """Servers in one's own network that fail are told to sign and to stand in SPF."""
    found = digest(row("192.0.2.20", 7), row("192.0.2.21", 3), own="192.0.2.0/24")
    (source,) = found.sources
    assert source.standing is Standing.OWN
    assert "ip4:192.0.2.20 ip4:192.0.2.21" in found.findings[0].fix
    assert "pillarbox dkim new example.org" in found.findings[0].fix


def test_what_a_receiver_says_was_forwarded_is_not_blamed() -> None:
    """Mail that failed behind a mailing list is forwarded, and no advice is given about it."""
    found = digest(ALIGNED, row("203.0.113.9", 10, reason="mailing_list"), policy="reject")
    assert found.sources[1].standing is Standing.FORWARDED
    assert found.findings == ()


def test_the_cost_of_a_policy_adds_up() -> None:
    """Each message is counted once, under what a stricter policy would do to it."""
    found = digest(
        ALIGNED,
        row("198.51.100.7", 50, signer="mcsv.net"),
        row("203.0.113.9", 20, reason="trusted_forwarder"),
        row("203.0.113.99", 30),
    )
    cost = found.cost
    assert (cost.passed, cost.likely_yours, cost.forwarded, cost.unknown) == (900, 50, 20, 30)
    assert cost.total == found.total == 1000


@pytest.mark.parametrize(
    ("policy", "said"),
    [("none", "p=quarantine would have cost 0"), ("quarantine", "p=reject would have cost 0")],
)
def test_the_road_goes_on_when_own_mail_passes(policy: str, said: str) -> None:
    """When all own mail passes, the next step of the policy is named with its price."""
    last = digest(ALIGNED, row("203.0.113.99", 30), policy=policy).findings[-1]
    assert last.code == "PB-DIGEST-005"
    assert last.what.startswith(said)
    assert f"instead of p={policy}" in last.fix


def test_the_road_waits_while_own_mail_fails() -> None:
    """While a service's mail fails, a stricter policy is said to be too early."""
    last = digest(ALIGNED, row("198.51.100.7", 100, signer="mcsv.net")).findings[-1]
    assert last.code == "PB-DIGEST-004"
    assert "too early for p=quarantine" in last.what


def test_strangers_without_names_are_put_together_by_network() -> None:
    """Unknown addresses of one /24 are one source; a lone one keeps its address."""
    found = digest(row("203.0.113.1", 1), row("203.0.113.2", 2), row("198.51.100.9", 1))
    assert [source.name for source in found.sources] == ["203.0.113.0/24", "198.51.100.9"]


def test_strangers_text_cannot_leave_its_place_in_the_page() -> None:
    """What stands in a report is text in the page, whatever it is made of."""
    hostile = '"><script>alert(1)</script>'
    found = digest(row(OWN, 1, signer=hostile, envelope=hostile))
    page = render_dmarc([found], made_at=0)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """The page names no address to load anything from."""
    page = render_dmarc([digest(ALIGNED)], made_at=0)
    assert "http" not in page.replace("http-equiv", "")
    assert "src=" not in page


def test_known_senders_are_found_below_their_names_only() -> None:
    """A name below a service's belongs to it; one that only ends alike does not."""
    assert known_sender(["o1.ptr.sendgrid.net"]) is not None
    assert known_sender(["notsendgrid.net"]) is None
