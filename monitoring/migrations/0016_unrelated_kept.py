from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0015_feed_comparisons"), ("ledger", "0002_kept")]

    # What a comparison belongs to is not among the columns that may change: the trigger of 0011 keeps it as well.
    operations = [keep("monitoring_unrelated")]
