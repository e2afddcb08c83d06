/* SPDX-License-Identifier: MIT */
/*
 * Defining tracepoints, running them, selecting a frame: the packets QT... (GDB manual,
 * "Tracepoint Packets").  What is asked about them is in h_trace_report.c.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/handlers.h"
#include "stub/trace_priv.h"

static struct err *malformed(const char *packet)
{
	return err_new(ERR_PROTO, "malformed %s", packet);
}

struct err *trace_of(struct session *s, struct trace **ret)
{
	const struct target *t = s->target;

	if (!s->trace || s->options->read_only || t->look || t->still || (t->pid > 0 && !t->point))
		return err_new(ERR_UNSUPPORTED, "there are no tracepoints here");
	*ret = s->trace;
	return NULL;
}

HANDLER(h_trace_init)
{
	struct trace *t;
	(void)args;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	trace_end_run(t, TRACE_STOPPED, 0, "");
	trace_remove_all(t);
	trace_undefine(t);
	trace_buffer_clear(&t->buffer);
	t->looked_at = -1;
	t->end = TRACE_NOT_RUN;
	buf_puts(out, "OK");
	return NULL;
}

/* All that a colon and arguments follow, and that is answered by OK. */
static struct err *define(void *session, struct rsp_cursor *args, struct buf *out,
			  struct err *(*how)(struct trace *t, struct rsp_cursor *args))
{
	struct trace *t;

	struct err *err = trace_of(session, &t);
	if (!err && !cur_char(args, ':'))
		err = malformed("definition");
	if (!err)
		err = how(t, args);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_trace_point)
{
	return define(session, args, out, trace_define);
}

HANDLER(h_trace_source)
{
	return define(session, args, out, trace_define_source);
}

HANDLER(h_trace_define_variable)
{
	return define(session, args, out, trace_define_variable);
}

HANDLER(h_trace_readonly)
{
	return define(session, args, out, trace_define_readonly);
}

/* NUMBER:ADDR */
static struct err *parse_point(struct trace *t, struct rsp_cursor *args, struct tracepoint **ret)
{
	uint64_t number, addr;

	if (!cur_hex(args, &number) || !cur_char(args, ':') || !cur_hex(args, &addr) ||
	    !cur_end(args))
		return malformed("number and address of a tracepoint");
	*ret = number <= UINT16_MAX ? trace_find(t, (uint32_t)number, addr) : NULL;
	if (!*ret)
		return err_new(ERR_NOT_FOUND, "no tracepoint %llu at 0x%llx",
			       (unsigned long long)number, (unsigned long long)addr);
	return NULL;
}

static struct err *enable(struct trace *t, struct rsp_cursor *args)
{
	struct tracepoint *p;

	struct err *err = parse_point(t, args, &p);
	if (!err && t->running)
		err = trace_install(t, p);
	if (!err)
		p->enabled = true;
	return err;
}

/* Its trap stays until the run ends: others may have it, too. */
static struct err *disable(struct trace *t, struct rsp_cursor *args)
{
	struct tracepoint *p;

	struct err *err = parse_point(t, args, &p);
	if (!err)
		p->enabled = false;
	return err;
}

HANDLER(h_trace_enable)
{
	return define(session, args, out, enable);
}

HANDLER(h_trace_disable)
{
	return define(session, args, out, disable);
}

HANDLER(h_trace_start)
{
	struct trace *t;
	(void)args;

	struct err *err = trace_of(session, &t);
	if (!err)
		err = trace_start(t);
	if (!err)
		buf_puts(out, "OK");
	return err;
}

HANDLER(h_trace_stop)
{
	struct trace *t;
	(void)args;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	trace_end_run(t, TRACE_STOPPED, 0, "");
	buf_puts(out, "OK");
	return NULL;
}

static bool flag(struct rsp_cursor *args, bool *ret)
{
	*ret = cur_char(args, '1');
	return (*ret || cur_char(args, '0')) && cur_end(args);
}

static struct err *set_disconnected(struct trace *t, struct rsp_cursor *args)
{
	return flag(args, &t->disconnected) ? NULL : malformed("QTDisconnected");
}

HANDLER(h_trace_disconnected)
{
	return define(session, args, out, set_disconnected);
}

/* circular:FLAG, size:BYTES|-1 */
static struct err *set_buffer(struct trace *t, struct rsp_cursor *args)
{
	uint64_t size;
	bool circular;

