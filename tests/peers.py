"""Other people's mail servers, as real daemons with private folders on loopback.

Each instance has its own address, configuration and queue, so that any number may run at
the same time. What is not installed is skipped by name; ``scripts/install-peers.sh``
installs everything on Debian.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from tests.loopback import greets, own_address

PORT = 2525
UNPACKED = Path("/var/cache/pillarbox-peers/usr/sbin")


def require(*programs: str) -> None:
    """Skip the test by name where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (scripts/install-peers.sh)")


def require_root(reason: str) -> None:
    """Skip the test where it is not run by root."""
    if os.geteuid() != 0:
        pytest.skip(f"only root can {reason}")


def open_to_others(directory: Path) -> None:
    """Let the users of daemons reach a temporary folder, as pytest closes its own to others."""
    shared = Path(tempfile.gettempdir())
    for folder in (directory, *directory.parents):
        if folder.is_relative_to(shared) and folder != shared:
            folder.chmod(folder.stat().st_mode | 0o111)


@dataclass(slots=True)
class Certificate:
    """Files of a certificate made for one test."""

    chain: Path
    key: Path


@dataclass(slots=True, kw_only=True)
class Peer(ABC):
    """A mail server that takes anything from loopback.

    Without a ``next_hop`` it delivers into an mbox or Maildir; ``delivered`` reads that.
    """

    name: ClassVar[str]

    directory: Path
    next_hop: tuple[str, int] | None = None  # where everything is passed on to
    certificate: Certificate | None = None  # offer STARTTLS with it, and use it when offered
    address: str = field(default_factory=own_address)

    @property
    def mail(self) -> Path:
        """The folder that mail is delivered into."""
        return self.directory / "mail"

    @abstractmethod
    def start(self) -> None:
        """Start it; it may not listen yet."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it with all its processes."""

    @property
    @abstractmethod
    def log(self) -> str:
        """What it has logged so far."""

    def delivered(self) -> list[bytes]:
        """Return what has been delivered, with LF line ends as the server stored it."""
        return [file.read_bytes() for file in sorted(self.mail.glob("**/new/*"))]

    def wait_for(self, count: int, *, seconds: float = 60.0) -> list[bytes]:
        """Wait for ``count`` deliveries and return them.

        Raises:
            TimeoutError: They did not come; with the server's log.
        """
        end = time.monotonic() + seconds
        while len(mail := self.delivered()) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} delivered {len(mail)} of {count}:\n{self.log}")
            time.sleep(0.02)
        return mail


@contextmanager
def running(peer: Peer) -> Iterator[Peer]:
    """Run a peer until the block ends; it greets when the block begins."""
    peer.directory.mkdir(parents=True, exist_ok=True)
    open_to_others(peer.directory)
    peer.start()
    try:
        end = time.monotonic() + 20
        while not greets(peer.address, PORT):
            if time.monotonic() > end:
                raise TimeoutError(f"{peer.name} did not come up:\n{peer.log}")
            time.sleep(0.02)
        yield peer
    finally:
        peer.stop()


_POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {directory}/spool
data_directory = {directory}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {directory}/log/maillog
maillog_file_prefixes = {directory}/log
myhostname = postfix.example
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_peername_lookup = no
smtp_host_lookup = native
default_process_limit = 110
in_flow_delay = 0
message_size_limit = 50000000
disable_dns_lookups = yes
smtputf8_enable = yes
"""
_POSTFIX_LOCAL = """
mydestination =
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {directory}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
_POSTFIX_RELAY = """
mydestination =
relayhost = [{next_address}]:{next_port}
"""
_POSTFIX_TLS = """
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {chain}
smtpd_tls_loglevel = 1
smtp_tls_security_level = may
smtp_tls_loglevel = 1
"""


