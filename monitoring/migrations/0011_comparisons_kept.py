from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0010_comparisons"), ("ledger", "0002_kept")]

    operations = [keep("monitoring_comparison", "state", "closed_at", "closed_by_id", "reason")]
