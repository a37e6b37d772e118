"""Numbers about the whole system that the alerts need. The relay serves them: one place, and not every process."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from django.conf import settings
from django.db import connections
from django.db.models import Count
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.data import partitions, replicas
from config.events import topology
from config.observability.probe import NoAnswer, Probe

Values = tuple[str, ...]  # of the labels


class State(Collector):
    """What cannot be found out is left out: a number from earlier would look like health."""

    def __init__(self) -> None:
        self._months = Probe(_months_ahead)
        self._lags: dict[Values, Probe[float]] = {
            (alias,): Probe(partial(replicas.lag, alias)) for alias in settings.REPLICAS
        }
        self._letters = Probe(_dead_letters)

    def describe(self) -> Iterable[Metric]:
        return []  # so that registering asks nobody

    def collect(self) -> Iterator[Metric]:
        self._letters.start()
        for probe in (self._months, *self._lags.values()):
            probe.start()
        yield _family("taskmill_partition_months_ahead", "Whole months ahead of this one", {(): self._months})
        yield _family("taskmill_replica_lag_seconds", "How far a replica is behind", self._lags, "database")
        if not topology.is_amqp():  # RabbitMQ counts its dead-letter queues itself
            yield from self._dead()

    def _dead(self) -> Iterator[Metric]:
        dead = GaugeMetricFamily("taskmill_dead_letters", "Messages that wait for somebody", labels=["queue"])
        try:
            for queue, count in self._letters.answer().items():
                dead.add_metric([queue], count)
        except NoAnswer:
            return
        yield dead


def _family(name: str, text: str, probes: Mapping[Values, Probe[float]], *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, probe in probes.items():
        try:
            family.add_metric(values, probe.answer())
        except NoAnswer:
            continue
    return family


def _months_ahead() -> float:
    return partitions.months_ahead(connections["default"])


def _dead_letters() -> dict[str, int]:
    from config.events.models import DeadLetter  # noqa: PLC0415 (models are loaded after settings)

    waiting = DeadLetter.objects.using("default").filter(replayed_at=None).values_list("queue")
    return dict.fromkeys(topology.QUEUES, 0) | dict(waiting.annotate(Count("id")))
