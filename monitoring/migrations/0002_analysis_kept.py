from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0001_analysis")]

    operations = [keep("monitoring_analysisreport")]
