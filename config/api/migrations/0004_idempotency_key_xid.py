"""The transaction of the write, which is known only while its answer is stored. Nullable, without a default: no row is
rewritten, and the version before, which keeps the token among the headers, goes on inserting.
"""

from django.db import migrations

import config.events.fields


class Migration(migrations.Migration):
    dependencies = [("api", "0003_idempotency_key_subjects_index")]
    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="xid",
            field=config.events.fields.Xid8Field(null=True),  # type: ignore[misc]
        ),
    ]