@dataclass(slots=True, kw_only=True)
class Postfix(Peer):
    """Postfix, with pacing off (``in_flow_delay``) and room for 110 processes a service."""

    name: ClassVar[str] = "Postfix"

    settings: str = ""  # more lines for main.cf

    @property
    def log(self) -> str:
        """What it has logged so far."""
        file = self.directory / "log" / "maillog"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def start(self) -> None:
        """Write its configuration and start it."""
        user = pwd.getpwnam("postfix")
        for name in ("etc", "spool", "data", "log", "mail"):
            (self.directory / name).mkdir(exist_ok=True)
        for name in ("data", "mail"):
            os.chown(self.directory / name, user.pw_uid, user.pw_gid)
        (self.directory / "etc" / "main.cf").write_text(self._main(user))
        (self.directory / "etc" / "master.cf").write_text(self._master())
        self._command("start")

    def stop(self) -> None:
        """Stop it with all its processes."""
        self._command("abort")
        end = time.monotonic() + 10
        while self._command("status") == 0 and time.monotonic() < end:
            time.sleep(0.02)

    def _command(self, *words: str) -> int:
        # Its output must not go into a pipe, which its daemons would keep open.
        with (self.directory / "output").open("ab") as output:
            command = ["postfix", "-c", str(self.directory / "etc"), *words]
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            ).returncode

    def _main(self, user: pwd.struct_passwd) -> str:
        template = _POSTFIX_MAIN + (_POSTFIX_RELAY if self.next_hop else _POSTFIX_LOCAL)
        values = {"directory": self.directory, "address": self.address}
        values |= {"uid": user.pw_uid, "gid": user.pw_gid}
        values |= dict(zip(("next_address", "next_port"), self.next_hop or (), strict=False))
        if self.certificate:
            template += _POSTFIX_TLS
            values |= {"chain": self.certificate.chain, "key": self.certificate.key}
        return template.format(**values) + self.settings

    def _master(self) -> str:
        master = Path("/usr/share/postfix/master.cf.dist").read_text("utf-8")
        master = re.sub(
            r"(?m)^smtp +inet .*", f"{self.address}:{PORT} inet n - n - - smtpd", master
        )
        # No chroot: the private folders are no place to live in.
        return re.sub(r"(?m)^(\S+ +(?:inet|unix|fifo|unix-dgram) +\S+ +\S+ +)y", r"\1n", master)


