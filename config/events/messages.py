"""An event as messages: one CloudEvent for any consumer in any language, one Celery message per subscription."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import orjson
from django.conf import settings

from config.celery import app
from config.events import subscriptions, topology
from config.events.publisher import Send

Row = Mapping[str, Any]


def body(row: Row) -> dict[str, Any]:
    """The event as consumers get it: plain JSON values."""
    return {
        "id": str(row["id"]),
        "type": row["type"],
        "subject": str(row["subject"]),
        "owner": row["owner"],
        "actor": row["actor"],
        "version": row["version"],
        "changes": row["changes"],
        "data": row["data"],
        "at": row["at"].isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": row["request_id"] or None,
        "traceparent": row["traceparent"] or None,
    }


def sequence(xid: int, identifier: UUID) -> str:
    """The event's place in the log, as a text that sorts like it."""
    return f"{xid:020d}-{identifier}"


def task_id(event: UUID, subscriber: str) -> UUID:
    """The same whenever the event is published again, so that logs show what is a duplicate."""
    return uuid5(event, subscriber)


def cloud_event(row: Row) -> dict[str, Any]:
    """CloudEvents 1.0, structured mode."""
    event = body(row)
    attributes = {
        "specversion": "1.0",
        "id": event["id"],
        "source": settings.SITE_URL,
        "type": event["type"],
        "subject": event["subject"],
        "time": event["at"],
        "datacontenttype": "application/json",
        "partitionkey": event["subject"],
        "sequence": sequence(row["xid"], row["id"]),
        "data": {name: event[name] for name in ("owner", "actor", "version", "changes", "data")},
    }
    return {**attributes, **({"traceparent": event["traceparent"]} if event["traceparent"] else {})}


def messages(row: Row) -> Iterator[Send]:
    yield partial(_send_cloud_event, row)
    for subscription in subscriptions.of(row):
        yield partial(_send_task, row, subscription)


def _headers(row: Row) -> dict[str, str]:
    values = {"x-request-id": row["request_id"], "traceparent": row["traceparent"]}
    return {name: value for name, value in values.items() if value}


def _send_cloud_event(row: Row, producer: Any) -> None:
    """Not mandatory: there may be no consumer outside."""
    producer.publish(
        orjson.dumps(cloud_event(row)),
        exchange=topology.EVENTS.name,
        routing_key=row["type"],
        content_type="application/cloudevents+json; charset=utf-8",
        content_encoding="utf-8",
        headers=_headers(row),
        delivery_mode=2,
        message_id=str(row["id"]),
    )


def _send_task(row: Row, subscription: subscriptions.Subscription, producer: Any) -> None:
    """A message that Celery could have sent."""
    identifier = str(task_id(row["id"], subscription.name))
    app.amqp.send_task_message(
        producer,
        subscription.task,
        app.amqp.as_task_v2(
            identifier, subscription.task, kwargs={"event": body(row)}, argsrepr="()", kwargsrepr=str(row["id"])
        ),
        exchange=topology.EVENTS.name,
        exchange_type=topology.EVENTS.type,
        routing_key=f"{subscription.name}.{row['type']}",
        headers=_headers(row),
        retry=False,
        declare=[],
        mandatory=True,
    )
