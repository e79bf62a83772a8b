# SPDX-License-Identifier: Apache-2.0
"""`python -m multishade` is the same as `multishade`."""

from multishade.cli import main

raise SystemExit(main())
