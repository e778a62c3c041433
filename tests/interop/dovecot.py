"""Dovecot's SASL, as a daemon of its own with a private folder, behind Postfix."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers import open_to_others

_KEY = b"a key of the tests, with thirty-two octets and more"

_DOVECOT = """
protocols =
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/dovecot.log
auth_verbose = yes
auth_failure_delay = 0
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-256 oauthbearer xoauth2
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-256
  args = scheme=PLAIN username_format=%u {directory}/users
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {directory}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={directory}
}}
service auth {{
  unix_listener {directory}/auth {{
    mode = 0666
  }}
}}
# No growing delay for the address of the tests.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
_OAUTH = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={directory}/keys/
username_attribute = sub
"""


@contextmanager
def dovecot_sasl(directory: Path, passwords: dict[str, str]) -> Iterator[Path]:
    """Run Dovecot for its authentication only; yield the socket that Postfix asks."""
    keys = directory / "keys" / "default" / "HS256"
    keys.mkdir(parents=True)
    (keys / "default").write_bytes(b64encode(_KEY))
    (directory / "users").write_text("".join(f"{u}:{p}\n" for u, p in passwords.items()))
    (directory / "oauth2.conf").write_text(_OAUTH.format(directory=directory))
    configuration = directory / "dovecot.conf"
    configuration.write_text(_DOVECOT.format(directory=directory))
    open_to_others(directory)
    for path in directory.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with (directory / "output.log").open("ab") as output:
        process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + 20
        while not (directory / "auth").exists():
            if time.monotonic() > end or process.poll() is not None:
                raise TimeoutError((directory / "output.log").read_text())
            time.sleep(0.02)
        yield directory / "auth"
    finally:
        process.terminate()
        process.wait(10)


def token(user: str, *, seconds: float = 3600.0) -> str:
    """Return a JSON Web Token that Dovecot takes for a user."""
    now = time.time()
    header = _encoded({"alg": "HS256", "typ": "JWT"})
    claims = _encoded({"sub": user, "iat": int(now) - 1, "exp": int(now + seconds)})
    signature = hmac.digest(_KEY, f"{header}.{claims}".encode(), hashlib.sha256)
    return f"{header}.{claims}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _encoded(value: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
