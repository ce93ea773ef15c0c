"""The mistakes that fault tests are shown to notice fit the source they are made in."""

import pytest

from tests.faults.mutations import FAULTS, Fault
from tests.faults.seeded import ROOT


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.number:02} {fault.name}")
def test_what_it_replaces_is_there_once(fault: Fault) -> None:
    for name, (old, new) in fault.edits.items():
        source = (ROOT / name).read_text("utf-8")
        assert source.count(old) == 1, f"{name} does not have it once"
        compile(source.replace(old, new), name, "exec")
