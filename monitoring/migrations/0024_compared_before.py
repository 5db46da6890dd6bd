import json

from django.db import migrations


def of_reports_that_are_there(apps, editor):
    """From the list that each was compared with; of before entries were named, from the names of their versions."""
    authorisations = apps.get_model("disclosures", "Authorisation").objects
    compared = apps.get_model("monitoring", "ComparedAuthorisation").objects
    for report in apps.get_model("monitoring", "AnalysisReport").objects.exclude(authorisations="").iterator():
        said = json.loads(report.authorisations)
        entries = {one.get("entry") or one.get("reference", "").split(" ")[0] for one in said}
        for one in authorisations.filter(reference__in=entries).order_by("pk"):
            compared.create(analysis_id=report.analysis_id, authorisation=one)


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0023_compared_authorisations"), ("disclosures", "0006_authorisations_kept")]

    operations = [migrations.RunPython(of_reports_that_are_there, migrations.RunPython.noop)]
