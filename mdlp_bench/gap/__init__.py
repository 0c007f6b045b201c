"""The domain-gap study: how far synthetic frames are from real ones.

`study` says what differs (statistics) and how much (feature distances, tests, a classifier), `run` goes from
sets to the report. The unit of all of it is the plate: intervals resample plates, tests permute them, folds
keep them together.
"""
