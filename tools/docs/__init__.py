"""The documentation's site: `docs/` with its generated parts filled in, built by Zensical.

A page says `<!-- generated: NAME -->` where a table made from the code belongs: the settings from the configuration's
schema, the commands from the command line's own parser, the API from signatures and docstrings.
"""
