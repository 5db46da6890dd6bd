"""What an answer that is kept for a retry is about, so that it says no more of what is deleted."""

from django.db import migrations, models

# Of those that are kept already: what is shown of a filing or a file, or a receipt of it, begins with its reference.
KEPT = r"""
UPDATE accounts_keptanswer SET about = substring(body from '^\{"reference":"([A-Z]-[0-9]{4}-[0-9]{6,15})"')
WHERE body ~ '^\{"reference":"[A-Z]-[0-9]{4}-[0-9]{6,15}"'
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_decisions_kept")]

    operations = [
        migrations.AddField(
            model_name="keptanswer",
            name="about",
            field=models.CharField(blank=True, default="", max_length=24),
            preserve_default=False,
        ),
        migrations.AddIndex(
            model_name="keptanswer",
            index=models.Index(
                condition=models.Q(("about", ""), _negated=True), fields=["about"], name="kept_answer_about"
            ),
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
