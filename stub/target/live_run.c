/* SPDX-License-Identifier: MIT */
/* Resuming, stopping all, taking an event, leaving. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define STOP_TIMEOUT_MS 10000
/* How long a stop waits for a thread in a system call that cannot be interrupted. */
#define PATIENCE_MS	1000
#define POLL_MS		50
#define DYING_MS	1000 /* a detach waits for the end of threads that are being killed */

int64_t live_now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The kernel lets a tracer deliver a signal only where it stopped for one. */
static int deliverable(struct live *l, struct lwp *p, int signo)
{
	if (!signo || p->in_signal)
		return signo;
	p->injected = signo;
	(void)syscall(SYS_tgkill, lwp_group(l, p), p->tid, signo);
	return 0;
}

void live_continue_lwp(struct live *l, struct lwp *p, int signo)
{
	bool steps = p->stepping || p->followed;

	l->moves++;
	live_sync_dregs(l, p);
	p->hopping = false;
	signo = deliverable(l, p, signo);
	if (signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU)
		l->job_overridden = false;
	if (steps)
		live_watch_flags(l, p);
	/* A thread that is killed meanwhile cannot go on; its exit tells. */
	if (p->job_stopped && !steps)
		(void)ptrace(PTRACE_LISTEN, p->tid, NULL, NULL);
	else
		(void)ptrace(steps ? PTRACE_SINGLESTEP : live_continue_request(l), p->tid, NULL,
			     (long)signo);
	p->deliver = 0;
	p->stopped = p->in_signal = false;
}

void live_ask_to_stop(struct live *l)
{
	if (l->phase != LIVE_STOPPING)
		l->stopping_since = live_now_ms();
	l->phase = LIVE_STOPPING;
	for (struct lwp *p = l->first; p; p = p->next) {
		if (p->stopped || p->asked || p->zombie)
			continue;
		if (ptrace(PTRACE_INTERRUPT, p->tid, NULL, NULL) == 0)
			p->asked = true;
	}
}

/*
 * A leader that called pthread_exit() is a zombie until its threads are gone,
 * and tells its tracer nothing of it.
 */
bool live_notice_zombie_leader(struct live *l, struct lwp *p)
{
	if (p->tid == l->target.pid && l->nlwps > 1 && proc_state(p->tid, p->tid) == 'Z')
		p->zombie = true;
	return p->zombie;
}

bool live_all_stopped(struct live *l)
{
	struct lwp *leader = NULL;

	for (struct lwp *p = l->first; p; p = p->next) {
		/* Who waits for a vfork child that stands, too, cannot stop. */
		if (p->stopped || p->zombie || p->stuck || (p->vforking && p->tells_done))
			continue;
		if (p->tid != l->target.pid)
			return false;
		leader = p;
	}
	return !leader || live_notice_zombie_leader(l, leader);
}

/* After some time, goes without those that nothing can stop now. */
static void lose_patience(struct live *l)
{
	if (live_now_ms() - l->stopping_since < PATIENCE_MS)
		return;
	for (struct lwp *p = l->first; p; p = p->next)
		if (!p->stopped && !p->zombie && proc_state(lwp_group(l, p), p->tid) == 'D')
			p->stuck = true;
}

static void sleep_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };
	(void)nanosleep(&ts, NULL);
}

struct err *live_wait_stopped(struct live *l)
{
	long waited = 0, step = 20;

	for (;;) {
		live_drain(l);
		if (l->exited || live_all_stopped(l))
			return NULL;
		lose_patience(l);
		if (waited > STOP_TIMEOUT_MS * 1000L)
			return err_new(ERR_STATE, "a thread of process %d does not stop",
				       l->target.pid);
		sleep_us(step);
		waited += step;
		if (step < 1000)
			step *= 2;
	}
}

const struct resume_action *live_action_for(const struct resume_action *actions, size_t n,
					    pid_t tid)
{
	for (size_t i = 0; i < n; i++)
		if (actions[i].tid == -1 || actions[i].tid == tid)
			return &actions[i];
	return NULL;
}

static bool dreg_at(const struct live *l, uint64_t addr)
{
	for (size_t i = 0; i < X86_DREGS; i++)
		if (l->dregs.reg[i].refs && l->dregs.reg[i].addr == addr)
			return true;
	return false;
}

/*
 * What was left to report may be overtaken: its breakpoint is gone, or the
 * thread was sent elsewhere.  The end of a step is old news: the client has
 * seen the thread since.
 */