@dataclass(slots=True, kw_only=True)
class _Foreground(Peer):
    """A server that runs as one child of ours."""

    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return "\n".join(
            file.read_text("utf-8", "replace") for file in sorted(self.directory.glob("*log"))
        )

    def _run(self, command: list[str]) -> None:
        with (self.directory / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop it with all its processes."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


# Its paths are compiled in, so it gets a mount namespace in which they are its own; there
# it also gets a resolver that knows the hosts file only.
_OPENSMTPD_START = """
set -e
mount -t tmpfs none /var/spool/smtpd && chmod 711 /var/spool/smtpd
mount -t tmpfs none /run
mkdir -p /var/lib/opensmtpd/empty
printf 'lookup file\\n' > {directory}/resolv.conf
mount --bind {directory}/resolv.conf /etc/resolv.conf
mount --bind {libexec} /usr/libexec
exec {program} -d -v -f {directory}/smtpd.conf
"""


@dataclass(slots=True, kw_only=True)
class OpenSmtpd(_Foreground):
    """OpenSMTPD, unpacked beside Postfix."""

    name: ClassVar[str] = "OpenSMTPD"

    def start(self) -> None:
        """Write its configuration and start it in its own namespace."""
        Path("/var/spool/smtpd").mkdir(exist_ok=True)
        self.mail.mkdir(exist_ok=True)
        nobody = pwd.getpwnam("nobody")
        for name in ("tmp", "new"):
            (self.mail / name).mkdir(exist_ok=True)
            os.chown(self.mail / name, nobody.pw_uid, nobody.pw_gid)
        configuration = self.directory / "smtpd.conf"
        configuration.write_text(self._configuration())
        configuration.chmod(0o600)
        script = _OPENSMTPD_START.format(
            directory=self.directory,
            program=UNPACKED / "smtpd",
            libexec=UNPACKED.parent / "libexec",
        )
        self._run(["unshare", "-m", "sh", "-c", script])

    def _configuration(self) -> str:
        tls = ""
        lines = []
        if self.certificate:
            tls = "tls pki peer"
            lines += [
                f'pki peer cert "{self.certificate.chain}"',
                f'pki peer key "{self.certificate.key}"',
            ]
        lines.append(f"listen on {self.address} port {PORT} {tls} hostname opensmtpd.example")
        if self.next_hop:
            scheme = "smtp+tls" if self.certificate else "smtp"
            check = "tls no-verify" if self.certificate else ""
            lines.append(
                f'action "go" relay host {scheme}://{self.next_hop[0]}:{self.next_hop[1]} {check}'
            )
        else:
            keep = f"cat > {self.mail}/tmp/$$ && mv {self.mail}/tmp/$$ {self.mail}/new/"
            lines.append(f'action "go" mda "{keep}" virtual {{ "@" = nobody }}')
        lines.append('match from any for any action "go"')
        return "\n".join(lines) + "\n"


_EXIM = """
exim_path = {program}
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
pid_file_path = {directory}/exim.pid
primary_hostname = exim.example
exim_user = Debian-exim
exim_group = Debian-exim
keep_environment =
daemon_smtp_ports = {port}
local_interfaces = {address}
disable_ipv6 = true
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
never_users =
deliver_drop_privilege = true
acl_smtp_rcpt = acl_all
acl_smtp_data = acl_all
{tls}
begin acl
acl_all:
  accept
begin routers
{router}
begin transports
{transport}
begin retry
* * F,2h,1m
"""
_EXIM_RELAY = (
    """
next:
  driver = manualroute
  domains = *
  transport = remote
  route_list = * {next_address}
  self = send
""",
    """
remote:
  driver = smtp
  port = {next_port}
  hosts_try_dane =
  tls_verify_certificates =
  tls_verify_hosts =
  tls_try_verify_hosts =
  allow_localhost
""",
)
_EXIM_LOCAL = (
    """
here:
  driver = accept
  transport = maildir
""",
    """
maildir:
  driver = appendfile
  directory = {directory}/mail/all
  create_directory
  maildir_format
  mode = 0600
""",
)


@dataclass(slots=True, kw_only=True)
class Exim(_Foreground):
    """Exim, unpacked beside Postfix."""

    name: ClassVar[str] = "Exim"

    def start(self) -> None:
        """Write its configuration and start it."""
        user = pwd.getpwnam("Debian-exim")
        for folder in (self.directory, self.directory / "spool", self.mail):
            folder.mkdir(exist_ok=True)
            os.chown(folder, user.pw_uid, user.pw_gid)
        if self.certificate:  # it reads the key as its own user
            self.certificate = Certificate(
                chain=Path(shutil.copy(self.certificate.chain, self.directory)),
                key=Path(shutil.copy(self.certificate.key, self.directory)),
            )
            os.chown(self.certificate.key, user.pw_uid, user.pw_gid)
        configuration = self.directory / "exim.conf"
        configuration.write_text(self._configuration())
        self._run([str(UNPACKED / "exim4"), "-C", str(configuration), "-bdf", "-q1m"])

    def _configuration(self) -> str:
        values = {"directory": self.directory, "address": self.address, "port": PORT}
        values |= dict(zip(("next_address", "next_port"), self.next_hop or (), strict=False))
        router, transport = (
            part.format(**values) for part in (_EXIM_RELAY if self.next_hop else _EXIM_LOCAL)
        )
        tls = "tls_advertise_hosts ="
        if self.certificate:
            tls = (
                "tls_advertise_hosts = *\n"
                f"tls_certificate = {self.certificate.chain}\ntls_privatekey = {self.certificate.key}"
            )
        program = UNPACKED / "exim4"
        return _EXIM.format(router=router, transport=transport, tls=tls, program=program, **values)


PEERS: tuple[type[Peer], ...] = (Postfix, OpenSmtpd, Exim)


def require_peer(kind: type[Peer]) -> None:
    """Skip the test by name where a mail server is not installed."""
    require_root(f"start {kind.name}")
    program = {"Postfix": "postfix", "OpenSMTPD": UNPACKED / "smtpd", "Exim": UNPACKED / "exim4"}
    if shutil.which(program[kind.name]) is None:
        pytest.skip(f"{kind.name} is not installed (scripts/install-peers.sh)")
