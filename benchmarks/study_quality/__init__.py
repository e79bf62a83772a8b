# SPDX-License-Identifier: Apache-2.0
"""The study of docs/study-quality.md: what the noise of rendered training images costs a normal network, and saves."""
