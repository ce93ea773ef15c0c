"""Payment providers: each turns a signed message into what it says, or refuses it.

A new one is a module with an adapter, a line in `_ADAPTERS`, a setting for its secrets, and a kit
for the contract tests.
"""

from collections.abc import Callable, Mapping, Sequence

from services.billing.providers.contract import Provider, SignatureRefused

__all__ = ["Provider", "SignatureRefused", "providers_of"]


def _stripe(secrets: Sequence[str]) -> Provider:
    from services.billing.providers.stripe import StripeProvider  # noqa: PLC0415 - see below

    return StripeProvider(secrets)


def _standard(secrets: Sequence[str]) -> Provider:
    from services.billing.providers.standard import StandardProvider  # noqa: PLC0415 - see below

    return StandardProvider(secrets)


# Only what is configured is imported: Stripe's library alone takes a second.
_ADAPTERS: Mapping[str, Callable[[Sequence[str]], Provider]] = {
    "stripe": _stripe,
    "standard": _standard,
}


def providers_of(secrets: Mapping[str, str]) -> dict[str, Provider]:
    """The providers that have secrets: name -> adapter.

    `secrets`: by name; several apart by commas or spaces, while one replaces another.
    """
    given = {name: text.replace(",", " ").split() for name, text in secrets.items()}
    return {name: _ADAPTERS[name](found) for name, found in given.items() if found}
