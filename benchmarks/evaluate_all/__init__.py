# SPDX-License-Identifier: Apache-2.0
"""Every method on every benchmark at hand -> docs/benchmarks.md (`make evaluate`)."""
