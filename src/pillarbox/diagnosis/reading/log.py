"""Reads a line of a mail server's log: Postfix, Exim, Sendmail, Exchange, and ours.

What a line has in fields (recipient, host, status) is taken from there, the rest from the reply
that it quotes. All patterns are linear: possessive, or bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import flatten
from pillarbox.diagnosis.provider import provider_of
from pillarbox.diagnosis.reading.codes import find_reply, find_stage, join_lines
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["read_log_line"]

_MAX_LINE: Final = 16 * 1024

_TO: Final = re.compile(r"\bto=<?([^\s<>,]{1,320})")
_RELAY: Final = re.compile(r"\brelay=([^\s,\[]{1,255})")
_DSN: Final = re.compile(r"\bdsn=([245]\.\d{1,3}\.\d{1,3})")
_POSTFIX_STATUS: Final = re.compile(
    r"\bstatus=(sent|deferred|bounced|expired|undeliverable) \((.*)", re.DOTALL
)
_POSTFIX_REJECT: Final = re.compile(
    r"NOQUEUE: (?:milter-)?reject: (\w{1,10}) from ([^\s\[]{1,255})[^:]{0,100}: (.*)", re.DOTALL
)
_POSTFIX_SAID: Final = re.compile(r"\bhost ([^\s\[]{1,255})\[[^\]]{1,50}\] (?:said|refused)")
_SENDMAIL: Final = re.compile(r"\bstat=(.*)", re.DOTALL)
_EXIM: Final = re.compile(r"(?<!\S)(\*\*|==|=>|->) ([^\s:]{1,320})")
_EXIM_HOST: Final = re.compile(r"\b(?:H=|host )([^\s\[]{1,255})")
_EXIM_REJECT: Final = re.compile(
    r"\b(?:F=<[^>]{0,320}> )?(?:temporarily )?rejected (?:RCPT <([^>]{1,320})>|\w{1,10})[^:]{0,400}: (.*)",
    re.DOTALL,
)
_EXCHANGE_PROTOCOL: Final = re.compile(
    r"^[^,]{1,40},[^,]{0,200},[^,]{0,40},\d+,[^,]{0,60},[^,]{0,60},([<>*+-]),(.*)"
)
_TRACKED: Final = re.compile(r"[,;]([^\s,;<>@]{1,64}@[\w.-]{1,255})(?=[,;])")
_EXCHANGE_LED: Final = re.compile(r"\{?LED=(.{1,4000})", re.DOTALL)
_EXCHANGE_MARKS: Final = ("RecipientStatus", "LED=", "FAIL,", "DSN,", "#550", "#5.")
_OUR_EVENT: Final = re.compile(
    r"(?:^|\s)((?:recipient|message|session|auth)\.\w{1,40}) (.*)", re.DOTALL
)
_UNCERTAIN: Final = "the final dot was sent and no reply came"  # what the event says
_OUR_VALUE: Final = re.compile(r'(\w{1,30})=(?:"((?>(?:[^"\\]++|\\.)*))"|(\S*+))')
_COMMANDS: Final = {
    "CONNECT": Stage.CONNECT,
    "HELO": Stage.HELLO,
    "EHLO": Stage.HELLO,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RECIPIENT,
    "DATA": Stage.DATA,
}
_ACTIONS: Final = {
    "sent": "delivered",
    "deferred": "delayed",
    "bounced": "failed",
    "expired": "failed",
    "undeliverable": "failed",
}
_EXIM_ACTIONS: Final = {"**": "failed", "==": "delayed", "=>": "delivered", "->": "delivered"}


def read_log_line(line: str) -> Observation | None:
    """Return what a line of a log says happened; None if it is of no log that is known."""
    line = line[:_MAX_LINE].strip()
    return next((found for read in _READERS if (found := read(line)) is not None), None)


def _postfix(line: str) -> Observation | None:
    if (found := _POSTFIX_STATUS.search(line)) is not None:
        host = _first(_POSTFIX_SAID, found[2]) or _first(_RELAY, line)
        return _observe(
            found[2].removesuffix(")"),
            by="Postfix",
            host="" if host == "none" else host,
            recipient=_first(_TO, line),
            enhanced=_first(_DSN, line),
            action=_ACTIONS[found[1]],
        )
    if (found := _POSTFIX_REJECT.search(line)) is not None:
        return _observe(
            found[3],
            by="Postfix",
            recipient=_first(_TO, line),
            stage=_COMMANDS.get(found[1].upper()),
            action="refused",
        )
    return None


def _sendmail(line: str) -> Observation | None:
    found = _SENDMAIL.search(line)
    if found is None or "to=" not in line:
        return None
    action = "failed"
    if found[1].startswith("Deferred"):
        action = "delayed"
    elif found[1].startswith("Sent"):
        action = "delivered"
    return _observe(
        found[1],
        by="Sendmail",
        host=_first(_RELAY, line).rstrip("."),
        recipient=_first(_TO, line),
        enhanced=_first(_DSN, line),
        action=action,
    )


def _exim(line: str) -> Observation | None:
    found = _EXIM.search(line)
    if found is not None and (" R=" in line or " T=" in line or found[1] in {"**", "=="}):
        text = line[found.end() :].lstrip(": ")
        return _observe(
            text,
            by="Exim",
            host=_first(_EXIM_HOST, text),
            recipient=found[2].strip("<>"),
            action=_EXIM_ACTIONS[found[1]],
        )
    refused = _EXIM_REJECT.search(line)
    if refused is None or "H=" not in line:
        return None
    stage = Stage.RECIPIENT if refused[1] else None
    return _observe(
        refused[2], by="Exim", recipient=refused[1] or "", stage=stage, action="refused"
    )


def _exchange(line: str) -> Observation | None:
    protocol = _EXCHANGE_PROTOCOL.match(line)
    if protocol is not None:
        return _observe(protocol[2], by="Exchange")
    led = _EXCHANGE_LED.search(line)
    if led is not None:
        recipient = _first(_TRACKED, line)
        return _observe(led[1].rstrip("}]'"), by="Exchange", recipient=recipient, action="failed")
    if not any(mark in line for mark in _EXCHANGE_MARKS) or line.count(",") < 10:  # noqa: PLR2004 - fields of message tracking
        return None
    return _observe(line, by="Exchange", action="failed")


def _ours(line: str) -> Observation | None:
    fields: Mapping[str, Any] | None = None
    if line.startswith("{"):
        try:
            fields = json.loads(line)
        except ValueError:
            return None
        name = str(fields.get("event", "")) if isinstance(fields, dict) else ""
    else:
        found = _OUR_EVENT.search(line)
        name = found[1] if found else ""
        fields = (
            {key: quoted or plain for key, quoted, plain in _OUR_VALUE.findall(found[2])}
            if found
            else None
        )
    if not isinstance(fields, dict) or "." not in name or ("at" not in fields and "=" not in line):
        return None
    told = {key: value for key, value in fields.items() if isinstance(value, str)}
    is_uncertain = name == "recipient.uncertain"
    text = told.get("reply") or told.get("reason") or told.get("text") or ""
    if not text and is_uncertain:
        text = _UNCERTAIN
    if not text:
        return None
    return _observe(
        f"{text} {told.get('reason', '')}" if told.get("reply") and told.get("reason") else text,
        by="pillarbox",
        host=told.get("host", ""),
        recipient=told.get("recipient", ""),
        stage=Stage.FINAL if is_uncertain else _stage(told.get("stage", "")),
        action={"bounced": "failed", "deferred": "delayed", "uncertain": "delayed"}.get(
            name.partition(".")[2], ""
        ),
    )


def _stage(word: str) -> Stage | None:
    return Stage(word) if word in Stage._value2member_map_ else None


def _observe(
    text: str,
    *,
    by: str,
    host: str = "",
    recipient: str = "",
    enhanced: str = "",
    stage: Stage | None = None,
    action: str = "",
) -> Observation:
    joined = join_lines(text)
    said = find_reply(joined)
    return Observation(
        source=Source.LOG,
        by=by,
        text=said.text or joined,
        code=said.code,
        enhanced=said.enhanced or EnhancedCode.parse(enhanced),
        stage=stage or find_stage(joined),
        host=host,
        recipient=recipient,
        provider=provider_of(host, flatten(joined)),
        action=action,
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


_READERS: Final[tuple[Callable[[str], Observation | None], ...]] = (
    _ours,
    _postfix,
    _sendmail,
    _exim,
    _exchange,
)
