/* SPDX-License-Identifier: MIT */
/* What happens to the processes of a session, and how its client is told. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "stub/await.h"
#include "stub/breaks.h"
#include "stub/inferiors.h"
#include "stub/pybreak.h"
#include "stub/session_priv.h"
#include "stub/stopreply.h"
#include "stub/trace.h"
#include "stub/view.h"

pid_t session_shown_thread(struct session *s)
{
	const pid_t by_rank[] = { s->g_packet + 1 == s->packets ? view_real_thread(s, s->g_tid) : 0,
				  view_real_thread(s, s->asked_tid),
				  view_real_thread(s, s->stop.tid) };

	for (size_t i = 0; i < sizeof(by_rank) / sizeof(by_rank[0]); i++)
		if (by_rank[i] > 0 && target_has_thread(s->target, by_rank[i]))
			return by_rank[i];
	return view_real_thread(s, s->g_tid);
}

void session_select_shown(struct session *s)
{
	struct inferior *shown = s->asked_tid ? s->asked : s->stopper;

	if (s->g_packet + 1 != s->packets && shown && inferiors_target(s, shown)->pid > 0)
		inferiors_select(s, shown);
}

/*
 * GDB manual, "Stop Reply Packets", `swbreak': whoever put the instruction there,
 * the stub has the pc point at it.
 */
void session_point_at_trap(struct session *s)
{
	uint8_t value[REG_MAX] = { 0 };

	if (s->stop.kind != STOP_SIGNAL || !s->stop.addr || !s->open || !s->peer.swbreak)
		return;
	memcpy(value, &s->stop.addr, sizeof(s->stop.addr));
	struct err *err = target_reg_set(s->target, s->stop.tid, s->target->arch->pc, value);
	if (!err)
		s->stop.kind = STOP_SWBREAK;
	err_drop(err); /* it is being killed; then this is a signal like others */
}

bool session_tells_forks(const struct session *s)
{
	return s->peer.fork_events && s->peer.vfork_events && s->peer.multiprocess &&
	       !s->peer.lldb && s->target->run->take_child;
}

void session_take_child(struct session *s, const struct stop_event *ev)
{
	struct inferior *parent = s->now;
	struct target *child = s->target->run->take_child(s->target, (pid_t)ev->addr);

	struct err *err = child ? session_add(s, child) : NULL;
	if (err)
		fprintf(stderr, "archerfish: %s\n", err->msg);
	err_drop(err);
	inferiors_select(s, parent);
}

void session_stopped(struct session *s, const struct stop_event *ev)
{
	session_point_at_trap(s);
	trace_stopped(s);
	stop_announce(ev);
	pybreak_step_end(s->pybreak);
	breaks_stopped(s);
}

static void take_stop(struct session *s, const struct stop_event *ev)
{
	if (ev->kind == STOP_FORK || ev->kind == STOP_VFORK)
		session_take_child(s, ev);
	inferiors_keep(s);
	s->stopper = s->now;
	session_log(s, DEBUG_EVENTS, "event: thread %d, kind %d, signal or status %d", ev->tid,
		    (int)ev->kind, ev->signo);
	s->stop = *ev;
	s->running = false;
	s->interrupted = s->interrupted && session_meets_step(s, ev);
	view_moved(s);
	if (ev->kind == STOP_EXEC) /* its breakpoints are gone with the old program */
		session_drop_conditions(s);
	s->c_tid = s->asked_tid = 0;
	if (s->stale_points && s->open)
		session_clear_points(s);
	/* The protocol's rule: the thread of a stop reply is the current one. */
	if (ev->kind != STOP_NO_RESUMED && ev->kind != STOP_GONE)
		s->g_tid = s->target->pid > 0 ? ev->tid : 0;
	else if (!target_has_thread(s->target, s->g_tid))
		s->g_tid = target_first_thread(s->target);
	session_stopped(s, ev);
	view_stopped(s);
	if (!s->owed)
		return;
	s->owed = false;
	buf_clear(&s->reply);
	if (view_has_news(s))
		stop_reply_library(s, &s->reply);
	else
		stop_reply(s, &s->reply);
	session_send_reply(s);
}

bool session_next_event(struct session *s, struct stop_event *ret)
{
	bool more = false;

	struct err *err = s->target->run->next_event(s->target, ret, &more);
	if (err)
		fprintf(stderr, "archerfish: %s\n", err->msg);
	err_drop(err);
	return more;
}

static bool any_moves(const struct session *s)
{
	bool any = false;
	for (struct inferior *i = s->inferiors; i; i = inferiors_after(i))
		any |= inferiors_moving(i);
	return any;
}

void session_take_event(struct session *s)
{
	struct stop_event ev;
	struct inferior *i = s->running ? s->inferiors : NULL;

	if (s->nonstop.on)
		nonstop_take_events(s);
	for (; i; i = inferiors_after(i)) {
		if (!inferiors_moving(i))
			continue;
		inferiors_select(s, i);
		if (!session_next_event(s, &ev) || trace_goes_on(s, &ev))
			continue;
		inferiors_set_moving(i, false);
		/* That nothing of this process goes on is news only if nothing else does. */
		if (ev.kind == STOP_NO_RESUMED && any_moves(s))
			continue;
		inferiors_halt(s, i);
		take_stop(s, &ev);
		return;
	}
}

bool session_rests(const struct session *s)
{
	return !s->running && !s->await && !s->nonstop.on && !any_moves(s);
}

int session_wait_ms(const struct session *s)
{
	int wait = s->await ? AWAIT_POLL_MS : -1;
	bool any = s->running || s->nonstop.on;

	for (struct inferior *i = any ? s->inferiors : NULL; i; i = inferiors_after(i)) {
		const struct target *t = inferiors_target(s, i);
		if (!inferiors_moving(i) && !(s->nonstop.on && t->pid > 0))
			continue;
		if (t->busy)
			return 0;
		if (t->wait_ms > 0 && (wait < 0 || t->wait_ms < wait))
			wait = t->wait_ms;
	}
	return wait;
}
