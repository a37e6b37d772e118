"""When release 3 is gone, which still writes it. There is no way back from here but a backup."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("rollout", "0006_body_alone")]
    operations = [migrations.RemoveField("note", "text")]
