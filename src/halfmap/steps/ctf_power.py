"""How much weaker premultiplied images are than others, shell by shell.

Images that were multiplied by their CTF have noise of CTF² times the usual power. Their noise
spectrum, one for all images of a group, holds the mean of that; so weights that are inverse to it
are too large, by one over the mean CTF². Without an FSC, which shows the signal to noise ratio as
it is, that ratio comes from the weights, and is multiplied by the mean CTF². (The maps are still
reconstructed with these weights, as RELION's are: see docs/conventions.md.)
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.fourier import frequencies_2d
from halfmap.model.padded_ctf import image_ctf
from halfmap.model.particles import Particles
from halfmap.steps.search_plan import ImageSettings

MOST_IMAGES = 1000
"""Evenly spaced among all; their mean is that of all within a per cent."""


def mean_ctf_power(
    particles: Particles, images: tuple[ImageSettings, ...], geometry: Int[Array, " optics"]
) -> Float[Array, " shell"]:
    """Return the mean CTF² of the images in each shell of the map; 1 for those as recorded.

    Parameters
    ----------
    particles
        Of the run.
    images
        How those of each geometry are prepared.
    geometry
        Of each optics group.
    """
    n_shells = images[0].model_box // 2 + 1
    n = len(particles)
    rows = np.unique(np.linspace(0, n - 1, min(n, MOST_IMAGES)).astype(np.int64))
    group = particles.optics_group[rows]
    total = np.zeros(n_shells)
    for g in np.unique(group).tolist():
        own, settings = rows[group == g], images[geometry[g]]
        if particles.optics[g].ctf_premultiplied and settings.ctf is not None:
            total += _sum_of_group(particles, own, settings)
        else:
            total += len(own)
    return total / len(rows)


def _sum_of_group(
    particles: Particles, rows: Int[Array, " image"], settings: ImageSettings
) -> Float[Array, " shell"]:
    """Add up the radial means of CTF² (the CTF of a premultiplied group) over images."""
    assert settings.ctf is not None
    n_shells = settings.model_box // 2 + 1
    ky, kx = (k.ravel() for k in frequencies_2d(settings.box))
    shell = settings.geometry.model_shell(kx, ky)
    inside = (shell < n_shells) & ~((kx == 0) & (ky < 0))
    kx, ky, shell = kx[inside], ky[inside], shell[inside]
    counts = np.bincount(shell, minlength=n_shells)
    optics = particles.optics[particles.optics_group[rows[0]]]
    total = np.zeros(n_shells)
    for row in rows.tolist():
        ctf = image_ctf(kx, ky, particles.defocus[row : row + 1], optics, settings.ctf)[0]
        total += np.bincount(shell, ctf, minlength=n_shells) / np.maximum(counts, 1)
    return np.asarray(np.where(counts > 0, total, len(rows)))
