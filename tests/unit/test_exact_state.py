from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.exact_state import maps_digest, read_exact_state, write_exact_state
from halfmap.io.run_folder import RunState, read_run

SAID = {"iter": 3, "sym": "D2", "offset": 0.1 + 0.2, "mask": None, "list": [1, 2]}


@pytest.fixture
def rounded(shared: Path) -> RunState:
    return read_run(shared / "golden/relion/halves/run_it002_optimiser.star")


@pytest.fixture
def state(rounded: RunState, rng: np.random.Generator) -> RunState:
    """Give the state numbers that six digits cannot hold."""
    halves = tuple(
        replace(half, fsc=half.fsc + 1e-9 * rng.normal(size=33), mean_norm=1 / 3)
        for half in rounded.halves
    )
    poses = replace(rounded.poses, angles_deg=rng.normal(size=(240, 3)))
    sampling = replace(rounded.schedule.sampling, perturbation=1 / 7, prior_sigma_deg=(1 / 3,) * 3)
    schedule = replace(rounded.schedule, sampling=sampling, accuracy_rotation_deg=np.float64(0.1))
    return replace(rounded, halves=halves, poses=poses, schedule=schedule)


def _write(path: Path, state: RunState) -> None:
    digests = [maps_digest(half.maps) for half in state.halves]
    without_maps = replace(state, halves=tuple(half.without_maps() for half in state.halves))
    write_exact_state(path, without_maps, digests, SAID)


def _assert_equal(ours: RunState, theirs: RunState) -> None:
    assert ours.schedule == theirs.schedule
    assert ours.settings == theirs.settings
    parts = (*zip(ours.halves, theirs.halves, strict=True), (ours.poses, theirs.poses))
    for mine, other in parts:
        for field in fields(other):
            a, b = (np.asarray(getattr(part, field.name)) for part in (mine, other))
            assert a.dtype == b.dtype
            assert a.tobytes() == b.tobytes(), field.name


def test_the_state_comes_back_to_the_last_bit(state, rounded, tmp_path: Path) -> None:
    _write(tmp_path / "s.h5", state)

    again, said = read_exact_state(tmp_path / "s.h5", rounded)

    _assert_equal(again, state)
    assert said == SAID


def test_the_same_state_gives_the_same_bytes(state, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        _write(tmp_path / name, state)

    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_damaged_byte_is_noticed_or_does_no_harm(state, rounded, tmp_path: Path) -> None:
    _write(tmp_path / "s.h5", state)
    good = (tmp_path / "s.h5").read_bytes()
    refused = 0
    for position in range(0, len(good), 499):
        bad = bytearray(good)
        bad[position] ^= 0x10
        (tmp_path / "bad.h5").write_bytes(bad)
        try:
            again, _ = read_exact_state(tmp_path / "bad.h5", rounded)
        except DataError:
            refused += 1
        else:
            _assert_equal(again, state)  # the byte was unused

    assert refused > 20


def test_a_truncated_or_missing_file_is_explained(state, rounded, tmp_path: Path) -> None:
    _write(tmp_path / "s.h5", state)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "s.h5").read_bytes()[:20_000])

    for name in ("cut.h5", "none.h5"):
        with pytest.raises(DataError, match=r"cannot be read .*continue from an earlier iteration"):
            read_exact_state(tmp_path / name, rounded)


def test_maps_of_another_iteration_are_refused(state, rounded, tmp_path: Path) -> None:
    _write(tmp_path / "s.h5", state)
    first, second = rounded.halves
    maps = first.maps.copy()
    maps[0, 0, 0, 0] += 1

    with pytest.raises(DataError, match="belongs to other maps"):
        read_exact_state(
            tmp_path / "s.h5", replace(rounded, halves=(replace(first, maps=maps), second))
        )


def test_another_particle_table_is_refused(state, rounded, tmp_path: Path) -> None:
    _write(tmp_path / "s.h5", state)
    particles = replace(rounded.particles, half=1 - rounded.particles.half)

    with pytest.raises(DataError, match="belongs to another particle table"):
        read_exact_state(tmp_path / "s.h5", replace(rounded, particles=particles))


def test_a_file_of_another_format_names_both(state, rounded, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("halfmap.io.exact_state.FORMAT", 99)
    _write(tmp_path / "s.h5", state)
    monkeypatch.undo()

    with pytest.raises(DataError, match=r"has format 99; .* reads format 1"):
        read_exact_state(tmp_path / "s.h5", rounded)
