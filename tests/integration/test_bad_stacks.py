"""Image stacks that cannot be used get one clear message, before any work.

Every test asks for the exit code 3, for what was found, expected and to be done, for exactly one
message, and for no traceback. One process; what ranks add is in ``test_errors_on_ranks.py``.
"""

import numpy as np
import pytest

from .spoilt_project import Spoil, truncated, with_stack
from .tiny_project import BOX, STACK, Run, assert_one_message, refine, set_pixels

pytestmark = pytest.mark.usefixtures("tiny_project")


def no_stack() -> list[str]:
    STACK.unlink()
    return refine()


def too_many_nan() -> list[str]:
    set_pixels(STACK, slice(0, 3), np.nan)
    return refine("--failsafe_threshold", "2")


def all_constant() -> list[str]:
    set_pixels(STACK, slice(None), 1.0)
    return refine()


@pytest.mark.parametrize(
    ("spoil", "phrases"),
    [
        pytest.param(
            no_stack, (f"{STACK} cannot be read: No such file", "Check the name"), id="no stack"
        ),
        pytest.param(
            with_stack(lambda images: images[:20]),
            ("row 24 points to image 24 of particles/particles.mrcs, which has 20",),
            id="stack shorter than the table",
        ),
        pytest.param(
            with_stack(lambda images: images.astype(np.complex64)),
            ("has MRC mode 4 (complex float32); expected mode 2", "Convert it to float32"),
            id="complex stack",
        ),
        pytest.param(
            truncated(STACK),
            (
                f"{STACK} is truncated: it has 20,000 bytes, its header promises 56,320",
                "Copy it again",
            ),
            id="truncated stack",
        ),
        pytest.param(
            with_stack(lambda images: images[:, 2:, 2:]),
            (f"holds images of 22 x 22 px; its optics group says {BOX} x {BOX}",),
            id="stack of another box",
        ),
        pytest.param(
            too_many_nan,
            (
                "found 3 bad particles so far, expected at most 2 (--failsafe_threshold)",
                f"000002@{STACK}: pixels are NaN, infinite",
                "Remove them from the STAR file",
            ),
            id="too many bad images",
        ),
        pytest.param(
            all_constant, ("found no good particle", "all pixels are equal"), id="no good image"
        ),
    ],
)
def test_bad_stacks_end_with_one_message(run: Run, spoil: Spoil, phrases: tuple[str, ...]) -> None:
    assert_one_message(run(spoil()), 3, *phrases)
