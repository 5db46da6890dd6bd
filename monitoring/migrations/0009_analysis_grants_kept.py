from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0008_analysis_grants"), ("ledger", "0002_kept")]

    operations = [keep("monitoring_analysisgrant", "until")]
