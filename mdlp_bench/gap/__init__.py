"""The domain-gap study: how far synthetic frames are from real ones.

`study` finds what differs (statistics) and how much (feature distances, tests, a classifier); `gap_study`
goes from sets to the report. The unit is always the plate: intervals resample plates, tests permute them, and
folds keep their samples together.
"""
