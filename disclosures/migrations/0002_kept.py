from django.db import migrations

from ledger.kept import keep


def write_scheme(apps, schema_editor):
    """The illustrative scheme: no duty to disclose extraction is known to be in force, and it says so."""
    apps.get_model("disclosures", "Scheme").objects.create(
        name="Illustrative duty of candour on AI extraction",
        legal_basis=(
            "This scheme is an illustration. It is in force nowhere, and no law in the United Kingdom is known to make "
            "the disclosure of extraction activity mandatory."
        ),
        status_line="Illustrative scheme: in force nowhere.",
        evidence_days=14,
        decision_days=0,
        penalties=(
            "Under this illustrative scheme no penalty applies. If the scheme were in force, failing without reasonable "
            "excuse to answer, or giving information that is false or misleading, could lead to the penalties that its "
            "law sets out."
        ),
        time_rule="CANDOUR-TIME-1",
        overseas_nation="england",
    )


class Migration(migrations.Migration):
    dependencies = [("disclosures", "0001_initial"), ("ledger", "0002_kept")]

    operations = [
        migrations.RunPython(write_scheme, migrations.RunPython.noop),
        keep("disclosures_scheme"),
        keep("disclosures_filingversion"),
        keep("disclosures_filingreview"),
        keep("disclosures_filinggrant", "until"),
        keep("disclosures_filingbarrier"),
    ]