static bool is_overtaken(const struct live *l, struct lwp *p)
{
	const struct target_catcher *c = &l->target.catcher;
	const struct point *point;
	uint64_t pc = 0;

	switch (p->event.kind) {
	case STOP_OWN:
		return c->wanted && !c->wanted(c->arg, p->tid);
	case STOP_SWBREAK:
		point = points_find(&l->points, p->event_pc);
		return !point || (!point->client && !p->unjudged) || !live_get_pc(p, &pc) ||
		       pc != p->event_pc;
	case STOP_HWBREAK:
		return !live_get_pc(p, &pc) || !dreg_at(l, pc);
	case STOP_WATCH:
		return !dreg_at(l, p->event.addr);
	default:
		return p->step_done;
	}
}

/* It has something to tell. */
static bool is_ready(const struct lwp *p)
{
	return p->resumed && p->pending && !p->unjudged;
}

void live_apply_action(struct live *l, struct lwp *p, const struct resume_action *a)
{
	p->resumed = a != NULL;
	if (!a)
		return;
	p->made_up = p->told = false;
	p->last_signal = 0;
	p->stepping = a->kind == RESUME_STEP;
	p->range_start = a->range_start;
	p->range_end = a->range_end;
	if (a->signo && p->deliver) /* one that was to be passed on; it is not lost */
		(void)syscall(SYS_tgkill, lwp_group(l, p), p->tid, p->deliver);
	if (a->signo)
		p->deliver = a->signo;
	if (a->kind == RESUME_STOP) {
		l->interrupt = true;
		l->interrupt_signo = 0;
	}
	if (p->pending && is_overtaken(l, p))
		p->pending = false;
	if (p->exec_done && !p->pending)
		live_exec_returns(l, p);
	/* Since then the client has said that it does not care for the signal. */
	if (p->pending && p->event.kind == STOP_SIGNAL && !p->stepping && !p->deliver &&
	    live_passes(l, p->event.signo)) {
		p->pending = false;
		p->deliver = p->event.signo;
	}
}

void live_go_on(struct live *l)
{
	if (!live_settle_hits(l))
		return;
	l->phase = LIVE_RUNNING;
	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && p->stopped && !p->pending && !p->zombie)
			live_continue_lwp(l, p, p->deliver);
}

static struct err *live_resume(struct target *t, const struct resume_action *actions, size_t n)
{
	struct live *l = to_live(t);
	bool any = l->exited, pending = l->exited;

	live_lift_lender(l);
	if (t->alone)
		return live_resume_alone(l, actions, n);
	for (struct lwp *p = l->first; p; p = p->next) {
		live_apply_action(l, p, p->zombie ? NULL : live_action_for(actions, n, p->tid));
		any |= p->resumed;
		pending |= is_ready(p);
	}
	if (!any)
		return err_new(ERR_STATE, "no thread to resume");
	target_moved(t);
	if (pending || l->interrupt || live_steps_in_stead(l)) {
		/* Something already waits to be reported: nobody moves. */
		l->phase = LIVE_STOPPING;
		return NULL;
	}
	if (l->lifted && !live_memory_shared(l))
		live_lower_points(l);
	live_go_on(l);
	live_await_step(l);
	return NULL;
}

static struct err *live_interrupt(struct target *t)
{
	struct live *l = to_live(t);

	if (live_passes(l, SIGINT)) {
		/* The user asked for SIGINT to reach the program without a stop. */
		(void)kill(t->pid, SIGINT);
		return NULL;
	}
	if (t->alone) {
		live_interrupt_alone(l);
		return NULL;
	}
	l->interrupt = true;
	l->interrupt_signo = SIGINT;
	if (l->phase == LIVE_RUNNING || l->phase == LIVE_HOPPING)
		live_ask_to_stop(l);
	return NULL;
}

/* The thread whose event is next: one that was stepping, else in turn. */
static struct lwp *choose(struct live *l)
{
	struct lwp *first = NULL, *after = NULL;
	bool passed = false;

	for (struct lwp *p = l->first; p; p = p->next) {
		bool ready = is_ready(p);
		if (ready && p->stepping)
			return p;
		if (ready && !first)
			first = p;
		if (ready && passed && !after)
			after = p;
		passed |= p->tid == l->last_reported;
	}
	return after ? after : first;
}

static bool others_resumed(const struct live *l, const struct lwp *but)
{
	for (const struct lwp *p = l->first; p; p = p->next)
		if (p != but && p->resumed && !p->zombie)
			return true;
	return false;
}

