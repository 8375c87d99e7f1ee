"""What is fixed during a run, as one rank holds it."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.console import Console
from halfmap.engine.inputs import Inputs
from halfmap.engine.map_inputs import MapInputs
from halfmap.engine.map_masks import MapMasks
from halfmap.engine.priors import Priors
from halfmap.engine.quarantine import Quarantine
from halfmap.io.particle_table import ParticleTable
from halfmap.io.stacks import ImageSource
from halfmap.kernels.protocol import Kernels
from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import CtfOptions
from halfmap.model.fourier import resolution_shell
from halfmap.model.geometry import geometries
from halfmap.model.interpolation import Interpolation
from halfmap.model.optics import Optics
from halfmap.model.padded_transform import padded_box
from halfmap.model.particles import ImagePlaces, Particles
from halfmap.model.projection import ReferenceFilter
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import PointGroup, point_group
from halfmap.parallel.halves import Ranks
from halfmap.parallel.units import Unit, cut_units
from halfmap.steps.ctf_power import mean_ctf_power
from halfmap.steps.gridding import GRIDDING_ITERATIONS
from halfmap.steps.normalisation import normalised
from halfmap.steps.reconstruction import Inversion
from halfmap.steps.search import ImageSettings, SearchRules
from halfmap.steps.solvent import solvent_mask
from halfmap.steps.subsets import drawn_rows, subset_size

NO_SYMMETRY = "C1"


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
    inserted_source: ImageSource | None
    """Of the other images of the last iteration, if there are any."""
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
    def told_halves(self) -> tuple[int, ...]:
        """The halves whose statistics this rank holds: its own, or all on the leader."""
        return tuple(range(self.ranks.n_halves)) if self.ranks.leads else tuple(self.ranks.teams)

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

    def reference_has_ctf(self, iteration: int) -> bool:
        """Whether the reference was not corrected: only the starting map, and only if told so."""
        return self.options.reference_not_ctf_corrected and iteration == 1

    def read_images(
        self, rows: Int[Array, " image"], settings: ImageSettings
    ) -> Float32[Array, "image y x"]:
        """Read some particles of one geometry, repaired if that was asked for."""
        return self._read(self.source, self.particles, rows, settings)

    def read_pairs(
        self, rows: Int[Array, " image"], settings: ImageSettings
    ) -> Float32[Array, "image 2 y x"]:
        """Read what is compared and, beside it, what is inserted in the last iteration."""
        assert self.inserted_source is not None
        assert self.particles.inserted is not None
        others = self._read(self.inserted_source, self.particles.inserted, rows, settings)
        return np.stack([self.read_images(rows, settings), others], axis=1)

    def _read(
        self,
        source: ImageSource,
        places: Particles | ImagePlaces,
        rows: Int[Array, " image"],
        settings: ImageSettings,
    ) -> Float32[Array, "image y x"]:
        images = source.read(places.stack[rows], places.slice[rows], settings.box)
        return normalised(images, settings.mask_radius_px) if self.options.normalise else images

    def by_geometry(
        self, rows: Int[Array, " image"]
    ) -> list[tuple[Int[Array, " some"], ImageSettings]]:
        """Divide rows of the particle table by geometry, keeping their order."""
        geometry = self.geometry[self.particles.optics_group[rows]]
        return [(rows[geometry == g], self.images[g]) for g in np.unique(geometry)]

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

    @cached_property
    def noise_pixels(self) -> Int[Array, "optics shell"]:
        """Pixels of an image in each shell, by optics group."""
        counts = [images.geometry.pixels_per_shell() for images in self.images]
        return np.stack([counts[geometry] for geometry in self.geometry])


def make_job(
    options: RefineOptions,
    command: str,
    place: tuple[Ranks, Console],
    inputs: Inputs,
    table: ParticleTable | None,
) -> Job:
    """Put together what is fixed during a run."""
    ranks, console = place
    particles = inputs.particles
    optics = particles.optics[0]
    edge = options.mask_edge_px
    diameter_A = options.particle_diameter_A
    if diameter_A <= 0.0:
        diameter_A = (optics.box - edge) * optics.pixel_size_A
    found, geometry = geometries(particles.optics, particles.optics_group)
    images = tuple(
        ImageSettings(
            geometry=own,
            optics=particles.optics,
            ctf=_ctf_options(options),
            mask_radius_px=diameter_A / (2.0 * own.pixel_size_A),
            mask_edge_px=edge,
            zero_mask=options.zero_mask,
            seed=options.random_seed,
            do_norm=options.corrects_norm,
            do_scale=options.corrects_scale and len(particles.scale_groups) > 1,
        )
        for own in found
    )
    masks = inputs.of_map.masks
    if not ranks.makes_maps(options.n_classes):
        masks = MapMasks()  # as large as maps, and of no use here
    elif masks.solvent is None and options.flatten_solvent:
        sphere = solvent_mask(optics.box, optics.pixel_size_A, diameter_A, edge, flat=inputs.flat)
        masks = replace(masks, solvent=sphere)
    return Job(
        options=options,
        command=command,
        ranks=ranks,
        console=console,
        kernels=make_kernels(),
        particles=particles,
        table=table,
        source=ImageSource(particles.stacks),
        inserted_source=ImageSource(particles.inserted.stacks) if particles.inserted else None,
        images=images,
        geometry=geometry,
        flat=inputs.flat,
        group=point_group(NO_SYMMETRY if inputs.flat else options.symmetry),
        of_map=replace(inputs.of_map, masks=masks),
        search_rules=SearchRules(
            adaptive_fraction=options.adaptive_fraction,
            max_significant=options.max_significant_poses,
            compares_coarsely=options.likelihood_resolution_limit_A > 0.0,
        ),
        schedule_rules=_schedule_rules(options, optics, diameter_A),
        units=cut_units(particles.half, geometry[particles.optics_group]),
        priors=Priors(options),
        quarantine=Quarantine(particles, options.max_quarantined),
    )


def _ctf_options(options: RefineOptions) -> CtfOptions | None:
    if not options.correct_ctf:
        return None
    return CtfOptions(
        intact_first_peak=options.ctf_intact_first_peak,
        phase_flipped=options.ctf_phase_flipped,
        only_flip_phases=options.only_flip_phases,
        padded=options.pad_ctf,
    )


def _schedule_rules(options: RefineOptions, optics: Optics, diameter_A: float) -> ScheduleRules:
    return ScheduleRules(
        box=optics.box,
        pixel_size_A=optics.pixel_size_A,
        particle_diameter_A=diameter_A,
        initial_low_pass_A=options.initial_lowpass_A,
        first_iteration_by_correlation=options.first_iteration_cc,
        automatic=options.samples_automatically,
        converges=options.auto_refine,
        coarser_allowed=options.allow_coarser_sampling and options.n_classes > 1,
        split=options.split_random_halves,
        coarse_size_limit_px=options.coarse_size_px,
        strict_high_resolution_A=options.likelihood_resolution_limit_A,
        local_from_order=options.local_search_healpix_order,
        angles_follow_resolution=options.auto_resolution_angles,
        ignore_pose_changes=options.auto_ignore_angles,
    )
