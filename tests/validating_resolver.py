"""A real validating resolver (unbound) on loopback, over a zone that is signed here."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from tests.loopback import own_address
from tests.peers import require

PORT = 5353
_LIFETIME = 86_400  # seconds that a signature counts
_CONFIGURATION = """
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{folder}/log"
  interface: {address}@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-daemonize: no
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/anchor"
  local-zone: "test." nodefault
  do-not-query-localhost: no
remote-control:
  control-enable: no
{zones}
"""
_ZONE = """
auth-zone:
  name: "{name}"
  zonefile: "{folder}/{name}zone"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
"""


@contextmanager
def unbound(
    folder: Path,
    *,
    signed: dict[str, str],
    plain: dict[str, str] | None = None,
    forged: dict[str, str] | None = None,
) -> Iterator[str]:
    """Run unbound over zones by name; yield ``ADDRESS:PORT``.

    Args:
        folder: Where it may write.
        signed: Zones that are signed as their trust anchor says.
        plain: Zones that are not signed.
        forged: Zones that are signed with another key than their trust anchor says.
    """
    require("unbound")
    plain, forged = plain or {}, forged or {}
    anchors = [_sign(folder, name, text) for name, text in signed.items()]
    for name, text in forged.items():
        anchors.append(_sign(folder, name, text))
        _sign(folder, name, text)  # again, with a new key
    for name, text in plain.items():
        (folder / f"{name}zone").write_text(text)
    (folder / "anchor").write_text("".join(anchors))
    names = (*signed, *plain, *forged)
    zones = "".join(_ZONE.format(name=name, folder=folder) for name in names)
    address = own_address()
    path = folder / "unbound.conf"
    path.write_text(_CONFIGURATION.format(folder=folder, address=address, port=PORT, zones=zones))
    with subprocess.Popen(["unbound", "-d", "-c", path], stderr=subprocess.PIPE) as process:
        try:
            _wait(address, names[0])
            yield f"{address}:{PORT}"
        finally:
            process.terminate()


def _sign(folder: Path, name: str, text: str) -> str:
    """Write a signed zone; return its trust anchor."""
    zone = dns.zone.from_text(text, dns.name.from_text(name), relativize=False)
    key = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(
        key.public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257
    )
    with zone.writer() as writer:
        dns.dnssec.sign_zone(
            zone, writer, keys=[(key, public)], lifetime=_LIFETIME, add_dnskey=True, dnskey_ttl=60
        )
    zone.to_file(folder / f"{name}zone", relativize=False)
    return f"{name} 60 IN DNSKEY {public.to_text()}\n"


def _wait(address: str, name: str) -> None:
    query = dns.message.make_query(name, "SOA")
    deadline = time.monotonic() + 15
    while True:
        try:
            dns.query.udp(query, address, port=PORT, timeout=0.3)
        except (OSError, dns.exception.Timeout):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
