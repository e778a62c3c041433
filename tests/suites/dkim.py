"""The DKIM suites of chasquid, dkimpy, mailauth and MimeKit."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519
from tests.key_table import KeyTable
from tests.suites.registry import Case, Suite

from pillarbox.errors import PermanentError
from pillarbox.mailauth import dkim
from pillarbox.mailauth.dkim.private_key import read_private_key
from pillarbox.mailauth.resolver import Outcome

__all__ = ["SUITES"]

_NOW: Final = 1_800_000_000.0
_STATES: Final = {
    "SUCCESS": {"pass"},
    "PERMFAIL": {"fail", "permerror", "neutral", "policy"},
    "TEMPFAIL": {"temperror"},
}
# Links in chasquid's repository that are no files here.
_SAME_AS: Final = {
    "02-too_many_headers.dns": "01-rfc8463.dns",
    "03-bad_message.result": "",
    "04-bad_dkim_signature_header.dns": "01-rfc8463.dns",
    "07-algo_mismatch.msg": "01-rfc8463.msg",
    "07-algo_mismatch.result": "01-rfc8463.result",
    "09-limited_body.dns": "08-our_signature.dns",
    "10-strict_domain_check_pass.msg": "01-rfc8463.msg",
}
_FOOTBALL: Final = "football.example.com"
_RFC_KEYS: Final = {
    f"brisbane._domainkey.{_FOOTBALL}": b"v=DKIM1; k=ed25519; "
    b"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    f"test._domainkey.{_FOOTBALL}": b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQ"
    b"oBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+y"
    b"z1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}


def read_message(path: Path) -> bytes:
    """Return a message with CRLF line ends, as it was on the wire."""
    return re.sub(rb"\r?\n", b"\r\n", path.read_bytes())


def _results(message: bytes, records: Mapping[str, bytes]) -> list[dkim.SignatureResult]:
    table = KeyTable({name: (record,) for name, record in records.items()})
    return list(asyncio.run(dkim.verify(message, table, now=_NOW)))


# --- chasquid ---------------------------------------------------------------------------------


def _chasquid(folder: Path) -> Iterator[Case]:
    names = sorted({path.name.partition(".")[0] for path in folder.glob("[0-9]*")})
    for name in names:
        yield Case(name, partial(_check_chasquid, folder, name))


def _check_chasquid(folder: Path, name: str) -> str:
    def part(kind: str) -> Path:
        file = f"{name}.{kind}"
        return folder / _SAME_AS.get(file, file)

    table = KeyTable(_chasquid_zone(part("dns"))) if part("dns").is_file() else KeyTable({})
    results = asyncio.run(dkim.verify(read_message(part("msg")), table, now=_NOW))
    found = [result.result.value for result in results]
    if not part("result").is_file():
        return "" if "pass" not in found else f"passes: {found}"
    expected = [each["State"] for each in json.loads(part("result").read_text())["Results"]]
    is_same = len(found) == len(expected) and all(
        mine in _STATES[theirs] for mine, theirs in zip(found, expected, strict=True)
    )
    return "" if is_same else f"expected {expected}, found {found}"


def _chasquid_zone(path: Path) -> dict[str, tuple[bytes, ...] | Outcome]:
    records: dict[str, tuple[bytes, ...] | Outcome] = {}
    for line in path.read_text().replace("\\\n", "").splitlines():
        name, colon, value = line.partition(": ")
        value = value.strip()
        if value == "TEMPERROR":
            records[name] = Outcome.UNAVAILABLE
        elif value == "PERMERROR":
            records[name] = Outcome.NO_SUCH_NAME
        elif colon:
            known = records.get(name, ())
            records[name] = (*(known if isinstance(known, tuple) else ()), value.encode())
    return records


# --- dkimpy -----------------------------------------------------------------------------------

_SIGNED_FILES: Final = ("rfc6376.signed.msg", "rfc6376.signed.rsa.msg")
# Message to sign, private key, key record, and what is to come of the signature.
_TO_SIGN: Final = (
    ("test.message", "1024_testkey.key", "1024_testkey_wo_markers.pub.txt", "pass"),
    ("test.message", "1024_testkey.key", "1024_testkey_wo_markers.pub.rsa.txt", "pass"),
    ("test.message", "2048_testkey.key", "2048_testkey_wo_markers.pub.txt", "pass"),
    ("test.message", "2048_testkey.key", "2048_testkey_wo_markers.pub.rsa.txt", "pass"),
    ("test.message", "2048_testkey_PKCS8.key", "2048_testkey_PKCS8.key.pub.txt", "pass"),
    ("test.message", "test.private", "test.txt", "pass"),
    ("test2.message", "test2.private", "test2.txt", "pass"),
    ("test_extra.message", "test.private", "test.txt", "pass"),
    ("message.mbox", "test.private", "test.txt", "pass"),
    ("rfc6376.msg", "test.private", "test.txt", "pass"),
    ("rfc6376.w1258.msg", "test.private", "test.txt", "pass"),
    ("ed25519test.msg", "ed25519test.key", "ed25519test.dns", "pass"),
    ("test.message", "test.private", "badk.txt", "permerror"),
    ("test.message", "test.private", "badversion.txt", "permerror"),
    ("test.message", "test.private", "test_bad.txt", "fail permerror"),
    ("test.message", "test.private", "test_tlsrpt.txt", "permerror"),
    ("test.message", "test.private", "test2.txt", "pass"),
    ("test_nofrom.message", "test.private", "test.txt", "the message has no From field"),
)


def _dkimpy(folder: Path) -> Iterator[Case]:
    data = folder / "data"
    for name in _SIGNED_FILES:
        yield Case(name, partial(_check_signed, data / name, _RFC_KEYS))
    # Its t= was taken out after it was signed.
    yield Case("rfc6376.signed.no_t.msg", partial(_check_changed, data / "rfc6376.signed.no_t.msg"))
    yield Case("ed25519test2.msg", partial(_check_exim, data))
    yield Case("test.message.baddomain", partial(_check_bad_domain, data))
    yield Case("rfc8032_7_1.key", partial(_check_seed, data))
    for message, key, record, expected in _TO_SIGN:
        check = partial(_check_own, data / message, data / key, data / record, expected)
        yield Case(f"{message} {key} {record}", check)


def _check_signed(path: Path, records: Mapping[str, bytes]) -> str:
    results = _results(read_message(path), records)
    return "" if results and all(each.is_pass for each in results) else f"{results}"


def _check_exim(data: Path) -> str:
    record = (data / "eximtest.dns").read_bytes().strip()
    message = read_message(data / "ed25519test2.msg")
    found = asyncio.run(
        dkim.verify(message, KeyTable({"sed._domainkey.test.ex": (record,)}), now=1e9)
    )
    return "" if [each.result.value for each in found] == ["pass"] else f"{found}"


def _check_changed(path: Path) -> str:
    (result,) = _results(read_message(path), _RFC_KEYS)
    return "" if result.result.value == "fail" else f"{result}"


def _check_bad_domain(data: Path) -> str:
    (result,) = _results(read_message(data / "test.message.baddomain"), _RFC_KEYS)
    return "" if result.result.value == "neutral" else f"{result}"


def _check_seed(data: Path) -> str:
    key = read_private_key((data / "rfc8032_7_1.key").read_bytes())
    return "" if isinstance(key, ed25519.Ed25519PrivateKey) else f"{key} is no Ed25519 key"


def _check_own(message: Path, key: Path, record: Path, expected: str) -> str:
    content = read_message(message)
    signing_key = dkim.SigningKey("example.com", "test", read_private_key(key.read_bytes()))
    try:
        signed = dkim.sign(content, [signing_key], now=_NOW) + content
    except PermanentError as error:
        return "" if str(error) == expected else str(error)
    public = record.read_bytes().strip()
    result = _results(signed, {"test._domainkey.example.com": public})[0]
    return "" if result.result.value in expected.split() else f"{result}"


# --- mailauth ---------------------------------------------------------------------------------

_REAL: Final = ("authtest.eml", "bimi.eml", "zbimi.eml", "zproov.eml")
_PAIRS: Final = (("rsa", "pass"), ("ed25519", "pass"), ("small", "fail"))


def _mailauth(folder: Path) -> Iterator[Case]:
    yield Case("ec/signed.eml", partial(_check_ec, folder / "dkim" / "ec" / "fixtures"))
    fixtures = folder / "fixtures"
    for name in ("message1.eml", "message2.eml", "message3.eml", "message4.eml"):
        for kind, expected in _PAIRS:
            yield Case(f"{name} {kind}", partial(_check_pair, fixtures, name, kind, expected))
    for name in _REAL:
        yield Case(name, partial(_check_body, fixtures / name))


def _check_ec(fixtures: Path) -> str:
    zone = json.loads((fixtures / "dns.json").read_text())
    records = {name: "".join(each["TXT"][0]).encode() for name, each in zone.items()}
    return _check_signed(fixtures / "signed.eml", records)


def _check_pair(fixtures: Path, name: str, kind: str, expected: str) -> str:
    content = read_message(fixtures / name)
    private = read_private_key((fixtures / f"private-{kind}.pem").read_bytes(), min_rsa_bits=512)
    public = b"".join((fixtures / f"public-{kind}.pem").read_bytes().split(b"\n")[1:-2])
    if kind == "ed25519":
        # The file holds a SubjectPublicKeyInfo; RFC 8463 §4 publishes its last 32 octets.
        public = _last_octets(public)
    key = dkim.SigningKey("example.com", "test", private)
    signed = dkim.sign(content, [key], now=_NOW) + content
    record = b"v=DKIM1; k=%b; p=%b" % (key.algorithm.key_type.encode(), public)
    result = _results(signed, {"test._domainkey.example.com": record})[0]
    return "" if result.result.value == expected else f"{result}"


def _last_octets(text: bytes) -> bytes:
    return base64.b64encode(base64.b64decode(text)[-32:])


def _check_body(path: Path) -> str:
    """Their keys are long gone; what was signed of the body must still fit."""
    results = _results(read_message(path), {})
    wrong = [each for each in results if each.reason.startswith("the body was changed")]
    if not results or wrong:
        return f"{results}"
    return ""


# --- MimeKit ----------------------------------------------------------------------------------


def _mimekit(folder: Path) -> Iterator[Case]:
    lines = (folder / "gmail.pub").read_bytes().splitlines()
    public = b"".join(line.strip() for line in lines if not line.startswith(b"-"))
    gmail = {"20120113._domainkey.gmail.com": b"k=rsa; p=" + public}
    for name in ("gmail.msg", "related.msg", "multipart-no-end-boundary.msg"):
        yield Case(name, partial(_check_signed, folder / name, gmail))
    yield Case(
        "rfc8463-example.msg", partial(_check_signed, folder / "rfc8463-example.msg", _RFC_KEYS)
    )
    yield Case("example.pem", partial(_check_example, folder))


def _check_example(folder: Path) -> str:
    """The key and the record in a master file, with its strings, belong together."""
    record = "".join(re.findall(r'"([^"]*)"', (folder / "example.bind9").read_text())).encode()
    key = read_private_key((folder / "example.pem").read_bytes())
    content = read_message(folder / "gmail.msg")
    signed = dkim.sign(content, [dkim.SigningKey("example.com", "test", key)], now=_NOW) + content
    result = _results(signed, {"test._domainkey.example.com": record})[0]
    return "" if result.is_pass else f"{result}"


def _suites() -> Iterable[Suite]:
    yield Suite(
        "dkim-chasquid",
        _chasquid,
        {
            "02-too_many_headers": "it expects that five of seven signatures are looked at; "
            "we look at ten (RFC 6376 §6.1 leaves the number open)",
            "09-limited_body": "it lets pass what l= left out; for us, that is not signed, and "
            "the result is policy",
        },
    )
    yield Suite("dkim-dkimpy", _dkimpy)
    yield Suite("dkim-mailauth", _mailauth)
    yield Suite("dkim-mimekit", _mimekit)


SUITES: Final[tuple[Suite, ...]] = tuple(_suites())
