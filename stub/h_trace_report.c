/* SPDX-License-Identifier: MIT */
/* What is asked about tracepoints: the packets qT... (GDB manual, "Tracepoint Packets"). */
#include <string.h>

#include "stub/handlers.h"
#include "stub/pyregs.h"
#include "stub/trace_priv.h"

static void put_text(struct buf *out, const char *text)
{
	if (text)
		buf_put_hex(out, text, strlen(text));
}

/* ":TRACEPOINT" or ":TEXT:TRACEPOINT" behind one of these. */
static void put_end(const struct trace *t, struct buf *out)
{
	static const char *const words[] = {
		[TRACE_NOT_RUN] = "tnotrun",
		[TRACE_STOPPED] = "tstop",
		[TRACE_FULL] = "tfull",
		[TRACE_PASSES] = "tpasscount",
		[TRACE_DISCONNECTED] = "tdisconnected",
		[TRACE_ERROR] = "terror",
	};

	if (t->running) {
		buf_puts(out, ";tunknown:0");
		return;
	}
	buf_printf(out, ";%s:", words[t->end]);
	if (t->end == TRACE_STOPPED || t->end == TRACE_ERROR) {
		put_text(out, t->end == TRACE_ERROR ? t->end_text : t->stop_note);
		buf_puts(out, ":");
	}
	buf_printf(out, "%x", t->end_number);
}

HANDLER(h_trace_status)
{
	struct trace *t;
	(void)args;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	const struct trace_buffer *b = &t->buffer;
	/*
	 * gdb takes blocks of registers (`tsave') to be as long as all registers of target.xml
	 * are, Python's too; once it has seen that `g' is shorter, as long as that.  What it
	 * knows when it asks for the status counts (remote.c, trace_regblock_size).
	 */
	t->regs_pad = t->session->python && !t->session->g_seen ? PYREGS * sizeof(uint64_t) : 0;
	buf_printf(out, "T%d", t->running);
	put_end(t, out);
	buf_printf(out, ";tframes:%zx;tcreated:%llx;tfree:%llx;tsize:%zx;circular:%d;disconn:%d",
		   b->n, (unsigned long long)b->created,
		   (unsigned long long)(b->size - (b->end - b->start)), b->size, b->circular,
		   t->disconnected);
	buf_printf(out, ";starttime:%llx;stoptime:%llx;username:", (unsigned long long)t->started,
		   (unsigned long long)t->ended);
	put_text(out, t->user);
	buf_puts(out, ";notes:");
	put_text(out, t->notes);
	buf_puts(out, ":");
	return NULL;
}

