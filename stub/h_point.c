/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints. */
#include "stub/handlers.h"

HANDLER(h_insert_point)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_insert_point");
}

HANDLER(h_remove_point)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_remove_point");
}
