# SPDX-License-Identifier: Apache-2.0
"""A configuration and manifests -> a plan -> shards, by Blender in child processes."""
