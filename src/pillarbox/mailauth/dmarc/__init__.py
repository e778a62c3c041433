"""DMARC (RFC 9989): whether a message comes from the domain in its From field, and what follows."""

from __future__ import annotations

from pillarbox.mailauth.dmarc.authors import Authors, author_domains, read_authors
from pillarbox.mailauth.dmarc.destinations import Destination, report_destinations
from pillarbox.mailauth.dmarc.discovery import Discovery, Finder, Mode, discover
from pillarbox.mailauth.dmarc.evaluation import (
    Alignment,
    DkimIdentifier,
    Evaluation,
    Result,
    SpfIdentifier,
    evaluate,
)
from pillarbox.mailauth.dmarc.explanation import Explanation, explain
from pillarbox.mailauth.dmarc.record import Policy, Record, ReportAddress, parse_record
from pillarbox.mailauth.dmarc.suffixes import ListedSuffixes, Suffixes

__all__ = [
    "Alignment",
    "Authors",
    "Destination",
    "Discovery",
    "DkimIdentifier",
    "Evaluation",
    "Explanation",
    "Finder",
    "ListedSuffixes",
    "Mode",
    "Policy",
    "Record",
    "ReportAddress",
    "Result",
    "SpfIdentifier",
    "Suffixes",
    "author_domains",
    "discover",
    "evaluate",
    "explain",
    "parse_record",
    "read_authors",
    "report_destinations",
]
