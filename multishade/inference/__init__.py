# SPDX-License-Identifier: Apache-2.0
"""Photos, by a trained model, or images under known lights, by a solver -> normals, surface, pictures and files.

`predict` needs onnxruntime (the extra `infer`) or torch (`train`), everything else here the base installation.
"""
