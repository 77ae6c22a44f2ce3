"""The commands of `chapter14`: each verb is a file with `add_arguments(parser)` and `run(options)`.

`run` returns the exit status. Where an option is wrong, or a file cannot be read or written, it raises one of
`cli.ERRORS`, whose message names it.
"""
