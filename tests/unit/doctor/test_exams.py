"""What the doctor says of machines that have something."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.cli.main import main
from halfmap.engine.doctor import discs, doctor, processor, ranks, software
from halfmap.engine.doctor.findings import Exam, Finding, Patient, Verdict, good
from halfmap.io import free_memory
from halfmap.kernels.reference import ReferenceKernels
from halfmap.parallel.launcher import FT_VARIABLE


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """Somebody who has a folder; little is written to measure the speed."""
    monkeypatch.setattr(discs, "TRIAL_BYTES", 2**20)
    monkeypatch.setattr(discs, "SLOW_MB", 0.0)
    return Patient(tmp_path, tmp_path, n_threads=1)


def assert_bad(found: Finding, *phrases: str) -> None:
    assert found.verdict is Verdict.BAD
    assert_says(found, *phrases)


def assert_noted(found: Finding, *phrases: str) -> None:
    assert found.verdict is Verdict.NOTE
    assert_says(found, *phrases)


def assert_says(found: Finding, *phrases: str) -> None:
    for phrase in phrases:
        assert phrase in f"{found.found} | {found.to_do}"


# --- discs


@pytest.mark.parametrize("exam", [discs.output_folder, discs.scratch_disc])
def test_a_good_disc_is_measured_and_left_empty(patient: Patient, exam: Exam) -> None:
    found = exam(patient)

    assert found.verdict is Verdict.GOOD
    assert float(found.numbers["written_MB_per_s"]) > 0
    assert list(patient.folder.iterdir()) == []


@pytest.mark.parametrize("exam", [discs.output_folder, discs.scratch_disc])
def test_an_absent_folder_is_bad(patient: Patient, exam: Exam) -> None:
    absent = patient.folder / "absent"

    assert_bad(exam(replace(patient, folder=absent, scratch=absent)), "create it first")


@pytest.mark.parametrize("exam", [discs.output_folder, discs.scratch_disc])
def test_a_slow_disc_is_noted(
    patient: Patient, exam: Exam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discs, "SLOW_MB", 1e9)
    assert_noted(exam(patient), "slow", "another folder")


def test_a_disc_on_the_network_is_no_scratch_disc(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discs, "file_system", lambda _: "lustre")
    assert_bad(discs.scratch_disc(patient), "network file system", "a disc of the node itself")
    assert discs.output_folder(patient).verdict is Verdict.GOOD


def test_discs_that_cannot_lock_files_are_named(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discs, "try_lock", lambda _: True)  # both get it
    assert_bad(discs.scratch_disc(patient), "cannot be locked")
    assert_noted(discs.output_folder(patient), "cannot be locked")


def test_hdf5_that_cannot_lock_is_bad(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(11, "unable to lock file")

    monkeypatch.setattr("h5py.File", refuse)
    assert_bad(discs.output_folder(patient), "HDF5 cannot write", "HDF5_USE_FILE_LOCKING=FALSE")


# --- the processor


@pytest.mark.parametrize(
    ("bound", "threads", "verdict", "phrase"),
    [
        (8, 4, Verdict.GOOD, "8 on the node, for 2 ranks with 4 threads each"),
        (8, 5, Verdict.NOTE, "fewer ranks on each node"),
        (1, 2, Verdict.BAD, "--bind-to none"),
    ],
)
def test_threads_need_cores(
    patient: Patient,
    monkeypatch: pytest.MonkeyPatch,
    bound: int,
    threads: int,
    verdict: Verdict,
    phrase: str,
) -> None:
    monkeypatch.setattr(processor, "bound_cores", lambda: bound)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    found = processor.cores(replace(patient, n_threads=threads, ranks_of_node=2))

    assert found.verdict is verdict
    assert_says(found, phrase)


def test_matrix_products_name_their_library(patient: Patient) -> None:
    found = processor.matrix_products(patient)

    assert float(found.numbers["gflops"]) > 0
    assert str(found.numbers["library"]) in found.found


def test_slow_matrix_products_are_bad(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "SLOW_SGEMM", 1e6)
    assert_bad(processor.matrix_products(patient), "slow", "PyPI")


def test_memory_is_that_of_the_share_of_a_rank(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "free_memory", lambda: 10**10)
    monkeypatch.setattr(processor, "_of_node", lambda: 10**11)

    found = processor.memory(replace(patient, ranks_of_node=4))
    assert found.verdict is Verdict.GOOD
    assert_says(found, "10.0 of 100.0 GB", "by the scheduler or the container", "2.5 GB a rank")
    assert_noted(processor.memory(replace(patient, ranks_of_node=8)), "little", "--mem")


def test_the_memory_of_this_machine_is_found(patient: Patient) -> None:
    found = processor.memory(patient)

    assert 0 < float(found.numbers["free_GB"]) <= float(found.numbers["node_GB"])
    assert float(found.numbers["free_GB"]) <= (free_memory.free_memory() or 0) / 1e9 * 1.5


def test_little_shared_memory_is_noted(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Little:
        f_blocks, f_bavail, f_frsize = 16384, 16384, 4096

    monkeypatch.setattr("os.statvfs", lambda _: Little)
    assert_noted(processor.shared_memory(patient), "0.1 of 0.1 GB", "--shm-size")


# --- software


def test_kernels_of_this_machine_agree(patient: Patient) -> None:
    assert software.kernels_agree(patient).verdict is Verdict.GOOD


def test_kernels_that_differ_are_bad(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(ReferenceKernels):
        def shifted(self, spectra: np.ndarray, ramps: np.ndarray, out: np.ndarray) -> None:
            super().shifted(spectra, ramps, out)
            out *= 1.001

    def kernels(name: str = "numba") -> ReferenceKernels:
        return Wrong() if name == "numba" else ReferenceKernels()

    monkeypatch.setattr(software, "make_kernels", kernels)
    assert_bad(software.kernels_agree(patient), "shifted differs", "report it")


def test_a_cache_that_cannot_be_written_is_noted(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = patient.folder / "file"
    file.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(file / "below"))
    assert_noted(software.compile_cache(patient), "cannot be written", "NUMBA_CACHE_DIR")


def test_versions_are_those_that_are_loaded(patient: Patient) -> None:
    assert software.versions(patient).numbers["numpy"] == np.__version__


def test_graphics_processors_are_not_used(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: Mapping[str, list[Path]] = {"nvidia[0-9]*": [Path("/dev/nvidia0"), Path("/dev/nvidia1")]}
    monkeypatch.setattr(Path, "glob", lambda _, pattern: there.get(pattern, []))
    assert_noted(software.graphics_processors(patient), "2 NVIDIA: not used", "do not ask")


# --- ranks


def test_a_launcher_of_another_family_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    found = ranks.launcher(MPI.COMM_SELF)
    assert_bad(found, "started 3 ranks, but MPI sees a world of one", "--mpi=pmix for Open MPI")


def test_fault_tolerance_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FT_VARIABLE, "1")
    assert_says(ranks.fault_tolerance(MPI.COMM_SELF), "ULFM is on")


def test_a_folder_that_the_first_rank_cannot_write_is_bad(patient: Patient) -> None:
    absent = replace(patient, folder=patient.folder / "absent")
    assert_bad(ranks.same_folder(absent, MPI.COMM_SELF), "not the same, or is absent")
    assert ranks.same_folder(patient, MPI.COMM_SELF).verdict is Verdict.GOOD
    assert list(patient.folder.iterdir()) == []


# --- all together


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> Patient:
    """Only exams that take no time."""
    monkeypatch.setattr(doctor, "OF_EACH_NODE", (software.graphics_processors, software.versions))
    monkeypatch.chdir(patient.folder)
    return patient


@pytest.mark.usefixtures("quick")
def test_findings_are_said_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("halfmap ")
    assert any(line.startswith("  ok  MPI: ") for line in lines)
    assert lines[-1] == "fit for a run"


@pytest.mark.usefixtures("quick")
def test_findings_are_said_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    topics = {finding["topic"]: finding for finding in said["findings"]}
    assert said["fit"] is True
    assert topics["MPI"]["numbers"]["ranks"] == 1
    assert topics["versions"]["verdict"] == "good"


@pytest.mark.usefixtures("quick")
def test_one_bad_finding_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(_: Patient) -> Finding:
        raise ValueError("it is on fire")

    monkeypatch.setattr(doctor, "OF_EACH_NODE", (breaks,))
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert " BAD  breaks: could not be examined: it is on fire" in said
    assert said.endswith("1 to be changed before a run\n")


def test_nodes_that_are_alike_are_said_once() -> None:
    findings = [(good("disc", f"{speed} MB/s"), host) for speed, host in ((9, "a"), (8, "b"))]
    said = doctor._text(doctor._merged([*findings, (good("core", "one"), "a")]))

    assert said.splitlines()[1:3] == [
        "  ok  disc: 9 MB/s; other nodes alike",
        "  ok  core on a: one",
    ]


@pytest.mark.parametrize(
    ("words", "phrase"),
    [(["--j", "0"], "--j: found 0"), (["--jay"], "--jay"), (["--j", "x"], "'x'")],
)
def test_bad_words_are_refused(
    words: list[str], phrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("halfmap: ")
    assert phrase in said
