# SPDX-License-Identifier: Apache-2.0
"""The methods that an evaluation compares: solvers, baselines, learned models, folders of predictions."""
