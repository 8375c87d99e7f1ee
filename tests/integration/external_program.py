"""A program for ``--external_reconstruct``, written from its protocol alone.

``python external_program.py MODE request.star``: in mode ``map`` it makes the map that the options
ask for, by the plainest way there is: the whole padded box in double precision.
"""

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import starfile


def reconstructed(general: dict, tau2: np.ndarray) -> np.ndarray:
    box, padding = int(general["rlnOriginalImageSize"]), float(general["rlnPaddingFactor"])
    r_max = int(general["rlnCurrentImageSize"]) // 2
    dimensions = int(general["rlnReferenceDimensionality"])
    real, imaginary, weight = (
        np.atleast_3d(mrcfile.read(general[f"rlnExtRecons{part}"]).astype(float))
        for part in ("DataReal", "DataImag", "Weight")
    )
    if dimensions == 2:
        real, imaginary, weight = (np.moveaxis(part, 2, 0) for part in (real, imaginary, weight))
    n = weight.shape[1]
    index = np.arange(n)
    k = np.where(index <= n // 2, index, index - n)
    along_z = k if dimensions == 3 else k[:1]
    kz, ky, kx = np.meshgrid(along_z, k, np.arange(n // 2 + 1), indexing="ij")
    square = kz**2 + ky**2 + kx**2
    shell = np.floor(np.sqrt(square) / padding + 0.5).astype(int)
    inside = square <= round(padding * r_max) ** 2
    has_prior = (shell >= 5) & (square < round(padding * r_max) ** 2)
    with np.errstate(divide="ignore"):
        inverse = 1.0 / (padding**dimensions * float(general["rlnTau2FudgeFactor"]) * tau2)
    prior = np.where(has_prior, inverse[np.minimum(shell, box // 2)], 0.0)
    stand_in = np.where(weight > 1e-20, 1.0 / (0.001 * np.maximum(weight, 1e-20)), 0.0)
    total = weight + np.where(np.isinf(prior), stand_in, prior)
    floor = np.floor(np.sqrt(square) / padding).astype(int)
    counted = square < round((padding * r_max) ** 2)
    sums = np.bincount(floor[counted], total[counted], minlength=r_max + 1)
    mean = sums / np.maximum(np.bincount(floor[counted], minlength=r_max + 1), 1)
    least = 0.001 * mean[np.minimum(floor, r_max - 1)]
    value = np.zeros(weight.shape, complex)
    divisor = np.maximum(total, least)
    np.divide(real + 1j * imaginary, divisor, out=value, where=inside & (divisor > 0))
    value *= (-1.0) ** (kz + ky + kx)
    whole = np.fft.irfftn(value, s=(*value.shape[:2], n), axes=(0, 1, 2)) * n**dimensions
    cut = slice(n // 2 - box // 2, n // 2 + box // 2)
    volume = whole[cut if dimensions == 3 else slice(None), cut, cut]
    scale = padding**dimensions * (box if dimensions == 3 else 1)
    return finished(volume / scale, box, padding)


def finished(volume: np.ndarray, box: int, padding: float) -> np.ndarray:
    """Mask the border with its mean, and undo the interpolation."""
    axis = np.arange(box) - box // 2
    z, y, x = np.meshgrid(axis if len(volume) > 1 else [0], axis, axis, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    outside = 0.5 + 0.5 * np.cos(np.pi * np.clip((box / 2 + 3 - radius) / 3, 0.0, 1.0))
    mean = (outside * volume).sum() / outside.sum()
    volume = volume + outside * (mean - volume)
    return volume / np.sinc(radius / (box * padding)) ** 2


def write(path: str, volume: np.ndarray) -> None:
    warnings.simplefilter("ignore")  # of NaN
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(volume.astype(np.float32))


def write_spectrum(path: str, label: str, values: np.ndarray) -> None:
    rows = "\n".join(f"{shell} {value:.9g}" for shell, value in enumerate(values))
    text = f"\ndata_\n\nloop_\n_rlnSpectralIndex #1\n_{label} #2\n{rows}\n"
    Path(path).write_text(text, encoding="utf-8")


def main(mode: str, request: str) -> int:
    blocks = starfile.read(request, always_dict=True)
    general = blocks["external_reconstruct_general"]
    tau2 = blocks["external_reconstruct_tau2"]["rlnReferenceTau2"].to_numpy(float)
    box, result = int(general["rlnOriginalImageSize"]), general["rlnExtReconsResult"]
    sys.stdout.write(f"mode {mode}\n")
    if mode == "hang":
        time.sleep(1000.0)
    if mode == "fail" or (mode == "fail_half2" and "half2" in request):
        sys.stdout.write("no licence\n")
        return 7
    if mode == "wrong_box":
        write(result, np.ones((box + 2,) * 3))
    elif mode != "none":
        volume = reconstructed(general, tau2)
        if mode == "nan":
            volume[0, 0, 0] = np.nan
        write(result, volume)
    if mode in SPECTRA:
        label, values = SPECTRA[mode]
        write_spectrum(general["rlnExtReconsResultStarfile"], label, values(box, tau2))
    return 0


SPECTRA: dict[str, tuple[str, Callable[[int, np.ndarray], np.ndarray]]] = {
    "tau2": ("rlnReferenceTau2", lambda _, tau2: 2.0 * tau2),
    "fsc": ("rlnFourierShellCorrelation", lambda box, _: np.linspace(1.0, 0.0, box)),
    "bad_spectrum": ("rlnReferenceSigma2", lambda _, tau2: tau2),
}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
