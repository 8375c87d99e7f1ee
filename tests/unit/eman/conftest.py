import pytest


@pytest.fixture(autouse=True)
def _(one_scanner: None) -> None:
    return None
