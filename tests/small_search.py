"""A small search problem for tests: a lopsided density, its images, and a search over them."""

from dataclasses import replace

import numpy as np
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.ctf import PLAIN_CTF, contrast_transfer
from halfmap.model.disc import make_disc, plane_index
from halfmap.model.fourier import centring_signs, frequencies_2d, inverse_2d
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.optics import Defocus, Optics
from halfmap.model.orientations import direction_pixels
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.model.sampling import Sampling
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search, make_search
from halfmap.steps.search_plan import ImageSettings, SearchPlan, SearchRules
from halfmap.steps.slices import coarse_shape, fill_coarse_slices

BOX, PIXEL_A = 24, 4.0
GLOBAL = Sampling(1, 30.0, 4.0, 4.0, 1, "C1")
"""576 coarse orientations, 5 shifts."""
LOCAL = Sampling(2, 15.0, 8.0, 4.0, 1, "C1", prior_sigma_deg=(12.0, 12.0, 12.0))
RULES = SearchRules()


def density(seed: int = 3) -> Array:
    """A map of a few blobs inside two thirds of the box; no symmetry."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.mgrid[:BOX, :BOX, :BOX], axis=-1) - BOX // 2
    volume = np.zeros((BOX,) * 3)
    for centre in rng.uniform(-5.5, 5.5, (7, 3)):
        volume += rng.uniform(1.0, 2.0) * np.exp(-np.sum((grid - centre) ** 2, axis=-1) / 8.0)
    return volume.astype(np.float32)


def optics(name: str = "og", premultiplied: bool = False) -> Optics:
    return Optics(name, 300.0, 2.7, 0.1, PIXEL_A, BOX, premultiplied)


def particles(n: int, groups: tuple[Optics, ...] = (optics(),)) -> Particles:
    """Particles dealt to optics groups and to two scale groups in turn."""
    index = np.arange(n)
    return Particles(
        stacks=("s.mrcs",),
        stack=np.zeros(n, np.int64),
        slice=index,
        optics=groups,
        optics_group=index % len(groups),
        scale_groups=("a", "b"),
        scale_group=index % 2,
        half=np.zeros(n, np.int64),
        defocus=Defocus(
            u_A=15_000.0 + 500.0 * index,
            v_A=14_500.0 + 500.0 * index,
            angle_deg=20.0 * index,
            phase_shift_deg=np.zeros(n),
            b_factor_A2=np.zeros(n),
            scale=np.ones(n),
        ),
    )


def images(
    volume: Array,
    those: Particles,
    angles_deg: Array,
    offset_A: Array,
    noise: float = 0.0,
    seed: int = 1,
) -> Array:
    """Project a map at poses (the offset is what brings an image back), with CTF and noise."""
    reference = fourier_reference(volume, BOX, 2.0)
    disc = make_disc(BOX, BOX)
    axes = (euler_matrices(angles_deg)[:, :2] * 2.0).reshape(-1, 6).astype(np.float32)
    rows = np.zeros((len(axes), disc.width), np.float32)
    kx, ky = disc.kx.astype(np.float32), disc.ky.astype(np.float32)
    source = Volume(reference.values.reshape(-1).view(np.float32), reference.half)
    ReferenceKernels().project(source, axes, Pixels(kx, ky), rows)
    planes = np.zeros((len(axes), BOX * (BOX // 2 + 1)), np.complex128)
    planes[:, plane_index(disc, BOX)] = rows.view(np.complex64)[:, : len(disc)]
    planes = planes.reshape(-1, BOX, BOX // 2 + 1)
    mates = np.arange(1, BOX // 2)
    planes[:, -mates, 0] = planes[:, mates, 0].conj()
    all_ky, all_kx = frequencies_2d(BOX)
    for i, (x, y) in enumerate(offset_A / PIXEL_A):
        planes[i] *= np.exp(2j * np.pi * (all_kx * x + all_ky * y) / BOX)
        defocus = those.defocus[i : i + 1]
        planes[i] *= contrast_transfer(all_kx, all_ky, defocus, those.optics[0])[0]
    clean = inverse_2d(planes * centring_signs(planes.shape[1:]), BOX)
    rng = np.random.default_rng(seed)
    return (clean + noise * rng.standard_normal(clean.shape)).astype(np.float32)


def model(volumes: Array, sampling: Sampling, noise: float, n_optics: int = 1) -> HalfModel:
    """What is known about white noise of standard deviation ``noise``; nothing else is."""
    n_classes, n_shells = len(volumes), BOX // 2 + 1
    n_directions = len(direction_pixels(sampling)[0])
    spectrum = np.zeros((n_classes, n_shells))
    return HalfModel(
        maps=volumes,
        noise_variance=np.full((n_optics, n_shells), 0.5 * noise**2 / BOX**2),
        signal_variance=spectrum,
        data_vs_prior=spectrum + 10.0,
        map_variance=spectrum,
        fourier_coverage=spectrum,
        fsc=np.zeros(n_shells),
        class_fraction=np.full(n_classes, 1.0 / n_classes),
        direction_fraction=np.full((n_classes, n_directions), 1.0 / (n_classes * n_directions)),
        group_scale=np.ones(2),
        mean_norm=1.0,
        offset_sigma_A=1e5,
        offset_mean_A=np.zeros((n_classes, 2)),
        log_likelihood=0.0,
        mean_max_probability=0.0,
        accuracy_rotation_deg=np.zeros(n_classes),
        accuracy_translation_A=np.zeros(n_classes),
        orientability=np.zeros(n_shells),
    )


def settings(those: Particles) -> ImageSettings:
    return ImageSettings(
        geometry=ImageGeometry.plain(BOX, PIXEL_A),
        optics=those.optics,
        ctf=PLAIN_CTF,
        mask_radius_px=10.0,
        mask_edge_px=2.0,
        zero_mask=True,
        seed=7,
        do_norm=True,
        do_scale=True,
    )


def plan(those: Particles, sampling: Sampling = GLOBAL, rules: SearchRules = RULES) -> SearchPlan:
    """Window 16 of 24 px, coarse window 8."""
    coarse = 8 if sampling.oversampling else 16
    return SearchPlan(sampling, settings(those), 16, coarse, rules, n_particles=1000)


def search(known: HalfModel, planned: SearchPlan, kernels: Kernels) -> Search:
    """Make a search with its coarse slices in memory of its own."""
    references = tuple(fourier_reference(v, planned.current_size, 2.0) for v in known.maps)
    made = make_search(known, references, planned, kernels)
    slices = np.empty(coarse_shape(made), np.float32)
    fill_coarse_slices(made, slices, slice(0, len(slices)))
    return replace(made, coarse_slices=slices)


def poses_at(angles_deg: Array, offset_A: Array) -> Poses:
    return replace(Poses.unknown(len(angles_deg)), angles_deg=angles_deg, offset_A=offset_A)
