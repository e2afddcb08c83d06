/* SPDX-License-Identifier: MIT */
/* Resuming, stopping all, taking an event, leaving. */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define STOP_TIMEOUT_MS 10000

int live_take_signal(struct live *l, struct lwp *p, int signo)
{
	if (!signo || p->signal_stop)
		return signo;
	if (syscall(SYS_tgkill, l->target.pid, p->tid, signo) == 0)
		p->sent = signo;
	return 0;
}

void live_continue_lwp(struct live *l, struct lwp *p, int signo)
{
	live_sync_dregs(l, p);
	signo = live_take_signal(l, p, signo);
	/* A thread that is killed meanwhile cannot go on; its exit tells. */
	if (p->job_stopped && !p->stepping && !signo)
		(void)ptrace(PTRACE_LISTEN, p->tid, NULL, NULL);
	else
		(void)ptrace(p->stepping ? PTRACE_SINGLESTEP : PTRACE_CONT, p->tid, NULL,
			     (long)signo);
	p->deliver = 0;
	p->stopped = false;
}

void live_ask_to_stop(struct live *l)
{
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
static bool notice_zombie_leader(struct live *l, struct lwp *p)
{
	if (p->tid == l->target.pid && l->nlwps > 1 && proc_state(p->tid, p->tid) == 'Z')
		p->zombie = true;
	return p->zombie;
}

bool live_all_stopped(struct live *l)
{
	struct lwp *leader = NULL;

	for (struct lwp *p = l->first; p; p = p->next) {
		if (p->stopped || p->zombie)
			continue;
		if (p->tid != l->target.pid)
			return false;
		leader = p;
	}
	return !leader || notice_zombie_leader(l, leader);
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
		if (waited > STOP_TIMEOUT_MS * 1000L)
			return err_new(ERR_STATE, "a thread of process %d does not stop",
				       l->target.pid);
		sleep_us(step);
		waited += step;
		if (step < 1000)
			step *= 2;
	}
}

static const struct resume_action *action_for(const struct resume_action *actions, size_t n,
					      pid_t tid)
{
	for (size_t i = 0; i < n; i++)
		if (actions[i].tid == -1 || actions[i].tid == tid)
			return &actions[i];
	return NULL;
}

/* What was left to report may be overtaken: its breakpoint removed, its step not wanted. */
static void review_pending(struct live *l, struct lwp *p)
{
	uint64_t pc;

	if (!p->pending)
		return;
	if (p->event.kind == STOP_SWBREAK)
		p->pending = points_find(&l->points, p->event_pc) && live_get_pc(p, &pc) &&
			     pc == p->event_pc;
	else if (p->event.kind == STOP_SIGNAL && p->event.signo == SIGTRAP)
		p->pending = p->stepping;
}

static void apply_action(struct live *l, struct lwp *p, const struct resume_action *a)
{
	p->resumed = a != NULL;
	if (!a)
		return;
	p->made_up = false;
	p->last_signal = 0;
	p->stepping = a->kind == RESUME_STEP;
	p->range_start = a->range_start;
	p->range_end = a->range_end;
	if (a->signo)
		p->deliver = a->signo;
	if (a->kind == RESUME_STOP) {
		l->interrupt = true;
		l->interrupt_signo = 0;
	}
	review_pending(l, p);
}

static struct err *live_resume(struct target *t, const struct resume_action *actions, size_t n)
{
	struct live *l = to_live(t);
	bool any = l->exited, pending = l->exited;

	for (struct lwp *p = l->first; p; p = p->next) {
		apply_action(l, p, p->zombie ? NULL : action_for(actions, n, p->tid));
		any |= p->resumed;
		pending |= p->resumed && p->pending;
	}
	if (!any)
		return err_new(ERR_STATE, "no thread to resume");
	target_moved(t);
	if (pending || l->interrupt) {
		/* Something already waits to be reported: nobody moves. */
		l->phase = LIVE_STOPPING;
		return NULL;
	}
	l->phase = LIVE_RUNNING;
	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed)
			live_continue_lwp(l, p, p->deliver);
	return NULL;
}

static bool passes_to_program(const struct live *l, int signo)
{
	const uint8_t *set = l->target.pass_signals;
	return set && (set[signo / 8] >> (signo % 8) & 1);
}

static struct err *live_interrupt(struct target *t)
{
	struct live *l = to_live(t);

	if (passes_to_program(l, SIGINT)) {
		/* The user asked for SIGINT to reach the program without a stop. */
		(void)kill(t->pid, SIGINT);
		return NULL;
	}
	l->interrupt = true;
	l->interrupt_signo = SIGINT;
	if (l->phase == LIVE_RUNNING)
		live_ask_to_stop(l);
	return NULL;
}

