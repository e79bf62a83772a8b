# SPDX-License-Identifier: Apache-2.0
"""A process that parses files from strangers in, the same process without rights that parsing does not need out."""
