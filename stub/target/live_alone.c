/* SPDX-License-Identifier: MIT */
/*
 * Non-stop: struct target_alone_ops of a live process.
 *
 * The phase is LIVE_RUNNING, with as many threads as there may be that are not `resumed' and
 * stand still.  It leaves that only for a hop (live_hits.c) for which the rest has to stop;
 * what the client asks for meanwhile is done when that is over.
 */
#include <signal.h>
#include <sys/ptrace.h>

#include "stub/target/live_priv.h"

void live_tell_wanted(struct live *l, struct lwp *p)
{
	(void)l;
	live_set_event(p, STOP_SIGNAL, p->wanted_signo);
	p->wanted = false;
	p->made_up = true;
}

/* One that runs, or is stopped for a hop of another. */
static void ask_one(struct live *l, struct lwp *p, int signo)
{
	/* It has something to tell already. */
	if (p->pending && !p->unjudged)
		return;
	if (!p->wanted || signo)
		p->wanted_signo = signo;
	p->wanted = true;
	if (p->stopped && !p->pending)
		live_tell_wanted(l, p);
	else if (!p->stopped && !p->asked && ptrace(PTRACE_INTERRUPT, p->tid, NULL, NULL) == 0)
		p->asked = true;
	/* One that has ended says nothing. */
	if (!p->stopped && p->tid == l->target.pid && live_notice_zombie_leader(l, p))
		l->left = true;
}

static bool can_ask(const struct lwp *p)
{
	return p->resumed && !p->zombie && !p->vforking && !(p->pending && !p->unjudged);
}

void live_interrupt_alone(struct live *l)
{
	struct lwp *leader = lwp_find(l, l->target.pid), *p = l->first;

	if (leader && can_ask(leader) && !live_notice_zombie_leader(l, leader))
		p = leader;
	while (p && !can_ask(p))
		p = p->next;
	/* While nobody runs: the next one that would. */
	l->interrupt = !p;
	l->interrupt_signo = SIGINT;
	if (p)
		ask_one(l, p, SIGINT);
}

static void resume_one(struct live *l, struct lwp *p, const struct resume_action *a)
{
	live_apply_action(l, p, a);
	if (p->pending && !p->unjudged)
		return;
	if (l->interrupt && !p->pending) {
		l->interrupt = false;
		ask_one(l, p, l->interrupt_signo);
	} else if (l->phase == LIVE_RUNNING) {
		live_start_one(l, p);
	}
}

/* Those that count as running do so from now on. */
static void let_go(struct live *l)
{
	l->held = false;
	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && p->stopped && !p->pending && !p->zombie &&
		    l->phase == LIVE_RUNNING)
			live_start_one(l, p);
}

struct err *live_resume_alone(struct live *l, const struct resume_action *actions, size_t n)
{
	bool any = false;

	if (l->lifted && !live_memory_shared(l))
		live_lower_points(l);
	for (struct lwp *p = l->first; p; p = p->next) {
		const struct resume_action *a = live_action_for(actions, n, p->tid);
		if (!a || p->zombie || a->kind == RESUME_LEAVE)
			continue;
		if (p->resumed && a->kind == RESUME_STOP)
			ask_one(l, p, 0);
		else if (!p->resumed && a->kind != RESUME_STOP)
			resume_one(l, p, a);
		any |= a->kind != RESUME_STOP;
	}
	if (any && l->held)
		let_go(l);
	target_moved(&l->target);
	return NULL;
}

/* The last one that ran is gone, and nothing else tells of it. */
static bool take_no_resumed(struct live *l, struct stop_event *ret)
{
	if (!l->left)
		return false;
	if (live_any_resumed(l)) {
		l->left = false;
		return false;
	}
	if (live_is_dying(l))
		return false; /* so is the process */
	l->left = false;
	*ret = (struct stop_event){ .kind = STOP_NO_RESUMED };
	return true;
}

static bool take(struct live *l, struct stop_event *ret)
{
	if (live_take_end(l, ret)) {
		if (l->exited)
			l->phase = LIVE_STOPPED;
		return true;
	}
	struct lwp *p = live_take_next(l, ret);
	if (!p)
		return take_no_resumed(l, ret);
	p->resumed = p->wanted = false;
	return true;
}

/* The first thread may end unheard while it is the only one that the client lets run. */
static void look_for_leader(struct live *l)
{
	struct lwp *leader = lwp_find(l, l->target.pid);
	bool was = leader && leader->zombie;

	live_look_after(l);
	if (leader && leader->zombie && !was)
		l->left = true;
}

struct err *live_event_alone(struct live *l, struct stop_event *ret, bool *more)
{
	live_drain(l);
	live_chase_hits(l);
	if (l->phase == LIVE_RUNNING)
		look_for_leader(l);
	if (l->phase == LIVE_HOPPING)
		live_look_after_hop(l);
	if (l->phase == LIVE_STOPPING && live_reach_stop(l))
		live_go_on(l);
	*more = take(l, ret);
	if (*more)
		target_moved(&l->target);
	return NULL;
}

/*
 * What has not been told is told now, or when the client wants a thread to stop that it takes for
 * a running one.  gdb (13) fails if several stop replies await it in all-stop on a non-stop
 * target, and gdbserver has one.
 */
static void begin(struct target *t, pid_t tid)
{
	struct live *l = to_live(t);

	for (struct lwp *p = l->first; p; p = p->next) {
		/* A hit that was not judged comes again: the thread stands before it. */
		if (p->unjudged)
			p->pending = p->unjudged = false;
		p->resumed = !p->zombie && (p->pending || (!p->told && p->tid != tid));
		p->wanted = false;
	}
	l->held = true;
	l->interrupt = l->left = false;
	l->phase = LIVE_RUNNING;
	t->alone = true;
	target_moved(t);
}

static struct err *end(struct target *t)
{
	struct live *l = to_live(t);

	live_ask_to_stop(l);
	struct err *err = live_wait_stopped(l);
	for (struct lwp *p = l->first; p; p = p->next) {
		p->resumed = p->resumed && !p->wanted && !(l->held && p->stopped);
		p->wanted = false;
	}
	l->phase = LIVE_STOPPED;
	l->interrupt = t->alone = t->busy = false;
	t->wait_ms = 0;
	target_moved(t);
	return err;
}

static bool runs(struct target *t, pid_t tid)
{
	struct live *l = to_live(t);
	const struct lwp *p = lwp_find(l, tid);

	if (!tid)
		return live_any_resumed(l);
	return p && p->resumed && !p->zombie;
}

static bool told(struct target *t, pid_t tid, struct stop_event *ret)
{
	const struct lwp *p = lwp_find(to_live(t), tid);

	if (!p || !p->told)
		return false;
	*ret = p->event;
	return true;
}

static void release(struct target *t)
{
	struct live *l = to_live(t);

	for (struct lwp *p = l->first; p; p = p->next)
		p->resumed = !p->zombie;
	let_go(l);
	target_moved(t);
}

const struct target_alone_ops live_alone_ops = {
	.begin = begin,
	.end = end,
	.runs = runs,
	.told = told,
	.release = release,
};
