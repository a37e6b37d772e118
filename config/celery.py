"""The Celery app: how messages are sent, taken, tried again and given up.

Queues, exchanges and bindings are in config.events.topology. Each setting below closes a way to lose or to
multiply a message; the broker's type decides the few that differ.
"""

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.events import topology
from config.observability import workers  # brings its signal handlers

# Seconds. A message on redis:// whose worker died is delivered again after this long. Tasks end earlier; the one
# that may take longer (exports.run) holds a lease, so that a second delivery finds it taken.
REDIS_VISIBILITY = 300
TIME_LIMIT, SOFT_TIME_LIMIT = 280, 250


def transport_options() -> dict[str, Any]:
    """Without the time-outs a publish hangs for as long as the broker has an alarm or is frozen."""
    if topology.is_amqp():
        return {"confirm_publish": True, "read_timeout": 5, "write_timeout": 5}
    return {"visibility_timeout": REDIS_VISIBILITY, "socket_timeout": 5, "socket_connect_timeout": 2}


def configuration() -> dict[str, Any]:
    return {
        "broker_url": settings.BROKER_URL,
        "broker_transport_options": transport_options(),
        "broker_connection_timeout": 2,
        "broker_heartbeat": 10,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker outlives any outage of the broker
        "task_queues": topology.work_queues(),
        "task_routes": {},  # filled by `on_queue`
        "task_create_missing_queues": False,
        "task_default_queue": topology.DEFAULT_QUEUE,
        "task_default_exchange": topology.EVENTS.name,
        "task_default_exchange_type": topology.EVENTS.type,
        "task_default_routing_key": topology.private_key(topology.DEFAULT_QUEUE),
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,  # a job's row is the truth, so there is no result backend
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": False,  # rejected instead, which is what dead-letters it
        "task_acks_on_timeout": False,
        "task_time_limit": TIME_LIMIT,
        "task_soft_time_limit": SOFT_TIME_LIMIT,
        # Once more, over a new connection: the pooled one may have died since its last use.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0.2},
        "worker_consumer": "config.events.worker:Consumer",
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 1000,
        "worker_max_memory_per_child": 400_000,  # KiB
        "worker_proc_alive_timeout": 30,
        "worker_soft_shutdown_timeout": 30,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "beat_scheduler": "config.events.beat:LeadingScheduler",
        "beat_max_loop_interval": 5,
        "timezone": "UTC",
    }


class TaskmillCelery(Celery):
    task_cls = "config.events.worker:Task"

    @cached_property
    def Beat(self) -> Any:  # noqa: N802 (Celery's name)
        return self.subclass_with_self(workers.QuietBeat, name="Beat")

    def on_queue(self, queue: str, *, name: str, **options: Any) -> Callable[[Callable[..., None]], Any]:
        """`task()` with its queue: the route is the one place where a queue is named."""
        self.conf.task_routes = {name: {"queue": queue}, **self.conf.task_routes}
        return cast(Callable[[Callable[..., None]], Any], self.task(name=name, **options))


app = TaskmillCelery("config")
app.config_from_object(configuration())
app.set_default()
app.autodiscover_tasks()
