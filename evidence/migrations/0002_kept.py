from django.db import migrations

from ledger.kept import keep


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial"), ("ledger", "0002_kept")]

    operations = [
        keep("evidence_evidenceitem", "submitted_at", delete_when="OLD.submitted_at IS NULL"),
        keep("evidence_grant", "until"),
        keep("evidence_barrier"),
    ]
