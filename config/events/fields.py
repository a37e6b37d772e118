from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    Base = models.Field[int, int]
else:
    Base = models.Field  # only the stubs make it generic


class Xid8Field(Base):
    """PostgreSQL's 64-bit transaction id.

    It goes over the wire as text: psycopg would send an int as `bigint`, and there is no operator between
    `xid8` and `bigint`, while an untyped literal takes the column's type.
    """

    description = "transaction id (xid8)"

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return str(value) if isinstance(value, int) else value


class CurrentTransaction(models.Func):
    """The id of the running transaction, given out by this call where it has none yet."""

    function = "pg_current_xact_id"
    template = "%(function)s()"
    output_field = Xid8Field()
