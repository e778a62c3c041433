"""Ask rspamd about every message, by its HTTP protocol.

In the configuration::

    [hook.rspamd]
    file = "examples/hooks/rspamd.py"
    listeners = ["mx"]
    timeout = "10 s"

rspamd's own thresholds decide; ``RSPAMD_URL`` and ``RSPAMD_PASSWORD`` say where it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from typing import Any

from pillarbox.hooks import Answer, Message, defer, hook, note, passed, refuse

URL = os.environ.get("RSPAMD_URL", "http://127.0.0.1:11333").rstrip("/") + "/checkv2"
PASSWORD = os.environ.get("RSPAMD_PASSWORD", "")


@hook
async def message(message: Message) -> Answer:
    """Judge a message by rspamd's verdict."""
    result = await asyncio.to_thread(ask, message)
    score = f"{result['score']:.2f} of {result['required_score']:.2f}"
    symbols = sorted(result.get("symbols", {}))
    headers = [("X-Spam-Score", score), ("X-Spam-Symbols", ", ".join(symbols))]
    action = result["action"]
    if action == "reject":
        return refuse("This looks like spam", reason=f"rspamd: {score}", evidence=symbols)
    if action in {"greylist", "soft reject"}:
        return defer("Please try again later", reason=f"rspamd: {score}", evidence=symbols)
    if action in {"add header", "rewrite subject"}:
        reason = f"rspamd: {score}"
        return note(reason, evidence=symbols, headers=[*headers, ("X-Spam", "Yes")])
    return passed(headers=headers)


def ask(message: Message) -> dict[str, Any]:
    """Send a message to rspamd and return its verdict; runs in a thread."""
    request = urllib.request.Request(URL, data=message.content)
    request.add_header("IP", message.client)
    request.add_header("Helo", message.helo)
    request.add_header("From", message.sender)
    request.add_header("Rcpt", message.recipients[0])
    request.add_header("Queue-Id", message.id)
    if message.identity:
        request.add_header("User", message.identity)
    if PASSWORD:
        request.add_header("Password", PASSWORD)
    with urllib.request.urlopen(request, timeout=8) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
