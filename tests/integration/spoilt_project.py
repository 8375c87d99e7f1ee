"""Ways to spoil the tiny data set; each returns the command that should refuse it."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .tiny_project import BOX, MAP, PIXEL_A, STACK, edit_star, pixels, refine, set_pixels, write

Spoil = Callable[[], list[str]]


def without_column(table: str, label: str) -> Spoil:
    def spoil() -> list[str]:
        edit_star(lambda tables: tables[table].pop(label))
        return refine()

    return spoil


def with_subsets(value: Callable[[int], int]) -> Spoil:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            n = len(tables["particles"]["rlnImageName"])
            tables["particles"]["rlnRandomSubset"] = np.array([value(row) for row in range(n)])

        edit_star(change)
        return refine(halves=True)

    return spoil


def with_column(table: str, label: str, value: str) -> Spoil:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            n = len(next(iter(tables[table].values())))
            tables[table][label] = np.array([value] * n)

        edit_star(change)
        return refine()

    return spoil


def with_value(table: str, label: str, value: str) -> Spoil:
    def spoil() -> list[str]:
        def change(tables: dict) -> None:
            tables[table][label][0] = value

        edit_star(change)
        return refine()

    return spoil


def with_stack(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    def spoil() -> list[str]:
        write(STACK, change(pixels(STACK)))
        return refine()

    return spoil


def with_map(*shape: int, pixel_size_A: float = PIXEL_A, kind: type = np.float32) -> Spoil:
    def spoil() -> list[str]:
        values = np.random.default_rng(1).normal(size=shape).astype(kind)
        write(MAP, values, pixel_size_A)
        return refine()

    return spoil


def with_mask(value: float) -> Spoil:
    def spoil() -> list[str]:
        write(Path("mask.mrc"), np.full((BOX,) * 3, value, np.float32))
        return refine("--solvent_mask", "mask.mrc", "--flatten_solvent")

    return spoil


def truncated(path: Path) -> Spoil:
    def spoil() -> list[str]:
        os.truncate(path, 20_000)
        return refine()

    return spoil


def replaced(path: Path, content: bytes) -> Spoil:
    def spoil() -> list[str]:
        path.write_bytes(content)
        return refine()

    return spoil


def nothing_in_the_map() -> list[str]:
    set_pixels(MAP, slice(None), 0.0)
    return refine()
