from typing import Annotated
from uuid import UUID

from services.billing import repository, schemas
from services.billing.api.shapes import found_bill, invoice_out, payment_out
from services.billing.use_cases import payments
from services.billing.use_cases.payments import RecordPayment
from shared.auth import Call, access
from shared.http import new_router

__all__ = ["router"]

router = new_router()


@router.get("/invoices/{invoice_id}/payments")
async def list_payments(
    invoice_id: UUID, call: Annotated[Call, access("payments:read", per_customer=True)]
) -> schemas.PaymentsOut:
    await found_bill(call, invoice_id)
    found = await repository.get_payments(call.tx, invoice_id)
    return schemas.PaymentsOut(items=[payment_out(payment) for payment in found])


@router.post("/invoices/{invoice_id}/payments", status_code=201)
async def pay_invoice(
    invoice_id: UUID,
    body: schemas.PaymentIn,
    call: Annotated[Call, access("payments:write", per_customer=True)],
) -> schemas.PaymentResultOut:
    """Record a payment, whole or in part; the one that settles the invoice activates it.

    What is paid above the open amount becomes credit of the customer.
    """
    invoice, payment = await payments.pay_invoice(
        call.tx,
        RecordPayment(
            invoice_id=invoice_id,
            amount=body.amount,
            method=body.method,
            reference=body.reference,
            received_on=body.received_on,
            recorded_by=call.caller.subject,
            seen=call.caller.customer_ids,
        ),
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.PaymentResultOut(
        payment=payment_out(payment), invoice=invoice_out(invoice, call.now)
    )


@router.post("/payments/{payment_id}/reverse")
async def reverse_payment(
    payment_id: UUID,
    body: schemas.ReversalIn,
    call: Annotated[Call, access("payments:write", per_customer=True)],
) -> schemas.PaymentResultOut:
    """Take back a payment that bounced; what it had settled is owed again, with a new due date.

    What had gone to the balance is taken back from there as far as it is there; what has been
    spent since is owed on the invoice.
    """
    invoice, payment = await payments.reverse_payment(
        call.tx,
        payment_id,
        reason=body.reason,
        actor=call.caller.subject,
        seen=call.caller.customer_ids,
        now=call.now,
        new_id=call.new_id,
    )
    return schemas.PaymentResultOut(
        payment=payment_out(payment), invoice=invoice_out(invoice, call.now)
    )
