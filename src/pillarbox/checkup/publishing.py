"""DNS records in the formats of providers: BIND, web panels, Cloudflare, Route 53, Terraform."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final

from pillarbox.checkup.remark import Publish
from pillarbox.keyring.publication import zone_strings

__all__ = ["FORMATS", "FORM_NAMES", "written"]

_TTL: Final = 3600
_STRING: Final = 255  # octets of one string of a TXT record (RFC 1035 §3.3)


def written(records: Iterable[Publish], form: str, *, zone: str) -> str:
    """Return records of ``zone`` in one of ``FORMATS``, each once; "" where none is left.

    A reverse name is in another zone, which only a zone file can hold beside this one: Route 53
    refuses the whole batch for it.
    """
    unique = dict.fromkeys(records)
    wanted = [one for one in unique if form == "bind" or one.type != "PTR"]
    return FORMATS[form](wanted, zone) if wanted else ""


def _bind(records: list[Publish], zone: str) -> str:
    del zone
    return "\n".join(
        f"{one.name}. {_TTL} IN {one.type} "
        f"{zone_strings(one.value) if one.type == 'TXT' else one.value}"
        for one in records
    )


def _panel(records: list[Publish], zone: str) -> str:
    """Return a line for each record with what the fields of a web page ask for.

    TXT values stand there whole and without quotation marks: panels cut and quote them.
    """
    rows = [("type", "name", "priority", "value")]
    for one in records:
        value = one.value if one.type == "TXT" else one.value.rstrip(".") or "."
        priority, _, host = value.partition(" ") if one.type == "MX" else ("", "", value)
        rows.append((one.type, _below(one.name, zone), priority, host))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(row, (*widths, 0), strict=True))
        for row in rows
    )


def _below(name: str, zone: str) -> str:
    """Return a name as panels want it: without the zone, "@" for the zone itself."""
    return "@" if name == zone else name.removesuffix(f".{zone}")


def _cloudflare(records: list[Publish], zone: str) -> str:
    # Its import takes a zone file; a leading remark turns its proxy off.
    return "\n".join(
        f"{line} ; cf_tags=cf-proxied:false" for line in _bind(records, zone).splitlines()
    )


def _sets(records: list[Publish]) -> list[tuple[str, str, list[str]]]:
    """Return name, type and all values of each set: an upsert replaces the whole of it."""
    sets: dict[tuple[str, str], list[str]] = {}
    for one in records:
        sets.setdefault((one.name, one.type), []).append(one.value)
    return [(name, kind, values) for (name, kind), values in sets.items()]


def _route53(records: list[Publish], zone: str) -> str:
    """Return the change batch for ``aws route53 change-resource-record-sets``."""
    del zone
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": f"{name}.",
                "Type": kind,
                "TTL": _TTL,
                "ResourceRecords": [{"Value": _quoted(kind, value)} for value in values],
            },
        }
        for name, kind, values in _sets(records)
    ]
    return json.dumps({"Changes": changes}, indent=2)


def _terraform(records: list[Publish], zone: str) -> str:
    del zone
    return "\n\n".join(_resource(*each) for each in _sets(records))


def _resource(name: str, kind: str, values: list[str]) -> str:
    label = re.sub(r"[^A-Za-z0-9]+", "_", f"{kind}_{name}").strip("_").lower()
    if kind == "TXT":
        values = [_STRING_BREAK.join(_cut(value)) for value in values]
    return (
        f'resource "aws_route53_record" "{label}" {{\n'
        "  zone_id = var.zone_id\n"
        f"  name    = {json.dumps(name)}\n"
        f"  type    = {json.dumps(kind)}\n"
        f"  ttl     = {_TTL}\n"
        f"  records = {json.dumps(values)}\n"
        "}"
    )


_STRING_BREAK: Final = '""'  # how Terraform's Route 53 provider has strings cut


def _quoted(kind: str, value: str) -> str:
    if kind != "TXT":
        return value
    return " ".join(json.dumps(part, ensure_ascii=False) for part in _cut(value))


def _cut(value: str) -> list[str]:
    return [value[at : at + _STRING] for at in range(0, len(value), _STRING)]


FORMATS: Final[dict[str, Callable[[list[Publish], str], str]]] = {
    "bind": _bind,
    "panel": _panel,
    "cloudflare": _cloudflare,
    "route53": _route53,
    "terraform": _terraform,
}
FORM_NAMES: Final = {
    "bind": "BIND",
    "panel": "for a provider's web page",
    "cloudflare": "Cloudflare",
    "route53": "Route 53",
    "terraform": "Terraform",
}
"""What the forms are called."""
