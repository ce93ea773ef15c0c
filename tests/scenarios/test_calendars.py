"""What a customer lives through: days, actions, and exactly what comes of them.

Prices are those of the demo catalogue: Starter 19 and 190, Team 49 and 450, Business 99 and 990,
Analytics 15, Archive 9 (included in Business); VAT 8.1 %, totals rounded to CHF 0.05.
"""

from collections.abc import AsyncIterator

import pytest

from tests.scenarios.calendar import Calendar, Listener, listening
from tests.system import System

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
async def listener(system: System) -> AsyncIterator[Listener]:
    await system.seeded()
    async with listening(system) as found:
        yield found


@pytest.fixture
async def calendar(system: System, listener: Listener) -> AsyncIterator[Calendar]:
    made = Calendar(system, listener)
    yield made
    await made.quiet()


async def has_paid(calendar: Calendar, name: str, cycle: str, amount: str, period: str) -> None:
    """The first booking of a plan, paid on the day."""
    await calendar.plan("make_invoice", name, cycle)
    await calendar.invoices(f"opened {amount}")
    await calendar.pay()
    await calendar.invoices(f"paid {amount}")
    await calendar.tells(f"booked {name}", f"activated {name} {period}")


async def test_the_first_booking_starts_on_the_day_of_the_payment(calendar: Calendar) -> None:
    await calendar.on("01-31")
    await calendar.plan("make_invoice", "Team", "monthly")
    await calendar.tells("booked Team")
    await calendar.invoices("opened 52.95")
    await calendar.has(None)

    await calendar.on("02-03")
    await calendar.pay()
    await calendar.invoices("paid 52.95")
    await calendar.tells("activated Team 02-03 to 03-03")
    await calendar.has("Team", users=20)


async def test_a_booking_that_nobody_pays_lapses(calendar: Calendar) -> None:
    await calendar.on("01-31")
    await calendar.plan("make_invoice", "Team", "monthly")
    await calendar.tells("booked Team")
    await calendar.invoices("opened 52.95")

    await calendar.on("02-23")  # due after 10 days, and 14 more
    await calendar.tells()
    await calendar.on("02-24")
    await calendar.tells("booking_dropped Team (lapsed)")
    await calendar.invoices("voided")
    await calendar.pay(expect=409)


