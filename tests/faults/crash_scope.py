"""Awaits that are not on the way of a payment and its mail, each with the reason.

What is neither passed on that way nor listed here makes `test_crash_matrix` fail, and so does what
is in `NOT_PASSED` and is passed after all. Patterns are those of file names.
"""

from fnmatch import fnmatchcase

__all__ = ["AT_ANY_TIME", "NOT_PASSED", "off_path"]

_BOOKING = "booking, which comes before the invoice"
_COPY = "copies of customers and settings, which are there before"
_CREDIT = "credit, and payments that bounce: only a payment settled in full is made here"
_FAILURE = "only after a failure"
_OPERATOR = "what an operator does with failed messages"
_OTHER = "another request than the payment"
_REFRESH = "after the catalogue was changed, whether there is a payment or not"
_READING = "reads for an answer, changes nothing"
_START = "the start of a process, with nothing in its hands yet"
_STOP = "the orderly end of a process"
_VOID = "voided and rejected invoices"

NOT_PASSED: dict[str, str] = {
    "services.console.*": "pages, which change nothing themselves",
    "services.customers.*": _OTHER,
    "services.identity.*": _OTHER,
    "services.*:*erase_customers:*": _COPY,
    "services.*:on_customer_erased:*": _COPY,
    "shared.rebuild:*": "copies that are made again by command",
    "shared.audit:list_acts:*": _READING,
    "shared.audit_api:*": _READING,
    "services.billing.api.*:get_*": _READING,
    "services.billing.api.*:list_*": _READING,
    "services.billing.api.shapes:found_invoice:*": _READING,
    "services.billing.api.balance:record_refund:*": _CREDIT,
    "services.billing.api.credit_notes:credit_invoice:*": _CREDIT,
    "services.billing.api.invoices:void_invoice:*": _VOID,
    "services.billing.api.payments:reverse_payment:*": _CREDIT,
    "services.billing.api.settings:put_seller:*": _OTHER,
    "services.billing.repository.balances:*": _CREDIT,
    "services.billing.repository.copies:has_customer:*": _READING,
    "services.billing.repository.copies:lock_seller:*": _OTHER,
    "services.billing.repository.copies:save_*": _COPY,
    "services.billing.repository.credit_notes:*": _CREDIT,
    "services.billing.repository.documents:get_document:*": _READING,
    "services.billing.repository.invoices:get_invoice:*": _READING,
    "services.billing.repository.invoices:get_number:*": _VOID,
    "services.billing.repository.invoices:list_invoices:*": _READING,
    "services.billing.repository.invoices:lock_invoices_of_requests:*": _VOID,
    "services.billing.repository.payments:get_*": _READING,
    "services.billing.repository.payments:save_reversal:*": _CREDIT,
    "services.billing.repository.requests:*_withdrawn:*": _VOID,
    "services.billing.subscribers:on_credit_requested:*": _CREDIT,
    "services.billing.subscribers:on_customer:*": _COPY,
    "services.billing.subscribers:on_request_withdrawn:*": _VOID,
    "services.billing.subscribers:on_subscription_withdrawn:*": _CREDIT,
    "services.billing.use_cases.balances:forfeit_withdrawn:*": _CREDIT,
    "services.billing.use_cases.balances:lock_books:*": _CREDIT,
    "services.billing.use_cases.balances:refund:*": _CREDIT,
    "services.billing.use_cases.credit_notes:*": _CREDIT,
    "services.billing.use_cases.documents:_draw:* database.transaction:*": _FAILURE,
    "services.billing.use_cases.documents:_draw:finish:*": _FAILURE,
    "services.billing.use_cases.payments:_lock_books:*": _CREDIT,
    "services.billing.use_cases.payments:_point_to_replacement:*": _VOID,
    "services.billing.use_cases.payments:pay_invoice:_lock_books:*": _CREDIT,
    "services.billing.use_cases.payments:pay_invoice:books.save:*": _CREDIT,
    "services.billing.use_cases.payments:return_credit:*": _CREDIT,
    "services.billing.use_cases.payments:reverse_payment:*": _CREDIT,
    "services.billing.use_cases.payments:void_invoice:*": _VOID,
    "services.billing.use_cases.settings:copy_customers:*": _COPY,
    "services.billing.use_cases.settings:save_seller:*": _OTHER,
    "services.billing.use_cases.withdrawals:*": _VOID,
    "services.notifier.api:*": _READING,
    "services.notifier.repository:list_deliveries:*": _READING,
    "services.notifier.repository:save_*": _COPY,
    "services.notifier.subscribers:on_customer:*": _COPY,
    "services.notifier.subscribers:on_settings_changed:*": _COPY,
    "services.notifier.use_cases.planning:copy_*": _COPY,
    "services.subscriptions.api.*:get_*": _READING,
    "services.subscriptions.api.*:list_*": _READING,
    "services.subscriptions.api.catalogue:*": _OTHER,
    "services.subscriptions.api.catalogue_parts:*": _OTHER,
    "services.subscriptions.api.plan_groups:*": _OTHER,
    "services.subscriptions.api.products:*": _OTHER,
    "services.subscriptions.api.actions:take_*": _BOOKING,
    "services.subscriptions.api.actions:_take:*": _BOOKING,
    "services.subscriptions.repository.catalogue:get_catalogue:tx.execute:*": _BOOKING,
    "services.subscriptions.repository.catalogue:delete_*": _OTHER,
    "services.subscriptions.repository.catalogue:get_price_versions:*": _OTHER,
    "services.subscriptions.repository.catalogue:get_whole_catalogue:*": _OTHER,
    "services.subscriptions.repository.catalogue:is_booked:*": _OTHER,
    "services.subscriptions.repository.catalogue:lock_catalogue:*": _OTHER,
    "services.subscriptions.repository.catalogue:save_catalogue:*": _OTHER,
    "services.subscriptions.repository.catalogue_refreshes:*": _REFRESH,
    "services.subscriptions.repository.copies:get_*": _BOOKING,
    "services.subscriptions.repository.copies:save_*": _COPY,
    "services.subscriptions.repository.subscriptions:add_offers:*": _BOOKING,
    "services.subscriptions.repository.subscriptions:add_subscriptions:*": _BOOKING,
    "services.subscriptions.repository.subscriptions:get_offers:*": _READING,
    "services.subscriptions.repository.subscriptions:get_subscription:*": _READING,
    "services.subscriptions.repository.subscriptions:get_subscriptions_of:*": _BOOKING,
    "services.subscriptions.repository.subscriptions:list_subscriptions:*": _READING,
    "services.subscriptions.subscribers:on_customer:*": _COPY,
    "services.subscriptions.subscribers:on_invoice_rejected:*": _VOID,
    "services.subscriptions.subscribers:on_invoice_voided:*": _VOID,
    "services.subscriptions.subscribers:on_settings_changed:*": _COPY,
    "services.subscriptions.use_cases.actions:*": _BOOKING,
    "services.subscriptions.use_cases.catalogue:*": _OTHER,
    "services.subscriptions.use_cases.catalogue_refresh:*": _REFRESH,
    "services.subscriptions.use_cases.copies:*": _COPY,
    "services.subscriptions.use_cases.entitlements:refresh_entitlements:"
    "repository.get_catalogue:*": _BOOKING,
    "services.subscriptions.use_cases.options:*": _BOOKING,
    "services.subscriptions.use_cases.outcomes:_drop:*": _VOID,
    "services.subscriptions.use_cases.outcomes:drop_*": _VOID,
    "shared.asgi:serve:*": _STOP,
    "shared.failures_api:*": _OPERATOR,
    "shared.http:_Observed.__call__:self._app:*": _START,
    "shared.http:_health:*": _READING,
    "shared.http:_read:*": _READING,
    "shared.http:_write:asyncio.sleep:*": _FAILURE,
    "shared.http:_write_once:endpoint:*": "requests without an idempotency key",
    "shared.http:create_api.lifespan:*": _STOP,
    "shared.messaging.batch:BatchProcessor._attempt:self._attempt*": _FAILURE,
    "shared.messaging.batch:BatchProcessor._commit:dead_letters.bury:*": _FAILURE,
    "shared.messaging.batch:BatchProcessor._settle:asyncio.sleep:*": _FAILURE,
    "shared.messaging.batch:BatchProcessor._settle:self._attempt [23]:*": _FAILURE,
    "shared.messaging.batch:BatchProcessor._settle_patiently:asyncio.sleep:*": _FAILURE,
    "shared.messaging.consumer:subscribe.settle:asyncio.sleep:*": _FAILURE,
    "shared.messaging.consumer:subscribe.settle:message.nack:*": _FAILURE,
    "shared.messaging.dead_letters:*": _FAILURE,
    "shared.messaging.failures:*": _OPERATOR,
    "shared.messaging.outbox:add_raw:*": _FAILURE,
    "shared.messaging.topics:*": "migration",
    "shared.migrations.*": "migration",
    "shared.paging:*": _READING,
    "shared.running:run_worker:broker.start:*": _START,
    "shared.running:run_worker:broker.stop:*": _STOP,
    "shared.running:run_worker:* asyncio.TaskGroup:*": _STOP,
    "shared.running:run_worker:stop.wait:*": _STOP,
    "shared.running:run_worker:worker.close:*": _STOP,
    "shared.service:*": _STOP,
    "shared.worker:Worker.close:*": _STOP,
}
AT_ANY_TIME: dict[str, str] = {
    "shared.database:Database.close:*": _STOP,
    "shared.database:Database.reading:core.invalidate:*": _FAILURE,
    "shared.database:Tx.attempt:self._end:*": _FAILURE,
    "shared.database:Tx.run:*": "writes whose number of rows is asked for",
    "shared.database:Tx.write:*": "two writes to one table in a row",
    "shared.database:insert_new:*": "writes whose number of rows is asked for",
    "shared.messaging.batch:*parking.wake:*": "nothing waits for a payment",
    "shared.messaging.parking:wake:*": "nothing waits for a payment",
    "shared.due_work:_renew:*": "every 6 s, while drawing or sending takes longer",
    "shared.housekeeping:*": "now and then, whether there is a payment or not",
    "shared.messaging.batch:BatchProcessor._keep_waiting:*": "when a message has come too early",
    "shared.messaging.batch:BatchProcessor.release_parked:*": "when a message had come too early",
    "shared.messaging.inbox:release:*": "when a message has come too early",
    "shared.messaging.parking:due_keys:*": "every second, whether there is a payment or not",
    "shared.messaging.parking:park:*": "when a message has come too early",
    "shared.messaging.parking:parked_run:*": "when a message had come too early",
    "shared.messaging.parking:postpone:*": "when a message has come too early",
    "shared.messaging.parking:unpark:*": "when a message had come too early",
    "shared.messaging.relay:Relay._owned:*": _START,
    "shared.messaging.relay:Relay._serve:*": _START,
    "shared.messaging.relay:Relay.run:*": _START,
    "shared.messaging.wakeup:*": "a hint: what it tells of is committed, or found without it",
    "shared.monitoring:*": "every few seconds, whether there is a payment or not",
    "shared.tokens:*": "keys of the issuer: read once, before any transaction",
    "shared.running:_lasting.round_of_work:*": "every second, whether there is a payment or not",
}


def off_path(name: str) -> str:
    """Why a point, with its side, is not part of the matrix; empty when it is."""
    for pattern, reason in (*NOT_PASSED.items(), *AT_ANY_TIME.items()):
        if fnmatchcase(name, pattern):
            return reason
    return ""
