/* SPDX-License-Identifier: MIT */
/* `monitor COMMAND' in gdb. */
#include "stub/handlers.h"

HANDLER(h_rcmd)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_rcmd");
}
