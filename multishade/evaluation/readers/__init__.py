# SPDX-License-Identifier: Apache-2.0
"""Benchmarks on disk -> objects with images, lights and truth."""
