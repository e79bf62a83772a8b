# SPDX-License-Identifier: Apache-2.0
"""Measurements: each module is one, run as `python -m benchmarks.NAME`, and compares within one run."""
