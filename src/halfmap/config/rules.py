"""What single values cannot say: options that exclude, need or override each other."""

from collections.abc import Callable, Iterator

import halfmap
from halfmap.config.declare import LATER, NO_MEANING, OnContinue
from halfmap.config.options import RefineOptions, by_spelling, declarations

Rule = tuple[Callable[[RefineOptions], bool], str]
"""When it applies, and what to say then."""


def _has_priors(options: RefineOptions) -> bool:
    widths = (options.sigma_rot_deg, options.sigma_tilt_deg, options.sigma_psi_deg)
    return max(options.sigma_ang_deg, *widths) > 0.0 or bool(options.relaxed_symmetry)


CONTRADICTIONS: tuple[Rule, ...] = (
    (
        lambda o: o.auto_refine and not o.split_random_halves,
        "--auto_refine: found without --split_random_halves, expected with it: only two halves "
        "give a gold-standard resolution. Add --split_random_halves",
    ),
    (
        lambda o: o.auto_refine and o.begins_flat,
        "--auto_refine: found without --ref, expected a starting map: without one, class averages "
        "are made. Give one with --ref, or let one be made with --denovo_3dref",
    ),
    (
        lambda o: o.start_from_random_poses and o.reference_file is not None,
        "--denovo_3dref: found with --ref, expected one of them: it makes a starting map where "
        "there is none",
    ),
    (
        lambda o: o.split_random_halves and o.n_classes > 1,
        "--split_random_halves: found with --K above 1, expected one class. "
        "Leave --K out, or classify without halves and refine each class afterwards",
    ),
    (
        lambda o: o.fast_subsets and o.auto_refine,
        "--fast_subsets: found with --auto_refine, expected without: convergence is judged from "
        "all particles. Leave --fast_subsets out",
    ),
    (
        lambda o: o.fast_subsets and not o.auto_refine and o.last_iteration < 20,
        "--fast_subsets: found with an --iter below 20, expected at least 20: all particles take "
        "part from the sixteenth iteration on. Raise --iter, or leave --fast_subsets out",
    ),
    (
        lambda o: o.ctf_phase_flipped and o.only_flip_phases,
        "--only_flip_phases: found with --ctf_phase_flipped, expected one of them: phases that "
        "were flipped cannot be flipped again",
    ),
    (
        lambda o: o.solvent_correct_fsc and o.solvent_mask_file is None,
        "--solvent_correct_fsc: found without --solvent_mask, expected with it: there is no mask "
        "to correct for",
    ),
    (
        lambda o: o.solvent_correct_fsc and not o.split_random_halves,
        "--solvent_correct_fsc: found without --split_random_halves, expected with it: there is "
        "no FSC between halves",
    ),
    (
        lambda o: o.force_converge and not (o.continue_from is not None and o.auto_refine),
        "--force_converge: found without --continue of an auto-refinement, expected with it: only "
        "its last iteration joins the halves. Name the iteration to go on from with --continue",
    ),
    (
        lambda o: o.resume and o.continue_from is not None,
        "--resume: found with --continue, expected one of them: it finds the iteration to go on "
        "from by itself. Leave one out",
    ),
    (
        lambda o: o.resume and o.overwrite,
        "--resume: found with --overwrite, expected one of them: it goes on from what the other "
        "removes. Leave one out",
    ),
    (
        lambda o: o.external_reconstruct and o.prior_plug_in != "",
        "--prior: found with --external_reconstruct, expected one of them: both make the map. "
        "Leave one out",
    ),
    (
        lambda o: o.combine_weights_over_network and o.reduction != "network",
        "--dont_combine_weights_via_disc: found with --reduction scratch, expected one of them: "
        "sums go over the network or through files. Leave one out",
    ),
    (
        lambda o: o.lowpass_mask_file is not None and o.lowpass_mask_resolution_A <= 0.0,
        "--lowpass_mask: found without --lowpass, expected the resolution to keep the region at. "
        "Give it in Å with --lowpass",
    ),
    (
        lambda o: o.auto_sampling and o.allow_coarser_sampling,
        "--allow_coarser_sampling: found with --auto_sampling, expected one of them: one takes "
        "coarser steps than given, the other finer ones. Leave one out",
    ),
    (
        lambda o: o.keeps_angles and o.allow_coarser_sampling,
        "--allow_coarser_sampling: found with --skip_align or --skip_rotate, expected angles that "
        "are searched. Leave it out",
    ),
    (
        lambda o: o.keeps_angles and o.samples_automatically,
        "--skip_align or --skip_rotate: found with --auto_refine or --auto_sampling, expected "
        "fixed steps: angles that stay need no finer ones. For half maps at given poses take "
        "--split_random_halves and --iter",
    ),
    (
        lambda o: o.keeps_angles and _has_priors(o),
        "--skip_align or --skip_rotate: found with --sigma_ang, --sigma_rot, --sigma_tilt, "
        "--sigma_psi or --relax_sym, expected no priors: angles that stay are not searched around. "
        "Leave one of them out",
    ),
    (
        lambda o: (
            o.sigma_ang_deg > 0.0 and max(o.sigma_rot_deg, o.sigma_tilt_deg, o.sigma_psi_deg) > 0.0
        ),
        "--sigma_ang: found with --sigma_rot, --sigma_tilt or --sigma_psi, expected either one "
        "width for all three angles or one for each. Leave one of them out",
    ),
    (
        lambda o: o.scratch_crop_A > 0.0 and o.normalise,
        "--scratch_crop_A: found with --normalise, expected normalised stacks: the deviation of "
        "an image that is cut is another. Leave one of them out, or have the stacks normalised",
    ),
)

