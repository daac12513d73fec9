"""Jobs, schedules, sensors, and what wakes people: everything that launches or watches runs. Holds no data logic."""
