/* SPDX-License-Identifier: MIT */
#include "stub/nonstop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/breaks.h"
#include "stub/inferiors.h"
#include "stub/pybreak.h"
#include "stub/session_priv.h"
#include "stub/stopreply.h"
#include "stub/trace.h"
#include "stub/view.h"

void nonstop_deinit(struct session *s)
{
	free(s->nonstop.queue);
	s->nonstop = (struct nonstop){ 0 };
}

bool nonstop_is_possible(const struct session *s)
{
	return s->target->run && s->target->run->alone && !s->peer.lldb;
}

/* ---- the queue ---- */

static bool push(struct session *s, struct inferior *i, const struct stop_event *ev)
{
	struct nonstop *ns = &s->nonstop;

	if (ns->end == ns->cap) {
		size_t cap = ns->cap ? ns->cap * 2 : 64;
		struct queued_stop *more = reallocarray(ns->queue, cap, sizeof(*more));
		if (!more) {
			fprintf(stderr, "archerfish: no memory to tell of thread %d\n", ev->tid);
			return false;
		}
		ns->queue = more;
		ns->cap = cap;
	}
	ns->queue[ns->end++] = (struct queued_stop){ i, *ev };
	return true;
}

/* Those that @drop says are not told. */
static void filter(struct session *s,
		   bool (*drop)(const struct session *s, const struct queued_stop *q))
{
	struct nonstop *ns = &s->nonstop;
	size_t end = ns->first;

	for (size_t k = ns->first; k < ns->end; k++)
		if (!drop(s, &ns->queue[k]))
			ns->queue[end++] = ns->queue[k];
	ns->end = end;
}

static bool is_of_selected(const struct session *s, const struct queued_stop *q)
{
	/* What was sent stays until it is acknowledged. */
	bool sent = s->nonstop.announced && q == &s->nonstop.queue[s->nonstop.first];
	return q->inferior == s->now && !sent;
}

static bool is_of_thread(const struct session *s, const struct queued_stop *q)
{
	(void)s;
	return q->ev.kind < STOP_NO_RESUMED;
}

/* The first of the queue, as a stop reply. */
static void compose(struct session *s, struct buf *out)
{
	const struct queued_stop *q = &s->nonstop.queue[s->nonstop.first];

	inferiors_select(s, q->inferior);
	s->stop = q->ev;
	s->stopper = q->inferior;
	stop_reply(s, out);
	s->nonstop.announced = true;
}

static void announce(struct session *s)
{
	const struct nonstop *ns = &s->nonstop;

	if (!s->open || ns->announced || ns->first == ns->end)
		return;
	buf_clear(&s->reply);
	buf_puts(&s->reply, "Stop:");
	compose(s, &s->reply);
	session_notify(s);
}

void nonstop_next(struct session *s, struct buf *out)
{
	struct nonstop *ns = &s->nonstop;

	if (ns->announced && ns->first < ns->end)
		ns->first++;
	ns->announced = false;
	if (ns->first < ns->end) {
		compose(s, out);
		return;
	}
	ns->first = ns->end = 0;
	buf_puts(out, "OK");
}

size_t nonstop_held(const struct session *s, struct resume_action *ret)
{
	const struct nonstop *ns = &s->nonstop;
	size_t n = 0;

	for (size_t k = ns->first; k < ns->end; k++) {
		const struct queued_stop *q = &ns->queue[k];
		bool forks = q->ev.kind == STOP_FORK || q->ev.kind == STOP_VFORK;
		/* A child that the client has not heard of stays where it is, too. */
		bool child = forks && (pid_t)q->ev.addr == s->target->pid;
		if (!child && (q->inferior != s->now || q->ev.kind >= STOP_NO_RESUMED))
			continue;
		ret[n++] = (struct resume_action){ .tid = child ? -1 : q->ev.tid,
						   .kind = RESUME_LEAVE };
	}
	return n;
}

size_t nonstop_held_max(const struct session *s)
{
	return s->nonstop.end - s->nonstop.first;
}

/* ---- stops ---- */

/* The child is one more process, and nothing else changes. */
static void take_child(struct session *s, const struct stop_event *ev)
{
	struct inferior *general = s->general;
	pid_t g_tid = s->g_tid, c_tid = s->c_tid;

	session_take_child(s, ev);
	s->general = general;
	s->g_tid = g_tid;
	s->c_tid = c_tid;
}

static bool others_run(struct session *s)
{
	struct inferior *here = s->now;
	bool any = false;

	for (struct inferior *i = inferiors_first(s); i && !any; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		any = s->target->run && s->target->run->alone->runs(s->target, 0);
	}
	inferiors_select(s, here);
	return any;
}

static void take_stop(struct session *s, const struct stop_event *ev)
{
	if (ev->kind == STOP_NO_RESUMED && (!s->peer.no_resumed || others_run(s)))
		return;
	if (ev->kind == STOP_FORK || ev->kind == STOP_VFORK)
		take_child(s, ev);
	session_log(s, DEBUG_EVENTS, "event: thread %d, kind %d, signal or status %d", ev->tid,
		    (int)ev->kind, ev->signo);
	s->stop = *ev;
	s->stopper = s->now;
	if (ev->kind == STOP_EXITED || ev->kind == STOP_KILLED)
		filter(s, is_of_selected);
	if (ev->kind == STOP_EXEC) /* its breakpoints are gone with the old program */
		session_drop_conditions(s);
	if (s->general == s->now && !target_has_thread(s->target, s->g_tid))
		s->g_tid = target_first_thread(s->target);
	session_stopped(s, ev);
	(void)push(s, s->now, &s->stop);
}

