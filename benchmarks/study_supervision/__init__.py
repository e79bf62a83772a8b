# SPDX-License-Identifier: Apache-2.0
"""The study of docs/study-supervision.md: does supervision by normals or by depth recover the better surface?"""
