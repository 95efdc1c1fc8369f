"""Jobs and how they are fitted: tasks, layers, n-grams, calibration."""