	if (cur_literal(args, "circular:")) {
		if (!flag(args, &circular))
			return malformed("QTBuffer");
		t->buffer.circular = circular;
		return NULL;
	}
	if (!cur_literal(args, "size:"))
		return err_new(ERR_UNSUPPORTED, "neither circular nor size");
	if (t->running)
		return err_new(ERR_STATE, "the buffer's size cannot change while a run is on");
	if (cur_literal(args, "-1"))
		size = TRACE_SIZE_DEFAULT;
	else if (!cur_hex(args, &size) || !size)
		return malformed("QTBuffer");
	if (!cur_end(args))
		return malformed("QTBuffer");
	if (size == UINT64_MAX)
		size = TRACE_SIZE_DEFAULT;
	trace_buffer_deinit(&t->buffer);
	trace_buffer_clear(&t->buffer);
	t->looked_at = -1;
	t->buffer.size = size < TRACE_SIZE_MAX ? (size_t)size : TRACE_SIZE_MAX;
	return NULL;
}

HANDLER(h_trace_buffer)
{
	return define(session, args, out, set_buffer);
}

static struct err *take_note(struct rsp_cursor *hex, char **ret)
{
	size_t len = cur_left(hex) / 2;

	if (cur_left(hex) % 2 || len > NOTE_MAX)
		return malformed("QTNotes");
	char *text = calloc(1, len + 1);
	if (!text)
		return &err_nomem;
	if (!cur_hexbytes(hex, text, len)) {
		free(text);
		return malformed("QTNotes");
	}
	free(*ret);
	*ret = text;
	return NULL;
}

/* user:HEX;notes:HEX;tstop:HEX; */
static struct err *set_notes(struct trace *t, struct rsp_cursor *args)
{
	struct rsp_cursor one;
	struct err *err = NULL;

	while (!err && cur_token(args, ';', &one)) {
		if (cur_literal(&one, "user:"))
			err = take_note(&one, &t->user);
		else if (cur_literal(&one, "notes:"))
			err = take_note(&one, &t->notes);
		else if (cur_literal(&one, "tstop:"))
			err = take_note(&one, &t->stop_note);
		else
			err = malformed("QTNotes");
	}
	return err;
}

HANDLER(h_trace_notes)
{
	return define(session, args, out, set_notes);
}

/* ---- QTFrame ---- */

struct wanted {
	enum { WANT_PC, WANT_POINT, WANT_INSIDE, WANT_OUTSIDE } how;
	uint64_t first, last;
};

static bool is_wanted(const struct trace_frame *f, const struct wanted *w)
{
	bool inside = f->pc >= w->first && f->pc <= w->last;

	if (w->how == WANT_POINT)
		return f->tracepoint == w->first;
	return w->how == WANT_OUTSIDE ? !inside : inside;
}

static bool parse_wanted(struct rsp_cursor *args, struct wanted *w)
{
	bool range = false;

	if (cur_literal(args, "pc:"))
		w->how = WANT_PC;
	else if (cur_literal(args, "tdp:"))
		w->how = WANT_POINT;
	else if ((range = cur_literal(args, "range:")))
		w->how = WANT_INSIDE;
	else if ((range = cur_literal(args, "outside:")))
		w->how = WANT_OUTSIDE;
	else
		return false;
	if (!cur_hex(args, &w->first))
		return false;
	w->last = w->first;
	return (!range || (cur_char(args, ':') && cur_hex(args, &w->last))) && cur_end(args);
}

/* From the frame after the one that is looked at. */
static int64_t find_frame(const struct trace *t, const struct wanted *w)
{
	const struct trace_frame *f;

	for (int64_t i = t->looked_at + 1; (f = trace_frame_at(&t->buffer, (uint64_t)i)); i++)
		if (is_wanted(f, w))
			return i;
	return -1;
}

/* A number, ffffffff for none, or what the next frame is to be like. */
HANDLER(h_trace_frame)
{
	struct trace *t;
	struct wanted w;
	uint64_t number;
	int64_t found;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	if (!cur_char(args, ':'))
		return malformed("QTFrame");
	struct rsp_cursor rest = *args;
	if (cur_hex(&rest, &number) && cur_end(&rest)) {
		if ((uint32_t)number == UINT32_MAX) {
			t->looked_at = -1;
			buf_puts(out, "OK");
			return NULL;
		}
		found = trace_frame_at(&t->buffer, number) ? (int64_t)number : -1;
	} else if (parse_wanted(args, &w)) {
		found = find_frame(t, &w);
	} else {
		return malformed("QTFrame");
	}
	if (found < 0) {
		buf_puts(out, "F-1");
		return NULL;
	}
	t->looked_at = found;
	buf_printf(out, "F%llxT%x", (unsigned long long)found,
		   trace_frame_at(&t->buffer, (uint64_t)found)->tracepoint);
	return NULL;
}
