"""A nursery whose processes can be killed at each of their awaits, see `crash_points`."""

from tests.faults.crash_points import instrument

if __name__ == "__main__":
    # Before anything of the product is imported.
    instrument()
    from tests.faults.nursery import main

    main()
