# SPDX-License-Identifier: Apache-2.0
"""Shading or normals, sampled or in one step, how many lights: small networks on equal terms
(`benchmarks.study_paradigm`)."""
