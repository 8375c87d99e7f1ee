"""What is corrected for: the contrast transfer function, intensities."""

from typing import Annotated

from halfmap.config.declare import FREE, IMPLEMENTED, Option, OptionGroup


class Corrections(OptionGroup):
    """Corrections."""

    correct_ctf: Annotated[
        bool,
        Option(
            "ctf",
            IMPLEMENTED,
            "Correct for the contrast transfer function of the microscope.",
            label="rlnDoCorrectCtf",
        ),
    ] = False
    pad_ctf: Annotated[
        bool,
        Option(
            "pad_ctf",
            IMPLEMENTED,
            "Compute the CTF in a larger box, so that a signal which defocus spread beyond the "
            "image does not come in again at the opposite edge. Slower.",
            differs="RELION knows the option and stops at it. Here the image of a point is "
            "computed in a box of at least twice the size and cut to that of the images.",
        ),
    ] = False
    ctf_intact_first_peak: Annotated[
        bool,
        Option(
            "ctf_intact_first_peak",
            IMPLEMENTED,
            "Set the CTF to 1 up to its first peak, for maps with wrong low frequencies.",
            label="rlnDoIgnoreCtfUntilFirstPeak",
        ),
    ] = False
    reference_not_ctf_corrected: Annotated[
        bool,
        Option(
            "ctf_uncorrected_ref",
            IMPLEMENTED,
            "The starting map was made without amplitude correction: compare it without CTF in the "
            "first iteration.",
        ),
    ] = False
    ctf_phase_flipped: Annotated[
        bool,
        Option(
            "ctf_phase_flipped",
            IMPLEMENTED,
            "The images were phase-flipped: use the magnitude of the CTF.",
            differs="An error together with --only_flip_phases, which RELION would drop.",
            label="rlnCtfDataArePhaseFlipped",
        ),
    ] = False
    only_flip_phases: Annotated[
        bool,
        Option(
            "only_flip_phases",
            IMPLEMENTED,
            "Correct the sign of the CTF only, not its amplitude.",
            label="rlnDoOnlyFlipCtfPhases",
        ),
    ] = False
    norm_correction: Annotated[
        bool,
        Option(
            "norm",
            IMPLEMENTED,
            "Estimate and correct the error of each image's normalisation.",
            on_continue=FREE,
        ),
    ] = False
    scale_correction: Annotated[
        bool,
        Option(
            "scale",
            IMPLEMENTED,
            "Estimate and correct an intensity scale for each micrograph, or group of them.",
            on_continue=FREE,
        ),
    ] = False
    no_norm_correction: Annotated[
        bool,
        Option(
            "no_norm",
            IMPLEMENTED,
            "Switch --norm off; it wins over it.",
            on_continue=FREE,
        ),
    ] = False
    no_scale_correction: Annotated[
        bool,
        Option(
            "no_scale",
            IMPLEMENTED,
            "Switch --scale off; it wins over it.",
            on_continue=FREE,
        ),
    ] = False
