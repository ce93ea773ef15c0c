# ruff: noqa: E501 - tables with one case per line
"""Laying a document over a catalogue, and telling what that changes."""

import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.seed import load
from services.subscriptions.domain.catalogue import Catalogue
from services.subscriptions.domain.catalogue_changes import Change, diff, to_refresh
from services.subscriptions.domain.catalogue_document import overlay
from services.subscriptions.schemas.catalogue import CatalogueIn, entries_of
from services.subscriptions.schemas.catalogue_answers import catalogue_version, document_of
from services.subscriptions.schemas.catalogue_file import read_file, write_file
from shared.errors import InputInvalid

EMPTY = Catalogue({})
numbers = count(1)


def new_id() -> UUID:
    return UUID(int=next(numbers))


def laid(document: Any, over: Catalogue = EMPTY, **options: Any) -> Catalogue:
    entries = entries_of(CatalogueIn.model_validate(document))
    return overlay(over, entries, new_id=new_id, **options)[0]


def demo() -> Catalogue:
    return laid(load("catalogue"))


def changes(document: Any, over: Catalogue, **options: Any) -> list[Change]:
    return diff(over, laid(document, over, **options))


def told(found: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(change.verb, change.part, change.key) for change in found]


def plan(**different: Any) -> dict[str, Any]:
    return {"plans": [{"key": "team", "name": "Team", "group": "plans", **different}]}


SMALL: dict[str, Any] = {
    "groups": [{"key": "plans", "name": "Plans"}, {"key": "swiss", "name": "CH", "country": "CH"}],
    "features": [{"key": "api", "label": "API"}],
    "modules": [{"key": "archive", "name": "Archive", "features": {"api": True}}],
    "plans": [
        {
            "key": "team",
            "name": "Team",
            "group": "plans",
            "included_modules": ["archive"],
            "prices": [{"currency": "CHF", "cycle": "monthly", "unit_price": "49.00"}],
        }
    ],
}


# -- what changes ------------------------------------------------------------------------------


def test_the_same_document_again_changes_nothing() -> None:
    for document in (SMALL, load("catalogue")):
        once = laid(document)
        assert changes(document, once) == []


def test_a_new_document_creates_groups_first_and_products_last() -> None:
    assert told(diff(EMPTY, laid(SMALL))) == [
        ("create", "group", "plans"),
        ("create", "group", "swiss"),
        ("create", "feature", "api"),
        ("create", "module", "archive"),
        ("create", "plan", "team"),
    ]


def test_what_is_not_named_is_left_alone_unless_it_is_to_be_archived() -> None:
    before = laid(SMALL)
    only_groups = {"groups": SMALL["groups"]}
    entries = entries_of(CatalogueIn.model_validate(only_groups))

    assert {o.key for o in overlay(before, entries, new_id=new_id)[1]} == {"archive", "team"}
    assert changes(only_groups, before) == []
    archived = changes(only_groups, before, archive_missing=True)
    assert told(archived) == [("archive", "module", "archive"), ("archive", "plan", "team")]


def test_fields_are_told_one_by_one_and_references_by_key() -> None:
    before = laid(SMALL)
    (change,) = changes(plan(group="swiss", max_users=5, included_modules=[]), before)

    found = {f.field: (f.before, f.after) for f in change.fields}
    assert found == {
        "max_users": (0, 5),
        "group": ("plans", "swiss"),
        "included_modules": (["archive"], []),
    }


def test_a_price_with_other_terms_is_a_new_version_and_the_others_stay() -> None:
    before = laid(SMALL)
    price = {"currency": "CHF", "cycle": "monthly"}
    (same,) = (laid(plan(prices=[{**price, "unit_price": "49"}]), before).prices,)
    (change,) = changes(
        plan(
            included_modules=["archive"],
            prices=[
                {**price, "unit_price": "50.00"},
                {"currency": "EUR", "cycle": "yearly", "unit_price": None},
            ],
        ),
        before,
    )

    assert same == before.prices
    assert change.fields == ()
    assert [
        (p.before and p.before.unit_price, p.after.unit_price, p.after.version)
        for p in change.prices
    ] == [(Decimal("49.00"), Decimal("50.00"), 2), (None, None, 1)]


def test_a_renamed_key_changes_the_key_and_nothing_that_refers_to_it() -> None:
    before = laid(SMALL)
    ident = str(next(o.id for o in before.offerings.values() if o.key == "archive"))
    module = {"id": ident, "key": "vault", "name": "Archive", "features": {"api": True}}
    (change,) = changes({"modules": [module]}, before)

    assert [(f.field, f.before, f.after) for f in change.fields] == [("key", "archive", "vault")]


