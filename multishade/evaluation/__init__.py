# SPDX-License-Identifier: Apache-2.0
"""Predictions and ground truth in; metrics, statistics and a report out."""
