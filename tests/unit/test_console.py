import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfmap.engine.telling.class_text import ClassSummary, classes_text
from halfmap.engine.telling.console import Console
from halfmap.engine.telling.console_text import (
    COLUMNS_EVERY,
    Ending,
    IterationLine,
    column_heads,
    ending_text,
    header_text,
    iteration_text,
    paragraph,
    progress_text,
)
from halfmap.engine.telling.pace import Pace
from halfmap.model.schedule import NO_CHANGES_YET, Changes

THIRD = IterationLine(
    iteration=3,
    resolution_A=35.5556,
    angular_step_deg=7.5,
    offset_step_A=1.0,
    accuracy_rotation_deg=4.15,
    accuracy_translation_A=3.69,
    changes=Changes(orientations_deg=2.851982, offsets_A=2.510395, classes=0.0),
    mean_max_probability=0.956366,
    current_size_px=38,
    seconds={"expectation": 10.25, "maximisation": 1.5},
    busy_fraction=0.934,
)
CONVERGED = Ending(True, 3.4217, 17, 7380.0, {"map": Path("job/run_class001.mrc")})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def spoken(use, *, verbosity: int = 1, stream: io.StringIO | None = None) -> str:
    stream = io.StringIO() if stream is None else stream
    use(Console(verbosity, stream))
    return stream.getvalue()


def test_the_header_aligns_the_plan_and_leaves_out_what_does_not_apply() -> None:
    text = header_text({"box": "64 px", "symmetry": "D2", "mask": None})

    assert text == "box       64 px\nsymmetry  D2"


def test_an_iteration_is_one_line_with_every_number() -> None:
    line = iteration_text(THIRD)

    assert " ".join(line.split()) == (
        "3 35.56 7.50 / 1.00 4.15 / 3.69 2.85 / 2.51 0.956 38 93 11.8"
        " expectation 10.2, maximisation 1.5"
    )


def test_the_columns_stand_below_their_heads() -> None:
    names, units = column_heads().splitlines()
    line = iteration_text(THIRD)

    for head, cell in [("resolution", "35.56"), ("Pmax", "0.956"), ("size", "38"), ("busy", "93")]:
        assert names.index(head) + len(head) == line.index(cell) + len(cell)
    assert units.index("px") + 2 == line.index("38") + 2


def test_the_line_of_several_classes_ends_with_their_shares() -> None:
    moved = replace(THIRD.changes, classes=0.041)
    two = replace(THIRD, class_shares=(0.664, 0.336), changes=moved)
    fifty = replace(THIRD, class_shares=(*(np.arange(1, 50) / 1225.0), 0.0), changes=moved)

    assert iteration_text(two).endswith("1.5; classes 66, 34 %, 4.1 % changed")
    assert iteration_text(fifty).endswith("classes 0.082 to 4 %, 1 empty, 4.1 % changed")


def test_the_end_tells_of_each_class_and_names_the_empty_ones() -> None:
    classes = (
        ClassSummary(1, 0.664, 1992, 18.04),
        ClassSummary(2, 0.0, 0, 999.0),
        ClassSummary(3, 0.336, 1008, 24.3),
        ClassSummary(4, 0.001, 1, 60.0),
    )

    text = ending_text(replace(CONVERGED, converged=False, classes=classes), 0)

    assert "  class 1    66.4 %     1,992 particles  18.0 Å\n" in text
    assert "  class 3    33.6 %     1,008 particles  24.3 Å\n" in text
    assert "  class 4     0.1 %         1 particle   60.0 Å\n" in text
    assert "  empty: class 2\n" in text
    assert text.endswith("\nfiles:\n  map  job/run_class001.mrc")


def test_of_many_classes_the_largest_are_listed() -> None:
    classes = [ClassSummary(k + 1, (k + 1) / 820.0, 10 * k, 20.0) for k in range(40)]

    lines = classes_text(classes).splitlines()

    assert [line.split()[1] for line in lines[:-1]] == [str(k) for k in range(29, 41)]
    assert lines[-1] == "  and 28 smaller ones"


def test_what_is_not_known_yet_is_a_dash_not_999() -> None:
    first = IterationLine(
        1, 999.0, 15.0, 1.0, 999.0, 999.0, NO_CHANGES_YET, 0.1, 38, {"expectation": 1.0}
    )

    assert " ".join(iteration_text(first).split()) == (
        "1 - 15.00 / 1.00 - / - - / - 0.100 38 - 1.0 expectation 1.0"
    )


def test_progress_in_a_log_foretells_the_time_left() -> None:
    line = progress_text("iteration 2, expectation", (250, 1000), seconds=30.0, left_s=90.0)

    assert line == (
        "  iteration 2, expectation: 25 % (250 of 1000) in 30.0 s, about 1 min 30 s left"
    )