def test_two_may_change_their_keys_with_each_other() -> None:
    before = laid({"modules": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]})
    swapped = [
        {"id": str(o.id), "key": {"a": "b", "b": "a"}[o.key], "name": o.name}
        for o in before.offerings.values()
    ]
    assert len(changes({"modules": swapped}, before)) == 2


def test_without_a_key_one_is_made_of_the_name() -> None:
    made = laid(
        {
            "modules": [
                {"id": str(new_id()), "name": name}
                for name in ("Über Größe", "Uber Große", "日本", "x" * 100)
            ]
        }
    )
    keys = [o.key for o in made.offerings.values()]
    assert keys == ["uber-groe", "uber-groe-2", "module", "x" * 56]


def test_the_default_may_move_from_one_plan_to_another() -> None:
    first = {"key": "a", "name": "A", "group": "plans", "is_default": True}
    second = {"key": "b", "name": "B", "group": "plans"}
    before = laid({**SMALL, "plans": [first, second]})
    moved = [{**first, "is_default": False}, {**second, "is_default": True}]

    assert told(changes({"plans": moved}, before)) == [
        ("change", "plan", "a"),
        ("change", "plan", "b"),
    ]
    archived = [{**first, "archived": True}, {**second, "is_default": True}]
    assert len(changes({"plans": archived}, before)) == 2


def test_a_plan_is_offered_where_its_group_is() -> None:
    worldwide, swiss = laid(SMALL), laid(plan(group="swiss"), laid(SMALL))
    (team,) = (o for o in worldwide.offerings.values() if o.kind == "plan")
    (local,) = (o for o in swiss.offerings.values() if o.kind == "plan")

    assert (team.offered_in("CH"), team.offered_in("DE")) == (True, True)
    assert (local.offered_in("CH"), local.offered_in("DE")) == (True, False)


def test_customers_are_entitled_anew_by_what_grants_something_also_through_a_plan() -> None:
    before = laid(SMALL)
    ids = {o.key: o.id for o in before.offerings.values()}

    def refreshed(document: Any) -> set[UUID]:
        after = laid(document, before)
        return to_refresh(before, after, diff(before, after))

    module = {"key": "archive", "name": "Archive"}
    assert refreshed({"modules": [module]}) == {ids["archive"], ids["team"]}
    assert refreshed(plan(max_users=3, included_modules=["archive"])) == {ids["team"]}
    assert refreshed(plan(description="New", included_modules=["archive"])) == set()
    assert refreshed({"modules": [{"key": "new", "name": "New"}]}) == set()


def test_texts_fall_back_to_the_base_text_one_by_one() -> None:
    made = laid(plan(description="All", translations={"de": {"name": "Gruppe"}}), laid(SMALL))
    (team,) = (o for o in made.offerings.values() if o.kind == "plan")

    assert [team.name_in(language) for language in ("de", "fr")] == ["Gruppe", "Team"]
    assert [team.description_in(language) for language in ("de", "fr")] == ["All", "All"]


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "field", "rule"),
    [
        (plan(group="nowhere"), "plans[0].group", "no plan group nowhere"),
        (plan(included_modules=["nothing"]), "plans[0].included_modules[0]", "no module"),
        (plan(included_modules=["team"]), "plans[0].included_modules[0]", "is a plan"),
        (plan(included_modules=["archive"] * 2), "plans[0].included_modules[1]", "already"),
        (plan(features={"fly": True}), "plans[0].features.fly", "no feature fly"),
        ({"groups": [{"key": "a", "name": "A"}] * 2}, "groups[1].key", "same group"),
        ({"features": [{"key": "a", "label": "A"}] * 2}, "features[1].key", "same feature"),
        ({"modules": [{"id": str(UUID(int=9**9)), "key": "archive", "name": "Another"}]}, "modules[0].key", "another module"),
        ({"plans": [{"key": k, "name": k, "group": "plans", "is_default": True} for k in "ab"]}, "plans[0].is_default", "b is the default"),
    ],
)  # fmt: skip
def test_a_document_that_breaks_a_rule_is_refused_by_its_path(
    document: Any, field: str, rule: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        laid(document, laid(SMALL))

    (error,) = refused.value.errors
    assert error.field == field
    assert rule in error.rule


def test_an_id_cannot_change_what_it_stands_for() -> None:
    before = laid(SMALL)
    ident = next(o.id for o in before.offerings.values() if o.kind == "plan")
    with pytest.raises(InputInvalid, match=r"modules\[0\].id: .* is a plan"):
        laid({"modules": [{"id": str(ident), "name": "Team"}]}, before)


# -- files -------------------------------------------------------------------------------------


def test_what_was_exported_imports_without_a_change_there_and_as_a_whole_elsewhere() -> None:
    here = demo()
    text = write_file(document_of(here))
    read = entries_of(read_file(text.encode()).document)

    assert diff(here, overlay(here, read, new_id=new_id)[0]) == []
    elsewhere = overlay(EMPTY, read, new_id=new_id)[0]
    assert write_file(document_of(elsewhere)) == text
    assert catalogue_version(elsewhere) == catalogue_version(here)


@given(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50
    )
)
def test_any_text_comes_back_from_a_file_as_it_was(text: str) -> None:
    document = {"modules": [{"key": "a", "name": "A", "description": text}]}
    made = read_file(write_file(document).encode()).document
    assert made.modules[0].description == text


