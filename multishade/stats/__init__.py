# SPDX-License-Identifier: Apache-2.0
"""A data set -> distributions over its samples, and whether they agree with its recipe."""
