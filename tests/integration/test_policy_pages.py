"""Our MTA-STS policies are shown as other mail servers fetch them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner
from tests.loopback import own_address
from tests.running_node import running_node

from pillarbox.cli.main import cli
from pillarbox.clock import SystemClock
from pillarbox.config.settings import (
    CertificateSettings,
    ListenerKind,
    ListenerSettings,
    MtaStsMode,
    NodeSettings,
    Settings,
    StsDomainSettings,
)
from pillarbox.deliver.sts import policy_fetcher
from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth.mta_sts import Mode, Policy, parse_policy, parse_record
from pillarbox.net.https import FetchFailed
from pillarbox.node import policy_pages
from pillarbox.node.policy_pages import PolicyPages, own_policy, own_record

AUTHORITY = trustme.CA()
HOST = "mx.example.test"


def certificate(folder: Path, *names: str) -> CertificateSettings:
    """Write a certificate, and return where it is."""
    leaf = AUTHORITY.issue_cert(*names)
    path, key = folder / "leaf.pem", folder / "leaf.key"
    leaf.cert_chain_pems[0].write_to_path(str(path))
    key.unlink(missing_ok=True)
    key.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(str(key))
    return CertificateSettings(certificate=path, key=key)


def settings(folder: Path, *names: str, **policies: StsDomainSettings) -> Settings:
    """Return a configuration with a certificate and policies."""
    return Settings(
        node=NodeSettings(directory=folder),
        listener={"mx": ListenerSettings(kind=ListenerKind.MX, bind=("127.0.0.1:0",))},
        certificate={"leaf": certificate(folder, *names)},
        sts_domain={f"{name}.test": each for name, each in policies.items()},
    )


@asynccontextmanager
async def shown(configured: Settings) -> AsyncIterator[tuple[PolicyPages, int]]:
    """Show the policies at a port."""
    sock = socket.create_server(("127.0.0.1", 0))
    pages = PolicyPages(configured, hostname=HOST, clock=SystemClock(), sockets=[sock])
    port = sock.getsockname()[1]
    await pages.start()
    try:
        yield pages, port
    finally:
        await pages.stop()


def trusting() -> ssl.SSLContext:
    """Return the context of who trusts our authority."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def fetched(domain: str, port: int) -> Policy:
    """Fetch a policy as we fetch those of others."""
    resolver = ZoneResolver(f"$TTL 60\nmta-sts.{domain}. A 127.0.0.1\n")
    fetch = policy_fetcher(resolver, trusting, port=port, allow_private=lambda: True)
    page = await fetch(domain)
    assert (page.status, page.content_type) == (200, "text/plain; charset=utf-8")
    return parse_policy(page.body)


def test_a_policy_is_fetched_as_it_is_configured(tmp_path: Path) -> None:
    """By who verifies the certificate for the policy host, with the defaults filled in."""
    one = StsDomainSettings()
    two = StsDomainSettings(mode=MtaStsMode.ENFORCE, mx=("*.two.test",), max_age=3_600.0)
    names = ("mta-sts.one.test", "mta-sts.two.test")

    async def main() -> None:
        async with shown(settings(tmp_path, *names, one=one, two=two)) as (_, port):
            found = await fetched("one.test", port)
            assert found == Policy(mode=Mode.TESTING, max_age=86_400, mx=(HOST,))
            found = await fetched("two.test", port)
            assert found == Policy(mode=Mode.ENFORCE, max_age=3_600, mx=("*.two.test",))

    asyncio.run(main())


def test_a_name_without_a_certificate_gets_none(tmp_path: Path) -> None:
    """A wrong certificate would look like an attack."""

    async def main() -> None:
        configured = settings(tmp_path, HOST, one=StsDomainSettings())
        async with shown(configured) as (_, port):
            with pytest.raises(FetchFailed):
                await fetched("one.test", port)

    asyncio.run(main())


