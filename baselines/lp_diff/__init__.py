"""LP-Diff (Gong et al., CVPR 2025), as described and as released."""
