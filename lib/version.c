/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "anybind.h"

const char *anybind_version(void)
{
	return ANYBIND_VERSION; /* from the build */
}
