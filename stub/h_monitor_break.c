/* SPDX-License-Identifier: MIT */
/* `monitor py-break' and what belongs to it. */
#include "stub/breaks.h"
#include "stub/monitor.h"

/* clang-format off */
const struct monitor monitor_breaks[] = {
	{ "py-break", "FILE:LINE|FUNCTION [if CONDITION]",
	  "Stop where Python code gets to a line, or into a function", true, breaks_add },
	{ "py-tbreak", "FILE:LINE|FUNCTION [if CONDITION]",
	  "The same once", true, breaks_add_temporary },
	{ "py-delete", "[N]",
	  "Delete a Python breakpoint, or all of them", true, breaks_delete },
	{ "py-breaks", "",
	  "List the Python breakpoints", true, breaks_list },
};
/* clang-format on */
const size_t monitor_nbreaks = sizeof(monitor_breaks) / sizeof(monitor_breaks[0]);