bool live_any_resumed(const struct live *l)
{
	return others_resumed(l, NULL);
}

/* The thread that is said to have been interrupted: one whose registers can be read. */
static struct lwp *interrupted_thread(struct live *l)
{
	struct lwp *stuck = NULL;
	uint64_t pc;

	for (struct lwp *p = l->first; p; p = p->next) {
		if (!p->resumed || p->zombie)
			continue;
		if (p->stopped && live_get_pc(p, &pc))
			return p;
		if (!stuck && !p->stopped)
			stuck = p;
	}
	return stuck;
}

/* A thread that is being killed is not in its stop any more, though its end is not told yet. */
bool live_is_dying(struct live *l)
{
	uint64_t pc;

	for (struct lwp *p = l->first; p; p = p->next)
		if (p->stopped && !live_get_pc(p, &pc))
			return true;
	return false;
}

static void note_told(struct live *l, struct lwp *p)
{
	p->told = true;
	p->last_signal = p->event.kind == STOP_SIGNAL ? p->event.signo : 0;
	l->last_reported = p->tid;
}

struct lwp *live_take_next(struct live *l, struct stop_event *ret)
{
	struct lwp *p;
	uint64_t pc;

	/* One that is killed meanwhile, as by another's exec, has no registers any more. */
	while ((p = choose(l)) && !live_get_pc(p, &pc))
		p->pending = false;
	if (!p)
		return NULL;
	*ret = p->event;
	p->pending = false;
	note_told(l, p);
	return p;
}

bool live_take_end(struct live *l, struct stop_event *ret)
{
	if (l->exited) {
		*ret = l->exit;
		l->target.pid = 0;
		proc_close(l);
		return true;
	}
	if (!l->ngone)
		return false;
	*ret = l->gone[0];
	l->ngone--;
	memmove(l->gone, l->gone + 1, l->ngone * sizeof(l->gone[0]));
	return true;
}

/* Every thread is stopped: what is there to tell?  False: nothing after all. */
static bool take_event(struct live *l, struct stop_event *ret)
{
	if (live_take_end(l, ret))
		return true;
	struct lwp *p = live_take_next(l, ret);
	if (p) {
		l->interrupt = false; /* whoever asked for a stop has one */
		return true;
	}
	if (!live_any_resumed(l)) {
		*ret = (struct stop_event){ .kind = STOP_NO_RESUMED };
		return !live_is_dying(l);
	} else if (l->interrupt && (p = interrupted_thread(l))) {
		*ret = (struct stop_event){ .tid = p->tid,
					    .kind = STOP_SIGNAL,
					    .signo = l->interrupt_signo };
		p->made_up = true;
		p->event = *ret;
		note_told(l, p);
	} else {
		return false;
	}
	l->interrupt = false;
	return true;
}

static bool worth_stopping(struct live *l)
{
	return l->exited || l->ngone || choose(l) || !live_any_resumed(l) || l->interrupt;
}

void live_look_after(struct live *l)
{
	struct lwp *leader = lwp_find(l, l->target.pid);

	if (leader && leader->resumed && !leader->stopped && !others_resumed(l, leader))
		(void)live_notice_zombie_leader(l, leader);
	if (l->nsharers && !live_memory_shared(l))
		live_lower_points(l);
	l->target.wait_ms = l->more ? 1 : l->nsharers ? POLL_MS : 0;
}

bool live_reach_stop(struct live *l)
{
	live_drain(l);
	if (l->exited || live_all_stopped(l))
		return true;
	lose_patience(l);
	l->target.wait_ms = POLL_MS;
	return live_all_stopped(l);
}

static struct err *live_next_event(struct target *t, struct stop_event *ret, bool *more)
{
	struct live *l = to_live(t);

	*more = false;
	if (l->phase == LIVE_STOPPED)
		return NULL;
	if (t->alone)
		return live_event_alone(l, ret, more);
	live_drain(l);
	live_chase_hits(l);
	if (l->phase == LIVE_RUNNING)
		live_look_after(l);
	if (l->phase == LIVE_RUNNING && worth_stopping(l))
		live_ask_to_stop(l);
	if (l->phase == LIVE_HOPPING)
		live_look_after_hop(l);
	if (l->phase != LIVE_STOPPING || !live_reach_stop(l))
		return NULL;
	while (!take_event(l, ret)) {
		live_go_on(l);
		if (l->phase != LIVE_STOPPING)
			return NULL;
	}
	l->phase = LIVE_STOPPED;
	t->wait_ms = 0;
	target_moved(t);
	*more = true;
	return NULL;
}