/* NUMBER:ADDR */
HANDLER(h_trace_point_status)
{
	struct trace *t;
	uint64_t number, addr;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	if (!cur_char(args, ':') || !cur_hex(args, &number) || !cur_char(args, ':') ||
	    !cur_hex(args, &addr) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qTP");
	const struct tracepoint *p =
		number <= UINT16_MAX ? trace_find(t, (uint32_t)number, addr) : NULL;
	if (!p)
		return err_new(ERR_NOT_FOUND, "no such tracepoint");
	buf_printf(out, "V%llx:%llx", (unsigned long long)p->hits, (unsigned long long)p->usage);
	return NULL;
}

/* As it was in the frame that is looked at, or as it is. */
static bool read_variable(struct trace *t, uint32_t number, uint64_t *ret)
{
	const struct trace_variable *v = trace_find_variable(t, number);
	struct trace_block b;
	size_t at = 0;

	if (!trace_looks(t->session)) {
		if (v)
			*ret = v->builtin ? trace_now() : v->value;
		return v != NULL;
	}
	const struct trace_frame *f = trace_frame_at(&t->buffer, (uint64_t)t->looked_at);
	while (trace_next_block(&t->buffer, f, &at, &b)) {
		if (b.kind != 'V' || b.number != number)
			continue;
		*ret = b.value;
		return true;
	}
	return false;
}

/* NUMBER */
HANDLER(h_trace_variable)
{
	struct trace *t;
	uint64_t number, value;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	if (!cur_char(args, ':') || !cur_hex(args, &number) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qTV");
	if (number <= UINT32_MAX && read_variable(t, (uint32_t)number, &value))
		buf_printf(out, "V%llx", (unsigned long long)value);
	else
		buf_puts(out, "U");
	return NULL;
}

/* ---- lists, one in each packet; `l' ends them ---- */

static struct err *next_variable(struct trace *t, struct buf *out)
{
	if (t->reply_at >= t->nvariables) {
		buf_puts(out, "l");
		return NULL;
	}
	const struct trace_variable *v = &t->variable[t->reply_at++];
	buf_printf(out, "%x:%llx:%x:", v->number, (unsigned long long)v->initial, v->builtin);
	put_text(out, v->name);
	return NULL;
}

static void put_point(const struct tracepoint *p, struct buf *out)
{
	buf_printf(out, "T%x:%llx:%c:%llx:%llx", p->number, (unsigned long long)p->addr,
		   p->enabled ? 'E' : 'D', (unsigned long long)p->steps,
		   (unsigned long long)p->passes);
	if (p->condition_text)
		buf_printf(out, ":X%zx,%s", strlen(p->condition_text) / 2, p->condition_text);
}

static void put_part(const struct tracepoint *p, size_t part, struct buf *out)
{
	if (part < p->nactions) {
		const struct trace_action *a = &p->action[part];
		buf_printf(out, "%c%x:%llx:%s", a->stepping ? 'S' : 'A', p->number,
			   (unsigned long long)p->addr, a->text);
		return;
	}
	const struct trace_source *src = &p->source[part - p->nactions];
	buf_printf(out, "Z%x:%llx:%s:%llx:%llx:", p->number, (unsigned long long)p->addr, src->type,
		   (unsigned long long)src->start, (unsigned long long)src->total);
	buf_put_hex(out, src->text, src->len);
}

static struct err *next_point(struct trace *t, struct buf *out)
{
	while (t->reply_at < t->npoints) {
		const struct tracepoint *p = t->point[t->reply_at];
		size_t part = t->reply_part++;
		if (!part) {
			put_point(p, out);
			return NULL;
		}
		if (part <= p->nactions + p->nsources) {
			put_part(p, part - 1, out);
			return NULL;
		}
		t->reply_at++;
		t->reply_part = 0;
	}
	buf_puts(out, "l");
	return NULL;
}

static struct err *list(struct session *s, bool first, struct buf *out,
			struct err *(*next)(struct trace *t, struct buf *out))
{
	struct trace *t;

	struct err *err = trace_of(s, &t);
	if (!err && first)
		t->reply_at = t->reply_part = 0;
	return err ? err : next(t, out);
}

HANDLER(h_trace_first_variable)
{
	(void)args;
	return list(session, true, out, next_variable);
}

HANDLER(h_trace_next_variable)
{
	(void)args;
	return list(session, false, out, next_variable);
}

HANDLER(h_trace_first_point)
{
	(void)args;
	return list(session, true, out, next_point);
}

HANDLER(h_trace_next_point)
{
	(void)args;
	return list(session, false, out, next_point);
}

/* OFFSET,LEN of the whole buffer: what `tsave' writes to a file. */
HANDLER(h_trace_bytes)
{
	struct trace *t;
	uint64_t offset, len;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	if (!cur_char(args, ':') || !cur_hex(args, &offset) || !cur_char(args, ',') ||
	    !cur_hex(args, &len) || !cur_end(args))
		return err_new(ERR_PROTO, "malformed qTBuffer");
	if (len > RSP_PACKET_MAX / 2)
		len = RSP_PACKET_MAX / 2;
	trace_buffer_dump(&t->buffer, offset, len, t->regs_pad, out);
	if (!out->len)
		buf_puts(out, "l");
	return NULL;
}

/* The shortest instruction for a fast tracepoint: 0, not known, since there is no agent. */
HANDLER(h_trace_fast_length)
{
	struct trace *t;
	(void)args;

	struct err *err = trace_of(session, &t);
	if (!err)
		buf_puts(out, "0");
	return err;
}

HANDLER(h_trace_static)
{
	struct trace *t;
	(void)args;
	(void)out;

	struct err *err = trace_of(session, &t);
	if (err)
		return err;
	return err_new(ERR_STATE, "static tracepoints want an agent in the program, and there is "
				  "none");
}
