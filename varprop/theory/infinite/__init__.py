"""Infinite width over any network: one walk forward and one back over its nodes, one file a layer."""
