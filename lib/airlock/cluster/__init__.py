"""What a cluster's resources let happen: the resources as data, the reachability model, and what is proved by it. Called by `doors`.

Pure but for `read` (files, kustomize) and `live` (the only home of kubernetes).
"""
