"""Groups of meters: a utility's own collections, and those that are always there."""

from __future__ import annotations

from typing import Annotated

from ninja import Schema, Status
from pydantic import Field

from avlas.meters import groups as meter_groups
from avlas.meters.models import Group
from avlas.web.api.access import ApiRequest, Token, find, router, who
from avlas.web.api.problems import conflict
from avlas.web.api.shapes import AS_IT_IS, Change, Closed, Number, line

routes = router("Groups")
READ, WRITE = Token("meters:read"), Token("meters:write")
Name = Annotated[str, line(80, least=1)]
Note = Annotated[str, line(300)]
Meters = Annotated[list[Number], Field(max_length=10_000)]


class GroupOut(Schema):
    """A group. ``choice`` is the word that chooses its meters elsewhere (``group=g12``); ``id`` null: always there."""

    choice: str
    id: int | None
    name: str
    note: str
    meters: int


class GroupsOut(Schema):
    """All groups, those that are always there first."""

    items: list[GroupOut]


class GroupIn(Closed):
    """A new group."""

    name: Name
    note: Note = ""


class GroupChange(Change):
    """What is to become of a group."""

    name: Name = AS_IT_IS
    note: Note = AS_IT_IS


class MembersIn(Closed):
    """Meters to put in and to take out; those of other utilities are passed over."""

    add: Meters = Field(default_factory=list)
    remove: Meters = Field(default_factory=list)


class MembersOut(Schema):
    """How many were put in and taken out."""

    added: int
    removed: int


def _shown(group: Group) -> GroupOut:
    return GroupOut(
        choice=meter_groups.choice_of(group),
        id=group.pk,
        name=group.name,
        note=group.note,
        meters=group.members.count(),
    )


@routes.get("/groups", auth=READ, response=GroupsOut, summary="List groups")
def list_groups(request: ApiRequest) -> GroupsOut:
    """All groups with how many meters each has."""
    utility = request.auth.utility_id
    counts = meter_groups.counts(utility)
    own = {meter_groups.choice_of(group): group for group in meter_groups.own(utility)}
    return GroupsOut(
        items=[
            GroupOut(
                choice=choice,
                id=own[choice].pk if choice in own else None,
                name=title,
                note=own[choice].note if choice in own else "",
                meters=counts.get(choice, 0),
            )
            for choice, title in meter_groups.choices(utility)
        ]
    )


@routes.post("/groups", auth=WRITE, response={201: GroupOut}, summary="Make a group")
def add_group(request: ApiRequest, body: GroupIn) -> Status[GroupOut]:
    """Make a group; its name must be free."""
    try:
        made = meter_groups.create(request.auth.utility_id, body.name, who(request), body.note)
    except meter_groups.BadGroup as problem:
        raise conflict(str(problem), "bad_name") from problem
    return Status(201, _shown(made))


@routes.get("/groups/{pk}", auth=READ, response=GroupOut, summary="One group")
def get_group(request: ApiRequest, pk: Number) -> GroupOut:
    """One group; its meters are listed by ``/meters?group=g12``."""
    return _shown(find(request, Group, pk, "group"))


@routes.patch("/groups/{pk}", auth=WRITE, response=GroupOut, summary="Change a group")
def change_group(request: ApiRequest, pk: Number, body: GroupChange) -> GroupOut:
    """Give a group another name or note."""
    own = find(request, Group, pk, "group")
    try:
        meter_groups.change(
            own, body.values.get("name", own.name), body.values.get("note", own.note), who(request)
        )
    except meter_groups.BadGroup as problem:
        raise conflict(str(problem), "bad_name") from problem
    return _shown(own)


@routes.delete("/groups/{pk}", auth=WRITE, response={204: None}, summary="Remove a group")
def remove_group(request: ApiRequest, pk: Number) -> Status[None]:
    """Remove a group; its meters stay."""
    meter_groups.delete(find(request, Group, pk, "group"), who(request))
    return Status(204, None)


@routes.post("/groups/{pk}/meters", auth=WRITE, response=MembersOut, summary="Put meters in, take them out")
def change_members(request: ApiRequest, pk: Number, body: MembersIn) -> MembersOut:
    """Put meters into a group and take others out."""
    own = find(request, Group, pk, "group")
    return MembersOut(
        added=meter_groups.add(own, body.add, who(request)),
        removed=meter_groups.remove(own, body.remove, who(request)),
    )
