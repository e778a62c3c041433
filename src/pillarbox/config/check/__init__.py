"""Checks that types cannot express: settings that conflict with the world or with each other.

Every check is a function from the loaded configuration to findings; ``check`` runs them all.
Errors keep a node from starting; warnings are for the operator to judge.
"""

from __future__ import annotations

from pillarbox.config.check.abuse import ABUSE_CHECKS
from pillarbox.config.check.certificates import CERTIFICATE_CHECKS
from pillarbox.config.check.files import FILE_CHECKS
from pillarbox.config.check.logins import LOGIN_CHECKS
from pillarbox.config.check.policy import POLICY_CHECKS
from pillarbox.config.check.receiving import RECEIVING_CHECKS
from pillarbox.config.check.reports import REPORT_CHECKS
from pillarbox.config.check.sandbox import SANDBOX_CHECKS
from pillarbox.config.check.sandbox_outward import SANDBOX_OUTWARD_CHECKS
from pillarbox.config.check.sending import SENDING_CHECKS
from pillarbox.config.check.signing import SIGNING_CHECKS
from pillarbox.config.check.sources import SOURCE_CHECKS
from pillarbox.config.loader import Loaded
from pillarbox.findings import Finding

__all__ = ["check"]


def check(loaded: Loaded) -> tuple[Finding, ...]:
    """Return everything that is wrong or doubtful in a configuration, the worst first."""
    checks = (
        *RECEIVING_CHECKS,
        *POLICY_CHECKS,
        *ABUSE_CHECKS,
        *SENDING_CHECKS,
        *SANDBOX_CHECKS,
        *SANDBOX_OUTWARD_CHECKS,
        *SIGNING_CHECKS,
        *REPORT_CHECKS,
        *LOGIN_CHECKS,
        *SOURCE_CHECKS,
        *FILE_CHECKS,
        *CERTIFICATE_CHECKS,
    )
    findings = [finding for each in checks for finding in each(loaded)]
    return tuple(sorted(findings, key=lambda finding: -finding.level))