/* The signal a thread is left with; GDB manual, "QProgramSignals". */
static int parting_signal(const struct live *l, const struct lwp *p)
{
	int signo = p->deliver;
	if (!signo && !p->made_up)
		signo = p->pending && p->event.kind == STOP_SIGNAL ? p->event.signo
								   : p->last_signal;
	if (!signo || p->deliver)
		return signo;
	const uint8_t *keep = l->target.keep_signals;
	if (keep)
		return keep[signo / 8] >> (signo % 8) & 1 ? signo : 0;
	return signo == SIGTRAP || signo == SIGINT ? 0 : signo;
}

/*
 * Threads that are being killed cannot be let go; until their tracer has heard of their end
 * nobody else hears of the process's.
 */
static void hear_out(const pid_t *dying, size_t n)
{
	size_t left = n;

	for (int tries = 0; left && tries < DYING_MS; tries++) {
		left = 0;
		for (size_t i = 0; i < n; i++) {
			int status;
			pid_t got = waitpid(dying[i], &status, __WALL | WNOHANG);
			left += got == 0 || (got == dying[i] && WIFSTOPPED(status));
		}
		if (left)
			sleep_us(1000);
	}
}

/* Every thread goes its way, or is heard out. */
static void let_go(struct live *l, int signo)
{
	pid_t *dying = calloc(l->nlwps, sizeof(*dying));
	size_t n = 0;

	for (struct lwp *p = l->first, *next; p; p = next) {
		next = p->next;
		live_clear_dregs(p);
		int last = signo && p->tid == l->target.pid ? signo : parting_signal(l, p);
		bool hears = p->stopped && !p->zombie && dying;
		if (ptrace(PTRACE_DETACH, p->tid, NULL, (long)deliverable(l, p, last)) != 0 &&
		    hears)
			dying[n++] = p->tid;
		lwp_remove(l, p);
	}
	if (dying)
		hear_out(dying, n);
	free(dying);
}

static struct err *live_detach(struct target *t, int signo)
{
	struct live *l = to_live(t);
	struct err *err = NULL;

	live_lift_lender(l);
	if (l->phase != LIVE_STOPPED) {
		live_ask_to_stop(l);
		err = live_wait_stopped(l);
	}
	if (!l->exited && t->catcher.leave)
		t->catcher.leave(t->catcher.arg, t);
	if (l->exited)
		points_clear(&l->points);
	else
		live_remove_points(l);
	let_go(l, signo);
	live_release_early(l);
	live_release_children(l);
	l->phase = LIVE_STOPPED;
	proc_close(l);
	t->pid = 0;
	target_moved(t);
	return err;
}

static struct err *live_kill(struct target *t)
{
	struct live *l = to_live(t);
	struct err *err = NULL;
	siginfo_t info;

	if (!l->exited)
		(void)kill(t->pid, SIGKILL);
	live_kill_companions(l);
	l->phase = LIVE_STOPPING; /* so that nothing is let go on */
	for (int tries = 0; !l->exited && tries < STOP_TIMEOUT_MS; tries++) {
		live_drain(l);
		if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) < 0 &&
		    errno == ECHILD)
			break;
		if (!l->exited)
			sleep_us(1000);
	}
	live_release_early(l);
	live_release_children(l);
	while (l->first)
		lwp_remove(l, l->first);
	points_clear(&l->points);
	l->phase = LIVE_STOPPED;
	proc_close(l);
	t->pid = 0;
	target_moved(t);
	return err;
}

static struct err *live_halt(struct target *t)
{
	struct live *l = to_live(t);

	if (l->phase == LIVE_STOPPED)
		return NULL;
	live_ask_to_stop(l);
	struct err *err = live_wait_stopped(l);
	l->phase = LIVE_STOPPED;
	l->interrupt = t->busy = false;
	t->wait_ms = 0;
	target_moved(t);
	return err;
}

static void live_set_options(struct target *t, pid_t tid, unsigned int options)
{
	for (struct lwp *p = to_live(t)->first; p; p = p->next)
		if (!tid || p->tid == tid)
			p->options = (uint8_t)options;
}

const struct target_run_ops live_run_ops = {
	.set_options = live_set_options,
	.resume = live_resume,
	.interrupt = live_interrupt,
	.next_event = live_next_event,
	.halt = live_halt,
	.take_child = live_take_child,
	.detach = live_detach,
	.kill = live_kill,
	.alone = &live_alone_ops,
};
