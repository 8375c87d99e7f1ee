"""From options and inputs to what is fixed during a run."""

from dataclasses import replace

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.priors import Priors
from halfmap.engine.job import Job
from halfmap.engine.quarantine import Quarantine
from halfmap.engine.staging import Sourced, Staging, place_of
from halfmap.engine.starting.image_cuts import cuts_of
from halfmap.engine.starting.inputs import Inputs
from halfmap.engine.starting.map_masks import MapMasks
from halfmap.engine.telling.console import Console
from halfmap.io.image_form import ImageForm
from halfmap.io.particle_table import ParticleTable
from halfmap.io.stacks import ImageSource
from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import CtfOptions
from halfmap.model.geometry import geometries
from halfmap.model.optics import Optics
from halfmap.model.particles import Particles
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import NO_SYMMETRY, point_group
from halfmap.parallel.halves import Ranks
from halfmap.parallel.node_turn import NodeTurn
from halfmap.parallel.units import cut_units
from halfmap.steps.search_plan import ImageSettings, SearchRules
from halfmap.steps.solvent import solvent_mask


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
    size, cuts = cuts_of(options, found)
    sourced = _sources(options, particles, ranks, ImageForm(options.scratch_float16, cuts))
    return Job(
        options=options,
        command=command,
        ranks=ranks,
        console=console,
        kernels=make_kernels(),
        particles=particles,
        table=table,
        source=sourced[0].source,
        cut_size=size,
        inserted_source=sourced[1].source if particles.inserted is not None else None,
        staging=Staging(place_of(options), ranks.world, console, sourced),
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


def _sources(
    options: RefineOptions, particles: Particles, ranks: Ranks, form: ImageForm
) -> list[Sourced]:
    """Return what images are read from: those that are compared, then those inserted in the end."""
    turn = NodeTurn(ranks.world) if options.no_parallel_disc_io else None
    places = [(particles, form), (particles.inserted, form.whole)]
    return [
        Sourced(ImageSource(own.stacks, form=own_form, turn=turn), own.stack, own.slice)
        for own, own_form in places
        if own is not None
    ]


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
