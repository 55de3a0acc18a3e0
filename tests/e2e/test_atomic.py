# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Changes under load, kills and failures: the old rules or the new ones, and nothing left."""
