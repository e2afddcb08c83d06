/* SPDX-License-Identifier: MIT */
/* Resuming and stopping; the stop reply. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_stop_reason)
{
	struct session *s = session;
	(void)args;
	buf_printf(out, "T05thread:%x;", (unsigned int)s->g_tid);
	return NULL;
}

HANDLER(h_vcont)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_vcont");
}

HANDLER(h_vcont_query)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_vcont_query");
}

HANDLER(h_continue)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_continue");
}

HANDLER(h_continue_sig)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_continue_sig");
}

HANDLER(h_step)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_step");
}

HANDLER(h_step_sig)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_step_sig");
}
