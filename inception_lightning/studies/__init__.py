"""Many runs: sweep files, sweeps, results, figures, reports, the dashboard."""
