"""Lightning callbacks, one per file. They import calm_pl, never the reverse.

Installed, this package is `calm_pl.callbacks`. Each module has a callback that any Trainer can take, and
`from_record`, which makes it for a job of the command line.
"""
