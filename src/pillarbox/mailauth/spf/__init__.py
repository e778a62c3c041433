"""SPF (RFC 7208): who may send mail for a domain, with every step to the result.

    found = await spf.check_host("192.0.2.1", "example.org", "ann@example.org", resolver)
    found.result, found.reason, found.steps

``check_sender`` chooses the identity as a mail server does; ``received_spf`` writes the field;
``survey`` examines a record itself, without a client.
"""

from __future__ import annotations

from pillarbox.mailauth.spf.evaluation import check_host, check_sender
from pillarbox.mailauth.spf.received_spf import received_spf
from pillarbox.mailauth.spf.record import Record, RecordError, is_spf_record, parse_record
from pillarbox.mailauth.spf.slimming import Saving, Slimming, slim
from pillarbox.mailauth.spf.survey import survey
from pillarbox.mailauth.spf.tree import Node, Survey
from pillarbox.mailauth.spf.values import Limits, Result, Spf, Step, Tried

__all__ = [
    "Limits",
    "Node",
    "Record",
    "RecordError",
    "Result",
    "Saving",
    "Slimming",
    "Spf",
    "Step",
    "Survey",
    "Tried",
    "check_host",
    "check_sender",
    "is_spf_record",
    "parse_record",
    "received_spf",
    "slim",
    "survey",
]
