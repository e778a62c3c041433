"""The check: settings that do not fit the world or each other, each with reason and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load
from pillarbox.findings import Finding, Level

LDAP = "[auth_source.l]\nkind='ldap'\nurl='ldap://192.0.2.1'\nbind_dn='uid={user}'\n"
SCRAM = "[auth]\nmechanisms=['SCRAM-SHA-256']\n"
JWKS = "[auth_source.s]\nkind='jwks'\nissuer='https://sso.example.org'\naudiences=['smtp']\n"
LISTENER = "[listener.in]\nkind='submission'\nbind=['127.0.0.1:2525']\n"
TRUSTED = LISTENER + "trusted_networks=['127.0.0.1']\n"
OUT = "[route.out]\nkind='mx'\nrecipients=['*']\n"
RELAY = "[route.out]\nkind='smarthost'\nhost='relay.test:587'\n"
MX = "[listener.in]\nkind='mx'\nbind=['127.0.0.1:25']\n"
LOCAL = "[domain.'example.org']\nrecipients=['postmaster']\nroute='out'\n"


def checked(tmp_path: Path, text: str) -> tuple[Finding, ...]:
    path = tmp_path / "pillarbox.toml"
    path.write_text(f"[node]\ndirectory='{tmp_path}'\n{text}")
    return check(load(path, {}))


def codes(tmp_path: Path, text: str) -> set[int]:
    found = checked(tmp_path, text)
    assert all(each.why and each.fix for each in found), "every finding has a reason and a remedy"
    return {int(each.code.removeprefix("PB-CONFIG-")) for each in found}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is on a machine that knows its full name."""
    monkeypatch.setattr("socket.getfqdn", lambda: "mail.example.org")


