"""The static site: pages from templates, data beside them, nothing fetched from elsewhere."""

from mdlp_bench.leaderboard.site.build import build_site
from mdlp_bench.leaderboard.site.serve import serve

__all__ = ["build_site", "serve"]
