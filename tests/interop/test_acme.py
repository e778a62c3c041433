"""Certificates from a real ACME server (pebble), by http-01 and by dns-01."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from tests.loopback import own_address

from pillarbox.acme.wanted import Wanted
from pillarbox.config.settings import (
    AcmeChallenge,
    AcmeSettings,
    CertificateSettings,
    ListenerKind,
    ListenerSettings,
    NodeSettings,
    RouteKind,
    RouteSettings,
    Settings,
    StoreSettings,
)
from pillarbox.events.types import CertificateFetched, CertificateNotFetched, Event
from pillarbox.node.node import Node

PEBBLE = "pebble"
NAME = "mail.example.org"


@dataclass
class Pebble:
    """An authority for tests, and the DNS that it believes."""

    directory: str
    ca: Path
    address: str
    http_port: int


def program(name: str) -> str:
    """Return where a program is, or skip the test by name."""
    found = shutil.which(name) or shutil.which(f"/var/cache/pillarbox-peers/usr/bin/{name}")
    if found is None:
        pytest.skip(f"{name} is not installed (scripts/install-peers.sh)")
    return found


def wait_for(address: str, port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"nobody listens on {address}:{port}")


@pytest.fixture
def pebble(tmp_path: Path) -> Iterator[Pebble]:
    """Run pebble with a DNS of its own, on an address of its own."""
    authority, dns = program("pebble"), program("pebble-challtestsrv")
    address = own_address()
    ca = trustme.CA()
    issued = ca.issue_cert(address)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    config = {
        "pebble": {
            "listenAddress": f"{address}:14000",
            "managementListenAddress": f"{address}:15000",
            "certificate": str(tmp_path / "cert.pem"),
            "privateKey": str(tmp_path / "key.pem"),
            "httpPort": 5002,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
    }
    (tmp_path / "pebble.json").write_text(json.dumps(config))
    nothing = ("-http01", "", "-https01", "", "-tlsalpn01", "")
    commands = (
        [dns, *nothing, "-dns01", f"{address}:8053", "-management", f"{address}:8055",
         "-defaultIPv4", address, "-defaultIPv6", ""],
        [authority, "-config", str(tmp_path / "pebble.json"), "-dnsserver", f"{address}:8053",
         "-strict"],
    )  # fmt: skip
    environ = {
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": "0",
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((tmp_path / "pebble.log").open("wb"))
        for command in commands:
            process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
        wait_for(address, 14000)
        wait_for(address, 8055)
        yield Pebble(f"https://{address}:14000/dir", tmp_path / "ca.pem", address, 5002)


def settings(directory: Path, address: str, acme: AcmeSettings) -> Settings:
    """Return a node with one listener, whose certificate is to be fetched."""
    return Settings(
        node=NodeSettings(hostname=NAME, directory=directory),
        store=StoreSettings(url="memory:"),
        acme=acme,
        certificate={"mail": CertificateSettings(names=(NAME, "smtp.example.org"))},
        listener={
            "mx": ListenerSettings(kind=ListenerKind.MX, bind=(f"{address}:2525",)),
        },
        route={"out": RouteSettings(kind=RouteKind.DISCARD, recipients=("*",))},
    )


async def first_of(
    node: Node, events: list[Event], kinds: tuple[type[Event], ...], seconds: float = 30.0
) -> Event:
    """Run a node until it tells of one of some kinds of events, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for event in events:
            if isinstance(event, kinds):
                return event
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing came of {node.settings.certificate}")


def issuer_shown(address: str) -> str:
    """Return who issued the certificate that a client is shown after STARTTLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, 2525), 10) as sock:
        sock.recv(1024)
        sock.sendall(b"EHLO client\r\n")
        sock.recv(1024)
        sock.sendall(b"STARTTLS\r\n")
        assert sock.recv(1024).startswith(b"220")
        with context.wrap_socket(sock, server_hostname=NAME) as tls:
            shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    text = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-issuer", "-ext", "subjectAltName"],
        input=shown, capture_output=True, check=True,
    )  # fmt: skip
    return text.stdout.decode()


async def fetch(wanted: Settings, address: str) -> tuple[Event, str]:
    """Start a node, wait for its certificate, and look at what it shows then."""
    events: list[Event] = []
    node = Node(wanted, log=lambda event, _: events.append(event))
    await node.start()
    try:
        found = await first_of(node, events, (CertificateFetched, CertificateNotFetched))
        shown = await asyncio.to_thread(issuer_shown, address)
    finally:
        await node.stop("the test is over")
    return found, shown


def test_a_certificate_is_fetched_by_http(pebble: Pebble, tmp_path: Path) -> None:
    """A node without a certificate has one of the authority's minutes later, and shows it."""
    acme = AcmeSettings(
        directory=pebble.directory,
        agree=True,
        contact="postmaster@example.org",
        http_bind=(f"{pebble.address}:{pebble.http_port}",),
        ca=pebble.ca,
    )
    directory = tmp_path / "node"
    found, shown = asyncio.run(fetch(settings(directory, pebble.address, acme), pebble.address))
    assert isinstance(found, CertificateFetched), found
    assert "Pebble" in shown
    assert f"DNS:{NAME}, DNS:smtp.example.org" in shown
    assert (directory / "acme/mail.key").stat().st_mode & 0o077 == 0
    files = (NAME,), directory / "acme/mail.pem", directory / "acme/mail.key"
    assert Wanted("mail", *files).due_at(30 * 86_400) > time.time()


def test_a_certificate_is_fetched_by_dns(pebble: Pebble, tmp_path: Path) -> None:
    """The hook is called to set the record and to clear it; the account is used again."""
    hook = tmp_path / "hook"
    hook.write_text(
        "#!/bin/sh\n"
        f'echo "$1 $2" >> {tmp_path}/calls\n'
        f'exec curl -fsS -d \'{{"host": "\'"$2"\'.", "value": "\'"$3"\'"}}\' '
        f"http://{pebble.address}:8055/$1-txt\n"
    )
    hook.chmod(0o700)
    acme = AcmeSettings(
        directory=pebble.directory,
        agree=True,
        challenge=AcmeChallenge.DNS,
        dns_hook=hook,
        ca=pebble.ca,
    )
    wanted = settings(tmp_path / "node", pebble.address, acme)
    for _ in range(2):
        found, shown = asyncio.run(fetch(wanted, pebble.address))
        assert isinstance(found, CertificateFetched), found
        assert "Pebble" in shown
        (tmp_path / "node/acme/mail.pem").unlink()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert {"set _acme-challenge.mail.example.org", "clear _acme-challenge.mail.example.org"} <= {
        *calls
    }


def test_what_the_authority_refuses_is_told(pebble: Pebble, tmp_path: Path) -> None:
    """Nobody answers on the authority's port: the event says so, and mail flows meanwhile."""
    acme = AcmeSettings(
        directory=pebble.directory, agree=True, http_bind=("127.0.0.1:0",), ca=pebble.ca
    )
    wanted = settings(tmp_path / "node", pebble.address, acme)
    found, shown = asyncio.run(fetch(wanted, pebble.address))
    assert isinstance(found, CertificateNotFetched)
    assert NAME in found.reason or "smtp.example.org" in found.reason
    assert "refused" in found.reason
    assert found.next_attempt_at > found.at
    assert "Pebble" not in shown
