from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0012_aggregated_windows"), ("ledger", "0002_kept")]

    operations = [keep("monitoring_windowreading")]
