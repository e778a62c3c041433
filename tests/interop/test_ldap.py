"""Users of a directory server: Debian's slapd, by search and bind, and by a DN made of the name."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from tests.peers import require

from pillarbox.access.answers import Admitted, Answer
from pillarbox.access.sources.ldap import LdapDirectory
from pillarbox.config.settings import SourceKind, SourceSettings
from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.claims import PasswordClaim

BASE = "dc=local,dc=test"
PASSWORD = "pässword, of ann"
_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {folder}/chain.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw adminpw
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,{base}" read by self read by * none
"""
_ENTRIES = """\
dn: {base}
objectClass: dcObject
objectClass: organization
o: local
dc: local

dn: cn=reader,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: readerpw

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,{base}
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Doe
mail: ann@local.test
userPassword: {password}

dn: uid=bob,ou=people,{base}
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Roe
mail: bob@local.test
mail: shared@local.test
userPassword: bobpw

dn: uid=carl,ou=people,{base}
objectClass: inetOrgPerson
uid: carl
cn: Carl
sn: Moe
mail: shared@local.test
userPassword: carlpw
"""


@dataclass(frozen=True)
class Slapd:
    """A directory server that runs."""

    plain: str
    tls: str
    ca: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """Start slapd with three people."""
    require("slapd", "slapadd")
    folder = tmp_path_factory.mktemp("slapd")
    (folder / "data").mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(folder / "chain.pem", append=True)
    config = folder / "slapd.conf"
    config.write_text(_CONFIG.format(folder=folder, base=BASE))
    entries = folder / "entries.ldif"
    entries.write_text(_ENTRIES.format(base=BASE, password=PASSWORD), encoding="utf-8")
    environment = {**os.environ, "LDAPNOINIT": "1"}
    ldif = subprocess.run(
        ["slapadd", "-f", str(config), "-l", str(entries)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ldif.returncode == 0, ldif.stderr.decode()
    plain, tls = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}"
    process = subprocess.Popen(["slapd", "-d", "0", "-f", str(config), "-h", urls], env=environment)
    try:
        for port in (plain, tls):
            _wait_for(port)
        yield Slapd(
            f"ldap://localhost:{plain}", f"ldaps://localhost:{tls}", folder / "ca.pem", process
        )
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def searching(server: Slapd, **changes: object) -> SourceSettings:
    """Return settings by which the user is searched for first."""
    settings = SourceSettings(
        kind=SourceKind.LDAP,
        url=server.tls,
        ca=server.ca,
        timeout=2.0,
        bind_dn=f"cn=reader,{BASE}",
        bind_password="readerpw",
        search_base=f"ou=people,{BASE}",
        identity_attribute="mail",
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def direct(server: Slapd, **changes: object) -> SourceSettings:
    """Return settings by which the DN is made of the user name."""
    settings = SourceSettings(
        kind=SourceKind.LDAP,
        url=server.plain,
        ca=server.ca,
        timeout=2.0,
        start_tls=True,
        bind_dn=f"uid={{user}},ou=people,{BASE}",
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def asked(settings: SourceSettings, *logins: tuple[str, str]) -> list[str]:
    """Return who is let in for each login, or why nobody is."""

    async def judge(source: LdapDirectory, user: str, password: str) -> Answer:
        claim = PasswordClaim("", user, password)
        return source.at_once(claim) or await source.judge(claim)

    async def main() -> list[Answer]:
        source = LdapDirectory("corp", settings)
        try:
            return [await judge(source, *login) for login in logins]
        finally:
            source.close()

    answers = asyncio.run(main())
    for (_, password), answer in zip(logins, answers, strict=True):
        assert not password or password not in repr(answer)
    return [
        answer.identity if isinstance(answer, Admitted) else answer.cause.value
        for answer in answers
    ]


def test_search_then_bind_over_ldaps(slapd: Slapd) -> None:
    """The entry is found by its address, its password decides, and its attribute names it."""
    logins = (
        ("ann@local.test", PASSWORD),
        ("ann@local.test", "not hers"),
        ("nobody@local.test", PASSWORD),
        ("shared@local.test", "carlpw"),
    )
    assert asked(searching(slapd), *logins) == [
        "ann@local.test",
        "wrong_secret",
        "unknown_user",
        "wrong_secret",  # two entries fit
    ]


def test_direct_bind_with_starttls(slapd: Slapd) -> None:
    """The DN is made of the user name; who it is can be read from its own entry."""
    assert asked(direct(slapd), ("ann", PASSWORD), ("ann", "not hers"), ("eve", "none")) == [
        "ann",
        "wrong_secret",
        "wrong_secret",  # a server does not say whether the DN exists
    ]
    named = direct(slapd, identity_attribute="mail")
    assert asked(named, ("ann", PASSWORD)) == ["ann@local.test"]


@pytest.mark.parametrize(
    "user",
    [
        "*",
        "*)(uid=*",
        "ann@local.test)(|(uid=*",
        "a*@local.test",
        "ann@local.test\0",
        "\\2a",
        "'--",
    ],
)
def test_a_user_name_is_only_a_value_in_a_filter(slapd: Slapd, user: str) -> None:
    """No user name finds an entry but by being its address."""
    assert asked(searching(slapd), (user, PASSWORD)) == ["unknown_user"]


@pytest.mark.parametrize(
    "user",
    [f"ann,ou=people,{BASE}", "ann+cn=Ann", "ann,", "#616e6e", f"x,uid=ann,ou=people,{BASE}", ""],
)
def test_a_user_name_is_only_a_value_in_a_dn(slapd: Slapd, user: str) -> None:
    """No user name adds to the DN that is bound as."""
    assert asked(direct(slapd), (user, PASSWORD))[0] in {"wrong_secret", "empty_secret"}


def test_an_empty_password_is_never_sent(slapd: Slapd) -> None:
    """A server would take it for an anonymous bind, and say yes (RFC 4513 §5.1.2)."""
    for settings in (direct(slapd), searching(slapd)):
        assert asked(settings, ("ann", ""), ("ann@local.test", "\0")) == ["empty_secret"] * 2


def test_a_server_that_cannot_be_trusted_is_down(slapd: Slapd, tmp_path: Path) -> None:
    """A certificate of another authority, or for another name, gets no password."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    login = ("ann@local.test", PASSWORD)
    assert asked(searching(slapd, ca=other), login) == ["source_down"]
    assert asked(direct(slapd, ca=other), login) == ["source_down"]
    by_address = slapd.tls.replace("localhost", "127.0.0.1")
    assert asked(searching(slapd, url=by_address), login) == ["source_down"]


def test_a_reader_that_may_not_read_is_a_source_that_is_down(slapd: Slapd) -> None:
    """Our own wrong password never looks like the client's."""
    settings = searching(slapd, bind_password="wrong")
    assert asked(settings, ("ann@local.test", PASSWORD)) == ["source_down"]


@contextmanager
def silent_server() -> Iterator[str]:
    """Take connections, and say nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        held: list[socket.socket] = []
        is_over = threading.Event()

        def hold() -> None:
            listener.settimeout(0.05)
            while not is_over.is_set():
                try:
                    held.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()
            for sock in held:
                sock.close()


def test_a_server_that_is_silent_or_gone_is_down_in_time(slapd: Slapd) -> None:
    """Nobody is refused for good, and the answer comes within the time-out."""
    login = ("ann@local.test", PASSWORD)
    gone = searching(slapd, url=f"ldap://127.0.0.1:{free_port()}", start_tls=False)
    assert asked(gone, login) == ["source_down"]
    with silent_server() as url:
        began = time.monotonic()
        silent = searching(slapd, url=url, start_tls=False, timeout=0.3)
        assert asked(silent, login) == ["source_down"]
        assert time.monotonic() - began < 5.0


def test_a_url_that_is_none_is_an_error() -> None:
    """What cannot be asked is found when the node starts."""
    settings = SourceSettings(kind=SourceKind.LDAP, url="ldap://host:port", bind_dn="{user}")
    with pytest.raises(PermanentError, match=r"auth_source\.corp"):
        LdapDirectory("corp", settings)
