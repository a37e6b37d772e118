"""Which database a query goes to: writes to the primary, reads where `config.data.reading` says."""

from typing import Any

from django.db.models import Model

from config.data import reading

PRIMARY = "default"


class ReplicaRouter:
    # The hint `instance` is ignored on purpose: a row that was read from a replica must not drag a later
    # read or write there (Django's related managers would).
    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return reading.alias()

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        return True  # all aliases are one database

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool:
        return database in {PRIMARY, "direct"}
