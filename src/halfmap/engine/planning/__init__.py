"""What a run will need: schedule, trials, memory, time, disc, and what to change."""
