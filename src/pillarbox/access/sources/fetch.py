"""Fetches a small JSON object over HTTP, with blocking calls meant for a thread."""

from __future__ import annotations

import http.client
import json
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from pillarbox.config.endpoints import is_loopback
from pillarbox.errors import PermanentError, TemporaryError

__all__ = ["Fetcher", "check_url"]

_LARGEST: Final = 1024 * 1024  # octets of an answer
_OK: Final = 200


def check_url(url: str) -> None:
    """Refuse a URL that secrets or keys cannot be trusted to.

    Raises:
        PermanentError: It is not ``https://``, nor ``http://`` to loopback.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or ""))
    if not host or not is_safe:
        raise PermanentError(f"{url!r} is not an https:// URL")


class Fetcher:
    """Asks servers that show a certificate of certain authorities."""

    def __init__(self, ca: Path | None, timeout: float) -> None:
        """Trust ``ca``, or the system's authorities; wait ``timeout`` seconds for each step.

        Raises:
            PermanentError: The file cannot be read.
        """
        self._timeout = timeout
        try:
            self._context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            raise PermanentError(f"{ca}: {error}") from None

    def get(self, url: str) -> dict[str, Any]:
        """Return the object at ``url``.

        Raises:
            TemporaryError: It cannot be had.
        """
        return self._ask("GET", url, {"Accept": "application/json"}, None)

    def post(self, url: str, form: dict[str, str], user: str, password: str) -> dict[str, Any]:
        """Send a form, logged in as a client (RFC 6749 §2.3.1); return the object that answers.

        Raises:
            TemporaryError: There is no such answer.
        """
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "Basic " + b64encode(login.encode()).decode("ascii"),
        }
        return self._ask("POST", url, headers, urlencode(form))

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: str | None
    ) -> dict[str, Any]:
        check_url(url)
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=self._timeout, context=self._context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=self._timeout)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            octets = response.read(_LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise TemporaryError(f"{shown}: {type(error).__name__}") from None
        finally:
            connection.close()
        if response.status != _OK or len(octets) > _LARGEST:
            raise TemporaryError(f"{shown}: status {response.status}, {len(octets)} octets")
        try:
            answer = json.loads(octets)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise TemporaryError(f"{shown}: the answer is no JSON object")
        return answer
