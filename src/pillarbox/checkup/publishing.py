"""Records in the forms that DNS providers take: BIND, Cloudflare, Route 53, Terraform."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final

from pillarbox.checkup.remark import Publish
from pillarbox.keyring.publication import zone_strings

__all__ = ["FORMATS", "written"]

_TTL: Final = 3600
_STRING: Final = 255  # octets of one string of a TXT record (RFC 1035 §3.3)


def written(records: Iterable[Publish], form: str) -> str:
    """Return records in one of ``FORMATS``, each record once."""
    return FORMATS[form](list(dict.fromkeys(records)))


def _bind(records: list[Publish]) -> str:
    return "\n".join(
        f"{one.name}. {_TTL} IN {one.type} "
        f"{zone_strings(one.value) if one.type == 'TXT' else one.value}"
        for one in records
    )


def _cloudflare(records: list[Publish]) -> str:
    # Its import takes a zone file; a leading remark turns its proxy off.
    return "\n".join(f"{line} ; cf_tags=cf-proxied:false" for line in _bind(records).splitlines())


def _route53(records: list[Publish]) -> str:
    """Return the change batch for ``aws route53 change-resource-record-sets``."""
    changes = [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": f"{one.name}.",
                "Type": one.type,
                "TTL": _TTL,
                "ResourceRecords": [{"Value": _quoted(one)}],
            },
        }
        for one in records
    ]
    return json.dumps({"Changes": changes}, indent=2)


def _terraform(records: list[Publish]) -> str:
    return "\n\n".join(_resource(one) for one in records)


def _resource(one: Publish) -> str:
    label = re.sub(r"[^A-Za-z0-9]+", "_", f"{one.type}_{one.name}").strip("_").lower()
    value = _STRING_BREAK.join(_cut(one.value)) if one.type == "TXT" else one.value
    return (
        f'resource "aws_route53_record" "{label}" {{\n'
        "  zone_id = var.zone_id\n"
        f"  name    = {json.dumps(one.name)}\n"
        f"  type    = {json.dumps(one.type)}\n"
        f"  ttl     = {_TTL}\n"
        f"  records = [{json.dumps(value)}]\n"
        "}"
    )


_STRING_BREAK: Final = '""'  # how Terraform's Route 53 provider has strings cut


def _quoted(one: Publish) -> str:
    if one.type != "TXT":
        return one.value
    return " ".join(json.dumps(part, ensure_ascii=False) for part in _cut(one.value))


def _cut(value: str) -> list[str]:
    return [value[at : at + _STRING] for at in range(0, len(value), _STRING)]


FORMATS: Final[dict[str, Callable[[list[Publish]], str]]] = {
    "bind": _bind,
    "cloudflare": _cloudflare,
    "route53": _route53,
    "terraform": _terraform,
}
