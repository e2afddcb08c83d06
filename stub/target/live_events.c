/* SPDX-License-Identifier: MIT */
/*
 * From waitpid() statuses to events: one function per ptrace event (ptrace(2),
 * "Stopped states").
 *
 * A quiet stop is nobody's business.  It leaves the thread stopped when a stop
 * of all is under way, and lets it go on otherwise.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "stub/target/live_priv.h"

#define STATUS_EVENT(status) ((status) >> 16)

static void quiet_stop(struct live *l, struct lwp *p)
{
	if (l->phase == LIVE_RUNNING && p->resumed)
		live_continue_lwp(l, p, p->deliver);
}

static void set_event(struct lwp *p, enum stop_kind kind, int signo)
{
	p->pending = true;
	p->event = (struct stop_event){ .tid = p->tid, .kind = kind, .signo = signo };
}

static bool signal_in(const uint8_t *set, int signo)
{
	return set && signo > 0 && signo < 128 && (set[signo / 8] >> (signo % 8) & 1);
}

/* While a thread steps the client wants to know of a handler that it would step into. */
static void on_signal(struct live *l, struct lwp *p, int signo)
{
	if (p->sent == signo) {
		p->sent = 0;
		p->deliver = signo;
		quiet_stop(l, p);
		return;
	}
	if (p->stepping || !signal_in(l->target.pass_signals, signo)) {
		set_event(p, STOP_SIGNAL, signo);
		return;
	}
	p->deliver = signo;
	quiet_stop(l, p);
}

static void on_breakpoint_trap(struct live *l, struct lwp *p, uint64_t pc)
{
	uint64_t at = pc - l->target.arch->pc_after_bp;

	if (points_find(&l->points, at) && live_set_pc(p, at)) {
		set_event(p, STOP_SWBREAK, SIGTRAP);
		p->event_pc = at;
	} else {
		set_event(p, STOP_SIGNAL, SIGTRAP); /* the program's own trap */
	}
}

/* A debug register, as DR6 says; false if it was not one of ours. */
static bool on_debug_register(struct live *l, struct lwp *p)
{
	if (!x86_dregs_any(&l->dregs))
		return false;
	const struct x86_dreg *r = x86_dregs_hit(&l->dregs, live_take_dr6(p));
	if (!r)
		return false;
	if (r->type == X86_DR_EXEC) {
		set_event(p, STOP_HWBREAK, SIGTRAP);
		return true;
	}
	set_event(p, STOP_WATCH, SIGTRAP);
	p->event.wp_type = r->type == X86_DR_WRITE ? POINT_WRITE : POINT_ACCESS;
	p->event.addr = r->addr;
	return true;
}

static void on_trap(struct live *l, struct lwp *p)
{
	siginfo_t info = { 0 };
	uint64_t pc = 0;

	if (ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0 || !live_get_pc(p, &pc))
		return; /* killed meanwhile: its exit is on the way */
	switch (info.si_code) {
	case SI_KERNEL: /* int3 on x86 */
	case TRAP_BRKPT:
		on_breakpoint_trap(l, p, pc);
		return;
	case TRAP_TRACE:
	case TRAP_HWBKPT:
		if (on_debug_register(l, p))
			return;
		if (p->stepping && pc >= p->range_start && pc < p->range_end)
			quiet_stop(l, p);
		else
			set_event(p, STOP_SIGNAL, SIGTRAP);
		return;
	default: /* sent by somebody */
		on_signal(l, p, SIGTRAP);
	}
}

