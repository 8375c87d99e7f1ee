"""``halfmap``: find the command, hand over, turn errors into messages and exit codes."""

import importlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence

import halfmap
from halfmap.errors import HalfmapError, OptionError

COMMANDS = {
    "refine": "refine a map from particle images, on any number of MPI ranks",
    "reconstruct": "make a map from projections of known orientation, on any number of ranks",
    "simulate": "make particle images from a map, from atoms or from a phantom",
    "check": "check a particle table and its images, repair and convert it",
    "report": "make one self-contained HTML page from the folder of a run",
    "doctor": "examine this machine, or all nodes of a job, and say what to change",
}
RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")
LOCAL_RANK_VARIABLES = (
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "PALS_LOCAL_RANKID",
    "SLURM_LOCALID",
)
WIDEST_HELP = 110
SECONDS_FOR_RANK_0 = 5.0
"""A launcher ends all ranks when one has failed: the one that has to say why goes first."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Errors that a user can cause end with a message and no traceback; all others keep
    their traceback, so that they can be reported.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except HalfmapError as error:
        text = message(error, os.environ)
        sys.stderr.write(text)
        if not text and not error.everywhere:  # else MPI lets no rank go before rank 0
            time.sleep(SECONDS_FOR_RANK_0)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("halfmap: interrupted\n")
        return 130


def launcher_rank(environment: Mapping[str, str]) -> int:
    """Return the rank that the launcher gave this process, 0 when there is none.

    Read from the environment, because it is needed before MPI is started, or instead of it.
    """
    return int(_first_number(environment, RANK_VARIABLES) or 0)


def launcher_rank_on_node(environment: Mapping[str, str]) -> int:
    """Return the number of this process among those of its node, 0 when there is none."""
    return int(_first_number(environment, LOCAL_RANK_VARIABLES) or 0)


def _first_number(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((environment[n] for n in names if environment.get(n, "").isdigit()), None)


def message(error: HalfmapError, environment: Mapping[str, str]) -> str:
    """Return what this rank has to say about an error: nothing if rank 0 says it.

    All ranks have the same options, and a collective error is raised on all of them. A
    file that rank 0 can see may be missing on another node: one rank of each node says so.
    """
    rank = launcher_rank(environment)
    if rank == 0:
        return f"halfmap: {error}\n"
    shared = error.everywhere or isinstance(error, OptionError)
    here_only = getattr(error, "depends_on_node", False)
    first_of_node = _first_number(environment, LOCAL_RANK_VARIABLES) == "0"
    if shared and not (here_only and first_of_node):
        return ""
    return f"halfmap: rank {rank} on {socket.gethostname()}: {error}\n"


def _dispatch(words: list[str]) -> int:
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    if command in ("--help", "-h", "help"):
        _show(_overview())
        return 0 if words else OptionError.exit_code
    if command in ("--version", "version"):
        _show(f"halfmap {halfmap.__version__}\n")
        return 0
    if command not in COMMANDS:
        raise OptionError(_no_such_command(command))
    if command == "refine" and _answered(rest):
        return 0
    module = importlib.import_module(f"halfmap.cli.{command}")
    code: int = module.run(rest)
    return code


def _no_such_command(command: str) -> str:
    have = ", ".join(COMMANDS)
    return f"found the command {command!r}, expected one of {have}. See halfmap --help"


def _overview() -> str:
    lines = [f"  halfmap {name:<12}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"halfmap {halfmap.__version__}: {(halfmap.__doc__ or '').rstrip('.')}",
            "",
            *lines,
            "",
            "halfmap COMMAND --help says more. In parallel: mpirun -n 9 halfmap refine ...",
            "",
        ]
    )


def _answered(words: Sequence[str]) -> bool:
    """Answer a question about ``refine`` (help, version, labels, symmetry), if it is one."""
    if {"--help", "-h"} & set(words):
        from halfmap.config.describe import refine_help  # not before it is needed: start-up

        _show(refine_help(min(shutil.get_terminal_size().columns, WIDEST_HELP)))
        return True
    from halfmap.config.command_line import inquiry

    options = inquiry(words)
    if options is None:
        return False
    if options.version:
        _show(f"halfmap {halfmap.__version__}\n")
    elif options.print_metadata_labels:
        from halfmap.cli.labels_text import labels_text

        _show(labels_text())
    else:
        from halfmap.cli.symmetry_text import symmetry_text

        _show(symmetry_text(options.symmetry))
    return True


def _show(text: str) -> None:
    """Write to standard output, unless the reader has gone (``| head``) or another rank does."""
    if launcher_rank(os.environ):
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
