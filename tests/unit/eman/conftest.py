import pytest


@pytest.fixture(autouse=True)
def _(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("one_scanner")
