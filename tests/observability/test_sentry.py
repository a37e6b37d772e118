"""What goes to Sentry: the error and the ids that find it in the logs; nothing that was sent."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk

from config.observability import context, sentry
from tests.observability.receivers import Receiver

CANARY = "canary-51c0"


@pytest.fixture
def events(receiver: Receiver, settings: Any) -> Iterator[Any]:
    settings.SENTRY_DSN = f"http://key@127.0.0.1:{receiver.port}/1"
    sentry.start()

    def events() -> list[dict[str, Any]]:
        sentry_sdk.flush()
        return [json.loads(body.splitlines()[2]) for body in receiver.bodies]

    yield events
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def fail(token: str) -> None:
    raise ValueError(f"password={CANARY}")


def test_an_error_comes_with_its_ids_and_without_secrets(events: Any) -> None:
    with context.bind(request_id="r-1", user_id="alice"):
        try:
            fail(CANARY)
        except ValueError:
            logging.getLogger("x").exception("failed with Bearer %s", CANARY, extra={"authorization": CANARY})
    (event,) = events()
    assert event["tags"] == {"request_id": "r-1", "user_id": "alice"}
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["server_name"] == "tests"
    assert CANARY not in json.dumps(event)


def test_lines_below_an_error_stay_here(events: Any) -> None:
    logging.getLogger("x").info("request")
    logging.getLogger("x").warning("a part is away")
    logging.getLogger("x").error("a bug")
    assert [event["logentry"]["message"] for event in events()] == ["a bug"]


def test_nothing_is_started_without_an_address(settings: Any) -> None:
    settings.SENTRY_DSN = ""
    sentry.start()
    assert not sentry_sdk.get_client().is_active()