def test_a_machine_without_a_full_name_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends to the world must greet with a full name."""
    monkeypatch.setattr("socket.getfqdn", lambda: "localhost")
    assert codes(tmp_path, TRUSTED + OUT) == {19}
    relay = TRUSTED + "[route.out]\nkind='smarthost'\nhost='h:587'\nrecipients=['*']\n"
    assert codes(tmp_path, relay) == set()


@pytest.mark.parametrize("text", [TRUSTED + OUT, MX + LOCAL + OUT])
def test_sound_configurations_pass(tmp_path: Path, text: str) -> None:
    """A relay and a mail exchanger have nothing to complain about."""
    assert checked(tmp_path, text) == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[auth]\nmechanisms=['PLAIN', 'DIGEST-MD5']", 90),
        (f"{RELAY}mechanisms=['NTLM']", 90),
        ("[auth]\nmechanisms=['XOAUTH2', 'PLAIN']", 97),
        ("[auth_source.id]\nkind='jwks'\nissuer='https://id.test'", 98),
        ("[auth]\nmechanisms=['CRAM-MD5']", 91),
        ("[auth]\nmechanisms=['SCRAM-SHA-256-PLUS', 'PLAIN']", 92),
        (f"{RELAY}user='u'\npassword='p'\ntoken_file='/t'", 93),
        (f"{RELAY}user='u'\ntoken_file='/t'\nmechanisms=['PLAIN']", 94),
        (f"{RELAY}token_file='/t'", 47),
        (f"{RELAY}user='u'\ntoken_client='c'\ntoken_url='http://id.test/token'", 95),
        (f"{RELAY}user='u'\ntoken_client='c'\ntoken_url='https:///token'", 95),
        (f"{RELAY}user='u'\ntoken_client='c'\ntoken_url='https://[/token'", 95),
        (f"{RELAY}user='u'\ntoken_url='https://id.test/token'", 96),
        (f"{RELAY}user='u'\ntoken_client='c'\ntoken_file='/t'\ntoken_url='https://i.test/'", 93),
        (f"{RELAY}user='u'\ntoken_file='/t'\ntls='may'", 48),
        ("[node]\nshard = 1024", 20),
        ("[node]\nhostname = 'a_b..c'", 21),
        ("", 22),
        ("[listener.in]\nkind='mx'\nbind=[]", 23),
        ("[listener.in]\nkind='mx'\nbind=['localhost:25']", 24),
        ("[listener.in]\nkind='mx'\nbind=['127.0.0.1']", 24),
        ("[listener.in]\nkind='mx'\nbind=['127.0.0.1:99999']", 24),
        (MX + "[listener.b]\nkind='mx'\nbind=['127.0.0.1:25']", 25),
        (LISTENER + "trusted_networks=['10.0.0.1/8']", 26),
        (LISTENER + "trusted_networks=['0.0.0.0/0']", 27),
        (LISTENER + "trusted_networks=['0.0.0.0/1']", 27),
        (LISTENER + "trusted_networks=['8.8.8.0/24']", 27),
        (LISTENER + "trusted_networks=['::/0']", 27),
        (MX + "normalize_line_ends=true", 28),
        (MX, 29),
        (LISTENER + OUT + "[auth]\nsources=['file']", 30),
        ("[auth]\nsources=['ldap']", 150),
        ("[auth]\nsources=['store']\n" + LDAP, 151),
        ("[auth]\nkey='short'", 152),
        (SCRAM + "[store]\nurl='postgresql://db/x'", 153),
        ("[auth]\nmechanisms=['CRAM-MD5']", 154),
        ("[auth_source.sso]\nkind='jwks'\nissuer='https://sso.example.org'", 155),
        ("[auth_source.l]\nkind='ldap'\nurl='ldaps://x'\nbind_dn='cn=ann'", 156),
        ("[auth_source.l]\nkind='ldap'\nurl='http://x'\nbind_dn='{user}'", 157),
        (LDAP + "start_tls=false", 158),
        (LDAP + "[owner.o]\ncredentials=['ann']\nsenders=['@example.org']", 162),
        (JWKS + "algorithms=['HS256']", 159),
        (JWKS + "url='http://sso.example.org/keys'", 160),
        ("[auth_source.s]\nkind='introspection'\nurl='https://x'\nclient_id='a'", 161),
        ("[listener.in]\nkind='submission'\nbind=['0.0.0.0:587']\nrequire_auth=false", 31),
        ("[limits]\nrecipients=50", 32),
        ("[limits]\nconnections=0", 33),
        (OUT + "[domain.localhost]\nrecipients=['a']\nroute='out'", 34),
        (OUT + "[domain.'example.org']\nrecipients=['a']\nroute='outt'", 35),
        (OUT + "[domain.'example.org']\nroute='out'", 36),
        (OUT + LOCAL + "subaddress_separator='++'", 37),
        ("[node]\npostmaster='ann'", 38),
        (OUT + "[domain.'example.org']\nrecipients=['a']\nroute='out'", 39),
        (TRUSTED, 40),
        (OUT + "[route.b]\nkind='mx'\nrecipients=['example.org']", 41),
        ("[route.a]\nkind='smarthost'", 42),
        ("[route.a]\nkind='lmtp'\nhost='a b:c'", 43),
        ("[route.a]\nkind='mx'\nhost='x:25'", 44),
        ("[route.a]\nkind='maildir'", 45),
        ("[route.a]\nkind='maildir'\npath='/var/mail'", 46),
        ("[route.a]\nkind='smarthost'\nhost='h:25'\npassword='x'", 47),
        ("[route.a]\nkind='smarthost'\nhost='h:25'\nuser='u'\npassword='x'\ntls='none'", 48),
        ("[route.a]\nkind='smarthost'\nhost='h:25'\nuser='u'\npassword='x'\ntls='may'", 48),
        ("[route.a]\nkind='smarthost'\nhost='h:25'\ntls='none'", 49),
        ("[route.a]\nkind='mx'\nrecipients=['ann@example.org']", 50),
        ("[route.a]\nkind='mx'\nsenders=['ann']", 51),
        ("[route.a]\nkind='mx'\nsource='eth0'", 52),
        ("[queue]\nfirst_retry='5 h'", 53),
        ("[queue]\nlifetime=10", 54),
        ("[store]\nurl='mysql://x'", 55),
        ("[tls]\nminimum_version='1.1'", 56),
        ("[log]\nlevel='debug'", 56),
        ("[dns]\nservers=['dns.example.org']", 57),
        ("[tls]\ncertificate='/nonexistent'", 60),
        ("[dns]\nzone_file='/nonexistent'", 61),
    ],
)
def test_each_trap_is_found(tmp_path: Path, text: str, code: int) -> None:
    """What cannot work, or would be an open relay, is found before anything is started."""
    # TOML allows a table once; the helper has written [node] already.
    text = text.replace("[node]\n", "") if text.startswith("[node]") else text
    assert code in codes(tmp_path, text)


def test_a_remote_password_by_starttls_is_fine(tmp_path: Path) -> None:
    """The default for a smart host is STARTTLS with a verified certificate."""
    path = tmp_path / "pillarbox.toml"
    text = "[route.a]\nkind='smarthost'\nhost='h:587'\nuser='u'\npassword='x'\nrecipients=['*']\n"
    path.write_text(f"[node]\ndirectory='{tmp_path}'\n{TRUSTED}{text}")
    path.chmod(0o600)
    assert check(load(path, {})) == ()


def test_secrets_that_everybody_can_read_are_refused(tmp_path: Path) -> None:
    """Key, password and user files, and a configuration with a password, must be private."""
    for name in ("key", "users", "secret", "certificate"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o644)
    path = tmp_path / "pillarbox.toml"
    path.write_text(
        f"{TRUSTED}{OUT}[node]\ndirectory='{tmp_path}'\n"
        f"[tls]\nkey='{tmp_path}/key'\ncertificate='{tmp_path}/certificate'\n"
        f"[auth]\nfile='{tmp_path}/users'\n"
        f"[route.a]\nkind='smarthost'\nhost='h:587'\nuser='u'\npassword_file='{tmp_path}/secret'\n"
        "[route.b]\nkind='smarthost'\nhost='h:587'\nuser='u'\npassword='x'\n"
    )
    path.chmod(0o644)
    loose = [each for each in check(load(path, {})) if each.code == "PB-CONFIG-062"]
    assert len(loose) == 4
    assert all(each.level is Level.ERROR for each in loose)
    for name in ("key", "users", "secret", "pillarbox.toml"):
        (tmp_path / name).chmod(0o640)
    assert "PB-CONFIG-062" not in {each.code for each in check(load(path, {}))}


def test_a_configuration_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    """Whoever can write it decides where all mail goes."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(f"[node]\ndirectory='{tmp_path}'\n{TRUSTED}{OUT}")
    path.chmod(0o666)
    assert [each.code for each in check(load(path, {}))] == ["PB-CONFIG-063"]


def test_the_place_of_the_value_is_evidence(tmp_path: Path) -> None:
    """A finding says on which line the value stands, or which variable holds it."""
    found = checked(tmp_path, "[tls]\nminimum_version = '1.1'\n" + TRUSTED + OUT)
    assert found[0].evidence == (f"{tmp_path}/pillarbox.toml:4",)


@pytest.mark.parametrize("example", sorted(Path("examples").glob("*.toml")), ids=str)
def test_the_examples_pass(example: Path) -> None:
    """The example configurations have nothing to complain about."""
    assert check(load(example, {})) == ()
