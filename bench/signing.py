"""Relay with signatures: pillarbox with two of them, Postfix with OpenDKIM and one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from bench.load import Load
from bench.phases import KIB, Bench, MakeTarget, Plan
from bench.rows import Row
from bench.targets import Mode, PillarboxTarget, PostfixTarget
from pillarbox.keyring.files import KeyFiles
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.dkim.private_key import make_private_key
from pillarbox.policy.key_life import KeyState

__all__ = ["signing"]

DOMAIN: Final = "sender.example"  # of smtp-source's From
_PORT: Final = 8891
_OPENDKIM: Final = shutil.which("opendkim", path="/usr/sbin:/usr/bin:/sbin:/bin")


class PillarboxSigning(PillarboxTarget):
    """pillarbox that signs with RSA-2048 and Ed25519."""

    name = "pillarbox, RSA + Ed25519"

    def _start(self) -> None:
        folder = self.directory / "data" / "dkim"
        configured = f'[dkim]\ndirectory = "{folder}"\n'
        if configured not in self.node.config:
            self.node.config += configured
            asyncio.run(_keep_keys(folder))
        super()._start()


async def _keep_keys(folder: Path) -> None:
    store = KeyFiles(folder)
    for algorithm in (Algorithm.RSA_SHA256, Algorithm.ED25519_SHA256):
        selector = algorithm.key_type
        made = KeptKey.new(DOMAIN, selector, make_private_key(algorithm), time.time())
        await store.keep(replace(made, state=KeyState.SIGNING))


class PostfixWithOpenDkim(PostfixTarget):
    """Postfix whose mail OpenDKIM signs with RSA-2048, as a milter."""

    name = "postfix + opendkim, RSA"

    def __init__(self, directory: Path, mode: Mode, sink: str) -> None:
        """Prepare both."""
        super().__init__(directory, mode, sink)
        self._signer: subprocess.Popen[bytes] | None = None
        self._postfix.settings += (
            f"smtpd_milters = inet:{self.address}:{_PORT}\nmilter_default_action = tempfail\n"
        )

    @staticmethod
    def is_installed() -> bool:
        """Whether both can be run here."""
        return PostfixTarget.is_installed() and _OPENDKIM is not None

    def _start(self) -> None:
        key = self.directory / "dkim.pem"
        made = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        key.touch(mode=0o600)
        key.write_bytes(
            made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )
        conf = self.directory / "opendkim.conf"
        conf.write_text(
            f"Domain {DOMAIN}\nSelector rsa\nKeyFile {key}\nMode s\n"
            f"Socket inet:{_PORT}@{self.address}\nInternalHosts 127.0.0.0/8\n"
            "Canonicalization relaxed/relaxed\nBackground no\nRequireSafeKeys no\n"
        )
        self._signer = subprocess.Popen(
            [str(_OPENDKIM), "-f", "-x", str(conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.5)  # a milter does not greet
        super()._start()

    def pause(self) -> None:
        """Stop both."""
        super().pause()
        if self._signer is not None:
            self._signer.terminate()
            self._signer.wait(10)
            self._signer = None


def signing(bench: Bench, plan: Plan) -> list[Row]:
    """Measure the relay of small signed messages."""
    makers: list[MakeTarget] = [PillarboxSigning]
    if PostfixWithOpenDkim.is_installed():
        makers.append(PostfixWithOpenDkim)
    else:
        bench.console.print("OpenDKIM is not installed: signed relay has nothing to compare with")
    load = Load(size=4 * KIB, connections=50, messages=0)
    return bench.throughput(makers, Mode.RELAY, load, plan, label="relay, signed")
