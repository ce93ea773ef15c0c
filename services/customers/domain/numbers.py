"""Telephone numbers and VAT ids, by the rules of their country."""

import re

import phonenumbers
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from shared.errors import InputInvalid

__all__ = ["checked_phone", "checked_vat_id"]

# Whose VAT ids have a published check digit that is kept up to date in python-stdnum: the EU
# (Council Directive 2006/112/EC, article 215), Switzerland, the United Kingdom, Norway.
_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_VAT_COUNTRIES = frozenset([*_EU.split(), "CH", "GB", "NO"])
# VAT ids begin with the country's code, but for Greece and Northern Ireland.
_VAT_PREFIXES = {"EL": "GR", "XI": "GB"}
_ANY_VAT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{1,28}[A-Za-z0-9]")


def checked_phone(phone: str, country: str) -> str:
    """A telephone number as E.164, such as +41335550123; read as dialled in `country`.

    Raises:
        InputInvalid: the country has no such numbers.
    """
    if not phone:
        return ""
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        number = None
    # Possible, not assigned: numbering plans change faster than any list of them.
    possible = (
        number is not None
        and not number.extension
        and (
            phonenumbers.is_possible_number_with_reason(number)
            == phonenumbers.ValidationResult.IS_POSSIBLE
        )
    )
    if number is None or not possible:
        raise InputInvalid(
            "phone", f"must be a telephone number as dialled in {country}, or begin with + and code"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def checked_vat_id(vat_id: str, country: str) -> None:
    """Check form and check digit of a VAT id, by its prefix or else by the customer's country.

    Other countries: 3 to 30 letters, digits, spaces, dots, slashes and hyphens.

    Raises:
        InputInvalid: it is none.
    """
    if not vat_id:
        return
    prefix = vat_id.strip()[:2].upper()
    prefix = _VAT_PREFIXES.get(prefix, prefix)
    issuer = prefix if prefix in _VAT_COUNTRIES else country
    if issuer not in _VAT_COUNTRIES:
        if not _ANY_VAT_ID.fullmatch(vat_id):
            raise InputInvalid("vat_id", "must have 3 to 30 letters, digits, spaces or ./-")
        return
    rules = get_cc_module(issuer.lower(), "vat")
    if rules is None:
        raise LookupError(f"python-stdnum has no VAT ids of {issuer}")
    try:
        rules.validate(vat_id)
    except ValidationError as error:
        raise InputInvalid("vat_id", f"is no VAT id of {issuer}: {error}") from error
