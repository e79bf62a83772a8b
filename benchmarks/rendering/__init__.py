# SPDX-License-Identifier: Apache-2.0
"""Seconds per view at equal image quality: ours, a straightforward script, BlenderProc, and Cycles itself."""
