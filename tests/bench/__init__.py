"""`make bench`: what the path of a request costs, each figure beside what bounds it, measured in the same run."""
