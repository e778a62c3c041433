"""Request metrics for Prometheus; one registry per application."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

__all__ = ["WebMetrics"]

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class WebMetrics:
    """Counts requests; other parts add their own metrics to ``registry``."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "pillarbox_http_requests",
            "HTTP requests answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "pillarbox_http_request_duration_seconds",
            "Seconds until an answer has begun.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge(
            "pillarbox_http_live_streams",
            "Event streams and WebSockets that are open.",
            registry=self.registry,
        )

    def count(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Count a response. ``route`` is a template, so clients cannot create new labels."""
        method = method if method in _METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def exposition(self) -> tuple[bytes, str]:
        """Return all metrics as text, and their media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
