from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0003_feeds"), ("ledger", "0002_kept")]

    operations = [
        # A new database has it already: the ledger's migration makes a sequence for every kind of reference.
        migrations.RunSQL("CREATE SEQUENCE IF NOT EXISTS reference_alert", migrations.RunSQL.noop),
        keep("monitoring_batch"),
        keep("monitoring_alert", "state", "rung", "last_seen_at", "times", "told_at", "closed_at"),
        keep("monitoring_alertversion"),
        keep("monitoring_alertstep"),
    ]
