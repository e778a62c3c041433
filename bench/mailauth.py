"""DKIM: signatures made and verified per second, beside dkimpy and bare ``cryptography``.

The message has 10 KB. *Bare* is the arithmetic alone: what no program can be faster than.
Each target takes its turn in short rounds, so that a busy moment hits all of them alike.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from typing import Final

import dkim as dkimpy
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.key_table import ED25519, RSA, KeyTable, record_of

from bench.rows import Row, Samples
from pillarbox.mailauth import dkim
from pillarbox.mailauth.dkim.algorithm import sign_digest, verify_digest

__all__ = ["Work", "compare", "mailauth"]

_NOW: Final = time.time()  # dkimpy looks at the clock itself
_ROUNDS: Final = 5
_SECONDS: Final = 0.4  # of one target in one round
_MESSAGE: Final = (
    b"Received: by mail.example.org with ESMTP id 1; Sat, 21 Nov 2026 08:00:00 +0000\r\n"
    b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: The monthly report\r\n"
    b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"Lorem ipsum dolor sit amet, consectetur  adipisici elit, sed eius \r\n"
    * 143
)
_RECORDS: Final = {
    f"{key.selector}._domainkey.{key.domain}": record_of(key) for key in (RSA, ED25519)
}
_BATCH: Final = 50  # verifications between which the clock is not looked at
_DIGEST: Final = bytes(32)

Work = Callable[[], int]
"""Does something, and returns how many times it did it."""


def _once(work: Callable[[], object]) -> Work:
    def done() -> int:
        work()
        return 1

    return done


def mailauth() -> list[Row]:
    """Measure signing and verifying with both kinds of key."""
    rows = []
    for name, key in (("rsa-2048", RSA), ("ed25519", ED25519)):
        rows += compare(f"dkim sign {name}", _signers(key))
        rows += compare(f"dkim verify {name}", _verifiers(key))
    both = _once(lambda: dkim.sign(_MESSAGE, [RSA, ED25519], now=_NOW))
    rows += compare("dkim sign both", {"pillarbox": both})
    return rows


def compare(phase: str, targets: dict[str, Work], *, size: int = len(_MESSAGE)) -> list[Row]:
    """Measure the targets in turns; a row for each."""
    samples = {target: Samples([], [], [], []) for target in targets}
    for _ in range(_ROUNDS):
        for target, work in targets.items():
            rate, cpu = _rate(work)
            samples[target].rates.append(rate)
            samples[target].cpu.append(cpu * 1_000)
    return [each.row(target, phase, size, 0) for target, each in samples.items()]


def _rate(work: Work) -> tuple[float, float]:
    """Return how often a second something can be done, and its seconds of processor time."""
    count, cpu, started = 0, time.process_time(), time.perf_counter()
    while (elapsed := time.perf_counter() - started) < _SECONDS:
        count += work()
    return count / elapsed, (time.process_time() - cpu) / count


def _signers(key: dkim.SigningKey) -> dict[str, Work]:
    domain, selector = key.domain.encode(), key.selector.encode()
    private = _dkimpy_key(key)
    ways = (b"relaxed", b"relaxed")
    algorithm = key.algorithm.value.encode()

    def by_dkimpy() -> object:
        return dkimpy.sign(
            _MESSAGE,
            selector,
            domain,
            private,
            canonicalize=ways,
            signature_algorithm=algorithm,
        )

    return {
        "pillarbox": _once(lambda: dkim.sign(_MESSAGE, [key], now=_NOW)),
        "dkimpy": _once(by_dkimpy),
        "bare": _once(lambda: sign_digest(key.private_key, _DIGEST)),
    }


def _verifiers(key: dkim.SigningKey) -> dict[str, Work]:
    mail = dkim.sign(_MESSAGE, [key], now=_NOW) + _MESSAGE
    table = KeyTable.of(RSA, ED25519)
    signature = sign_digest(key.private_key, _DIGEST)
    public = key.private_key.public_key()

    async def some() -> int:
        for _ in range(_BATCH):
            await dkim.verify(mail, table, now=_NOW)
        return _BATCH

    def by_pillarbox() -> int:
        with asyncio.Runner() as runner:
            return runner.run(some())

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return _RECORDS[name.decode().rstrip(".")]

    return {
        "pillarbox": by_pillarbox,
        "dkimpy": _once(lambda: dkimpy.verify(mail, dnsfunc=lookup)),
        "bare": _once(lambda: verify_digest(public, signature, _DIGEST)),
    }


def _dkimpy_key(key: dkim.SigningKey) -> bytes:
    if isinstance(key.private_key, rsa.RSAPrivateKey):
        return key.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    return base64.b64encode(key.private_key.private_bytes_raw())
