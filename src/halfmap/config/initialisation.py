"""What the first iteration starts from."""

import re
from typing import Annotated

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
)

IMAGE_OF = re.compile(r"^\d+@")
"""How the name of one image of a stack begins: ``3@stack.mrcs``."""


class Initialisation(OptionGroup):
    """Initialisation."""

    reference_file: Annotated[
        File,
        Expected("the starting map, an MRC file, or a STAR file that lists several, or None"),
        Option(
            "ref",
            IMPLEMENTED,
            "Starting map (MRC), or a STAR file that lists one map for each class "
            "(rlnReferenceImage of data_model_classes). An image, a stack of images (.mrcs, one "
            "for each class), one image of a stack (3@stack.mrcs) or a list of images makes it a "
            "2D classification. Maps must be on the grey scale of the particles, or --firstiter_cc "
            "be given. Without it class averages (2D) begin from particles in random orientations.",
            differs="A stack gives each class its own image. As in RELION, a name with half1 or "
            "half2 in it gives each half its own map.",
        ),
    ] = None
    start_from_random_poses: Annotated[
        bool,
        Option(
            "denovo_3dref",
            IMPLEMENTED,
            "Without --ref: make 3D starting maps from the particles in random orientations.",
            differs="The Fourier window of the start is the resolution that its filter keeps; "
            "RELION's is half of it, or a number of pixels that has nothing to do with the box.",
        ),
    ] = False
    offset_sigma_A: Annotated[
        float,
        Range(0.0),
        Option(
            "offset",
            IMPLEMENTED,
            "Expected standard deviation of the particle offsets in the first iteration.",
            differs="The offset prior is in ångström throughout; RELION adds pixels to ångström in "
            "it, which is right only at 1 Å per pixel.",
            on_continue=FREE,
        ),
    ] = 10.0
    first_iteration_cc: Annotated[
        bool,
        Option(
            "firstiter_cc",
            IMPLEMENTED,
            "Assign poses by cross-correlation in the first iteration: for a starting map whose "
            "grey scale is not that of the particles.",
        ),
    ] = False
    initial_lowpass_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "ini_high",
            IMPLEMENTED,
            "Low-pass filter of the starting map, and resolution of the first iteration; -1 leaves "
            "a map as it is, and means 0.07 of the sampling frequency without --ref.",
        ),
    ] = -1.0
