"""What the API takes and gives."""

from services.customers.schemas.customers import (
    CustomerIn,
    CustomerOut,
    CustomerPatch,
    CustomersOut,
    ErasedOut,
)
from services.customers.schemas.exchange import (
    CUSTOMER_COLUMNS,
    USER_COLUMNS,
    ImportOut,
    customer_cells,
    read_customers,
    read_users,
    user_cells,
)
from services.customers.schemas.users import PersonalDataOut, UserIn, UserOut, UserPatch, UsersOut

__all__ = [
    "CUSTOMER_COLUMNS",
    "USER_COLUMNS",
    "CustomerIn",
    "CustomerOut",
    "CustomerPatch",
    "CustomersOut",
    "ErasedOut",
    "ImportOut",
    "PersonalDataOut",
    "UserIn",
    "UserOut",
    "UserPatch",
    "UsersOut",
    "customer_cells",
    "read_customers",
    "read_users",
    "user_cells",
]
