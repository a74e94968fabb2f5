"""Lightning callbacks, one per file. They import calm_pl, never the reverse.

In an installed package this is `calm_pl.callbacks`. Each module has a callback for any Trainer, and
`from_record`, which creates it for a job of the command line.
"""
