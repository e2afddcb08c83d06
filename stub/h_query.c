/* SPDX-License-Identifier: MIT */
/* What the stub is and what it has. */
#include "stub/handlers.h"
#include "stub/session.h"

HANDLER(h_noack)
{
	struct session *s = session;
	(void)args;
	s->noack = true;
	buf_puts(out, "OK");
	return NULL;
}

HANDLER(h_qxfer)
{
	struct session *s = session;
	struct qxfer_ctx ctx = { s->target, s->python, s->g_tid, s->peer.multiprocess };

	if (!cur_char(args, ':'))
		return err_new(ERR_UNSUPPORTED, "qXfer");
	return qxfer_handle(&s->qxfer, &ctx, args, RSP_PACKET_MAX, out);
}

static bool target_meets(const struct target *t, unsigned int needs)
{
	return (!(needs & NEED_RUN) || t->run) && (!(needs & NEED_WRITE) || t->write) &&
	       (!(needs & NEED_POINT) || t->point);
}

HANDLER(h_supported)
{
	struct session *s = session;

	(void)cur_char(args, ':');
	rsp_features_parse(args, &s->peer);

	buf_printf(out, "PacketSize=%x", RSP_PACKET_MAX);
	for (size_t i = 0; i < handlers_count; i++)
		if (handlers[i].feature && target_meets(s->target, handlers[i].needs))
			buf_printf(out, ";%s", handlers[i].feature);
	for (size_t i = 0; i < qxfer_nobjects; i++)
		buf_printf(out, ";qXfer:%s:read+", qxfer_objects[i].name);
	return NULL;
}

HANDLER(h_current_thread)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_current_thread");
}

HANDLER(h_attached)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_attached");
}

HANDLER(h_offsets)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_offsets");
}

HANDLER(h_symbol)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_symbol");
}

HANDLER(h_pass_signals)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_pass_signals");
}

HANDLER(h_program_signals)
{
	(void)session;
	(void)args;
	(void)out;
	return err_new(ERR_UNSUPPORTED, "h_program_signals");
}
