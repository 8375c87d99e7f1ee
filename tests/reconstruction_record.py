"""A small record of a direct reconstruction, for tests of its file and of its page."""

from typing import Any

import numpy as np

from halfmap.io.reconstruction_record import (
    BAD_QUALITY,
    NO_WEIGHT,
    UNLISTED,
    USED,
    ReconstructionRecord,
)

N = 40
NOTES = {
    "map": "map.mrc",
    "facts": {"Input": "projections.hdf", "Mode": "gauss_5", "Symmetry": "d3"},
    "options": {"input": "projections.hdf", "mode": "gauss_5", "keep": "0.9", "sym": "d3"},
    "changed": {"mode": "gauss_5", "keep": "0.9"},
    "largest_quality": 0.9,
    "seconds": {"reading and planning": 0.25, "inserting slices": 75.0},
    "peak_bytes": 3 * 2**30,
    "fsc_box_A": 64.0,
}


def example_record(**changes: Any) -> ReconstructionRecord:
    """Return a record of 40 images: 37 used, one of each other fate (37, 38 and 39)."""
    rng = np.random.default_rng(5)
    fate = np.full(N, USED)
    fate[37:] = BAD_QUALITY, NO_WEIGHT, UNLISTED
    angles = rng.uniform(0.0, 180.0, (N, 2))
    quality, weight = np.linspace(0.5, 0.89, N), np.full(N, 2.0)
    quality[37], weight[38] = 1.5, 0.0
    angles[39] = quality[39] = weight[39] = np.nan
    section = np.maximum(np.add.outer(np.arange(32.0), np.arange(17.0)) - 4.0, 0.0)
    values: dict[str, Any] = {
        "row": np.arange(N),
        "fate": fate,
        "half": np.arange(N) % 2,
        "angles_deg": angles,
        "quality": quality,
        "weight": weight,
        "operators": np.eye(3)[None],
        "shell_per_A": np.arange(17) / 64.0,
        "shell_weight": 40.0 / (1.0 + np.arange(17)),
        "shell_filled": np.linspace(1.0, 0.6, 17),
        "section_xy": section,
        "section_xz": section,
        "section_yz": np.ones((32, 32)),
        "fsc": np.linspace(1.0, 0.0, 17),
        "notes": NOTES,
    }
    return ReconstructionRecord(**(values | changes))