NOTICES: tuple[Rule, ...] = (
    (
        lambda o: o.allow_coarser_sampling and o.n_classes == 1 and not o.lists_references,
        "--allow_coarser_sampling has no effect with a single class",
    ),
    (
        lambda o: o.norm_correction and o.no_norm_correction,
        "--norm is switched off by --no_norm",
    ),
    (
        lambda o: o.scale_correction and o.no_scale_correction,
        "--scale is switched off by --no_scale",
    ),
    (
        lambda o: o.no_initial_blobs and o.reference_file is not None,
        "--no_init_blobs has no effect with --ref: nothing is made in place of a starting map",
    ),
    (
        lambda o: o.begins_flat and o.symmetry.upper() != "C1",
        "--sym has no effect without --ref: class averages (2D) have no symmetry",
    ),
    (
        lambda o: o.auto_refine and o.iterations > 0,
        "--iter does not count: --auto_refine ends when it has converged, "
        "or after --auto_iter_max iterations",
    ),
    (
        lambda o: o.auto_refine and o.psi_step_deg > 0.0,
        "--psi_step counts until --auto_refine takes its first finer step",
    ),
    (
        lambda o: o.tau2_spectrum_file is not None and o.split_random_halves,
        "--tau counts for the first resolution only: with --split_random_halves the prior comes "
        "from the FSC",
    ),
    (
        lambda o: o.preread_images and o.scratch_dir is not None,
        "--scratch_dir does not count: --preread_images copies the images into memory",
    ),
    (
        lambda o: o.center_classes and o.split_random_halves,
        "--center_classes has no effect with --split_random_halves: the halves would part",
    ),
)

_PRIORS = ("sigma_ang", "sigma_rot", "sigma_tilt", "sigma_psi", "auto_refine", "auto_sampling")

NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("auto_iter_max", ("auto_refine",)),
    ("auto_ignore_angles", ("auto_refine", "auto_sampling")),
    ("auto_resol_angles", ("auto_refine", "auto_sampling")),
    ("auto_local_healpix_order", ("auto_refine", "auto_sampling")),
    ("bimodal_psi", _PRIORS),
    ("low_resol_join_halves", ("split_random_halves",)),
    ("solvent_mask", ("flatten_solvent", "solvent_correct_fsc")),
    ("solvent_mask2", ("flatten_solvent",)),
    ("lowpass_mask", ("flatten_solvent",)),
    ("lowpass", ("lowpass_mask",)),
    ("r_min_nn", ("NN",)),
    ("external_time_limit", ("external_reconstruct",)),
    ("prior_time_limit", ("prior",)),
    ("ctf_intact_first_peak", ("ctf",)),
    ("ctf_phase_flipped", ("ctf",)),
    ("only_flip_phases", ("ctf",)),
    ("pad_ctf", ("ctf",)),
    ("ctf_uncorrected_ref", ("ctf",)),
    ("keep_free_scratch", ("scratch_dir",)),
    ("reuse_scratch", ("scratch_dir",)),
    ("keep_scratch", ("scratch_dir",)),
    ("plan_ranks", ("dry_run",)),
    ("plan_nodes", ("dry_run",)),
    ("plan_cores", ("dry_run",)),
    ("plan_memory", ("dry_run",)),
    ("plan_resolution", ("dry_run",)),
    ("plan_json", ("dry_run",)),
)
"""Options that do nothing unless one of some flags is given."""


def _is_set(options: RefineOptions, spelling: str) -> bool:
    declaration = by_spelling()[spelling]
    return bool(getattr(options, declaration.name) != declaration.default)


def contradictions(options: RefineOptions) -> Iterator[str]:
    """Yield what cannot be: contradictions, and what this version does not do yet."""
    for applies, text in CONTRADICTIONS:
        if applies(options):
            yield text
    for declaration in declarations():
        value = getattr(options, declaration.name)
        if declaration.option.status is LATER and value != declaration.default:
            shown = "" if declaration.is_flag or value == "" else f" {value}"
            yield (
                f"--{declaration.spelling}{shown}: halfmap {halfmap.__version__} knows the option "
                "but does not do it yet. Leave it out"
            )


def notices(options: RefineOptions, given: frozenset[str]) -> Iterator[str]:
    """Yield one line for each thing that was asked for and has no effect."""
    for applies, text in NOTICES:
        if applies(options):
            yield text
    for spelling, needed in NEEDED:
        if _is_set(options, spelling) and not any(_is_set(options, flag) for flag in needed):
            yield f"--{spelling} has no effect without --{' or --'.join(needed)}"
    for declaration in declarations():
        if declaration.option.status is NO_MEANING and declaration.spelling in given:
            yield f"--{declaration.spelling} has no meaning here: {declaration.option.differs}"


def forbidden_changes(
    before: RefineOptions, after: RefineOptions, given: frozenset[str]
) -> Iterator[str]:
    """Yield the options that ``--continue`` may not change."""
    automatic = before.auto_refine or before.auto_sampling
    for declaration in declarations():
        old, new = getattr(before, declaration.name), getattr(after, declaration.name)
        if declaration.spelling not in given or old == new:
            continue
        kind = declaration.option.on_continue
        if kind is OnContinue.FIXED or (kind is OnContinue.UNLESS_AUTO and automatic):
            yield (
                f"--{declaration.spelling}: found {new}, expected {old} as the run began: "
                "--continue cannot change it. Leave it out, or start a new run"
            )
