# SPDX-License-Identifier: Apache-2.0
"""Shards -> checks of every sample, a report, and its text."""
