/* SPDX-License-Identifier: MIT */
/* Which threads there are, and which one is meant. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_set_thread)
{
	bool general = cur_char(args, 'g');
	uint64_t tid;
	(void)session;

	if (!general && !cur_char(args, 'c'))
		return err_new(ERR_UNSUPPORTED, "H");
	if (cur_literal(args, "-1") || (cur_hex(args, &tid) && cur_end(args))) {
		buf_puts(out, "OK");
		return NULL;
	}
	return err_new(ERR_PROTO, "malformed H");
}

HANDLER(h_first_threads)
{
	struct session *s = session;
	(void)args;
	buf_printf(out, "m%x", (unsigned int)s->target->pid);
	return NULL;
}

HANDLER(h_next_threads)
{
	(void)session;
	(void)args;
	buf_puts(out, "l");
	return NULL;
}

HANDLER(h_thread_alive)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_thread_alive");
}

HANDLER(h_thread_extra)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_thread_extra");
}
