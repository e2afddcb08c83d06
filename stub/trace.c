/* SPDX-License-Identifier: MIT */
/* A trace run as it begins and ends, and the frame that the client looks at. */
#include "stub/trace.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stub/inferiors.h"
#include "stub/trace_priv.h"
#include "stub/view.h"

uint64_t trace_now(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

struct err *trace_create(struct session *s, struct trace **ret)
{
	struct trace *t = calloc(1, sizeof(*t));
	struct trace_variable *v = calloc(1, sizeof(*v));

	if (v)
		v->name = strdup("trace_timestamp");
	if (!t || !v || !v->name) {
		free(v);
		free(t);
		return &err_nomem;
	}
	v->number = BUILTIN_TIMESTAMP;
	v->builtin = true;
	t->variable = v;
	t->nvariables = 1;
	t->session = s;
	t->looked_at = -1;
	t->buffer.size = TRACE_SIZE_DEFAULT;
	t->judge = (struct target_judge){ .is_told = trace_is_told,
					  .follows = trace_follows,
					  .stepped = trace_was_stepped,
					  .ctx = t };
	*ret = t;
	return NULL;
}

void trace_destroy(struct trace *t)
{
	if (!t)
		return;
	trace_undefine(t);
	for (size_t i = 0; i < t->nvariables; i++)
		free(t->variable[i].name);
	free(t->variable);
	free(t->walk);
	free(t->user);
	free(t->notes);
	free(t->stop_note);
	trace_buffer_deinit(&t->buffer);
	free(t);
}

const struct target_judge *trace_judge(struct session *s)
{
	if (s->trace && s->trace->installed && s->trace->target == s->target)
		return &s->trace->judge;
	return view_target_judge(s);
}

/* Of a process that is not selected it stays what it is: it knows when there is nothing to do. */
static void set_judge(struct trace *t)
{
	if (t->target && t->target == t->session->target)
		t->target->judge = trace_judge(t->session);
}

/* ---- a run ---- */

struct err *trace_install(struct trace *t, struct tracepoint *p)
{
	struct target *target = t->target;
	struct err *err;

	if (p->installed)
		return NULL;
	if (!target || target->pid <= 0 || !target->point)
		return err_new(ERR_STATE, "no process");
	err = view_refuse_memory(t->session, p->addr, 1);
	if (!err)
		err = target->point->insert(target, POINT_TRACE, p->addr, 1);
	if (err)
		return err;
	p->installed = t->installed = true;
	set_judge(t);
	return NULL;
}

void trace_remove_all(struct trace *t)
{
	struct target *target = t->target;

	for (size_t i = 0; i < t->npoints; i++) {
		if (t->point[i]->installed && target && target->pid > 0 && target->point)
			err_drop(target->point->remove(target, POINT_TRACE, t->point[i]->addr, 1));
		t->point[i]->installed = false;
	}
	t->installed = false;
	set_judge(t);
}

struct err *trace_start(struct trace *t)
{
	struct err *err = NULL;

	if (t->running)
		return err_new(ERR_STATE, "a trace run is on already");
	trace_buffer_clear(&t->buffer);
	memset(t->absent, 0, sizeof(t->absent));
	t->nwalks = 0;
	t->looked_at = -1;
	t->target = t->session->target;
	for (size_t i = 0; i < t->npoints && !err; i++) {
		t->point[i]->hits = t->point[i]->usage = 0;
		if (t->point[i]->enabled)
			err = trace_install(t, t->point[i]);
	}
	if (err) {
		trace_remove_all(t);
		return err;
	}
	for (size_t i = 0; i < t->nvariables; i++)
		t->variable[i].value = t->variable[i].initial;
	t->running = true;
	t->end = TRACE_NOT_RUN;
	t->end_number = 0;
	t->started = trace_now();
	t->ended = 0;
	return NULL;
}

void trace_end_run(struct trace *t, enum trace_end how, uint32_t number, const char *text)
{
	if (!t->running)
		return;
	t->running = false;
	t->nwalks = 0;
	t->end = how;
	t->end_number = number;
	t->ended = trace_now();
	strncpy(t->end_text, text, sizeof(t->end_text) - 1);
	t->end_text[sizeof(t->end_text) - 1] = '\0';
	if (!t->session->running)
		trace_remove_all(t);
}

void trace_forget(struct session *s)
{
	struct trace *t = s->trace;

	if (!t || !t->target || t->target != s->target)
		return;
	for (size_t i = 0; i < t->npoints; i++)
		t->point[i]->installed = false;
	t->installed = false;
	set_judge(t);
	t->target = NULL;
	trace_end_run(t, TRACE_STOPPED, 0, "");
}

void trace_stopped(struct session *s)
{
	struct trace *t = s->trace;

	if (t)
		t->left = false;
	if (!t || !t->installed)
		return;
	if (s->target == t->target && (s->target->pid <= 0 || s->stop.kind == STOP_EXEC))
		trace_forget(s);
	else if (!t->running)
		trace_remove_all(t);
}

bool trace_outlives_peer(const struct session *s)
{
	const struct trace *t = s->trace;
	return t && t->running && t->disconnected && t->target == s->target;
}

static struct err *resume_all(struct session *s, pid_t tid, int signo)
{
	const struct resume_action actions[] = {
		{ .tid = tid, .kind = RESUME_CONT, .signo = signo },
		{ .tid = -1, .kind = RESUME_CONT },
	};
	return s->target->run->resume(s->target, actions, 2);
}

struct err *trace_leave(struct session *s)
{
	struct err *err = resume_all(s, s->target->pid, 0);

	if (err)
		return err;
	s->trace->left = s->running = true;
	inferiors_set_moving(s->now, true);
	s->owed = false;
	s->end = SESSION_LEFT;
	return NULL;
}

/* A signal is the program's own, but one that a debugger is there for. */
bool trace_goes_on(struct session *s, const struct stop_event *ev)
{
	int signo = ev->kind == STOP_SIGNAL && ev->signo != SIGTRAP ? ev->signo : 0;

	if (s->open || !s->trace || !s->trace->left || s->target != s->trace->target ||
	    s->target->pid <= 0 || ev->kind == STOP_EXITED || ev->kind == STOP_KILLED ||
	    ev->kind == STOP_NO_RESUMED)
		return false;
	if (ev->kind == STOP_EXEC)
		return false;
	if (!s->trace->running && s->trace->installed)
		trace_remove_all(s->trace);
	struct err *err = resume_all(s, ev->tid, signo);
	bool goes_on = !err;
	err_drop(err); /* then it stays stopped, for whoever comes */
	return goes_on;
}

void trace_peer_left(struct session *s)
{
	if (!s->trace)
		return;
	s->trace->looked_at = -1;
	if (!s->trace->disconnected)
		trace_end_run(s->trace, TRACE_DISCONNECTED, 0, "");
}

/* ---- the frame that is looked at ---- */

static const struct trace_frame *frame(const struct session *s)
{
	const struct trace *t = s->trace;
	return t && t->looked_at >= 0 ? trace_frame_at(&t->buffer, (uint64_t)t->looked_at) : NULL;
}

bool trace_looks(const struct session *s)
{
	return frame(s) != NULL;
}

static bool find_registers(const struct session *s, struct trace_block *ret)
{
	size_t at = 0;

	while (trace_next_block(&s->trace->buffer, frame(s), &at, ret))
		if (ret->kind == 'R')
			return true;
	return false;
}

/* Without its registers the place is known all the same. */
struct err *trace_reg_get(struct session *s, uint16_t regnum, uint8_t ret[REG_MAX])
{
	const struct trace *t = s->trace;
	const struct arch *a = s->target->arch;
	struct trace_block block;
	size_t at = 0;

	if (regnum >= a->nregs)
		return err_new(ERR_NOT_FOUND, "no register %u", regnum);
	size_t len = a->regs[regnum].bits / 8u;
	if (!find_registers(s, &block)) {
		if (regnum != a->pc)
			return err_new(ERR_NOT_FOUND, "%s was not recorded", a->regs[regnum].name);
		memset(ret, 0, REG_MAX);
		memcpy(ret, &frame(s)->pc, sizeof(uint64_t));
		return NULL;
	}
	for (uint16_t i = 0; i < regnum; i++)
		at += a->regs[i].bits / 8u;
	bool absent = regnum / 8 < sizeof(t->absent) && (t->absent[regnum / 8] >> regnum % 8 & 1);
	if (absent || at + len > block.len)
		return err_new(ERR_NOT_FOUND, "%s was not recorded", a->regs[regnum].name);
	memcpy(ret, block.bytes + at, len);
	return NULL;
}

/* What one block has of it, from @addr on. */
static size_t read_block(const struct session *s, uint64_t addr, void *buf, size_t len)
{
	struct trace_block b;
	size_t at = 0;

	while (trace_next_block(&s->trace->buffer, frame(s), &at, &b)) {
		if (b.kind != 'M' || addr - b.addr >= b.len)
			continue;
		size_t n = b.len - (size_t)(addr - b.addr);
		if (n > len)
			n = len;
		memcpy(buf, b.bytes + (addr - b.addr), n);
		return n;
	}
	return 0;
}

/* What nothing writes is as it was (QTro). */
static size_t read_constant(struct session *s, uint64_t addr, void *buf, size_t len)
{
	const struct trace *t = s->trace;

	for (size_t i = 0; i < t->nreadonly; i++) {
		const struct trace_range *r = &t->readonly[i];
		if (addr < r->start || addr >= r->end)
			continue;
		if (len > r->end - addr)
			len = (size_t)(r->end - addr);
		return s->target->pid > 0 ? view_read_some(s, addr, buf, len) : 0;
	}
	return 0;
}

size_t trace_read_some(struct session *s, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0, n = 1;

	while (done < len && n) {
		uint8_t *to = (uint8_t *)buf + done;
		n = read_block(s, addr + done, to, len - done);
		if (!n)
			n = read_constant(s, addr + done, to, len - done);
		done += n;
	}
	return done;
}

struct err *trace_frame_info(void *session, struct buf *out)
{
	const struct session *s = session;
	struct trace_block b;
	size_t at = 0;

	if (!trace_looks(s))
		return err_new(ERR_STATE, "no trace frame is selected");
	buf_puts(out, "<?xml version=\"1.0\"?>\n"
		      "<!DOCTYPE traceframe-info SYSTEM \"traceframe-info.dtd\">\n"
		      "<traceframe-info>\n");
	while (trace_next_block(&s->trace->buffer, frame(s), &at, &b)) {
		if (b.kind == 'M')
			buf_printf(out, "<memory start=\"0x%llx\" length=\"0x%zx\"/>\n",
				   (unsigned long long)b.addr, b.len);
		else if (b.kind == 'V')
			buf_printf(out, "<tvar id=\"%u\"/>\n", b.number);
	}
	buf_puts(out, "</traceframe-info>\n");
	return NULL;
}
