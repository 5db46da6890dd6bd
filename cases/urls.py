"""Addresses of the case pages, and of cases in the API."""

from typing import Any

from django.urls import path

from cases.api import calendar as days
from cases.api import cases, exhibits, extensions, notices, referrals, work
from cases.views import calendar, case, exhibit, notice, queue, referral


def _verbs(root: str, name: str, views: dict[str, Any]) -> list[Any]:
    """The address of each thing that the API does to one of a kind."""
    return [
        path(f"api/v1/{root}/{verb}/", view.as_view(), name=f"{name}_{verb.replace('-', '_')}")
        for verb, view in views.items()
    ]


urlpatterns = [
    path("cases/", queue.cases, name="cases"),
    path("cases/new/", case.case_new, name="case_new"),
    path("cases/<str:reference>/", case.case, name="case"),
    path("cases/<str:reference>/assign/", case.case_assign, name="case_assign"),
    path("cases/<str:reference>/conflict/", case.case_conflict, name="case_conflict"),
    path("cases/<str:reference>/notes/new/", case.case_note, name="case_note"),
    path("cases/<str:reference>/brief/<str:head>/edit/", case.case_brief, name="case_brief"),
    path("cases/<str:reference>/notices/new/", case.case_issue, name="case_issue"),
    path("cases/<str:reference>/propose/", case.case_propose, name="case_propose"),
    path("cases/<str:reference>/resolve/", case.case_resolve, name="case_resolve"),
    path("cases/<str:reference>/publish/", case.case_publish, name="case_publish"),
    path("cases/<str:reference>/refer/", case.case_refer, name="case_refer"),
    path("cases/<str:reference>/tabs/<str:tab>/", case.case, name="case_tab"),
    path("exhibits/<int:pk>/disclose/", exhibit.exhibit_disclose, name="exhibit_disclose"),
    path("exhibits/<int:pk>/show-analysis/", exhibit.exhibit_show_analysis, name="exhibit_show_analysis"),
    path("exhibits/<int:pk>/comment/", exhibit.exhibit_comment, name="exhibit_comment"),
    path("notices/<str:reference>/", notice.notice, name="notice"),
    path("notices/<str:reference>/questions/<int:number>/", notice.notice_question, name="notice_question"),
    path("notices/<str:reference>/check/", notice.notice_check, name="notice_check"),
    path("notices/<str:reference>/answers/<int:number>/", notice.response, name="response"),
    path("notices/<str:reference>/more-time/", notice.notice_more_time, name="notice_more_time"),
    path("notices/<str:reference>/extend/", notice.notice_extend, name="notice_extend"),
    path("notices/<str:reference>/waive/", notice.notice_waive, name="notice_waive"),
    path("notices/<str:reference>/serve-again/", notice.notice_serve_again, name="notice_serve_again"),
    path("notices/<str:reference>/service/", notice.notice_service, name="notice_service"),
    path("services/<int:pk>/proof/", notice.service_proof, name="service_proof"),
    path("extensions/<int:pk>/grant/", notice.extension_grant, name="extension_grant"),
    path("extensions/<int:pk>/refuse/", notice.extension_refuse, name="extension_refuse"),
    path("referrals/", referral.referrals, name="referrals"),
    path("referrals/<str:reference>/", referral.referral, name="referral"),
    path("referrals/<str:reference>/acknowledge/", referral.referral_acknowledge, name="referral_acknowledge"),
    path("referrals/<str:reference>/accept/", referral.referral_accept, name="referral_accept"),
    path("referrals/<str:reference>/return/", referral.referral_return, name="referral_return"),
    path("referrals/<str:reference>/decline/", referral.referral_decline, name="referral_decline"),
    path("referrals/<str:reference>/add-analyses/", referral.referral_add_analyses, name="referral_add_analyses"),
    path("referrals/<str:reference>/withdraw/", referral.referral_withdraw, name="referral_withdraw"),
    path("api/v1/cases/", work.Cases.as_view(), name="api_cases"),
    path("api/v1/cases/<str:reference>/", cases.OneCase.as_view(), name="api_case"),
    *_verbs("cases/<str:reference>", "api_case", work.VERBS),
    path("api/v1/exhibits/<int:pk>/", exhibits.OneExhibit.as_view(), name="api_exhibit"),
    *_verbs("exhibits/<int:pk>", "api_exhibit", exhibits.VERBS),
    path("api/v1/decisions/", cases.Decisions.as_view(), name="api_decisions"),
    path("api/v1/decisions/<int:pk>/", cases.OneDecision.as_view(), name="api_decision"),
    path("api/v1/calendar/", days.Calendar.as_view(), name="api_calendar"),
    path("api/v1/notices/", notices.Notices.as_view(), name="api_notices"),
    path("api/v1/notices/<str:reference>/", notices.OneNotice.as_view(), name="api_notice"),
    *_verbs("notices/<str:reference>", "api_notice", notices.VERBS),
    path("api/v1/extensions/", extensions.Extensions.as_view(), name="api_extensions"),
    path("api/v1/extensions/<int:pk>/", extensions.OneExtension.as_view(), name="api_extension"),
    path("api/v1/extensions/<int:pk>/grant/", extensions.Grant.as_view(), name="api_extension_grant"),
    path("api/v1/extensions/<int:pk>/refuse/", extensions.Refuse.as_view(), name="api_extension_refuse"),
    path("api/v1/referrals/", referrals.Referrals.as_view(), name="api_referrals"),
    path("api/v1/referrals/<str:reference>/", referrals.OneReferral.as_view(), name="api_referral"),
    *_verbs("referrals/<str:reference>", "api_referral", referrals.VERBS),
    path("calendar/", calendar.calendar, name="calendar"),
    path("calendar/days/new/", calendar.calendar_day, name="calendar_day"),
    path("calendar/outages/new/", calendar.calendar_outage, name="calendar_outage"),
    path("decisions/", calendar.decisions, name="decisions"),
    path("decisions/<int:pk>/", calendar.decision, name="decision"),
]
