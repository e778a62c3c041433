"""Two nodes, with a real validating resolver between them and somebody in the path.

Alpha signs what its user submits and delivers it to beta, whose listener judges it, and who
shows its MTA-STS policy itself. Both ask unbound, over a zone that is signed here. Their
sessions pass through a proxy that can be told to attack.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import trustme
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.loopback import own_address
from tests.peers import require, require_root
from tests.receiving import any_certificate
from tests.running_node import running_node
from tests.validating_resolver import unbound

from pillarbox.cli.main import cli
from pillarbox.events.types import (
    AttemptMade,
    Event,
    MessageAccepted,
    MessageJudged,
    RecipientDeferred,
    RecipientDelivered,
    StsPolicyFetched,
    TlsSessionMade,
)
from pillarbox.node.node import Node

E = TypeVar("E", bound=Event)
PORT = 2525  # of the mail exchangers
ALPHA = """
[node]
hostname = "mail.alpha.test"
directory = "{folder}/alpha"
[dns]
servers = ["{dns}"]
trust_ad = true
[delivery]
tls_ca = "{folder}/ca.pem"
sts_allow_private = true
[listener.in]
kind = "submission"
bind = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.1"]
[route.out]
kind = "mx"
recipients = ["*"]
port = {port}
source = "{source}"
allow_private = true
"""
BETA = """
[node]
hostname = "mx.beta.test"
directory = "{folder}/beta"
[dns]
servers = ["{dns}"]
trust_ad = true
[tls]
certificate = "{folder}/beta.pem"
key = "{folder}/beta.key"
[certificate.policy]
certificate = "{folder}/policy.pem"
key = "{folder}/policy.key"
[https]
bind = ["{pages}:443"]
[sts_domain."sts.test"]
mode = "enforce"
mx = ["mx.sts.test"]
[verify]
except_networks = []
dmarc = "reject"
[listener.mx]
kind = "mx"
bind = ["{address}:{port}"]
[domain."dane.test"]
recipients = ["bob"]
route = "mail"
[domain."sts.test"]
recipients = ["bob"]
route = "mail"
[route.mail]
kind = "maildir"
path = "{folder}/mail/{{domain}}"
"""
ZONE = """$TTL 60
@ SOA ns h 1 2 3 4 5
@ NS ns
ns A 127.0.0.1
mail.alpha A {source}
alpha MX 10 mail.alpha
alpha TXT "v=spf1 ip4:{source} -all"
_dmarc.alpha TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
dane MX 10 mx.dane
mx.dane A {proxy}
_{port}._tcp.mx.dane TLSA 3 1 1 {digest}
sts MX 10 mx.sts
mx.sts A {proxy}
_mta-sts.sts TXT "v=STSv1; id=1;"
mta-sts.sts A {pages}
"""
CONTENT = (
    b"From: Ann <ann@alpha.test>\r\nTo: bob@example.test\r\nSubject: Hello\r\n"
    b"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@alpha.test>\r\n\r\nHello, Bob.\r\n"
)


@dataclass(slots=True)
class Exchange:
    """Two nodes that run, and what is between them."""

    folder: Path
    alpha: Node
    sent: list[Event]  # what alpha tells
    received: list[Event]  # what beta tells
    proxy: FaultProxy

    def submit(self, domain: str, *parameters: str, content: bytes = CONTENT) -> None:
        """Give alpha a message for Bob."""
        host, port = self.alpha.receiver.addresses["in"][0]
        with smtplib.SMTP(host, port) as client:
            client.starttls(context=any_certificate())
            client.sendmail("ann@alpha.test", [f"bob@{domain}"], content, parameters)

    def retry(self) -> None:
        """Have what waits at alpha tried again, as soon as it is known to wait."""
        deadline = time.monotonic() + 20
        words = ("queue", "retry", "--all", "--yes")
        while run(self.folder / "alpha.toml", *words).exit_code:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def run(configuration: Path, *words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, ["--config", str(configuration), *words], prog_name="pillarbox")


def wait_for(events: list[Event], kind: type[E]) -> E:
    """Return the first event of a type; wait for it."""
    deadline = time.monotonic() + 20
    while True:
        for event in list(events):
            if isinstance(event, kind):
                return event
        assert time.monotonic() < deadline, events
        time.sleep(0.01)


def show(folder: Path, name: str, leaf: trustme.LeafCert) -> None:
    """Write a certificate for beta to show."""
    (folder / f"{name}.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (folder / f"{name}.key").touch(mode=0o600)
    (folder / f"{name}.key").write_bytes(leaf.private_key_pem.bytes())


def certificates(folder: Path) -> tuple[str, ssl.SSLContext]:
    """Write beta's certificates; return the digest of the first, and an impostor's TLS."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert("mx.sts.test", "mx.dane.test")
    show(folder, "beta", leaf)
    show(folder, "policy", authority.issue_cert("mta-sts.sts.test"))
    impostor = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.issue_cert("mx.sts.test", "mx.dane.test").configure_cert(impostor)
    key = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest(), impostor