void nonstop_take_events(struct session *s)
{
	struct inferior *before = s->now;
	struct stop_event ev;

	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		while (s->target->pid > 0 && session_next_event(s, &ev))
			take_stop(s, &ev);
	}
	announce(s);
	inferiors_select(s, before);
}

static void stop_now(struct session *s, pid_t tid, struct stop_event *ret)
{
	if (s->target->run->alone->told(s->target, tid, ret))
		return;
	if (s->now == s->stopper && s->stop.tid == tid && s->stop.kind < STOP_NO_RESUMED)
		*ret = s->stop;
	else /* it stopped because others did */
		*ret = (struct stop_event){ .tid = tid, .kind = STOP_SIGNAL };
}

static bool list_stop(pid_t tid, void *arg)
{
	struct session *s = arg;
	struct stop_event ev;

	if (s->target->run->alone->runs(s->target, tid))
		return true;
	stop_now(s, tid, &ev);
	return push(s, s->now, &ev);
}

void nonstop_list_stops(struct session *s, struct buf *out)
{
	struct nonstop *ns = &s->nonstop;

	filter(s, is_of_thread);
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		struct err *err = s->target->ops->threads(s->target, list_stop, s);
		err_drop(err); /* no list, no thread */
	}
	if (ns->first < ns->end)
		compose(s, out);
	else
		buf_puts(out, "OK");
}

/* ---- resuming ---- */

void nonstop_interrupt(struct session *s)
{
	struct inferior *before = s->now;
	bool done = false;

	for (struct inferior *i = inferiors_first(s); i && !done; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		done = s->target->run->alone->runs(s->target, 0);
	}
	if (!done)
		inferiors_select(s, before);
	struct err *err = s->target->run->interrupt(s->target);
	err_drop(err); /* it is ending, and that will be reported */
	inferiors_select(s, before);
}

/* ---- the mode ---- */

void nonstop_added(struct session *s)
{
	if (!s->nonstop.on)
		return;
	if (!s->target->alone)
		s->target->run->alone->begin(s->target, s->now == s->stopper ? s->stop.tid : 0);
	view_moved(s);
}

void nonstop_begin(struct session *s)
{
	struct inferior *before = s->now;

	if (s->nonstop.on)
		return;
	s->nonstop.on = true;
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		nonstop_added(s);
	}
	inferiors_select(s, before);
}

struct running {
	struct target *target;
	struct resume_action *action;
	size_t n, cap;
};

static bool note_running(pid_t tid, void *arg)
{
	struct running *r = arg;

	if (!r->target->run->alone->runs(r->target, tid))
		return true;
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct resume_action *more = reallocarray(r->action, cap, sizeof(*more));
		if (!more)
			return false; /* then it stands still, for whoever comes */
		r->action = more;
		r->cap = cap;
	}
	r->action[r->n++] = (struct resume_action){ .tid = tid, .kind = RESUME_CONT };
	return true;
}

/* Those that ran run on; or the process has ended, which is told when it is resumed. */
static void go_on(struct session *s)
{
	struct target *t = s->target;
	struct running r = { .target = t };

	struct err *err = t->ops->threads(t, note_running, &r);
	if (!err && (r.n || !target_first_thread(t))) {
		err = t->run->resume(t, r.action, r.n);
		if (!err) {
			inferiors_set_moving(s->now, true);
			s->running = true;
		}
	}
	err_drop(err); /* it is as it was */
	free(r.action);
}

static void end_one(struct session *s)
{
	struct err *err = s->target->run->alone->end(s->target);

	if (err)
		fprintf(stderr, "archerfish: %s\n", err->msg);
	err_drop(err);
	view_moved(s);
}

/* In all-stop there is one last stop. */
static void choose_stop(struct session *s)
{
	if (s->nonstop.first < s->nonstop.end) {
		s->stop = s->nonstop.queue[s->nonstop.first].ev;
		s->stopper = s->nonstop.queue[s->nonstop.first].inferior;
	}
	nonstop_deinit(s);
	inferiors_select(s, s->stopper);
	if (s->stop.kind >= STOP_NO_RESUMED || target_has_thread(s->target, s->stop.tid))
		return;
	if (s->target->pid > 0)
		s->stop = (struct stop_event){ .tid = target_first_thread(s->target),
					       .kind = STOP_SIGNAL };
}

void nonstop_end(struct session *s, bool goes_on)
{
	struct inferior *before = s->now;

	if (!s->nonstop.on)
		return;
	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		end_one(s);
	}
	choose_stop(s);
	if (goes_on)
		session_clear_points(s);
	for (struct inferior *i = inferiors_first(s); goes_on && i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		go_on(s);
	}
	inferiors_select(s, before);
}

void nonstop_forget(struct session *s)
{
	filter(s, is_of_selected);
}

void nonstop_refresh(struct session *s)
{
	struct inferior *before = s->now;

	for (struct inferior *i = inferiors_first(s); i; i = inferiors_next(s, i)) {
		inferiors_select(s, i);
		target_refresh(s->target);
	}
	inferiors_select(s, before);
}
