"""What is fixed during a run, as one rank holds it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.priors import Priors
from halfmap.engine.keeping.digest import data_digest
from halfmap.engine.quarantine import Quarantine
from halfmap.engine.staging import Staging
from halfmap.engine.starting.map_inputs import MapInputs
from halfmap.engine.starting.map_masks import MapMasks
from halfmap.engine.telling.console import Console
from halfmap.io.particle_table import ParticleTable
from halfmap.io.stacks import ImageSource
from halfmap.kernels.protocol import Kernels
from halfmap.model.fourier import resolution_shell
from halfmap.model.interpolation import Interpolation
from halfmap.model.optics import Optics
from halfmap.model.padded_transform import padded_box
from halfmap.model.particles import ImagePlaces, Particles
from halfmap.model.projection import ReferenceFilter
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import PointGroup
from halfmap.parallel.halves import Ranks
from halfmap.parallel.units import Unit, cut_units
from halfmap.steps.ctf_power import mean_ctf_power
from halfmap.steps.gridding import GRIDDING_ITERATIONS
from halfmap.steps.normalisation import normalised
from halfmap.steps.reconstruction import Inversion
from halfmap.steps.search_plan import ImageSettings, SearchRules
from halfmap.steps.subsets import drawn_rows, subset_size


@dataclass(frozen=True)
class Job:
    """Data, settings and ranks; nothing in here changes from iteration to iteration."""

    options: RefineOptions
    """As resolved: the random seed is the one in use."""
    command: str
    """The command line, as it was typed when the run began."""
    ranks: Ranks
    console: Console
    kernels: Kernels
    particles: Particles
    table: ParticleTable | None
    """The input table, to be written again; on the leader only."""
    source: ImageSource
    cut_size: int
    """Up to this window of the map (px) images are read cut; 0 if never."""
    inserted_source: ImageSource | None
    """Of the other images of the last iteration, if there are any."""
    staging: Staging
    """Their copies on this node."""
    images: tuple[ImageSettings, ...]
    """Of each image geometry."""
    geometry: Int[Array, " optics"]
    """Which geometry the images of an optics group have."""
    flat: bool
    """References are 2D."""
    group: PointGroup
    """Of 2D references none but the identity, whatever was asked."""
    of_map: MapInputs
    """Its masks are on ranks that make maps only; that of the solvent only if it was asked for."""
    search_rules: SearchRules
    schedule_rules: ScheduleRules
    priors: Priors
    units: tuple[Unit, ...]
    """Of all particles."""
    quarantine: Quarantine

    @property
    def box(self) -> int:
        """Box of the maps, px."""
        return self.images[0].model_box

    @property
    def pixel_size_A(self) -> float:
        """Pixel size of the maps, Å."""
        return self.images[0].geometry.model_pixel_size_A

    @property
    def masks(self) -> MapMasks:
        """The masks of the map, on ranks that make maps."""
        return self.of_map.masks

    @property
    def optics(self) -> tuple[Optics, ...]:
        """The optics groups."""
        return self.particles.optics

    @property
    def padding(self) -> float:
        """Padding of the transforms: the option, made to fit an even padded box."""
        return padded_box(self.box, self.options.padding) / self.box

    @property
    def interpolation(self) -> Interpolation:
        """How slices are cut and inserted."""
        options = self.options
        return Interpolation(options.nearest_neighbour, options.nearest_neighbour_min_shell)

    @property
    def shown(self) -> ReferenceFilter:
        """What projections show of the map."""
        limit_A = self.options.likelihood_lowres_limit_A
        above = resolution_shell(limit_A, self.box, self.pixel_size_A) if limit_A > 0.0 else 0
        return ReferenceFilter(above, self.of_map.shown_frequencies)

    @property
    def inversion(self) -> Inversion:
        """How sums become a map."""
        iterations = GRIDDING_ITERATIONS if self.options.iterative_gridding else 0
        return Inversion(iterations, self.interpolation)

    def compares_by_correlation(self, iteration: int) -> bool:
        """Whether an iteration takes the pose of best correlation, without a noise model."""
        return self.options.always_cc or self.begins_by_correlation(iteration)

    def begins_by_correlation(self, iteration: int) -> bool:
        """Whether an iteration only brings the first map to the grey scale of the images."""
        return self.options.first_iteration_cc and iteration == 1

    def filters_again(self, iteration: int) -> bool:
        """Whether the maps are low-pass filtered as the first were: correlation knows no noise."""
        return self.begins_by_correlation(iteration) and self.options.initial_lowpass_A > 0.0

    def seed_classes_at(self, iteration: int) -> Int[Array, " particle"] | None:
        """Return the class that each particle is forced into, None if it is free to choose.

        Classes that begin as one map are told apart by chance: each particle is drawn into one of
        them, once. An iteration by correlation comes first and knows one class only.
        """
        if not self.options.seeds_classes:
            return None
        if self.begins_by_correlation(iteration):
            return np.zeros(len(self.particles), np.int64)
        if iteration > (2 if self.options.first_iteration_cc else 1):
            return None
        rng = np.random.default_rng((self.options.random_seed, iteration))
        return rng.integers(0, self.options.n_classes, len(self.particles))

    def rows_at(self, schedule: Schedule) -> Int[Array, " row"]:
        """Return the rows of the particles that take part in an iteration."""
        n, half = len(self.particles), self.particles.half
        size = n
        if self.options.fast_subsets:
            flat = schedule.sampling.flat
            size = subset_size(schedule.iteration, n, self.options.n_classes, flat=flat)
        if size == n:
            return np.arange(n)
        return drawn_rows(half, size, (self.options.random_seed, schedule.iteration))

    def units_at(self, schedule: Schedule) -> tuple[Unit, ...]:
        """Return the work of an iteration."""
        rows = self.rows_at(schedule)
        if len(rows) == len(self.particles):
            return self.units
        particles = self.particles
        own = cut_units(particles.half[rows], self.geometry[particles.optics_group[rows]])
        return tuple(replace(unit, rows=rows[unit.rows]) for unit in own)

    def search_rules_at(self, iteration: int) -> SearchRules:
        """Return the rules of the expectation in an iteration."""
        return replace(
            self.search_rules,
            cross_correlation=self.compares_by_correlation(iteration),
            reference_without_ctf=self.reference_has_ctf(iteration),
        )

    def inserts_others(self, schedule: Schedule) -> bool:
        """Whether other images than the compared ones make the map: in the last iteration."""
        return schedule.converged and self.inserted_source is not None

    def reference_has_ctf(self, iteration: int) -> bool:
        """Whether the reference was not corrected: only the starting map, and only if told so."""
        return self.options.reference_not_ctf_corrected and iteration == 1

    def read_images(
        self, rows: Int[Array, " image"], settings: ImageSettings, size: int | None
    ) -> Float32[Array, "image y x"]:
        """Read some particles of one geometry, repaired if that was asked for.

        Parameters
        ----------
        size
            Window of the map in which they are needed, px: finer detail may be absent. None: all.
        """
        cut = size is not None and size <= self.cut_size
        return self._read(self.source, self.particles, rows, (settings, cut))

    def read_pairs(
        self, rows: Int[Array, " image"], settings: ImageSettings
    ) -> Float32[Array, "image 2 y x"]:
        """Read what is compared and, beside it, what is inserted in the last iteration."""
        assert self.inserted_source is not None
        assert self.particles.inserted is not None
        others = self._read(self.inserted_source, self.particles.inserted, rows, (settings, False))
        return np.stack([self.read_images(rows, settings, None), others], axis=1)

    def _read(
        self,
        source: ImageSource,
        places: Particles | ImagePlaces,
        rows: Int[Array, " image"],
        how: tuple[ImageSettings, bool],
    ) -> Float32[Array, "image y x"]:
        settings, cut = how
        images = source.read(places.stack[rows], places.slice[rows], settings.box, cut=cut)
        return normalised(images, settings.mask_radius_px) if self.options.normalise else images

    def by_geometry(
        self, rows: Int[Array, " image"]
    ) -> list[tuple[Int[Array, " some"], ImageSettings]]:
        """Divide rows of the particle table by geometry, keeping their order."""
        geometry = self.geometry[self.particles.optics_group[rows]]
        return [(rows[geometry == g], self.images[g]) for g in np.unique(geometry)]

    @cached_property
    def largest_unit_bytes(self) -> int:
        """Bytes of the images of the largest unit."""
        return max(4 * len(u.rows) * self.images[u.geometry].box ** 2 for u in self.units)

    @cached_property
    def data_digest(self) -> str:
        """What the particles and their stacks are recognised by."""
        return data_digest(self.particles)

    @cached_property
    def pixel_share(self) -> Float[Array, "optics 1"]:
        """Pixels of the map's grid for each of the image's, by optics group.

        Noise times this is the noise that an image on the grid of the map would have.
        """
        share = np.array([images.geometry.scale**2 for images in self.images])
        return np.asarray(share[self.geometry][:, None])

    @cached_property
    def ctf_power(self) -> Float[Array, " shell"]:
        """Mean CTF² of premultiplied images in each shell; ones if there are none."""
        return mean_ctf_power(self.particles, self.images, self.geometry)

    def measures_noise_at(self, schedule: Schedule) -> Bool[Array, "optics shell"]:
        """Tell in which shells images hold their noise: where they are read cut, not in all."""
        whole = np.array([self.source.form.box(g.box) == g.box for g in self.optics])
        seen = np.arange(self.box // 2 + 1) <= self.cut_size // 2
        is_cut = schedule.current_size <= self.cut_size
        return np.asarray(whole[:, None] | seen | (not is_cut))

    @cached_property
    def noise_pixels(self) -> Int[Array, "optics shell"]:
        """Pixels of an image in each shell, by optics group."""
        counts = [images.geometry.pixels_per_shell() for images in self.images]
        return np.stack([counts[geometry] for geometry in self.geometry])
