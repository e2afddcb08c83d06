/* SPDX-License-Identifier: MIT */
/* The process as a whole. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_detach)
{
	struct session *s = session;
	(void)args;
	s->end = SESSION_LEFT;
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_kill)
{
	return h_detach(session, args, out);
}

HANDLER(h_vkill)
{
	return h_detach(session, args, out);
}

HANDLER(h_restart)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_restart");
}

HANDLER(h_extended)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_extended");
}
