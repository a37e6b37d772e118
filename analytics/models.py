from django.db import models


class DailyRollup(models.Model):
    """How many tasks of one owner were created, completed and deleted on one UTC day."""

    owner = models.CharField(max_length=255)
    date = models.DateField()
    created = models.IntegerField(default=0)
    completed = models.IntegerField(default=0)
    deleted = models.IntegerField(default=0)

    class Meta:
        db_table = "daily_rollup"
        constraints = [models.UniqueConstraint(fields=["owner", "date"], name="daily_rollup_once")]
        indexes = [models.Index(fields=["date"], name="daily_rollup_date")]

    def __str__(self) -> str:
        return f"{self.owner} {self.date}"