def test_a_file_is_read_as_it_is_written() -> None:
    read = read_file(
        b"\xef\xbb\xbf"
        b"features: [{key: no, label: Yes}]\n"
        b"modules:\n"
        b"- key: a\n"
        b"  name: on\n"
        b"  trial_days: 30\n"
        b"  translations: {no: {name: 2024-01-01}}\n"
        b"  features: {no: 10, yes: true, on: 1.50}\n"
        b"  prices: [{currency: CHF, cycle: monthly, unit_price: 19.00}]\n"
        b"- {key: b, name: B, prices: [{currency: JPY, cycle: once, unit_price: 1900},"
        b" {currency: CHF, cycle: once, unit_price: null}]}\n"
    ).document
    first, second = read.modules

    assert (read.features[0].label, first.name, first.trial_days) == ("Yes", "on", 30)
    assert first.features == {"no": "10", "yes": True, "on": "1.50"}
    assert first.translations["no"].name == "2024-01-01"
    assert [str(p.unit_price) for p in (*first.prices, *second.prices)] == ["19.00", "1900", "None"]


def dotted(location: Sequence[str | int]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)[1:]


BOMB = b"a: &a [x, x]\n" + b"".join(
    b"b%d: &b%d [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n" % (n, n) for n in range(20)
)


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (b"", "file", "empty"),
        (b"- a", "file", "mapping"),
        (b"plans: []\n---\nplans: []", "file", "one YAML document"),
        (b"plans: [", "file", r"must be YAML: .* \(line [12]\)"),
        (b"plans: \xff", "file", "UTF-8"),
        (b"plans: []\nplans: []", "plans", r"comes twice \(line 2\)"),
        (b"modules:\n- key: a\n  key: b", r"modules[0].key", r"comes twice \(line 3\)"),
        (BOMB, "a", r"anchors and aliases \(line 1\)"),
        (b"groups: *g", "groups", "aliases"),
        (b"plans: !!python/object/apply:os.system [ls]", "plans", r"must not have tags"),
        (b"plans: !!set {a, b}", "plans", r"must not have tags"),
        (b"? [a]\n: b", "file", "texts as keys"),
        (b"plans: " + b"[" * 500 + b"]" * 500, None, "nested too deep"),
        (b"<<: {plans: []}", "<<", "Extra inputs"),
        (b"plans:\n- name: Team\n  key: team\n  group: a\n  colour: red", "plans[0].colour", r"Extra inputs .* \(line 5\)"),
        (b"modules:\n- {name: A}", None, r"modules\[0\] needs a key or an id"),
        (b"modules:\n- {key: a, name: A, trial_days: 1.5}", "modules[0].trial_days", r"integer.* \(line 2\)"),
        (b"modules:\n- key: a\n  name: A\n  prices:\n  - currency: CHX\n    cycle: once\n    unit_price: 1", "modules[0].prices[0].currency", r"ISO 4217.* \(line 5\)"),
        (b"modules:\n- {key: a, name: A, prices: [{currency: CHF, cycle: once, unit_price: 1e999999999}]}", "modules[0].prices[0].unit_price", "less than"),
        (b"modules:\n- {key: a, name: A, prices: [{currency: CHF, cycle: once, unit_price: -1}]}", "modules[0].prices[0].unit_price", "greater than"),
        (b"modules:\n- {key: a, name: A, included_modules: [a]}", "modules[0].included_modules", "Extra inputs"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_field_rule_and_line(
    content: bytes, field: str | None, rule: str
) -> None:
    with pytest.raises((InputInvalid, RequestValidationError)) as refused:
        read_file(content)

    error = refused.value
    if isinstance(error, InputInvalid):
        found = [(wrong.field, wrong.rule) for wrong in error.errors]
    else:
        assert isinstance(error, RequestValidationError)
        found = [(dotted(wrong["loc"][1:]), wrong["msg"]) for wrong in error.errors()]
    assert any(field in (None, name) and re.search(rule, text) for name, text in found), found


def test_a_refusal_of_what_a_file_refers_to_has_its_line_too() -> None:
    file = read_file(b"plans:\n- key: team\n  name: Team\n  group: nowhere\n")
    with pytest.raises(InputInvalid) as refused:
        overlay(EMPTY, entries_of(file.document), new_id=new_id)

    assert file.located(refused.value).errors[0].rule == "there is no plan group nowhere (line 4)"
