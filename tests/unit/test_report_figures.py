import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from written_run import BOX, PIXEL_A, write_run

from halfmap.io.mrc import write_map
from halfmap.io.star import read_star
from halfmap.report import plots_particles, plots_resolution, plots_search, plots_time
from halfmap.report.maps import map_pictures, unfiltered_fsc
from halfmap.report.plot_style import (
    Absent,
    grey_uri,
    house_style,
    new_figure,
    series_colours,
    svg_uri,
)
from halfmap.report.plots_classes import name_classes
from halfmap.report.read_run import read_particles, read_run
from halfmap.report.run_record import RunRecord
from halfmap.report.sections import particle_history


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with house_style():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return read_run(write_run(tmp_path_factory.mktemp("job")))


def labelled(axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {str(line.get_label()): line.get_data() for line in axes.lines}


def test_the_bold_fsc_is_that_of_the_file_inside_the_fourier_window(shared: Path) -> None:
    folder = shared / "golden/relion/halves"
    star = read_star(folder / "run_it003_half1_model.star")
    expected = star.table("model_class_1")["rlnGoldStandardFsc"].astype(float)

    axes = plots_resolution.fsc_figure(read_run(folder)).axes[0]

    x, y = labelled(axes)["iteration 3"]
    np.testing.assert_array_equal(y, expected[:20])  # the window of 38 px ends at shell 19
    np.testing.assert_allclose(x, np.arange(20) / 320.0, atol=1e-6)  # printed with 6 decimals


def test_the_lines_at_0143_and_05_are_drawn(run: RunRecord) -> None:
    axes = plots_resolution.fsc_figure(run).axes[0]

    levels = {line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1}
    assert {0.143, 0.5} <= levels


def test_older_iterations_are_paler_than_the_last(run: RunRecord) -> None:
    lines = plots_resolution.fsc_figure(run).axes[0].lines
    curves = [line for line in lines if len(line.get_xdata()) > 5][:-1]  # less the unfiltered

    greys = [int(line.get_color()[1:3], 16) for line in curves]
    assert len(greys) == 5
    assert greys == sorted(greys, reverse=True)
    assert curves[-1].get_linewidth() > curves[0].get_linewidth()


def test_a_curve_that_never_falls_below_a_level_does_not_cross_it() -> None:
    frequency = np.arange(4.0)

    assert plots_resolution.crossing(frequency, np.ones(4), 0.143) is None


def test_a_run_that_is_not_split_has_no_fsc(shared: Path) -> None:
    with pytest.raises(Absent, match="two half-sets"):
        plots_resolution.fsc_figure(read_run(shared / "golden/relion/em"))


def test_the_fsc_of_unfiltered_half_maps_is_that_of_the_two_files(run: RunRecord) -> None:
    frequency, fsc = unfiltered_fsc(run.last.files)

    assert len(fsc) == BOX // 2 + 1
    assert frequency[-1] == pytest.approx(0.5 / PIXEL_A)
    assert fsc[1] > 0.9  # the blob
    assert abs(fsc[-1]) < 0.2  # independent noise; a shell of 3,000 voxels gives about 0.03


def test_an_iteration_has_no_unfiltered_half_maps(run: RunRecord) -> None:
    assert unfiltered_fsc(run.states[1].files) is None


def test_the_step_is_that_of_the_second_pass(run: RunRecord) -> None:
    above, below = plots_search.accuracy_figure(run).axes

    assert set(labelled(above)["step"][1]) == {3.75}
    assert set(labelled(below)["step"][1]) == {2.0}
    np.testing.assert_allclose(labelled(above)["accuracy"][1][:3], [12.0, 6.0, 4.0])


@pytest.mark.parametrize(
    "figure",
    [
        plots_search.accuracy_figure,
        plots_search.changes_figure,
        plots_search.confidence_figure,
        plots_resolution.resolution_figure,
    ],
)
def test_one_iteration_is_no_development(tmp_path: Path, figure) -> None:
    with pytest.raises(Absent, match="fewer than two iterations"):
        figure(read_run(write_run(tmp_path, iterations=1, converged=False)))


def test_every_view_is_drawn_with_its_symmetry_mates(shared: Path) -> None:
    last = read_run(shared / "golden/relion_real_betagal").last
    history = [("final", read_particles(last))]

    sphere = plots_particles.orientation_figure(history, "D2", 3.75).axes[0]

    assert sum(len(line.get_xdata()) for line in sphere.lines) == 116 * 4
    latitudes = np.concatenate([line.get_ydata() for line in sphere.lines])
    assert (latitudes > 0).sum() == pytest.approx((latitudes < 0).sum())


def test_an_unknown_point_group_still_shows_the_views(run: RunRecord) -> None:
    history = list(particle_history(run.iterated))

    sphere = plots_particles.orientation_figure(history, "?", 7.5).axes[0]

    assert sum(len(line.get_xdata()) for line in sphere.lines) == 300


@pytest.mark.parametrize("symmetry", ["C1", "O"])
def test_even_views_lie_along_the_line_of_even_views(symmetry: str, rng) -> None:
    n = 20_000
    even = plots_particles.ParticleTable(
        rot_deg=rng.uniform(-180.0, 180.0, n),
        tilt_deg=np.degrees(np.arccos(rng.uniform(-1.0, 1.0, n))),
        offset_x_A=None,
        offset_y_A=None,
        norm=None,
        max_probability=None,
        n_significant=None,
        half=None,
        n=n,
    )

    figure = plots_particles.orientation_figure([("final", even)], symmetry, 7.5)

    axes = next(axes for axes in figure.axes if "angle between" in axes.get_xlabel())
    bars, line = (patch.get_data().values for patch in axes.patches)
    # In percent; the rarest bar holds 0.9 % of 20,000 views, of which the error is 0.07 %.
    np.testing.assert_allclose(bars, line, atol=1.0)
    assert line.sum() == pytest.approx(100.0)


def test_particles_without_poses_say_which_columns_they_lack(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=0, converged=False))
    history = list(particle_history(record.states))

    with pytest.raises(Absent, match="rlnAngleRot"):
        plots_particles.orientation_figure(history, "C1", 7.5)
    with pytest.raises(Absent, match="rlnMaxValueProbDistribution"):
        plots_particles.certainty_figure(history)


