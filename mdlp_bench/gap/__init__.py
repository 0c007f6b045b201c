"""The domain-gap study: how far synthetic frames are from real ones, what that costs, how to close it.

    study     what differs (statistics) and how much (feature distances, tests, a classifier)
    transfer  what it costs: methods trained on each set, tested on each
    fit       a recipe's parameters fitted to real frames

The unit of all of it is the plate: intervals resample plates, tests permute them, folds keep them together.
"""
