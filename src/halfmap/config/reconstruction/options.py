"""All options of ``halfmap reconstruct`` as one frozen object, and how they are understood."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from halfmap.config.catalogue import Catalogue
from halfmap.config.command_line import listing, resolve
from halfmap.config.declare import Status
from halfmap.config.describe import help_text
from halfmap.config.reconstruction.chosen_images import ChosenImages, chosen_images
from halfmap.config.reconstruction.files import Files, Lengths
from halfmap.config.reconstruction.method import Halves, Method, Processing
from halfmap.config.reconstruction.weights import Weights
from halfmap.config.words import Given, read_command_line, read_preset
from halfmap.errors import OptionError

RECONSTRUCT = Catalogue("reconstruct", (Files, Lengths, Weights, Method, Processing, Halves))
USAGE = """\
usage: halfmap reconstruct --input PROJECTIONS --output MAP [options]
       mpirun -n 9 halfmap reconstruct ...   the same on 9 ranks; srun works, too

Make a map from projections of known orientation. Options have the names of EMAN2's e2make3dpar.
"""
ENDING = "Modes, processors, and what differs from EMAN2: docs/reconstruct.md\n"


class ReconstructOptions(Files, Lengths, Weights, Method, Processing, Halves):
    """What was asked, option by option."""

    @property
    def reads_table(self) -> bool:
        """Whether the input is a particle table of RELION's."""
        return self.input_file.suffix.lower() == ".star"

    @property
    def chosen(self) -> ChosenImages:
        """The file of projections, and which of them are meant."""
        whole = ChosenImages(self.input)
        return whole if Path(self.input).is_file() else chosen_images(self.input)

    @property
    def input_file(self) -> Path:
        """The file of projections."""
        return Path(self.chosen.file)

    @property
    def n_halves(self) -> int:
        """Sets that are summed apart."""
        return 2 if self.halves else 1


@dataclass(frozen=True, slots=True)
class ReconstructRequest:
    """What a command line asks for."""

    options: ReconstructOptions
    notices: tuple[str, ...]
    """One line for each thing that was asked for and has no effect."""


Judge = Callable[[ReconstructOptions], Iterable[str]]
"""Yields what is wrong with options in the eyes of those who know modes and symmetries."""


def reconstruct_help(width: int) -> str:
    """Return the help text, in lines of at most ``width`` characters."""
    return help_text(RECONSTRUCT, width, USAGE, ENDING)


def parse_reconstruct(argv: Sequence[str], judge: Judge = lambda _: ()) -> ReconstructRequest:
    """Understand the words after ``halfmap reconstruct``.

    Raises
    ------
    OptionError
        Lists every unknown word, bad value, contradiction and missing file at once.
    """
    words = read_command_line(["--verbose" if w == "-v" else w for w in argv], RECONSTRUCT)
    problems = list(words.problems)
    values: dict[str, Given] = {}
    for path in words.presets:
        preset = read_preset(path, RECONSTRUCT)
        values |= preset.values
        problems += preset.problems
    values |= words.values
    options, refused = resolve(values, RECONSTRUCT, ReconstructOptions)
    problems += refused.values()
    given = values.keys() - refused.keys()
    problems += [*_later(options, given), *_contradictions(options), *judge(options)]
    problems += _missing_files(options, given)
    if problems:
        raise OptionError(listing(problems, RECONSTRUCT))
    notices = [
        f"--{spelling} has no meaning here: {declaration.option.differs}"
        for spelling, declaration in RECONSTRUCT.by_spelling.items()
        if spelling in given and declaration.option.status is Status.NO_MEANING
    ]
    if options.keep == 0.0 and not options.keep_sigma:
        notices.append("--keep 0 is taken as 1: all slices")
    options, told = _in_parallel(options)
    notices += told
    return ReconstructRequest(options, tuple(notices))


def _in_parallel(options: ReconstructOptions) -> tuple[ReconstructOptions, list[str]]:
    """Do what --parallel says, or say who does."""
    where, _, rest = options.parallel.partition(":")
    n = rest.split(":")[0]
    if where == "thread":
        return options.model_copy(update={"n_threads": int(n)}), []
    if where == "mpi":
        said = f"starts no ranks; mpirun -n {n} halfmap reconstruct ... does"
        return options, [f"--parallel {options.parallel} {said}"]
    return options, []


