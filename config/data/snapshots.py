"""How much a read has seen."""

from django.db.models import TextField
from django.db.models.expressions import RawSQL

# The statement's own snapshot, xmin:xmax:running,…; of a standby only xmin: its snapshot lists no running transactions,
# but knows the oldest.
SEEN = RawSQL(
    "CASE WHEN pg_is_in_recovery() THEN pg_snapshot_xmin(pg_current_snapshot())::text"
    " ELSE pg_current_snapshot()::text END",
    [],
    output_field=TextField(),
)


def had_seen(seen: str, xid: int) -> bool:
    """Whether a transaction had ended before the read that `SEEN` tells of. Raises ValueError for junk."""
    lowest, _, rest = seen.partition(":")
    if xid < int(lowest):
        return True
    highest, _, running = rest.partition(":")
    return bool(highest) and xid < int(highest) and str(xid) not in running.split(",")