async def test_a_trial_becomes_paid(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await calendar.plan("start_trial", "Team")
    await calendar.tells("trial_started Team 01-10 to 02-09")
    await calendar.has("Team")

    await calendar.on("02-06")
    await calendar.tells("trial_ending Team on 02-09")
    await calendar.plan("make_invoice", "Team", "yearly")
    await calendar.tells("booked Team")
    await calendar.invoices("opened 486.45")
    await calendar.on("02-08")
    await calendar.pay()
    await calendar.invoices("paid 486.45")
    await calendar.tells("activated Team 02-08 to +1 02-08")

    await calendar.on("02-10")
    await calendar.has("Team")


async def test_a_trial_ends_on_its_day_though_an_offer_waits_and_is_paid_later(
    calendar: Calendar,
) -> None:
    await calendar.on("01-10")
    await calendar.plan("start_trial", "Team")
    await calendar.on("02-07")
    await calendar.tells("trial_started Team 01-10 to 02-09", "trial_ending Team on 02-09")
    await calendar.plan("make_invoice", "Team", "monthly")
    await calendar.invoices("opened 52.95")
    await calendar.tells("booked Team")

    await calendar.on("02-09")
    await calendar.tells("expired Team (trial_over)")
    await calendar.has(None)
    await calendar.on("02-12")
    await calendar.pay()
    await calendar.invoices("paid 52.95")
    await calendar.tells("activated Team 02-12 to 03-12")
    await calendar.has("Team")


async def test_an_upgrade_in_mid_period_credits_what_is_not_used(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Starter", "monthly", "20.55", "01-10 to 02-10")

    await calendar.on("01-25")  # 16 of 31 days are left: 19.00 x 16/31 = 9.81
    done = await calendar.plan("upgrade", "Team", "monthly")
    assert [line["total"]["amount"] for line in done["lines"]] == ["49.00", "-9.81"]
    await calendar.tells("change_scheduled Starter > Team")
    await calendar.invoices("opened 42.35")
    await calendar.has("Starter")
    await calendar.on("01-27")
    await calendar.pay()
    await calendar.invoices("paid 42.35")
    await calendar.tells("changed Starter > Team 01-27 to 02-27")
    await calendar.has("Team", users=20)


async def test_chained_upgrades_lose_nothing_and_the_rest_goes_to_the_balance(
    calendar: Calendar,
) -> None:
    await calendar.on("01-01")
    await has_paid(calendar, "Starter", "yearly", "205.40", "01-01 to +1 01-01")

    # 183 of 365 days are left: 95.26, of which the new month takes 49.00; 46.26 and VAT come back.
    await calendar.on("07-02")
    done = await calendar.plan("upgrade", "Team", "monthly")
    assert (done["request_id"], done["amount"]["amount"]) == (None, "0.00")
    await calendar.tells("changed Starter > Team 07-02 to 08-02")
    await calendar.invoices("credited 50.00", "credit_balance.changed 50.00")
    await calendar.has("Team")

    # 21 of 31 days are left: 33.19 of the 49.00 that were never invoiced by themselves.
    await calendar.on("07-12")
    done = await calendar.plan("upgrade", "Business", "monthly")
    assert [line["total"]["amount"] for line in done["lines"]] == ["99.00", "-33.19"]
    await calendar.tells("change_scheduled Team > Business")
    await calendar.invoices("opened 71.15 open 21.15", "credit_balance.changed -50.00")
    await calendar.pay()
    await calendar.invoices("paid 71.15")
    await calendar.tells("changed Team > Business 07-12 to 08-12")
    await calendar.has("Business", "Archive", users=0)


async def test_value_that_came_over_from_an_earlier_invoice_comes_back_too(
    calendar: Calendar,
) -> None:
    await calendar.on("01-01")
    await has_paid(calendar, "Starter", "yearly", "205.40", "01-01 to +1 01-01")
    await calendar.on("01-02")  # 450.00 - 189.48 for 364 of 365 days
    await calendar.plan("upgrade", "Team", "yearly")
    await calendar.tells("change_scheduled Starter > Team")
    await calendar.invoices("opened 281.60")
    await calendar.pay()
    await calendar.invoices("paid 281.60")
    await calendar.tells("changed Starter > Team 01-02 to +1 01-02")

    await calendar.on("01-03")  # 448.77 are left, more than the last invoice came to
    await calendar.plan("upgrade", "Business", "monthly")
    await calendar.tells("changed Team > Business 01-03 to 02-03")
    await calendar.invoices("credited 378.10", "credit_balance.changed 378.10")

    await calendar.on("01-04")  # 30 of 31 days: 95.81 and VAT, and what came back is gone, too
    await calendar.plan("withdraw", "Business")
    await calendar.tells("withdrawn Business forfeits 103.55")
    await calendar.invoices("credit_balance.changed -378.10")
    await calendar.has(None)


async def test_an_upgrade_lapses_with_the_period_it_was_computed_for(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Starter", "monthly", "20.55", "01-10 to 02-10")
    await calendar.on("02-05")  # 5 of 31 days are left: 3.06
    await calendar.plan("upgrade", "Team", "monthly")
    await calendar.tells("change_scheduled Starter > Team")
    await calendar.invoices("opened 49.65")

    await calendar.on("02-10")
    await calendar.tells("change_dropped Starter > Team (lapsed)")
    await calendar.invoices("voided")
    await calendar.pay(expect=409)
    await calendar.has("Starter")


async def test_a_downgrade_waits_for_the_end_of_the_period(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Team", "monthly", "52.95", "01-10 to 02-10")
    await calendar.on("01-20")
    await calendar.plan("change_at_period_end", "Starter", "monthly")
    await calendar.tells("change_scheduled Team > Starter on 02-10")
    await calendar.has("Team")

    await calendar.on("02-10")
    await calendar.tells("changed Team > Starter 02-10 to 03-10")
    await calendar.invoices("opened 20.55")
    await calendar.has("Starter", users=5)
    await calendar.pay()
    await calendar.invoices("paid 20.55")


async def test_yearly_becomes_monthly_at_the_end_of_the_year(calendar: Calendar) -> None:
    await calendar.on("01-31")
    await has_paid(calendar, "Team", "yearly", "486.45", "01-31 to +1 01-31")
    await calendar.on("03-01")
    await calendar.plan("change_at_period_end", "Team", "monthly")
    await calendar.tells("change_scheduled Team > Team on +1 01-31")
    await calendar.on("03-02")
    await calendar.plan("drop_change", "Team")
    await calendar.tells("change_dropped Team > Team (dropped)")
    await calendar.plan("change_at_period_end", "Team", "monthly")
    await calendar.tells("change_scheduled Team > Team on +1 01-31")

    await calendar.on("+1 01-31")
    await calendar.tells("changed Team > Team +1 01-31 to +1 02-28")
    await calendar.invoices("opened 52.95")


async def test_cancel_revoke_and_cancel_again(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Team", "monthly", "52.95", "01-10 to 02-10")
    await calendar.on("01-15")
    await calendar.plan("cancel", "Team")
    await calendar.on("01-16")
    await calendar.plan("revoke_cancellation", "Team")
    await calendar.on("01-17")
    await calendar.plan("cancel", "Team")
    await calendar.tells(
        "cancellation_scheduled Team on 02-10",
        "cancellation_revoked Team",
        "cancellation_scheduled Team on 02-10",
    )
    await calendar.on("02-09")
    await calendar.has("Team")

    await calendar.on("02-10")
    await calendar.tells("expired Team (term_over)")
    await calendar.has(None)


async def test_who_withdraws_gets_nothing_back(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Starter", "monthly", "20.55", "01-10 to 02-10")
    await calendar.on("01-20")
    await calendar.plan("upgrade", "Team", "monthly")
    await calendar.tells("change_scheduled Starter > Team")
    await calendar.invoices("opened 39.05")  # 49.00 - 12.87 for 21 of 31 days

    await calendar.on("01-21")  # 20 of 31 days: 12.26 and 0.99 VAT
    done = await calendar.plan("withdraw", "Starter")
    assert done["forfeited"]["amount"] == "13.25"
    await calendar.tells(
        "change_dropped Starter > Team (withdrawn)", "withdrawn Starter forfeits 13.25"
    )
    await calendar.invoices("voided")
    await calendar.has(None)


async def test_several_modules_are_one_invoice(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await calendar.modules("make_invoice", "Analytics", "Archive", cycle="monthly")
    await calendar.tells("booked Analytics", "booked Archive")
    await calendar.invoices("opened 25.95")
    await calendar.on("01-12")
    await calendar.pay()
    await calendar.invoices("paid 25.95")
    await calendar.tells(
        "activated Analytics 01-12 to 02-12",
        "activated Archive 01-12 to 02-12",
    )
    await calendar.has(None, "Analytics", "Archive")

    await calendar.on("01-22")  # 21 of 31 days: 6.10 and 0.49 VAT, rounded as invoices are
    await calendar.modules("withdraw", "Archive")
    await calendar.tells("withdrawn Archive forfeits 6.60")
    await calendar.has(None, "Analytics")


async def test_a_plan_takes_in_the_module_it_includes(calendar: Calendar) -> None:
    await calendar.on("01-10")
    await has_paid(calendar, "Team", "monthly", "52.95", "01-10 to 02-10")
    await calendar.modules("make_invoice", "Archive", cycle="monthly")
    await calendar.invoices("opened 9.75")
    await calendar.pay()
    await calendar.invoices("paid 9.75")
    await calendar.tells("booked Archive", "activated Archive 01-10 to 02-10")

    await calendar.on("01-20")  # 21 of 31 days: 33.19 of the plan, 6.10 of the module
    done = await calendar.plan("upgrade", "Business", "monthly")
    assert [line["total"]["amount"] for line in done["lines"]] == ["99.00", "-33.19", "-6.10"]
    await calendar.tells("change_scheduled Team > Business")
    await calendar.invoices("opened 64.55")
    await calendar.has("Team", "Archive")
    await calendar.pay()
    await calendar.invoices("paid 64.55")
    await calendar.tells(
        "changed Team > Business 01-20 to 02-20", "expired Archive (included_in_plan)"
    )
    await calendar.has("Business", "Archive")
