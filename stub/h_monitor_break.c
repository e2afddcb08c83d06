/* SPDX-License-Identifier: MIT */
/* `monitor py-break' and what belongs to it. */
#include "stub/breakif.h"
#include "stub/breaks.h"
#include "stub/monitor.h"

/* clang-format off */
const struct monitor monitor_breaks[] = {
	{ "py-break", "FILE:LINE|FUNCTION [if CONDITION]",
	  "Stop where Python code gets to a line, or into a function", true, breaks_add },
	{ "py-tbreak", "FILE:LINE|FUNCTION [if CONDITION]",
	  "The same once", true, breaks_add_temporary },
	{ "py-break-if", "[N|ADDRESS|FUNCTION|all] [TEXT|off] [--file F] [--func F] [--line N]",
	  "Have a native breakpoint stop only if that is in the Python stack of its thread",
	  true, breakif_command },
	{ "py-delete", "[N]",
	  "Delete a Python breakpoint, or all of them", true, breaks_delete },
	{ "py-next", "",
	  "Let the next `continue' stop at another Python line of this function, or when it\n"
	  "    has returned", true, breaks_next },
	{ "py-step", "",
	  "The same, and where a Python function is entered", true, breaks_step },
	{ "py-finish", "",
	  "Let the next `continue' stop when the Python function has returned", true,
	  breaks_finish },
	{ "py-breaks", "",
	  "List the Python breakpoints", true, breaks_list },
};
/* clang-format on */
const size_t monitor_nbreaks = sizeof(monitor_breaks) / sizeof(monitor_breaks[0]);
