"""Jobs as other people's schedulers want them written: one file a scheduler, each with `written(jobs, about)`."""
