"""Conversions by way of files, as the command makes them."""

from pathlib import Path

import numpy as np

from halfmap.io.cryosparc.files import Fields, write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import read_cs_as_star
from halfmap.io.star import StarFile, read_star, write_star


def written_star(path: Path, star: StarFile) -> StarFile:
    write_star(path, star.tables | star.lists)
    return read_star(path)


def as_star(cs: Path, folder: Path) -> StarFile:
    return written_star(folder / "converted.star", read_cs_as_star(cs))


def as_cs(star: StarFile, folder: Path) -> Path:
    write_cs(folder / "converted.cs", fields_of(star))
    return folder / "converted.cs"


def small_fields(n: int = 4, **changed: np.ndarray) -> Fields:
    """Return the fields of a refined set, changed as asked (``ctf__df1_A`` for ``ctf/df1_A``)."""
    rng = np.random.default_rng(5)
    fields: Fields = {
        "uid": np.arange(n, dtype="<u8") + 2**63,
        "blob/path": np.full(n, b">J1/imported/00_a b%.mrc", "S40"),
        "blob/idx": np.arange(n, dtype="<u4"),
        "blob/shape": np.full((n, 2), 8, "<u4"),
        "blob/psize_A": np.full(n, 1.3, "<f4"),
        "blob/sign": np.full(n, -1.0, "<f4"),
        "ctf/exp_group_id": np.array([7, 7, 9, 9][:n] + [9] * (n - 4), "<u4"),
        "ctf/accel_kv": np.full(n, 300.0, "<f4"),
        "ctf/cs_mm": np.full(n, 2.7, "<f4"),
        "ctf/amp_contrast": np.full(n, 0.1, "<f4"),
        "ctf/df1_A": rng.uniform(1e4, 2e4, n).astype("<f4"),
        "ctf/df2_A": rng.uniform(1e4, 2e4, n).astype("<f4"),
        "ctf/df_angle_rad": rng.uniform(-2, 2, n).astype("<f4"),
        "ctf/phase_shift_rad": np.zeros(n, "<f4"),
        "ctf/scale": np.ones(n, "<f4"),
        "ctf/tilt_A": np.full((n, 2), 2.7e3, "<f4"),
        "ctf/anisomag": np.tile(np.array([0.01, 0.002, 0.003, -0.01], "<f4"), (n, 1)),
        "ctf/bfactor": np.zeros(n, "<f4"),
        "alignments3D/split": (np.arange(n) % 2).astype("<u4"),
        "alignments3D/shift": rng.normal(size=(n, 2)).astype("<f4"),
        "alignments3D/pose": rng.normal(size=(n, 3)).astype("<f4"),
        "alignments3D/psize_A": np.full(n, 2.6, "<f4"),
        "alignments3D/class": np.zeros(n, "<u4"),
        "alignments3D/cross_cor": rng.normal(size=n).astype("<f4"),
        "unheard/of": np.array([b"", b"two words", b"'quoted'", b"100%"][:n] + [b""] * (n - 4)),
    }
    return fields | {name.replace("__", "/"): value for name, value in changed.items()}