def test_a_long_message_is_wrapped_but_a_path_is_not_broken() -> None:
    path = "/a/very/" + "long-" * 30 + "path.star"

    wrapped = paragraph(f"{'word ' * 30}{path}")

    assert path in wrapped
    assert all(len(line) <= 100 for line in wrapped.splitlines() if path not in line)


def test_the_end_says_resolution_iterations_and_files() -> None:
    assert ending_text(CONVERGED, n_warnings=0).splitlines() == [
        "converged at 3.42 Å after 17 iterations (2 h 03 min); files:",
        "  map  job/run_class001.mrc",
    ]


def test_a_run_that_did_not_converge_says_so_and_why() -> None:
    stopped = Ending(False, 35.5556, 1, 61.0, reason="--auto_iter_max is reached")

    assert " ".join(ending_text(stopped, n_warnings=2).split()) == (
        "stopped at 35.6 Å after 1 iteration (1 min 01 s), not converged: --auto_iter_max is "
        "reached; 2 warnings above"
    )


def test_a_run_of_a_given_length_has_finished() -> None:
    assert ending_text(Ending(False, 35.5556, 25, 61.0), n_warnings=0) == (
        "finished at 35.6 Å after 25 iterations (1 min 01 s)"
    )


def test_verbosity_zero_says_nothing() -> None:
    def everything(console: Console) -> None:
        console.header({"box": 64})
        console.notice("a")
        console.warning("b")
        console.iteration(THIRD)
        with console.progress(10, "expectation") as advance:
            advance(10)
        console.finish(CONVERGED)

    assert spoken(everything, verbosity=0) == ""
    assert spoken(everything, verbosity=0, stream=Terminal()) == ""
    assert spoken(everything) != ""


def test_the_column_heads_return_after_some_lines() -> None:
    def many(console: Console) -> None:
        for _ in range(COLUMNS_EVERY + 1):
            console.iteration(THIRD)

    assert spoken(many).count("resolution") == 2


def test_the_end_recalls_the_warnings() -> None:
    def use(console: Console) -> None:
        console.warning("images are not normalised")
        console.finish(CONVERGED)

    text = spoken(use)

    assert text.startswith("warning: images are not normalised\n")
    assert "1 warning above" in text


def log_of_a_step(seconds_each: float) -> list[str]:
    stream, clock = io.StringIO(), Clock()
    with Console(1, stream, clock).progress(100, "expectation") as advance:
        for _ in range(100):
            clock.now += seconds_each
            advance(1)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_for_every_tenth_of_a_step() -> None:
    lines = log_of_a_step(seconds_each=2.0)

    assert [line.split()[1] for line in lines] == [str(10 * i) for i in range(1, 10)]


def test_the_time_to_compile_kernels_is_not_foretold_again() -> None:
    pace, unit = Pace(100), 4

    # two workers, that wait a minute at first and then need a second for each unit
    left_s = [pace.advance(unit, 60.0 + n // 2) for n in range(20)]

    assert left_s[0] is None
    assert left_s[-1] == pytest.approx(2.5)  # five units of two workers


def test_workers_that_begin_together_do_not_look_faster_than_they_are() -> None:
    pace = Pace(800)

    # eight workers, ten seconds for each unit of ten
    left_s = [pace.advance(10, 10.0 * (1 + n // 8)) for n in range(16)]

    assert left_s[-1] == pytest.approx(80.0)


def test_a_log_is_not_filled_by_a_short_step() -> None:
    assert log_of_a_step(seconds_each=0.05) == []


def test_a_very_slow_step_is_heard_of_every_minute() -> None:
    assert len(log_of_a_step(seconds_each=60.0)) == 99


def test_a_terminal_shows_a_bar_that_goes_away_and_lets_warnings_through() -> None:
    stream = Terminal()
    console = Console(1, stream)

    with console.progress(100, "expectation") as advance:
        advance(50)
        console.warning("image 3 is constant")
        advance(50)
    console.notice("afterwards")

    text = stream.getvalue()
    assert "100/100" in text
    assert "\x1b[2Kwarning: image 3 is constant\n" in text, "not on a cleared line of its own"
    assert text.endswith("afterwards\n")


def test_a_log_has_no_control_characters() -> None:
    def use(console: Console) -> None:
        with console.progress(100, "expectation") as advance:
            advance(100)
        console.iteration(THIRD)

    assert all(character.isprintable() or character == "\n" for character in spoken(use))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_encoding_of_the_terminal_stops_a_run(encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)

    Console(1, stream).finish(CONVERGED)

    assert b"converged at 3.42 " in raw.getvalue()


def test_no_bar_is_drawn_where_it_may_not_even_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with Console(stream=stream, may_draw=False).progress(10, "iteration 1") as step:
        step(10)

    assert "\x1b" not in stream.getvalue()  # no cursor movements
