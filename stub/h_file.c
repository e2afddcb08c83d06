/* SPDX-License-Identifier: MIT */
/* vFile: the client's access to files. */
#include "stub/handlers.h"

HANDLER(h_vfile)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_vfile");
}
