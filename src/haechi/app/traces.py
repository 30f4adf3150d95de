"""Traces of runs for OpenTelemetry: a span for each run and for each of its steps, sent to where the plan wants them.

They are for whoever looks at one thing across many programs. The receiver may be away, slow or wrong: what it does
not take in time is dropped, and no run waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from haechi import __version__
from haechi.credentials import MASK
from haechi.errors import DriverMissing, HaechiError
from haechi.events import Event, Said, StepEnded, StepStarted
from haechi.i18n import _
from haechi.operations.doctor import Finding, Health
from haechi.plan.masking import literals, masked

if TYPE_CHECKING:
    from haechi.app.home import Home
    from haechi.app.logs import View

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PATH = "/v1/traces"
_MOST = 500  # steps of one run; what fails is told beyond that, too
_QUEUE = 2048  # spans that wait; of more the oldest go
_ANSWER = 5.0  # seconds that the receiver has, unless the environment says otherwise
_ANSWERS = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_LAST = 3.0  # seconds that the end of a command waits for it, likewise
_LASTS = "OTEL_BSP_EXPORT_TIMEOUT"  # in milliseconds


@dataclass
class Traces:
    """A listener that makes a trace of each run; what happens outside of any is nothing to it."""

    provider: Any
    kinds: Mapping[str, str] = field(default_factory=dict)
    secrets: Iterable[str] = ()

    def __post_init__(self) -> None:
        self._tracer = self.provider.get_tracer("haechi", __version__)
        self._hidden = {secret: MASK for secret in self.secrets if len(secret) >= 4}

    def hear(self, event: Event) -> None:
        return

    def within_run(self, run: str, operation: str, service: str) -> RunTrace:
        return RunTrace(self, run, operation, service, _caller())

    def span(self, name: str, context: Any, attributes: Mapping[str, Any]) -> Any:
        return self._tracer.start_span(self.plain(name), context, attributes=self.plain(attributes))

    def plain(self, said: Any) -> Any:
        """Without a secret, and without what is empty."""
        if isinstance(said, Mapping):
            said = {key: value for key, value in said.items() if value not in ("", None)}
        return masked(said, self._hidden)

    def close(self) -> None:
        """Send what still waits, for a moment. The thread that sends ends with the program."""
        last = threading.Thread(target=self.provider.shutdown, daemon=True)
        last.start()
        said = os.environ.get(_LASTS, "")
        last.join(int(said) / 1000 if said.isdigit() else _LAST)


class RunTrace:
    """Hears one run. A run within it becomes a part of its trace."""

    def __init__(self, traces: Traces, run: str, operation: str, service: str, above: Any):
        self._traces = traces
        self._lock = threading.Lock()
        self._steps: dict[int, tuple[Any, StepStarted]] = {}
        self._made = 0
        self._span = traces.span(
            f"{operation} {service}".strip(),
            above,
            {
                "haechi.run": run,
                "haechi.operation": operation,
                "haechi.service": service,
                "haechi.source": traces.kinds.get(service, ""),
            },
        )

    def hear(self, event: Event) -> None:
        with self._lock:
            match event:
                case StepStarted():
                    self._begin(event)
                case StepEnded():
                    self._end(event)
                case Said(level="warning"):
                    self._span.add_event("warning", self._traces.plain({"message": event.text}))

    def within_run(self, run: str, operation: str, service: str) -> RunTrace:
        return RunTrace(self._traces, run, operation, service, _below(self._span))

    def run_ended(self, outcome: str, error: Mapping[str, Any], figures: Mapping[str, int]) -> None:
        told = {
            "haechi.outcome": str(outcome),
            **{f"haechi.{name}": value for name, value in figures.items()},
        }
        if error:
            told["error.type"] = str(error.get("code", ""))
        with self._lock:
            self._span.set_attributes(self._traces.plain(told))
            self._close(self._span, str(error.get("message", "")) if outcome != "success" else "")

    def _begin(self, event: StepStarted) -> None:
        self._made += 1
        above = self._steps.get(event.parent or 0, (None,))[0] or self._span
        span = None
        if self._made <= _MOST:
            span = self._traces.span(event.title, _below(above), {})
        self._steps[event.step] = (span, event)

    def _end(self, event: StepEnded) -> None:
        span, begun = self._steps.pop(event.step, (None, None))
        if span is None:
            if not event.error:
                return
            span = self._traces.span(event.title, _below(self._span), {})
        if event.done:
            unit = "bytes" if begun is not None and begun.unit == "bytes" else "amount"
            span.set_attribute(f"haechi.{unit}", event.done)
        self._close(span, event.error)

    def _close(self, span: Any, error: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        if error:
            span.set_status(Status(StatusCode.ERROR, self._traces.plain(error)))
        span.end()


def beside(view: View, home: Home) -> Traces | None:
    """The same; what keeps them from being sent is told, and keeps nothing else from being done."""
    try:
        return of(home)
    except HaechiError as problem:
        view.warn(f"{problem.message} {problem.hint}".strip())
        return None


def of(home: Home) -> Traces | None:
    """What the plan wants, or else the environment by OpenTelemetry's own names; None where nobody does.

    That the package is missing is an error only where the plan asks for traces: the environment may mean others.
    """
    said = home.plan.server.traces
    if _off() or (said is None and not _asked_by_environment()):
        return None
    headers = {name: value.fetch().reveal() for name, value in said.headers.items()} if said else {}
    try:
        provider = _provider(address(said.to) if said else None, headers)
    except DriverMissing:
        if said is None:
            return None
        raise
    secrets = {*literals(list(vars(home.plan).values())), *headers.values()}
    return Traces(provider, {name: entry.source for name, entry in home.plan.services.items()}, secrets)


def address(base: str) -> str:
    """A collector is often known by host and port alone."""
    return base if urlsplit(base).path.strip("/") else base.rstrip("/") + _PATH


def examined(home: Home) -> Iterator[Finding]:
    """Whether the collector that the plan names takes what it is sent: nothing, this time."""
    said = home.plan.server.traces
    if said is None or _off():
        return
    headers = {name: value.fetch().reveal() for name, value in said.headers.items()}
    taken = _exporter(address(said.to), headers).export([])
    where = masked(said.to, {})
    if taken.name == "SUCCESS":
        yield Finding(_("traces"), Health.GOOD, _("{where} takes them").format(where=where))
    else:
        text = _("{where} does not take them; nothing else waits for it").format(where=where)
        mend = _("Check its address, its port for HTTP and the headers.")
        yield Finding(_("traces"), Health.WARNING, text, mend)


def _provider(endpoint: str | None, headers: Mapping[str, str]) -> Any:
    exporter = _exporter(endpoint, headers)
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = {"service.version": __version__, "host.name": os.uname().nodename}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        about["service.name"] = "haechi"
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
    return provider


def _exporter(endpoint: str | None, headers: Mapping[str, str]) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise DriverMissing.of("opentelemetry-sdk", "otel") from None
    library = logging.getLogger("opentelemetry")
    library.addHandler(logging.NullHandler())  # it would write to the terminal whenever the receiver is away
    library.propagate = False
    answer = None if any(os.environ.get(name) for name in _ANSWERS) else _ANSWER
    try:
        return OTLPSpanExporter(endpoint=endpoint, headers=dict(headers) or None, timeout=answer)
    except ValueError as problem:  # what the environment says of compression or certificates
        raise HaechiError(_("Traces cannot be sent: {reason}").format(reason=problem)) from None


def _off() -> bool:
    return (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )


def _asked_by_environment() -> bool:
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return False
    protocol = next((said for name in _PROTOCOLS if (said := os.environ.get(name))), "http/protobuf")
    return protocol == "http/protobuf"  # the port of the others speaks another language


def _caller() -> Any:
    """The trace of whoever started us, if it says so the way OpenTelemetry's programs do."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = {
        name: os.environ[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in os.environ
    }
    return TraceContextTextMapPropagator().extract(given)


def _below(span: Any) -> Any:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(span)