def test_at_most_eight_tables_are_read_the_last_among_them(tmp_path: Path) -> None:
    record = read_run(write_run(tmp_path, iterations=20, n=3))

    names = [name for name, _ in particle_history(record.iterated)]

    assert len(names) == 8
    assert (names[0], names[-1]) == ("iteration 1", "final")


def test_bars_of_time_add_up_to_the_mean_over_ranks(run: RunRecord) -> None:
    axes = plots_time.time_by_iteration_figure(run.timing).axes[0]

    heights = [bar.get_height() for bar in axes.patches]
    # 20 s expectation, 3 s maximisation; ranks 0, 1, 2 wait 0, 1, 2 s. Five iterations.
    assert sum(heights) == pytest.approx(5 * (20.0 + 3.0 + 1.0))
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == [
        "expectation",
        "maximisation",
        "waiting",
    ]


def test_the_time_of_the_threads_is_marked_inside_expectation(run: RunRecord) -> None:
    axes = plots_time.time_by_rank_figure(run.timing).axes[0]

    ranks, at_work = labelled(axes)["threads at work"]
    np.testing.assert_array_equal(ranks, [0, 1, 2])
    np.testing.assert_allclose(at_work, [0.0, 5 * 6.0, 5 * 12.0])  # five iterations
    assert max(bar.get_y() + bar.get_height() for bar in axes.patches) == pytest.approx(5 * 25.0)


def test_the_names_of_ten_classes_fit_above_the_figure() -> None:
    figure = new_figure(3.0)
    axes = figure.add_subplot()
    for k in range(10):
        axes.plot([0.0, 1.0], label=f"class {k + 1}")
    name_classes(figure, 10)
    figure.draw_without_rendering()

    named = figure.legends[0].get_window_extent()
    assert named.x0 >= figure.bbox.x0
    assert named.x1 <= figure.bbox.x1


@pytest.mark.parametrize("n", [3, 8, 12, 50])
def test_no_two_classes_have_one_colour(n: int) -> None:
    assert len(set(series_colours(n))) == n


def png(uri: str) -> np.ndarray:
    from matplotlib.image import imread

    return imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])), format="png")


def test_a_picture_has_y_upwards_and_bright_is_dense() -> None:
    picture = np.zeros((4, 4))
    picture[0, 3] = 1.0

    pixels = png(grey_uri(picture, 0.0, 1.0))

    assert np.argwhere(pixels == 1.0).tolist() == [[3, 3]]


def test_tiles_are_the_central_slices_and_the_sums_of_three_planes(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    volume = np.zeros((BOX, BOX, BOX), np.float32)
    volume[BOX // 2, 5, 9] = volume[3, BOX // 2, 20] = volume[4, 6, BOX // 2] = 1.0
    for suffix in ("_class001", "_half1_class001_unfil", "_half2_class001_unfil"):
        write_map(Path(f"{root}{suffix}.mrc"), volume, PIXEL_A)

    pictures = list(map_pictures(read_run(root).last.files, []))

    assert [(p.name, p.scale_A) for p in pictures] == [
        ("joined", 20),
        ("half 1", 20),
        ("half 2", 20),
    ]
    seen = {t.caption: np.argwhere(png(t.uri)[::-1] > 0).tolist() for t in pictures[0].tiles}
    # Row and column: (y, x), (z, x), (z, y).
    assert seen["xy slice"] == [[5, 9]]
    assert seen["xz slice"] == [[3, 20]]
    assert seen["yz slice"] == [[4, 6]]
    assert seen["xy sum"] == [[5, 9], [6, 16], [16, 20]]


def test_a_truncated_map_is_noted_and_the_others_are_shown(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    broken = Path(f"{root}_half1_class001_unfil.mrc")
    broken.write_bytes(broken.read_bytes()[:5000])
    missing: list[str] = []

    names = [pictures.name for pictures in map_pictures(read_run(root).last.files, missing)]

    assert names == ["joined", "half 2"]
    assert "truncated" in missing[0]


def test_the_same_figure_gives_the_same_bytes(run: RunRecord) -> None:
    once, again = (svg_uri(plots_resolution.fsc_figure(run)) for _ in range(2))

    assert once == again
