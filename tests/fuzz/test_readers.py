"""Whatever is in a file, its reader returns something or says what is wrong with the file."""

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfmap.errors import HalfmapError
from halfmap.io.mrc import HEADER_BYTES, read_map

from . import readers
from .readers import Reader, little_memory, mrc_map, part
from .spoiling import FUZZED, spoilt

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("one_scanner")]
LOST_PIPE = (EOFError, ValueError)
"""What `halfmap.io.frames` promises to raise: its callers name the process at the other end."""


@pytest.fixture(params=readers.ALONE, ids=lambda make: make.__name__)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    return request.param(tmp_path)


@pytest.fixture(params=readers.WITH_SHARED, ids=lambda make: make.__name__)
def reader_of_runs(request: pytest.FixtureRequest, tmp_path: Path, shared: Path) -> Reader:
    return request.param(tmp_path, shared)


def _read_or_be_told(reader: Reader, data: bytes) -> None:
    reader.path.write_bytes(data)
    expected = LOST_PIPE if reader.path.name == "frame" else (HalfmapError,)
    with little_memory(), warnings.catch_warnings(), suppress(*expected):
        warnings.simplefilter("ignore")
        reader.read(reader.path)


@FUZZED
@given(data=st.data())
def test_a_spoilt_file_is_read_or_refused_with_a_message(reader: Reader, data) -> None:
    good = _good(reader)

    _read_or_be_told(reader, data.draw(spoilt(good)))


@FUZZED
@given(data=st.data())
def test_a_spoilt_file_of_a_run_is_read_or_refused_with_a_message(
    reader_of_runs: Reader, data
) -> None:
    good = _good(reader_of_runs)

    _read_or_be_told(reader_of_runs, data.draw(spoilt(good)))


@FUZZED
@given(data=st.data())
def test_a_map_that_is_read_holds_the_values_that_the_file_has(
    tmp_path_factory: pytest.TempPathFactory, data
) -> None:
    reader = mrc_map(tmp_path_factory.mktemp("map"))
    good = reader.path.read_bytes()
    body = data.draw(spoilt(good[HEADER_BYTES:]))

    reader.path.write_bytes(good[:HEADER_BYTES] + body)

    whole = len(body) >= 4 * 512
    values = np.frombuffer(body[: 4 * 512 * whole], "<f4")
    if whole and np.isfinite(values).all():
        assert read_map(reader.path)[0].tobytes() == values.tobytes()
    else:
        with pytest.raises(HalfmapError, match=r"map\.mrc"):
            read_map(reader.path)


@FUZZED
@given(data=st.data())
def test_a_part_that_is_taken_holds_the_sums_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, data
) -> None:
    reader = part(tmp_path_factory.mktemp("part"))
    reader.path.write_bytes(data.draw(spoilt(reader.path.read_bytes())))

    with suppress(HalfmapError):
        found = reader.read(reader.path)

        assert found.units == (3, 4)
        sums = [values for k in range(2) for _, values in found.pieces(k)]
        assert np.concatenate(sums).ravel().tolist() == list(range(300))


def _good(reader: Reader) -> bytes:
    """Return the good bytes, which the first example finds in place and keeps beside."""
    kept = reader.path.with_name(f"{reader.path.name}.good")
    if not kept.exists():
        reader.read(reader.path)
        kept.write_bytes(reader.path.read_bytes())
    return kept.read_bytes()
