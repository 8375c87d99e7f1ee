import os
import sys
import threading
from pathlib import Path

import pytest

from halfmap.config.command_line import parse
from halfmap.engine.staging import NICENESS, _step_back, place_of


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_copying_lets_computing_go_first() -> None:
    found = []

    def look() -> None:
        _step_back()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert found == [min(19, max(before, NICENESS))]
    assert before < NICENESS


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    for name in ("p.star", "r.mrc"):
        (tmp_path / name).touch()
    return ["--i", f"{tmp_path}/p.star", "--ref", f"{tmp_path}/r.mrc", "--o", f"{tmp_path}/run"]


def test_memory_goes_before_a_disc(words: list[str]) -> None:
    place = place_of(parse([*words, "--scratch_dir", "/scratch", "--preread_images"]).options)

    assert place is not None
    assert place.parent == Path("/dev/shm")


def test_without_a_place_nothing_is_copied(words: list[str]) -> None:
    assert place_of(parse(words).options) is None
