"""The leaderboard: submissions that are recomputed, ranks that admit their uncertainty, a static site.

Imports without torch and `datasets`; scoring loads them when it starts.
"""
