"""What every consumer of the log shares, a projection's worker and an application's subscriber."""
