"""Many runs: sweeps, and their results as tables, figures, reports and a dashboard."""
