from services.billing.app import SERVICE
from shared.service import main

if __name__ == "__main__":  # spawned render processes import this module too
    main(SERVICE)
