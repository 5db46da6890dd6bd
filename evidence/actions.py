"""What can be done with evidence by its owner and its readers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.fields.files import FieldFile

from accounts.actions import forget_content
from accounts.models import Organisation, User
from accounts.permissions import check
from evidence.intake import Refused, inspect
from evidence.models import FULL, NON_CONFIDENTIAL, Barrier, EvidenceItem, Grant
from evidence.rules import RULES
from ledger.actions import action, record, wall
from ledger.references import next_reference
from ledger.time import now
from web.problems import Conflict, Invalid


def add(*, by: User, file: Any, public_file: Any = None, received_at: datetime, **fields: Any) -> EvidenceItem:
    """Take a file and what must be known of it. `received_at` is when its last byte arrived.

    The file is stored first and removed again if the record cannot be made: no half record stays. Raises Invalid with
    the reason beside `file` or `public_file` when a file is empty, too large or not what it says it is.
    """
    check(by, RULES["add"])
    taken = _inspect("file", file)
    public = _inspect("public_file", public_file) if public_file else None
    if fields["limb"] != "none":
        if not fields.get("confidentiality_reason"):
            raise Invalid({"confidentiality_reason": ["Say why it is confidential"]})
        if not public and not fields.get("no_public_version_because"):
            raise Invalid({"public_file": ["Give a non-confidential version, or say why none can be made"]})
    stored: list[str] = []
    try:
        item = EvidenceItem(
            organisation_id=by.organisation_id,
            submitted_by=by,
            received_at=received_at,
            original_name=taken.name,
            media_type=taken.media_type,
            size=taken.size,
            sha256=taken.sha256,
            **fields,
        )
        item.file.name = _store("items", file, stored)
        if public is not None:
            item.public_file.name = _store("public", public_file, stored)
            item.public_name, item.public_media_type = public.name, public.media_type
            item.public_size, item.public_sha256 = public.size, public.sha256
        return _keep(item, by=by)
    except BaseException:
        for name in stored:
            with contextlib.suppress(OSError):
                storages["default"].delete(name)
        raise


@action
def _keep(item: EvidenceItem, *, by: User) -> EvidenceItem:
    item.reference = next_reference("E")
    item.save()
    record(
        by,
        "evidence.received",
        item,
        audience=[item.organisation_id],
        at=item.received_at,
        private=True,
        sha256=item.sha256,
        size=item.size,
        public_sha256=item.public_sha256,
    )
    return item


def _inspect(name: str, file: Any) -> Any:
    try:
        return inspect(file)
    except Refused as refused:
        raise Invalid({name: [str(refused)]}) from refused


def _store(folder: str, file: Any, stored: list[str]) -> str:
    # A random name: nothing of the owner's own name or of the item's number is in the storage.
    name = storages["default"].save(f"{folder}/{uuid4().hex}", file)
    stored.append(name)
    return name


@action
def remove(item_id: int, *, by: User) -> None:
    """Take back a file that has not been handed in. Once handed in, nothing is removed: hand in a better copy.

    Raises Conflict as well for what something rests on that is itself kept: an item made from it, or an analysis.
    """
    item = EvidenceItem.objects.select_for_update().get(pk=item_id)
    check(by, RULES["remove"], item)
    later = item.derivations.values_list("reference", flat=True).first()
    if later is not None:
        raise Conflict(f"{later} was made from this item. Remove that one first.")
    names = [item.file.name, item.public_file.name]
    record(by, "evidence.removed", item, audience=[item.organisation_id], private=True, sha256=item.sha256)
    forget_content(item.reference, "removed")
    try:
        item.delete()
    except ProtectedError as error:  # by the apps above, whose rows are no business of this one
        raise Conflict("An analysis of it was asked for, and is kept with the file. It stays.") from error
    transaction.on_commit(lambda: _delete(names))


def _delete(names: Iterable[str | None]) -> None:
    for name in names:
        if name:
            storages["default"].delete(name)


@action
def read(item_id: int, *, by: User, version: str) -> FieldFile:
    """Put a reading of the item on record, before the first byte goes out; answers the stored file.

    `version` is "full" or "non_confidential". Raises DoesNotExist when that version is not for `by` to see.
    """
    item = EvidenceItem.objects.get(pk=item_id)
    check(by, RULES["read"], item)
    projection = item.projection_for(by)
    if projection is None or (version == FULL and projection != FULL):
        raise EvidenceItem.DoesNotExist
    file = item.file if version == FULL else item.shareable_file
    if not file:
        raise EvidenceItem.DoesNotExist
    record(by, "evidence.read", item, audience=[item.organisation_id] if by.is_company else [], version=version)
    return file


# --- Shared steps of the actions above: they run inside the caller's transaction. -------------------------------------


def hand_in(items: Iterable[EvidenceItem], *, by: User | None, at: datetime) -> None:
    """Items attached to something that is now submitted: from here on the ministry sees them and nothing is removed."""
    fresh = [item for item in items if item.submitted_at is None]
    EvidenceItem.objects.filter(pk__in=[item.pk for item in fresh]).update(submitted_at=at)
    for item in fresh:
        item.submitted_at = at
        record(by, "evidence.handed_in", item, audience=[item.organisation_id], sha256=item.sha256)


def grant(
    items: Iterable[EvidenceItem], organisation: Organisation, projection: str, *, by: User | None, reason: str
) -> None:
    """Give an organisation sight of items, from now on."""
    instant = now()
    Grant.objects.bulk_create(
        Grant(item=i, organisation=organisation, projection=projection, reason=reason, given_by=by, since=instant)
        for i in items
    )


def end_grants(organisation: Organisation, reason: str) -> None:
    """End what was given to an organisation under `reason`; what was read stays on record."""
    Grant.objects.current().filter(organisation=organisation, reason=reason).update(until=now())


def wall_off(items: Iterable[EvidenceItem], users: Iterable[User]) -> None:
    """Put a wall between officials with a conflict and items."""
    people, walled = list(users), list(items)
    Barrier.objects.bulk_create(
        [Barrier(item=item, user=user) for item in walled for user in people], ignore_conflicts=True
    )
    wall(walled, people)


__all__ = ["FULL", "NON_CONFIDENTIAL", "add", "end_grants", "grant", "hand_in", "read", "remove", "wall_off"]
