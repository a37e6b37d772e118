"""OpenTelemetry spans, where OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise nothing here costs anything.

Spans are made by hand at the three places where work begins: a request, the relay's publishing, a job. The packages
that wrap every call cost a request more than all else that it does.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer

from config.observability import context

_EXPORT_TIMEOUT = 2  # seconds: a dead collector must not hold up the end of a process
_tracer: Tracer | None = None
_provider: Any = None  # of the SDK, which is loaded only when it is wanted


def start() -> None:
    """Once in each process, after its fork: the thread that exports does not survive one."""
    global _tracer, _provider  # noqa: PLW0603
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create(
        {"service.name": "taskmill", "service.version": settings.VERSION, "service.instance.id": settings.PART}
    )
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_TIMEOUT)))
    _tracer = _provider.get_tracer("taskmill")


def stop() -> None:
    """Sends what waits. Only processes that skip Python's exit need to call it."""
    global _tracer  # noqa: PLW0603
    if _provider is not None:
        _tracer = None
        _provider.shutdown()


def begin(
    name: str,
    parent: str | None,
    kind: SpanKind,
    attributes: Mapping[str, str | int] | None = None,
    started: int | None = None,
) -> Span | None:
    """A span under the `parent` traceparent, or of a new trace; None when nothing is traced. `started` is in ns."""
    if _tracer is None:
        return None
    above = trace.set_span_in_context(NonRecordingSpan(_context_of(parent))) if parent else None
    return _tracer.start_span(name, above, kind, attributes, start_time=started)


def mark(span: Span) -> str:
    """The span as a traceparent, for what happens under it."""
    its = span.get_span_context()
    return f"00-{its.trace_id:032x}-{its.span_id:016x}-{its.trace_flags:02x}"


def end(span: Span, *, failed: bool, attributes: Mapping[str, str | int] | None = None) -> None:
    span.set_attributes(attributes or {})
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end()


def record(name: str, parent: str | None, kind: SpanKind, started: int) -> None:
    """A span that lasted from `started` (ns) until now."""
    if span := begin(name, parent, kind, started=started):
        end(span, failed=False)


@contextmanager
def span_from(parent: str | None, name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str) -> Iterator[None]:
    """A span for the block, which is bound for what happens inside; `parent` is usually an event's traceparent."""
    span = begin(name, parent, kind, attributes)
    if span is None:
        with context.bind(traceparent=parent):
            yield
        return
    failed = True
    try:
        with context.bind(traceparent=mark(span)):
            yield
        failed = False
    finally:
        end(span, failed=failed)


def _context_of(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