def signing_records(configuration: Path, zone: Path) -> str:
    """Make alpha's keys and let them sign; return their records."""
    run(configuration, "dkim", "new", "alpha.test")
    records = run(configuration, "dkim", "dns", "alpha.test").stdout
    text = "".join(re.findall(r"^[^;\n].*\n", records, re.MULTILINE))
    zone.write_text(text)
    assert not run(configuration, "dkim", "rotate", "alpha.test", "--zone", str(zone)).exit_code
    return text


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """Alpha and beta are up."""
    require("unbound")
    require_root("serve a policy at port 443")
    source, proxied, beta_address, pages = (own_address() for _ in range(4))
    digest, impostor = certificates(tmp_path)
    alpha, beta = tmp_path / "alpha.toml", tmp_path / "beta.toml"
    places = {
        "folder": tmp_path,
        "port": PORT,
        "source": source,
        "address": beta_address,
        "pages": pages,
    }
    alpha.write_text(ALPHA.format(dns="127.0.0.1", **places))
    records = signing_records(alpha, tmp_path / "keys")
    zone = ZONE.format(port=PORT, source=source, proxy=proxied, pages=pages, digest=digest)
    with ExitStack() as stack:
        dns = stack.enter_context(unbound(tmp_path, signed={"test.": zone + records}))
        alpha.write_text(ALPHA.format(dns=dns, **places))
        beta.write_text(BETA.format(dns=dns, **places))
        upstream = (beta_address, PORT)
        proxy = stack.enter_context(fault_proxy((proxied, PORT), upstream, impostor))
        sent: list[Event] = []
        received: list[Event] = []
        stack.enter_context(running_node(beta, received))
        node = stack.enter_context(running_node(alpha, sent))
        yield Exchange(tmp_path, node, sent, received, proxy)


BY = pytest.mark.parametrize(
    ("domain", "policy"), [("dane.test", "tlsa"), ("sts.test", "sts")], ids=["dane", "mta-sts"]
)


@BY
def test_mail_of_one_node_passes_everything_at_another(
    exchange: Exchange, domain: str, policy: str
) -> None:
    """It arrives over TLS that was verified, and SPF, DKIM and DMARC pass and are recorded."""
    exchange.submit(domain)
    wait_for(exchange.sent, RecipientDelivered)
    session = wait_for(exchange.sent, TlsSessionMade)
    assert (session.destination, session.policy, session.result) == (domain, policy, "")
    fetched = [each.mode for each in exchange.sent if isinstance(each, StsPolicyFetched)]
    assert fetched == (["enforce"] if policy == "sts" else [])
    judged = wait_for(exchange.received, MessageJudged)
    assert judged.spf == "pass alpha.test"
    assert [each.split()[:2] for each in judged.dkim] == [["pass", "alpha.test"]] * 2
    assert judged.dmarc.startswith("pass")
    assert wait_for(exchange.received, MessageAccepted).tls.startswith("TLSv1.3")
    wait_for(exchange.received, RecipientDelivered)
    (kept,) = (exchange.folder / "mail" / domain / "new").iterdir()
    results = re.search(
        rb"Authentication-Results: mx\.beta\.test;(.*\n(?:[ \t].*\n)*)", kept.read_bytes()
    )
    assert results is not None
    for method in (b"spf=pass", b"dkim=pass", b"dmarc=pass"):
        assert method in results[1]


@BY
@pytest.mark.parametrize(
    "fault",
    [
        Fault.STRIP,
        pytest.param(Fault.REFUSE, marks=pytest.mark.slow),
        pytest.param(Fault.GARBLE, marks=pytest.mark.slow),
        Fault.IMPERSONATE,
    ],
)
def test_mail_waits_while_somebody_in_the_path_attacks(
    exchange: Exchange, domain: str, policy: str, fault: Fault
) -> None:
    """Without the TLS that was promised nothing is sent but EHLO, and later it arrives."""
    exchange.proxy.fault = fault
    exchange.submit(domain)
    wait_for(exchange.sent, RecipientDeferred)
    session = wait_for(exchange.sent, TlsSessionMade)
    assert (session.policy, bool(session.result)) == (policy, True)
    said = b"".join(exchange.proxy.overheard).split(b"\r\n")
    assert {line[:4] for line in said} <= {b"EHLO", b"STAR", b"QUIT", b""}
    exchange.proxy.fault = Fault.NONE
    exchange.retry()
    wait_for(exchange.sent, RecipientDelivered)
    assert wait_for(exchange.received, MessageJudged).dmarc.startswith("pass")


@BY
def test_requiretls_is_passed_on(exchange: Exchange, domain: str, policy: str) -> None:
    """RFC 8689 §4.2.1: over TLS that is verified, to who offers it."""
    del policy
    exchange.submit(domain, "REQUIRETLS")
    wait_for(exchange.sent, RecipientDelivered)
    attempt = wait_for(exchange.sent, AttemptMade).conversation
    assert [line for line in attempt if line.startswith("> MAIL") and "REQUIRETLS" in line]


@BY
def test_mail_that_does_not_require_tls_arrives_in_spite_of_an_attack(
    exchange: Exchange, domain: str, policy: str
) -> None:
    """RFC 8689 §4.2.2: its sender would rather have it read than have it wait."""
    del policy
    exchange.proxy.fault = Fault.STRIP
    exchange.submit(domain, content=b"TLS-Required: No\r\n" + CONTENT)
    wait_for(exchange.sent, RecipientDelivered)
    assert wait_for(exchange.received, MessageAccepted).tls == ""
    assert b"".join(exchange.proxy.overheard).count(b"Hello, Bob.") == 1