def _later(options: ReconstructOptions, given: Iterable[str]) -> Iterator[str]:
    for spelling in sorted(given):
        declaration = RECONSTRUCT.by_spelling[spelling]
        if declaration.option.status is not Status.LATER:
            continue
        if getattr(options, declaration.name) != declaration.default:
            yield f"--{spelling}: not in this version; leave it out"


Rule = tuple[Callable[[ReconstructOptions], bool], str]
"""When it applies, and what to say then."""
ALONE = "least_squares"
"""A mode in which slices are inserted nowhere, so that much has no meaning."""
NOT_FITTED: dict[str, Callable[[ReconstructOptions], bool]] = {
    "fillangle": lambda o: o.fill_angle_deg > 0.0,
    "noradcor": lambda o: o.no_radial_correction,
    "savenorm": lambda o: o.weight_volume_file is not None,
    "seedmap": lambda o: o.seed_map_file is not None,
    "iterative": lambda o: o.iterative,
    "compat": lambda o: o.imitation != "none",
}
CONTRADICTIONS: tuple[Rule, ...] = (
    (
        lambda o: (o.correct_ctf or o.subset > 0) and not o.reads_table,
        "--ctf, --subset: found with projections of EMAN2's, expected a .star table as --input",
    ),
    (
        lambda o: o.reads_table and (o.tilt_file is not None or o.model_id is not None),
        "--tlt, --input_model: found with a .star table, expected projections of EMAN2's",
    ),
    (
        lambda o: o.reads_table and (o.use_ssnr or o.root_weight),
        "--usessnr, --sqrt_wt: found with a .star table, which has no such weights",
    ),
    (
        lambda o: o.compress_bits == 1,
        "--compressbits: found 1, expected -1, 0, or from 2 to 16",
    ),
    (
        lambda o: bool(o.chosen.unreadable()),
        "--input: after the colon found what is no number or slice, expected as in p.hdf:0,5:20^7",
    ),
    (
        lambda o: o.iteration_mask_file is not None and not o.iterative,
        "--itermask: found without --iterative, expected with it",
    ),
    (
        lambda o: o.iterative and o.halves,
        "--halves: found with --iterative, which this version cannot do. Leave one out",
    ),
    (
        lambda o: o.correct_ctf and (o.iterative or len(set(o.padded)) > 1),
        "--ctf: found with --iterative or a --pad that is no square, which it cannot do",
    ),
    (
        lambda o: o.halves and o.subset > 0,
        "--halves: found with --subset, expected one of them: a half has no halves",
    ),
    (
        lambda o: o.seed_weight_file is not None and o.seed_map_file is None,
        "--seedweightmap: found without --seedmap, expected with it",
    ),
)


def _contradictions(options: ReconstructOptions) -> Iterator[str]:
    yield from (text for applies, text in CONTRADICTIONS if applies(options))
    if options.mode == ALONE:
        for spelling, given in NOT_FITTED.items():
            if given(options):
                yield (
                    f"--{spelling}: found with --mode {ALONE}, where it has no meaning; "
                    "leave it out, or take another mode"
                )


def _missing_files(options: ReconstructOptions, given: Iterable[str]) -> Iterator[str]:
    files = {
        "tlt": options.tilt_file,
        "seedmap": options.seed_map_file,
        "seedweightmap": options.seed_weight_file,
        "itermask": options.iteration_mask_file,
        "input": options.input_file if "input" in given else None,
    }
    for spelling, path in files.items():
        if path is not None and not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            yield f"--{spelling} {path}: found {found}. Check the path; it counts from {Path.cwd()}"
    for spelling, path in (("output", options.output), ("savenorm", options.weight_volume_file)):
        folder = None if path is None else path.parent
        if folder is not None and not (folder.is_dir() and os.access(folder, os.W_OK)):
            yield f"--{spelling} {path}: expected a folder that can be written to: {folder}"
