"""Addresses of accounts. allauth's are picked one by one: what is not used here is not open."""

from allauth.account import views as allauth
from django.urls import include, path, re_path

from accounts import views
from accounts.api.clients import Token
from accounts.api.events import Events
from accounts.api.organisations import Organisations, OwnOrganisation

urlpatterns = [
    path("register/", views.register, name="register"),
    path("register/done/", views.register_done, name="register_done"),
    path("organisation/", views.organisation, name="organisation"),
    path("organisation/contacts/new/", views.contact_new, name="contact_new"),
    path("organisation/contacts/<int:pk>/remove/", views.contact_remove, name="contact_remove"),
    path("organisation/invite/", views.invite, name="invite"),
    # Links in letters begin with /invitations/ too (notifications.urls); a signed token is never a number.
    path("invitations/<int:pk>/revoke/", views.invitation_revoke, name="invitation_revoke"),
    path("people/<int:pk>/close/", views.person_close, name="person_close"),
    path("people/<int:pk>/replace/", views.person_replace, name="person_replace"),
    path("organisations/", views.organisations, name="organisations"),
    path("organisations/new/", views.organisation_new, name="organisation_new"),
    path("organisations/<int:pk>/", views.organisation_detail, name="organisation_detail"),
    path("organisations/<int:pk>/verify/", views.organisation_verify, name="organisation_verify"),
    path("organisations/<int:pk>/refuse/", views.organisation_refuse, name="organisation_refuse"),
    path("organisations/<int:pk>/suspend/", views.organisation_suspend, name="organisation_suspend"),
    path("organisations/<int:pk>/restore/", views.organisation_restore, name="organisation_restore"),
    path("organisations/<int:pk>/invite/", views.organisation_invite, name="organisation_invite"),
    path("organisations/<int:pk>/clients/new/", views.client_new, name="client_new"),
    path("clients/<int:pk>/rotate/", views.client_rotate, name="client_rotate"),
    path("clients/<int:pk>/revoke/", views.client_revoke, name="client_revoke"),
    path("api/v1/token/", Token.as_view(), name="api_token"),
    path("api/v1/events/", Events.as_view(), name="api_events"),
    path("api/v1/organisation/", OwnOrganisation.as_view(), name="api_organisation"),
    path("api/v1/organisations/", Organisations.as_view(), name="api_organisations"),
    path("account/", views.account, name="account"),
    path("account/away/", views.account_away, name="account_away"),
    # Signing in and out.
    path("sign-in/", allauth.login, name="account_login"),
    path("sign-out/", allauth.logout, name="account_logout"),
    # Closed by the adapter: the page says how an account is asked for.
    path("account/sign-up/", allauth.signup, name="account_signup"),
    path("account/inactive/", allauth.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", allauth.reauthenticate, name="account_reauthenticate"),
    path("account/password/change/", allauth.password_change, name="account_change_password"),
    path("account/password/reset/", allauth.password_reset, name="account_reset_password"),
    path("account/password/reset/done/", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/key/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("account/second-factor/", include("allauth.mfa.urls")),
]
