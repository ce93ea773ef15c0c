"""What a search means by a word: folded, half typed, or misspelt."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.customers.domain.search import SEARCHED, filter_keys, search_keys
from shared.search import (
    PARTS,
    exact_keys,
    fold,
    misspelt_keys,
    prefix_keys,
    query_words,
    rank,
)

SAMPLE, REST = PARTS
IDS = {SAMPLE: UUID(int=32), REST: UUID(int=33)}
MUSTERHOTEL = {
    "company_name": "Musterhotel Zürichberg AG",
    "contact_name": "Zoë Møller-Weiß",
    "city": "St. Gallen",
    "email": "zoe.moeller@musterhotel.example",
    "number": "K-10042",
    "country": "CH",
    "status": "active",
}
every_part = pytest.mark.parametrize("part", PARTS)


def searched(fields: dict[str, str]) -> str:
    return " ".join(fields[name] for name in SEARCHED)


def fits(part: str, typed: str, fields: dict[str, str]) -> set[str]:
    """Which ways of asking find a customer."""
    keys = set(search_keys(IDS[part], fields))
    words = query_words(typed)
    return {
        name
        for name, found in {
            "exact": set(exact_keys(part, words)) <= keys,
            "begun": set(prefix_keys(part, words)) <= keys,
            "misspelt": all(keys & set(group) for group in misspelt_keys(part, words)),
        }.items()
        if found
    }


@pytest.mark.parametrize("spelling", ["Zürich", "ZÜRICH", "zurich", "Zuerich", "Zu\u0308rich"])
def test_one_town_has_one_folded_name(spelling: str) -> None:
    assert fold(spelling) == "zurich"


@pytest.mark.parametrize(
    "spelling", ["0\u1d2c", "\u210cotel", "\u24d0\u24b7", "\u3392", "\u0130", "aee"]
)
def test_raised_and_circled_letters_fold_like_plain_ones(spelling: str) -> None:
    assert fold(spelling) == fold(fold(spelling))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Weiß", "weiss"),
        ("Møller", "moller"),
        ("Łódź", "lodz"),
        ("Ægir", "agir"),
        ("ﬁne", "fine"),
        ("Dvořák", "dvorak"),
    ],
)
def test_diacritics_and_case_do_not_count(text: str, folded: str) -> None:
    assert fold(text) == folded


@every_part
@pytest.mark.parametrize(
    ("typed", "ways"),
    [
        ("musterhotel", {"exact", "begun", "misspelt"}),
        ("mu", {"begun", "misspelt"}),
        ("musterho", {"begun", "misspelt"}),
        ("zuerichberg gallen", {"exact", "begun", "misspelt"}),
        ("moeller", {"exact", "begun", "misspelt"}),
        ("10042", {"exact", "begun", "misspelt"}),
        ("mustrehotel", {"misspelt"}),  # swapped
        ("mustrhotel", {"misspelt"}),  # lost
        ("mussterhotel", {"misspelt"}),  # added
        ("mufterhotel", {"misspelt"}),  # changed
        ("gellen", {"misspelt"}),
        ("10024", {"misspelt"}),
        ("musterhotel basel", set()),
    ],
)
def test_a_customer_is_found_by(part: str, typed: str, ways: set[str]) -> None:
    assert fits(part, typed, MUSTERHOTEL) == ways


@every_part
def test_a_customer_has_the_keys_of_its_part_only(part: str) -> None:
    other = next(p for p in PARTS if p != part)
    keys = set(search_keys(IDS[part], MUSTERHOTEL))

    wanted = {"country": "CH", "status": "active"}
    assert keys > set(filter_keys(part, wanted))
    assert keys.isdisjoint(filter_keys(other, wanted))
    assert keys.isdisjoint(prefix_keys(other, ["musterhotel"]))


def test_a_filter_that_is_not_given_has_no_key() -> None:
    assert len(filter_keys(SAMPLE, {"country": "CH", "status": None})) == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("K-10042", ["10042"]),
        ("  Hotel,hotel & Söhne ", ["hotel", "sohne"]),
        ("a b c", []),
        ("%_'\\\0", []),
        (" ".join(f"word{n}" for n in range(50)), [f"word{n}" for n in range(6)]),
        ("x" * 200, ["x" * 30]),
    ],
)
def test_a_search_is_a_few_words(typed: str, words: list[str]) -> None:
    assert query_words(typed) == words


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ("musterhotel", 0),
        ("musterhotel zurichberg", 0),
        ("musterh", 1),
        ("must zurich", 2),
        ("mustrehotel", 2),
        ("mustrehotle", 3),
        ("mustrehto", 3),
        ("xyzzy", None),
        ("musterhotel xyzzy", None),
        ("agg", None),  # too short to be misspelt
    ],
)
def test_the_fewer_errors_the_better(typed: str, errors: int | None) -> None:
    assert rank(query_words(typed), searched(MUSTERHOTEL)) == errors


@given(st.fixed_dictionaries({name: st.text(max_size=40) for name in MUSTERHOTEL}))
def test_whatever_is_written_is_found_by_its_own_words(fields: dict[str, str]) -> None:
    for name in ("company_name", "contact_name", "city", "email", "number"):
        for word in query_words(fields[name]):
            assert "begun" in fits(REST, word, fields)
            assert rank([word], searched(fields)) in (0, 1)


@given(
    st.text("abcdfghijk", min_size=4, max_size=12),
    st.integers(0, 10),
    st.sampled_from(["lost", "changed", "swapped", "added"]),
)
def test_one_error_in_a_word_is_forgiven(word: str, place: int, error: str) -> None:
    place %= min(len(word), 6)
    typed = {
        "lost": word[:place] + word[place + 1 :],
        "changed": f"{word[:place]}x{word[place + 1 :]}",
        "swapped": word[:place] + word[place : place + 2][::-1] + word[place + 2 :],
        "added": f"{word[:place]}x{word[place:]}",
    }[error]
    if len(typed) < 4:
        return
    fields = {**MUSTERHOTEL, "city": word}

    assert "misspelt" in fits(REST, typed, fields)
    assert rank(query_words(typed), searched(fields)) is not None