def test_pages_follow_certificates_and_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that is renewed is shown; so is a policy after a reload."""
    monkeypatch.setattr(policy_pages, "_LOOK_EVERY", 0.02)

    async def main() -> None:
        configured = settings(tmp_path, HOST, one=StsDomainSettings())
        async with shown(configured) as (pages, port):
            with pytest.raises(FetchFailed):
                await fetched("one.test", port)
            enforced = StsDomainSettings(mode=MtaStsMode.ENFORCE)
            configured = settings(tmp_path, "mta-sts.one.test", one=enforced)
            await pages.use(configured, policy_pages.policy_pages(configured, HOST))
            async with asyncio.timeout(10):
                while True:
                    await asyncio.sleep(0.02)
                    try:
                        found = await fetched("one.test", port)
                    except FetchFailed:
                        continue
                    break
            assert found.mode is Mode.ENFORCE

    asyncio.run(main())


def test_a_node_shows_its_policies(tmp_path: Path) -> None:
    """From its configuration alone, beside its listeners, until it stops."""
    made = certificate(tmp_path, HOST, "mta-sts.one.test")
    configuration = tmp_path / "pillarbox.toml"
    configuration.write_text(
        f"""
        [node]
        hostname = "{HOST}"
        directory = "{tmp_path}/node"
        [store]
        url = "memory:"
        [https]
        bind = ["127.0.0.1:0"]
        [certificate.web]
        certificate = "{made.certificate}"
        key = "{made.key}"
        [sts_domain."one.test"]
        mode = "enforce"
        [listener.mx]
        kind = "mx"
        bind = ["127.0.0.1:0"]
        [domain."one.test"]
        recipients = ["ann"]
        """
    )
    with running_node(configuration, []) as node:
        (sock,) = node.certificates._policies._sockets
        port = sock.getsockname()[1]
        found = asyncio.run(fetched("one.test", port))
        assert found == Policy(mode=Mode.ENFORCE, max_age=14 * 86_400, mx=(HOST,))
    with pytest.raises(FetchFailed):
        asyncio.run(fetched("one.test", port))


def test_the_record_is_another_when_the_policy_is() -> None:
    """Others fetch a policy anew when its id has changed, and not otherwise (RFC 8461 §3.1)."""
    testing, enforced = (
        own_record(own_policy(StsDomainSettings(mode=mode), HOST))
        for mode in (MtaStsMode.TESTING, MtaStsMode.ENFORCE)
    )
    assert testing != enforced
    assert testing == own_record(own_policy(StsDomainSettings(), HOST))
    assert parse_record([str(testing).encode()]) == testing


def test_the_command_says_what_to_publish_and_what_is_seen(tmp_path: Path) -> None:
    """With --check it names what others do not see, and how to mend it."""
    configuration, zone = tmp_path / "pillarbox.toml", tmp_path / "zone"
    configuration.write_text(
        f'[node]\nhostname = "{HOST}"\ndirectory = "{tmp_path}"\n[sts_domain."one.test"]\n'
    )

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["--config", str(configuration), "mta-sts", *words])
        return result.exit_code, result.stdout

    code, printed = run("one.test")
    record = next(
        line for line in printed.splitlines() if line.startswith("_mta-sts.one.test. TXT")
    )
    assert code == 0
    assert run("two.test")[0] == 1
    zone.write_text(
        f"$TTL 60\n{record}\none.test. MX 10 other.test.\nmta-sts.one.test. A {own_address()}\n"
    )
    code, printed = run("--check", "--private", "--zone", str(zone))
    assert code == 1
    found = (re.match(r"(\w+) .*?(PB-STS-\d+)$", line) for line in printed.splitlines())
    assert [line.groups() for line in found if line is not None] == [
        ("ok", "PB-STS-000"),
        ("warning", "PB-STS-003"),
        ("warning", "PB-STS-005"),
    ]
    assert "does not name other.test" in printed
