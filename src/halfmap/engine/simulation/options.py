"""What `halfmap simulate` can be asked for: every option declared once.

The command line and ``--help`` are made from these declarations (`halfmap.cli.simulate`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from halfmap.errors import OptionError
from halfmap.model.scattering import AMORPHOUS_ICE_A_2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """How an option is typed, and what it may be."""

    spelling: str
    help: str
    low: float | None = None
    high: float | None = None
    """Only with ``low``."""
    above: bool = False
    """The lower limit itself is excluded."""
    choices: tuple[str, ...] = ()

    def problem(self, value: Any) -> str | None:
        """Say why a value is out of range, or None."""
        if value is None or self._is_allowed(value):
            return None
        return f"--{self.spelling}: found {value}, expected {self._expected()}"

    def _is_allowed(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return False
        return self.high is None or value <= self.high

    def _expected(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        low = f"{'more than' if self.above else 'at least'} {self.low:g}"
        return low if self.high is None else f"{low} and at most {self.high:g}"


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """Options of `halfmap simulate`, with their defaults; None is said in brackets."""

    map_file: Annotated[Path | None, Option("map", "Make the particles from this map (MRC).")] = (
        None
    )
    structure_file: Annotated[
        Path | None,
        Option("pdb", "Make the particles from these atoms (mmCIF or PDB, .gz or not)."),
    ] = None
    phantom: Annotated[bool, Option("phantom", "Make the particles from a built-in phantom.")] = (
        False
    )
    folder: Annotated[Path | None, Option("o", "Output folder. Mandatory.")] = None
    overwrite: Annotated[
        bool, Option("overwrite", "Replace the files of an earlier simulation.")
    ] = False

    n_particles: Annotated[
        int | None,
        Option("n", "Number of particles [2000, or all rows of --poses].", low=1),
    ] = None
    box: Annotated[int | None, Option("box", "Box, px [that of --map].", low=16)] = None
    pixel_size_A: Annotated[
        float | None, Option("angpix", "Pixel size, Å [that of --map].", low=0.0, above=True)
    ] = None
    snr: Annotated[
        float,
        Option(
            "snr",
            "Variance of the signal within the particle circle over that of the noise.",
            low=0.0,
            above=True,
        ),
    ] = 0.05
    noise: Annotated[
        str, Option("noise", "Spectrum of the noise.", choices=("coloured", "white"))
    ] = "coloured"
    noise_rise: Annotated[
        float,
        Option(
            "noise_rise", "Coloured noise: power added at low resolution; the rest is 1.", low=0.0
        ),
    ] = 2.0
    noise_knee_A: Annotated[
        float,
        Option("noise_knee", "Coloured noise: resolution with half of it, Å.", low=0.0, above=True),
    ] = 60.0

    poses_file: Annotated[
        Path | None, Option("poses", "STAR file with angles and offsets [random].")
    ] = None
    offset_sigma_A: Annotated[
        float, Option("offset_sigma", "Spread of random offsets along x and y, Å.", low=0.0)
    ] = 5.0
    defocus_min_A: Annotated[
        float, Option("defocus_min", "Smallest defocus of a micrograph, Å.")
    ] = 8_000.0
    defocus_max_A: Annotated[
        float, Option("defocus_max", "Largest defocus of a micrograph, Å.")
    ] = 22_000.0
    astigmatism_A: Annotated[
        float, Option("astigmatism", "Mean difference of the two defoci, Å.", low=0.0)
    ] = 300.0
    voltage_kV: Annotated[float, Option("kv", "Voltage, kV.", low=0.0, above=True)] = 300.0
    spherical_aberration_mm: Annotated[
        float, Option("cs", "Spherical aberration, mm.", low=0.0)
    ] = 2.7
    amplitude_contrast: Annotated[float, Option("q0", "Amplitude contrast.", low=0.0, high=1.0)] = (
        0.1
    )
    n_optics_groups: Annotated[
        int,
        Option("n_optics", "Optics groups; they differ in --q0, then --kv, then --cs.", low=1),
    ] = 1
    optics_file: Annotated[
        Path | None,
        Option(
            "optics",
            "STAR file with an optics table: the groups, with box, pixel size, beam tilt, "
            "Zernikes, magnification, MTF and whether images are premultiplied [--n_optics].",
        ),
    ] = None
    n_micrographs: Annotated[
        int | None, Option("n_micrographs", "Micrographs [one per 50 particles].", low=1)
    ] = None
    scale_sigma: Annotated[
        float,
        Option("scale_sigma", "Spread (log) of the intensity scale of micrographs.", low=0.0),
    ] = 0.1
    norm_sigma: Annotated[
        float,
        Option("norm_sigma", "Spread (log) of an error in normalising the images.", low=0.0),
    ] = 0.0
    b_factor_A2: Annotated[
        float, Option("b_factor", "Damping of the map, exp(-B s^2 / 4), Å^2.")
    ] = 80.0

    particle_diameter_A: Annotated[
        float | None,
        Option(
            "particle_diameter",
            "Circle outside which an image is background, Å [measured].",
            low=0.0,
            above=True,
        ),
    ] = None
    start_lowpass_A: Annotated[
        float,
        Option("start_lowpass", "Resolution of start.mrc, Å.", low=0.0, above=True),
    ] = 40.0
    solvent_A_2: Annotated[
        float,
        Option(
            "solvent",
            "Scattering length per volume of what surrounds atoms, 1/Å^2; 0 is vacuum.",
            low=0.0,
        ),
    ] = AMORPHOUS_ICE_A_2
    keep_water: Annotated[
        bool, Option("keep_water", "Let the water molecules of --pdb scatter.")
    ] = False
    phantom_diameter_A: Annotated[
        float | None,
        Option(
            "phantom_diameter", "Diameter of the phantom, Å [0.65 of the box].", low=0.0, above=True
        ),
    ] = None
    phantom_seed: Annotated[int, Option("phantom_seed", "Which phantom.", low=0)] = 0

    mode: Annotated[
        str,
        Option("mode", "Values of the stack.", choices=("float32", "float16", "int16")),
    ] = "float32"
    split: Annotated[bool, Option("split", "Assign random halves (rlnRandomSubset).")] = False
    seed: Annotated[int, Option("seed", "Of all that is random but the phantom.", low=0)] = 1


@dataclass(frozen=True, slots=True)
class Declaration:
    """An option and the field that holds it."""

    name: str
    option: Option
    kind: type
    """bool, int, float, str or Path."""
    default: Any


def declarations() -> Iterator[Declaration]:
    """Return every option, in order."""
    hints = get_type_hints(SimulateOptions, include_extras=True)
    for field in fields(SimulateOptions):
        annotation, option = get_args(hints[field.name])
        kind = (get_args(annotation) or (annotation,))[0]
        yield Declaration(field.name, option, kind, field.default)


def required(value: T | None, spelling: str) -> T:
    """Return the value of an option that has no default, or say that it is missing."""
    if value is None:
        raise OptionError(f"--{spelling}: missing. See halfmap simulate --help")
    return value


def problems(options: SimulateOptions) -> list[str]:
    """Return all that is wrong with the options, a sentence each."""
    found = [d.option.problem(getattr(options, d.name)) for d in declarations()]
    checks = (_source_problem, _grid_problem, _folder_problem, _defocus_problem, _group_problem)
    found += [check(options) for check in checks]
    return [problem for problem in found if problem]


def _source_problem(options: SimulateOptions) -> str | None:
    given = {
        "--map": options.map_file is not None,
        "--pdb": options.structure_file is not None,
        "--phantom": options.phantom,
    }
    if sum(given.values()) == 1:
        return None
    named = " and ".join(name for name, is_given in given.items() if is_given) or "none"
    return f"--map FILE, --pdb FILE, --phantom: found {named}, expected one of them"


def _grid_problem(options: SimulateOptions) -> str | None:
    if options.box is not None and options.box % 2:
        return f"--box: found {options.box}, expected an even number"
    if options.optics_file is not None:
        return _grid_beside_optics_problem(options)
    if options.map_file is not None:
        return None
    wanted = {"--box": options.box, "--angpix": options.pixel_size_A}
    missing = " and ".join(name for name, value in wanted.items() if value is None)
    return f"{missing}: missing; only --map has its own" if missing else None


def _grid_beside_optics_problem(options: SimulateOptions) -> str | None:
    grid = {"box": options.box, "angpix": options.pixel_size_A}
    given = [name for name, value in grid.items() if value is not None]
    if not given:
        return None
    return f"--{given[0]}: found with --optics, whose first group says it. Leave it out"


def _folder_problem(options: SimulateOptions) -> str | None:
    return "--o: missing, expected the output folder" if options.folder is None else None


def _defocus_problem(options: SimulateOptions) -> str | None:
    low, high = options.defocus_min_A, options.defocus_max_A
    if low <= high:
        return None
    return f"--defocus_min: found {low:g}, expected at most --defocus_max, {high:g}"


def _group_problem(options: SimulateOptions) -> str | None:
    n_micrographs, n_optics = options.n_micrographs, options.n_optics_groups
    if n_micrographs is None or n_micrographs >= n_optics:
        return None
    return (
        f"--n_micrographs: found {n_micrographs}, expected at least --n_optics, {n_optics}: "
        "a micrograph has one optics group"
    )