/* The thread whose event is next: one that was stepping, else in turn. */
static struct lwp *choose(struct live *l)
{
	struct lwp *first = NULL, *after = NULL;
	bool passed = false;

	for (struct lwp *p = l->first; p; p = p->next) {
		bool ready = p->resumed && p->pending;
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

static bool any_resumed(const struct live *l)
{
	for (const struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && !p->zombie)
			return true;
	return false;
}

static struct lwp *interrupted_thread(struct live *l)
{
	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && !p->zombie)
			return p;
	return NULL;
}

/* Every thread is stopped: what is there to tell?  False: nothing after all. */
static bool take_event(struct live *l, struct stop_event *ret)
{
	if (l->exited) {
		*ret = l->exit;
		l->target.pid = 0;
		proc_close(l);
		return true;
	}
	struct lwp *p = choose(l);
	if (p) {
		*ret = p->event;
		p->pending = false;
	} else if (!any_resumed(l)) {
		*ret = (struct stop_event){ .kind = STOP_NO_RESUMED };
		return true;
	} else if (l->interrupt && (p = interrupted_thread(l))) {
		*ret = (struct stop_event){ .tid = p->tid,
					    .kind = STOP_SIGNAL,
					    .signo = l->interrupt_signo };
		l->interrupt = false;
		p->made_up = true;
	} else {
		return false;
	}
	p->last_signal = ret->kind == STOP_SIGNAL ? ret->signo : 0;
	l->last_reported = p->tid;
	return true;
}

static void go_on(struct live *l)
{
	l->phase = LIVE_RUNNING;
	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && p->stopped && !p->zombie)
			live_continue_lwp(l, p, p->deliver);
}

/* Its death is told by SIGCHLD alone, while threads of it live on. */
static void check_leader(struct live *l)
{
	struct lwp *leader = lwp_find(l, l->target.pid);
	if (leader && leader->resumed && !leader->stopped && !leader->zombie)
		(void)notice_zombie_leader(l, leader);
}

static bool worth_stopping(struct live *l)
{
	return l->exited || choose(l) || !any_resumed(l) || l->interrupt;
}

static struct err *live_next_event(struct target *t, struct stop_event *ret, bool *more)
{
	struct live *l = to_live(t);

	*more = false;
	if (l->phase == LIVE_STOPPED)
		return NULL;
	live_drain(l);
	if (l->phase == LIVE_RUNNING)
		check_leader(l);
	if (l->phase == LIVE_RUNNING && worth_stopping(l))
		live_ask_to_stop(l);
	if (l->phase != LIVE_STOPPING)
		return NULL;
	live_drain(l);
	if (!l->exited && !live_all_stopped(l))
		return NULL;
	if (!take_event(l, ret)) {
		go_on(l);
		return NULL;
	}
	l->phase = LIVE_STOPPED;
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

static struct err *live_detach(struct target *t, int signo)
{
	struct live *l = to_live(t);
	struct err *err = NULL;

	if (l->phase != LIVE_STOPPED) {
		live_ask_to_stop(l);
		err = live_wait_stopped(l);
	}
	if (!l->exited)
		live_lift_points(l, t->pid);
	points_clear(&l->points);
	for (struct lwp *p = l->first, *next; p; p = next) {
		next = p->next;
		live_clear_dregs(p);
		int with = signo && p->tid == t->pid ? signo : parting_signal(l, p);
		with = live_take_signal(l, p, with);
		(void)ptrace(PTRACE_DETACH, p->tid, NULL, (long)with);
		lwp_remove(l, p);
	}
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
	int status;
	pid_t tid;

	(void)kill(t->pid, SIGKILL);
	l->phase = LIVE_STOPPING; /* so that nothing is let go on */
	for (int tries = 0; !l->exited && tries < STOP_TIMEOUT_MS; tries++) {
		while (!l->exited && (tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			live_handle_status(l, tid, status);
		if (tid < 0 && errno == ECHILD)
			break;
		if (!l->exited)
			sleep_us(1000);
	}
	while (l->first)
		lwp_remove(l, l->first);
	points_clear(&l->points);
	l->phase = LIVE_STOPPED;
	proc_close(l);
	t->pid = 0;
	target_moved(t);
	return err;
}

const struct target_run_ops live_run_ops = {
	.resume = live_resume,
	.interrupt = live_interrupt,
	.next_event = live_next_event,
	.detach = live_detach,
	.kill = live_kill,
};
