"""What can be done to the credentials of programs; and what their requests leave behind."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now as DatabaseNow  # noqa: TID251 - see forget_answers
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import AccessToken, Application

from accounts.models import Client, KeptAnswer, Organisation, User
from accounts.permissions import check
from accounts.rules import CLIENT_RULES, SCOPES_OF_KIND, service_role
from ledger.actions import action, record
from ledger.time import now
from web.problems import Invalid


@action
def make_client(organisation_id: int, *, by: User, name: str, scopes: Collection[str]) -> tuple[Client, str]:
    """Make API credentials for an organisation; answers the client and its secret, which is kept as a hash only.

    The client acts as a service user of the organisation. Raises Invalid for scopes that its kind cannot have.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, CLIENT_RULES["create"], organisation)
    if not scopes or not set(scopes) <= set(SCOPES_OF_KIND[organisation.kind]):
        raise Invalid({"scopes": ["Choose what it may do"]})
    secret, instant = generate_client_secret(), now()
    application = Application.objects.create(
        name=name,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_secret=secret,
    )
    user = User(
        # `invalid` is reserved (RFC 2606): no letter can ever go there.
        email=f"{application.client_id.lower()}@client.invalid",
        name=name,
        role=service_role(organisation.kind, scopes),
        organisation=organisation,
        is_service=True,
        created_at=instant,
    )
    user.set_unusable_password()
    user.save()
    client = Client.objects.create(
        application=application, user=user, scopes=sorted(scopes), created_by=by, created_at=instant
    )
    record(by, "client.made", client, audience=[organisation], scopes=client.scopes)
    return client, secret


@action
def rotate_client(client_id: int, *, by: User) -> tuple[Client, str]:
    """Give a client a new secret. The old one, and every token that was had with it, ends at once."""
    client = Client.objects.select_for_update(of=["self"]).select_related("user", "application").get(pk=client_id)
    check(by, CLIENT_RULES["rotate"], client)
    secret = _new_secret(client)
    client.rotated_at = now()
    client.save(update_fields=["rotated_at"])
    record(by, "client.rotated", client, audience=[client.ledger_root])
    return client, secret


@action
def revoke_client(client_id: int, *, by: User) -> Client:
    """Close a client: its next request is refused."""
    client = Client.objects.select_for_update(of=["self"]).select_related("user", "application").get(pk=client_id)
    check(by, CLIENT_RULES["revoke"], client)
    client.revoked_at, client.user.is_active = now(), False
    client.save(update_fields=["revoked_at"])
    client.user.save(update_fields=["is_active"])
    _new_secret(client)  # which nobody is told: the old one gets no token either
    record(by, "client.revoked", client, audience=[client.ledger_root])
    return client


def _new_secret(client: Client) -> str:
    secret: str = generate_client_secret()
    client.application.client_secret = secret
    client.application.save(update_fields=["client_secret"])
    AccessToken.objects.filter(application=client.application).delete()
    return secret


@action
def note_token(client_id: int) -> Client:
    """Put on record that a client signed in, that is, was given a token."""
    client = Client.objects.select_related("user").get(pk=client_id)
    record(client.user, "client.signed_in", client, audience=[client.ledger_root])
    return client


def forget_content(reference: str, state: str) -> None:
    """What was answered about something that is deleted says no more than that; a shared step of the action that does it.

    The keys stay: a retry makes no second record.
    """
    gone = json.dumps({"reference": reference, "state": state}, separators=(",", ":"))
    KeptAnswer.objects.filter(about=reference).update(body=gone, headers={})


ANSWERS_ARE_KEPT = timedelta(days=30)


@action
def forget_answers() -> int:
    """Forget what was kept for retries for longer than 30 days, and tokens that are out of date; answers how many."""
    answers, _ = KeptAnswer.objects.filter(at__lt=now() - ANSWERS_ARE_KEPT).delete()
    # Tokens are stamped by the machine's clock, also in the sandbox: by its own clock, moved on by a fortnight, tokens that
    # are still good would be forgotten.
    tokens, _ = AccessToken.objects.filter(expires__lt=DatabaseNow() - timedelta(days=1)).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires < now()")
    return answers + tokens
