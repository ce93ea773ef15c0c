"""What a customer's cards offer, each action with the amount to pay."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.subscriptions import repository
from services.subscriptions.domain.cards import Action, Card, cards
from services.subscriptions.domain.catalogue import Kind, Price
from shared.database import Tx
from shared.errors import Conflict, NotFound
from shared.events.billing import SettingsChanged
from shared.invoicing import InvoicingError
from shared.money import Money
from shared.periods import local_date
from shared.quotes import Buyer, Seller, quote

__all__ = ["PricedAction", "PricedCard", "customer_cards", "list_options", "preview_total"]


@dataclass(frozen=True, slots=True)
class PricedAction:
    action: Action
    amount: Money | None


@dataclass(frozen=True, slots=True)
class PricedCard:
    card: Card
    actions: tuple[PricedAction, ...]
    reason: str | None
    offer: Any


async def list_options(tx: Tx, customer_id: UUID, kind: Kind, *, now: datetime) -> list[PricedCard]:
    """The cards of all plans or modules, each action with the amount to pay.

    Raises:
        NotFound: there is no such customer, or it has not arrived here yet.
    """
    customer = (await repository.get_customers(tx, [customer_id])).get(customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    seller = await repository.get_seller(tx)
    found = await customer_cards(tx, customer, kind)
    offers = await repository.get_offers(tx, [c.subscription.id for c in found if c.subscription])
    return [
        _priced(
            card,
            offers.get(card.subscription.id) if card.subscription else None,
            customer,
            seller,
            now,
        )
        for card in found
    ]


def _priced(
    card: Card, offer: Any, customer: Any, seller: SettingsChanged | None, now: datetime
) -> PricedCard:
    """The card with amounts; what cannot be invoiced now is not offered, and it says why."""
    actions, reason = [], card.reason
    for action in card.actions:
        if action.price is None:
            actions.append(PricedAction(action, None))
            continue
        try:
            amount = preview_total([action.price], customer, seller, now)
        except Conflict as refusal:
            reason = refusal.detail
        else:
            actions.append(PricedAction(action, amount))
    return PricedCard(card, tuple(actions), reason, offer)


async def customer_cards(tx: Tx, customer: Any, kind: Kind) -> list[Card]:
    """The cards of a customer as they are now, without amounts."""
    catalogue = await repository.get_catalogue(tx)
    subscriptions = await repository.get_subscriptions_of(tx, [customer.id])
    return cards(
        kind,
        catalogue,
        subscriptions,
        currency=customer.currency,
        can_book=customer.status == "active",
    )


@dataclass(frozen=True, slots=True)
class _PricedItem:
    unit_price: Decimal
    basis: Any
    vat_category: str
    quantity: Decimal = Decimal(1)
    discount_percent: Decimal = Decimal(0)
    vat_percent: Decimal | None = None


def preview_total(
    prices: Iterable[Price], customer: Any, seller: SettingsChanged | None, now: datetime
) -> Money:
    """What an invoice over these prices would come to today, VAT included.

    Raises:
        Conflict: no invoice can be made of them, for lack of settings or of a VAT rate.
    """
    if seller is None:
        raise Conflict("settings_missing", "The seller's settings have not been saved yet.")
    try:
        priced = quote(
            [_PricedItem(p.unit_price or Decimal(0), p.basis, p.vat_category) for p in prices],
            customer.currency,
            seller=Seller.of(seller),
            buyer=Buyer(customer.country, customer.is_company, customer.vat_id),
            on=local_date(now, seller.time_zone),
        )
    except InvoicingError as error:
        raise Conflict("not_invoiceable", f"No invoice can be made: {error}.") from error
    return Money(priced.totals.total_minor, customer.currency)
