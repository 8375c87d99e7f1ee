"""Each implemented option has a test of its effect: in `test_option_effects`, or named here."""

from pathlib import Path

import pytest

from halfmap.config.declare import Status
from halfmap.config.options import declarations

from .test_option_effects import EFFECTS

TESTS = Path(__file__).parents[1]
MAPS, ORIENTATIONS, SAMPLING, AUTO, CLASS_AVERAGES, DRY_RUN = (
    f"integration/test_{name}.py::test_"
    for name in (
        "map_options",
        "orientation_options",
        "sampling_options",
        "auto_refine_options",
        "class_averages",
        "dry_run",
    )
)
ELSEWHERE = {
    "pipeline_control": "integration/test_relion_windows.py::"
    "test_a_job_stops_when_the_windows_ask_for_it",
    "i": "integration/test_bad_tables.py::test_bad_tables_end_with_one_message",
    "ios": "integration/test_optimisation_set.py::test_a_set_stands_for_particles_map_and_mask",
    "o": "integration/test_output_place.py::test_an_output_that_exists_is_kept",
    "iter": f"{SAMPLING}the_number_of_iterations_is_that_asked_for",
    "tau": f"{MAPS}a_given_spectrum_times_the_fudge_is_the_prior_of_every_iteration",
    "local_symmetry": f"{MAPS}parts_that_are_alike_are_averaged",
    "center_classes": f"{MAPS}a_map_is_moved_to_its_centre_of_mass",
    "solvent_mask2": "integration/test_option_effects.py::test_a_region_is_not_simply_flattened",
    "lowpass_mask": "integration/test_option_effects.py::test_a_region_is_not_simply_flattened",
    "lowpass": "integration/test_option_effects.py::"
    "test_a_region_is_kept_at_the_resolution_that_was_said",
    "random_seed": "integration/test_option_effects.py::"
    "test_equal_seeds_give_equal_results_and_others_do_not",
    "split_random_halves": "integration/test_option_effects.py::test_both_halves_are_told_one_fsc",
    "low_resol_join_halves": "integration/test_option_effects.py::"
    "test_halves_are_joined_up_to_the_limit_and_not_beyond",
    "solvent_correct_fsc": "integration/test_option_effects.py::"
    "test_the_fsc_is_corrected_for_the_solvent_mask",
    "denovo_3dref": f"{CLASS_AVERAGES}a_3d_map_can_be_begun_from_random_orientations",
    "no_init_blobs": f"{CLASS_AVERAGES}blobs_can_be_left_out",
    "auto_refine": f"{AUTO}steps_get_finer_without_waiting_for_the_poses",
    "auto_ignore_angles": f"{AUTO}steps_get_finer_without_waiting_for_the_poses",
    "auto_resol_angles": f"{AUTO}they_do_so_earlier_where_the_resolution_needs_it",
    "auto_local_healpix_order": f"{AUTO}searches_become_local_from_the_order_that_was_said",
    "auto_iter_max": f"{AUTO}a_refinement_ends_at_its_last_iteration_though_it_has_not_converged",
    "auto_sampling": f"{SAMPLING}automatic_sampling_refines_steps_and_does_not_end_before_its_time",
    "allow_coarser_sampling": f"{SAMPLING}steps_get_coarser_where_poses_are_not_accurate",
    "strict_highres_exp": f"{SAMPLING}detail_that_is_too_fine_does_not_count",
    "always_cc": f"{SAMPLING}"
    "correlation_in_all_iterations_gives_each_particle_one_pose_and_keeps_the_noise",
    "sigma_rot": f"{ORIENTATIONS}one_angle_alone_stays_near_its_prior",
    "sigma_tilt": f"{ORIENTATIONS}one_angle_alone_stays_near_its_prior",
    "sigma_psi": f"{ORIENTATIONS}one_angle_alone_stays_near_its_prior",
    "relax_sym": f"{ORIENTATIONS}relaxed_symmetry_searches_the_mates_of_the_given_poses",
    "bimodal_psi": f"{ORIENTATIONS}opposite_angles_are_searched_if_they_are_alike",
    "skip_align": f"{ORIENTATIONS}poses_that_are_kept_are_those_of_the_table",
    "skip_rotate": f"{ORIENTATIONS}angles_that_are_kept_leave_offsets_free",
    "j": "integration/test_threads.py::test_so_many_threads_compute_units_at_the_same_time",
    "fast_subsets": "integration/test_fast_subsets.py::"
    "test_a_run_with_subsets_ends_with_all_particles",
    "ref_angpix": "integration/test_repaired_input.py::"
    "test_a_pixel_size_that_is_given_stands_for_that_of_the_header",
    "trust_ref_size": "integration/test_repaired_input.py::"
    "test_a_map_of_another_grid_is_resampled_when_trusted",
    "dont_check_norm": "integration/test_grey_scale_of_images.py::"
    "test_the_warning_goes_when_images_are_repaired_or_accepted",
    "verb": "integration/test_output_place.py::test_a_silent_run_says_nothing",
    "dry_run": f"{DRY_RUN}no_file_is_written_changed_or_removed",
    "plan_json": f"{DRY_RUN}the_last_iteration_is_at_nyquist_with_all_particles",
    "plan_ranks": f"{DRY_RUN}more_ranks_take_less_time_and_more_memory",
    "plan_nodes": f"{DRY_RUN}ranks_are_divided_among_the_nodes_asked_about",
    "plan_cores": f"{DRY_RUN}a_plan_that_does_not_fit_says_what_to_change",
    "plan_memory": f"{DRY_RUN}a_plan_that_does_not_fit_says_what_to_change",
    "plan_resolution": f"{DRY_RUN}a_resolution_that_is_expected_decides_how_far_the_run_goes",
    "skip_maximize": "integration/test_skip_maximize.py::"
    "test_the_poses_are_those_of_the_first_iteration_and_no_map_is_made",
    "failsafe_threshold": "integration/test_quarantine.py::"
    "test_one_more_than_allowed_stops_all_ranks_with_one_message",
    "external_reconstruct": "integration/test_external_reconstruct.py::"
    "test_a_power_from_the_program_is_the_signal",
    "external_time_limit": "integration/test_external_reconstruct.py::"
    "test_a_program_that_hangs_is_ended_after_its_time",
    "memory_GB": "integration/test_short_memory.py::test_what_is_done_for_want_of_memory_is_said",
    "checkpoint_minutes": "integration/test_checkpoints.py::"
    "test_a_run_goes_on_in_the_middle_of_an_iteration_on_any_number_of_ranks",
    "reduction": "integration/test_reduction.py::"
    "test_a_part_that_is_spoilt_before_it_is_added_stops_the_run_and_is_computed_again",
    "checkpoint_dir": "integration/test_checkpoint_places.py::test_checkpoints_can_stand_elsewhere",
    "prior": "integration/test_prior_plug_in.py::"
    "test_the_map_is_what_the_plug_in_makes_of_the_ordinary_one",
    "prior_time_limit": "integration/test_prior_plug_in.py::"
    "test_a_plug_in_that_hangs_is_ended_and_asked_again",
    "print_metadata_labels": "unit/test_labels.py::"
    "test_the_columns_are_printed_with_unit_and_meaning_and_without_input_files",
    "print_symmetry_ops": "unit/command_line/test_program.py::"
    "test_symmetry_operators_are_printed_without_input_files",
    "version": "unit/command_line/test_program.py::test_the_version_is_printed",
    "continue": "integration/test_exactness.py::"
    "test_a_continued_run_gives_the_bytes_of_the_uninterrupted_one",
    "force_converge": "integration/test_force_converge.py::"
    "test_the_next_iteration_joins_the_halves_at_nyquist",
    "stall_seconds": "integration/test_stalls.py::"
    "test_a_rank_that_is_stopped_is_ended_and_the_others_go_on",
    "resume": "integration/test_resume.py::test_a_run_that_was_killed_goes_on_to_the_same_bytes",
    "scratch_dir": "integration/scratch/test_copies.py::"
    "test_results_are_those_without_copies_and_nothing_is_left",
    "keep_free_scratch": "integration/scratch/test_copies_in_trouble.py::"
    "test_a_disc_that_is_to_be_left_free_is_left_free",
    "reuse_scratch": "integration/scratch/test_copies.py::test_reuse_copies_nothing",
    "keep_scratch": "integration/scratch/test_copies.py::test_three_ranks_make_and_read_one_copy",
    "preread_images": "integration/scratch/test_copies.py::test_images_can_be_held_in_memory",
    "no_parallel_disc_io": "integration/scratch/test_copies.py::test_stacks_can_be_read_in_turn",
    "scratch_crop_A": "integration/scratch/test_cut_copies.py::"
    "test_results_do_not_depend_on_where_images_are_read",
    "overwrite": "integration/test_output_place.py::test_overwrite_leaves_nothing_of_a_longer_run",
}


def test_no_implemented_option_is_without_a_test() -> None:
    shown = {option for changes, *_ in EFFECTS for option in changes} | set(ELSEWHERE)

    implemented = {d.spelling for d in declarations() if d.option.status is Status.IMPLEMENTED}
    assert implemented == shown


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_tests_that_are_named_exist(place: str) -> None:
    file, name = place.split("::")

    assert f"\ndef {name}(" in (TESTS / file).read_text(encoding="utf-8")
