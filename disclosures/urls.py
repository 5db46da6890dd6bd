"""Addresses of disclosures, allegations and receipts."""

from typing import Any

from django.urls import path, register_converter

from disclosures import api
from disclosures.api.receipts import Receipt
from disclosures.api.standing import StandingDeclarations
from disclosures.views import authorisations, filing, lists, receipts, review, sections, standing


class FilingReference:
    """D-2026-000123 or A-2026-000123: what cannot be a reference never reaches the database."""

    regex = "[AD]-[0-9]{4}-[0-9]{6,12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class AuthorisationReference(FilingReference):
    """P-2026-000123."""

    regex = "P-[0-9]{4}-[0-9]{6,12}"


class VersionNumber:
    """A number that the column can hold."""

    regex = "[1-9][0-9]{0,3}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(FilingReference, "filing")
register_converter(AuthorisationReference, "authorisation")
register_converter(VersionNumber, "version")


def _api(kind: str, views: dict[str, Any]) -> list[Any]:
    """Addresses of one kind of filing in the API: the list, one, many at once, and each verb."""
    root = f"api/v1/{kind}s/"
    verbs = [name for name in views if name not in {"list", "one", "version", "bulk"}]
    return [
        path(root, views["list"].as_view(), name=f"api_{kind}s"),
        path(f"{root}bulk/", views["bulk"].as_view(), name=f"api_{kind}_bulk"),
        path(f"{root}<filing:reference>/", views["one"].as_view(), name=f"api_{kind}"),
        path(
            f"{root}<filing:reference>/versions/<version:number>/",
            views["version"].as_view(),
            name=f"api_{kind}_version",
        ),
        *(
            path(
                f"{root}<filing:reference>/{verb}/",
                views[verb].as_view(),
                name=f"api_{kind}_{verb.replace('-', '_')}",
            )
            for verb in verbs
        ),
    ]


def _api_of_authorisations() -> list[Any]:
    one = "api/v1/authorisations/<authorisation:reference>/"
    verbs = {name: view for name, view in api.AUTHORISATION.items() if name not in {"list", "one"}}
    return [
        path("api/v1/authorisations/", api.AUTHORISATION["list"].as_view(), name="api_authorisations"),
        path(one, api.AUTHORISATION["one"].as_view(), name="api_authorisation"),
        *(path(f"{one}{verb}/", view.as_view(), name=f"api_authorisation_{verb}") for verb, view in verbs.items()),
    ]


urlpatterns = [
    path("disclosures/", lists.disclosures, name="disclosures"),
    path("disclosures/new/", lists.disclosure_new, name="disclosure_new"),
    path("allegations/", lists.allegations, name="allegations"),
    path("allegations/new/", lists.allegation_new, name="allegation_new"),
    path("review/", lists.review_queue, name="review_queue"),
    path("filings/<filing:reference>/", filing.filing, name="filing"),
    path("filings/<filing:reference>/sections/<slug:key>/", sections.section, name="filing_section"),
    path("filings/<filing:reference>/check/", sections.check, name="filing_check"),
    path("filings/<filing:reference>/receipt/", receipts.receipt, name="filing_receipt"),
    path("filings/<filing:reference>/receipt.pdf", receipts.receipt_pdf, name="filing_receipt_pdf"),
    path("filings/<filing:reference>/versions/<version:number>/", filing.version, name="filing_version"),
    path("filings/<filing:reference>/discard/", filing.discard, name="filing_discard"),
    path("filings/<filing:reference>/withdraw/", filing.withdraw, name="filing_withdraw"),
    path("filings/<filing:reference>/amend/", filing.amend, name="filing_amend"),
    path("filings/<filing:reference>/accept/", review.accept, name="filing_accept"),
    path("filings/<filing:reference>/return/", review.return_, name="filing_return"),
    path("filings/<filing:reference>/acknowledge/", review.acknowledge, name="filing_acknowledge"),
    path("filings/<filing:reference>/admit/", review.admit, name="filing_admit"),
    path("filings/<filing:reference>/want-more/", review.want_more, name="filing_want_more"),
    path("filings/<filing:reference>/reject/", review.reject, name="filing_reject"),
    path("standing-declarations/", standing.standing, name="standing"),
    path("standing-declarations/new/", standing.standing_new, name="standing_new"),
    path("standing-declarations/<int:pk>/revoke/", standing.standing_revoke, name="standing_revoke"),
    path("authorisations/", authorisations.authorisations, name="authorisations"),
    path("authorisations/new/", authorisations.authorisation_new, name="authorisation_new"),
    path("authorisations/<authorisation:reference>/", authorisations.authorisation, name="authorisation"),
    *(
        path(
            f"authorisations/<authorisation:reference>/{verb}/",
            getattr(authorisations, f"authorisation_{verb}"),
            name=f"authorisation_{verb}",
        )
        for verb in ("amend", "confirm", "refuse", "withdraw", "revoke")
    ),
    path(
        "authorisations/<authorisation:reference>/versions/<version:number>/",
        authorisations.authorisation_version,
        name="authorisation_version",
    ),
    path("receipts/", receipts.verify_receipt, name="verify_receipt"),
    path("api/v1/receipts/<filing:reference>/", Receipt.as_view(), name="api_receipt"),
    path("api/v1/standing-declarations/", StandingDeclarations.as_view(), name="api_standing_declarations"),
    *_api_of_authorisations(),
    *_api("disclosure", api.DISCLOSURE),
    *_api("allegation", api.ALLEGATION),
]