/* A stop that came before the event that announces its thread. */
static void note_early(struct live *l, pid_t tid, int status)
{
	if (!WIFSTOPPED(status))
		return;
	if (l->nearly == EARLY_MAX) {
		/* More than can be in flight: not ours to hold. */
		(void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return;
	}
	l->early[l->nearly].tid = tid;
	l->early[l->nearly++].status = status;
}

static bool take_early(struct live *l, pid_t tid, int *ret)
{
	for (size_t i = 0; i < l->nearly; i++) {
		if (l->early[i].tid != tid)
			continue;
		*ret = l->early[i].status;
		l->early[i] = l->early[--l->nearly];
		return true;
	}
	return false;
}

static pid_t event_message(struct lwp *p)
{
	unsigned long msg = 0;
	if (ptrace(PTRACE_GETEVENTMSG, p->tid, NULL, &msg) != 0)
		return 0;
	return (pid_t)msg;
}

static void on_clone(struct live *l, struct lwp *p)
{
	pid_t tid = event_message(p);
	int status;

	if (tid > 0 && !lwp_find(l, tid)) {
		struct lwp *born = lwp_add(l, tid);
		if (born) {
			born->resumed = p->resumed;
			/* It stops by itself, once; that stop answers any PTRACE_INTERRUPT. */
			born->asked = l->phase == LIVE_STOPPING;
			if (take_early(l, tid, &status))
				live_handle_status(l, tid, status);
		}
	}
	quiet_stop(l, p);
}

/* A new process is not ours: it goes its way, without our traps. */
static void release_child(struct live *l, pid_t child, bool shares_memory)
{
	int status = 0;

	if (!take_early(l, child, &status) && waitpid(child, &status, __WALL) != child)
		return;
	if (!WIFSTOPPED(status))
		return;
	live_lift_points(l, shares_memory ? l->target.pid : child);
	(void)ptrace(PTRACE_DETACH, child, NULL, NULL);
}

static void on_fork(struct live *l, struct lwp *p)
{
	pid_t child = event_message(p);
	if (child > 0)
		release_child(l, child, false);
	quiet_stop(l, p);
}

static void on_vfork(struct live *l, struct lwp *p)
{
	pid_t child = event_message(p);
	if (child > 0) {
		l->vforked = child;
		release_child(l, child, true);
	}
	quiet_stop(l, p);
}

static void on_vfork_done(struct live *l, struct lwp *p)
{
	l->vforked = 0;
	live_lower_points(l);
	quiet_stop(l, p);
}

/* Whoever called execve, the survivor has the leader's id; the other threads are gone. */
static void on_exec(struct live *l, struct lwp *p)
{
	for (struct lwp *q = l->first, *next; q; q = next) {
		next = q->next;
		if (q != p)
			lwp_remove(l, q);
	}
	p->zombie = false;
	p->resumed = true;
	points_clear(&l->points);
	l->dregs = (struct x86_dregs){ .generation = l->dregs.generation + 1 };
	l->target.epoch++;
	target_moved(&l->target);
	struct err *err = live_open_image(l);
	if (err) {
		fprintf(stderr, "archerfish: %s\n", err->msg);
		err_drop(err);
	}
	set_event(p, STOP_EXEC, SIGTRAP);
}

static bool is_stop_signal(int signo)
{
	return signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

/*
 * A stop comes before a trap that the thread has run into already.  That trap
 * must be had now: by the next resume its breakpoint may be gone, and the pc
 * would stay behind it.
 */
static bool trap_is_due(struct live *l, struct lwp *p)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 16 };
	siginfo_t queue[16];

	if (!l->points.n && !p->stepping && !x86_dregs_any(&l->dregs))
		return false;
	long n = ptrace(PTRACE_PEEKSIGINFO, p->tid, &args, queue);
	for (long i = 0; i < n; i++)
		if (queue[i].si_signo == SIGTRAP && queue[i].si_code > 0)
			return true;
	return false;
}

/* PTRACE_EVENT_STOP: the answer to PTRACE_INTERRUPT, a birth, or job control. */
static void on_event_stop(struct live *l, struct lwp *p, int signo)
{
	p->job_stopped = is_stop_signal(signo);
	if (p->job_stopped && l->phase == LIVE_RUNNING && p->resumed) {
		/* It stays in the job-control stop, and may be woken by SIGCONT. */
		if (ptrace(PTRACE_LISTEN, p->tid, NULL, NULL) == 0)
			p->stopped = false;
		return;
	}
	if (l->phase == LIVE_STOPPING && trap_is_due(l, p)) {
		/* It does not get to run: the signal stops it at once. */
		if (ptrace(PTRACE_CONT, p->tid, NULL, NULL) == 0)
			p->stopped = false;
		return;
	}
	quiet_stop(l, p);
}

static void on_stopped(struct live *l, struct lwp *p, int status)
{
	p->stopped = true;
	p->asked = false;
	p->signal_stop = STATUS_EVENT(status) == 0;
	switch (STATUS_EVENT(status)) {
	case PTRACE_EVENT_CLONE:
		on_clone(l, p);
		break;
	case PTRACE_EVENT_FORK:
		on_fork(l, p);
		break;
	case PTRACE_EVENT_VFORK:
		on_vfork(l, p);
		break;
	case PTRACE_EVENT_VFORK_DONE:
		on_vfork_done(l, p);
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(l, p);
		break;
	case PTRACE_EVENT_STOP:
		on_event_stop(l, p, WSTOPSIG(status));
		break;
	default:
		if (WSTOPSIG(status) == SIGTRAP)
			on_trap(l, p);
		else
			on_signal(l, p, WSTOPSIG(status));
	}
}

/* The leader's status comes last, and is the process's. */
static void on_process_exit(struct live *l, int status)
{
	l->exited = true;
	l->exit = (struct stop_event){ .tid = l->target.pid };
	if (WIFSIGNALED(status)) {
		l->exit.kind = STOP_KILLED;
		l->exit.signo = WTERMSIG(status);
	} else {
		l->exit.kind = STOP_EXITED;
		l->exit.signo = WEXITSTATUS(status);
	}
	while (l->first)
		lwp_remove(l, l->first);
}

void live_handle_status(struct live *l, pid_t tid, int status)
{
	struct lwp *p = lwp_find(l, tid);

	if (!p)
		note_early(l, tid, status);
	else if (WIFSTOPPED(status))
		on_stopped(l, p, status);
	else if (tid == l->target.pid)
		on_process_exit(l, status);
	else
		lwp_remove(l, p);
}

void live_drain(struct live *l)
{
	int status;
	pid_t tid;

	while (!l->exited && (tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		live_handle_status(l, tid, status);
}
