/* SPDX-License-Identifier: MIT */
/*
 * From waitpid() statuses to events: one function per ptrace event (ptrace(2),
 * "Stopped states").
 *
 * A quiet stop is nobody's business.  It leaves the thread stopped when a stop
 * of all is under way, and lets it go on otherwise.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define STATUS_EVENT(status) ((status) >> 16)

/* Traps of our own may come without end: others want to be heard too. */
#define DRAIN_MAX   256u
#define WAITING_MAX 8u /* threads that were asked, and have not stopped yet */

void live_quiet_stop(struct live *l, struct lwp *p)
{
	if (p->wanted && p->resumed)
		live_tell_wanted(l, p);
	else if (l->phase == LIVE_RUNNING && p->resumed && p->hop)
		live_get_over(l, p);
	else if (l->phase == LIVE_RUNNING && p->resumed)
		live_continue_lwp(l, p, p->deliver);
}

void live_set_event(struct lwp *p, enum stop_kind kind, int signo)
{
	p->pending = true;
	p->step_done = p->unjudged = p->seen = false;
	p->event = (struct stop_event){ .tid = p->tid, .kind = kind, .signo = signo };
}

bool live_passes(const struct live *l, int signo)
{
	const uint8_t *set = l->target.pass_signals;
	return set && signo > 0 && signo < 128 && (set[signo / 8] >> (signo % 8) & 1);
}

static bool is_stop_signal(int signo)
{
	return signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

/* One that we sent because the client asked for it. */
static bool take_injected(struct lwp *p, int signo)
{
	siginfo_t info;

	if (p->injected != signo || ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0 ||
	    info.si_code != SI_TKILL || info.si_pid != getpid())
		return false;
	p->injected = 0;
	return true;
}

/* While a thread steps the client wants to know of a handler that it would step into. */
static bool is_passed(const struct live *l, const struct lwp *p, int signo)
{
	return !p->stepping && live_passes(l, signo);
}

/*
 * A client's breakpoint in memory that has no code, where nothing but a function that the
 * client called returns to: gdb's lie on the stack.  The fault is the breakpoint's, not the
 * program's; at a detach it must not be given to that.
 */
static bool is_trap_on_stack(struct live *l, struct lwp *p, int signo, uint64_t *pc)
{
	siginfo_t info;

	if (signo != SIGSEGV || ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0 ||
	    info.si_code != SEGV_ACCERR || !live_get_pc(p, pc) ||
	    (uint64_t)(uintptr_t)info.si_addr != *pc)
		return false;
	const struct point *point = points_find(&l->points, *pc);
	return point && point->client;
}

static void on_signal(struct live *l, struct lwp *p, int signo)
{
	struct user_regs_struct r;
	uint64_t pc;

	if (is_trap_on_stack(l, p, signo, &pc)) {
		live_set_event(p, STOP_SWBREAK, SIGTRAP);
		p->event_pc = pc;
		return;
	}

	/* Job control may well break a system call off; it does so untraced. */
	if (!is_stop_signal(signo) && ptrace(PTRACE_GETREGS, p->tid, NULL, &r) == 0)
		live_hide_interruption(p, &r);
	if (!take_injected(p, signo) && !is_passed(l, p, signo)) {
		live_set_event(p, STOP_SIGNAL, signo);
		return;
	}
	p->deliver = signo;
	live_quiet_stop(l, p);
}

/* True: it was a trap of the stub's own, and nothing of the client's is there. */
static bool on_own_trap(struct live *l, struct lwp *p, const struct point *point)
{
	const struct target_catcher *c = &l->target.catcher;
	uint64_t at = point->addr;
	bool client = point->client || point->trace;

	switch (c->hit ? c->hit(c->arg, &l->target, p->tid, at) : OWN_GO) {
	case OWN_LEFT:
		return true;
	case OWN_STOP:
		live_set_event(p, STOP_OWN, SIGTRAP);
		return true;
	default:
		if (client)
			return false;
		live_quiet_stop(l, p);
		return true;
	}
}

static void on_breakpoint_trap(struct live *l, struct lwp *p, uint64_t pc)
{
	uint64_t at = pc - l->target.arch->pc_after_bp;
	const struct point *point = points_find(&l->points, at);
	bool traced = point && point->trace, client = point && point->client;

	if (point && point->own && on_own_trap(l, p, point))
		return;
	if (point) {
		live_set_event(p, STOP_SWBREAK, SIGTRAP);
		p->traced = traced;
		p->client_hit = client;
		live_take_hit(l, p, at);
	} else if (l->target.alone && !live_trap_before(l, pc)) {
		/* The breakpoint was taken away after it had run into it. */
		(void)live_set_pc(p, at);
		live_quiet_stop(l, p);
	} else {
		live_set_event(p, STOP_SIGNAL, SIGTRAP);
		p->event.addr = live_trap_before(l, pc) ? at : 0;
	}
}

/* A debug register, as DR6 says; false if it was not one of ours. */
static bool on_debug_register(struct live *l, struct lwp *p, uint64_t pc)
{
	if (!x86_dregs_any(&l->dregs))
		return false;
	const struct x86_dreg *r = x86_dregs_hit(&l->dregs, live_take_dr6(p));
	if (!r)
		return false;
	if (r->type == X86_DR_EXEC) {
		live_set_event(p, STOP_HWBREAK, SIGTRAP);
		p->traced = false;
		p->client_hit = true;
		live_take_hit(l, p, pc);
		return true;
	}
	live_set_event(p, STOP_WATCH, SIGTRAP);
	p->event.wp_type = r->type == X86_DR_WRITE ? POINT_WRITE : POINT_ACCESS;
	p->event.addr = r->addr;
	return true;
}

void live_stepped(struct live *l, struct lwp *p, uint64_t pc)
{
	bool ours = (p->hopping || p->followed) && !p->stepping;

	p->hop = p->hopping = p->seen = false;
	if (p->followed)
		live_follow(l, p);
	if (ours || (p->stepping && pc >= p->range_start && pc < p->range_end)) {
		if (ours || l->phase != LIVE_RUNNING || !live_step_in_stead(l, p))
			live_quiet_stop(l, p);
		return;
	}
	live_set_event(p, STOP_SIGNAL, SIGTRAP);
	p->step_done = p->stepping; /* else the program set the trap flag itself */
}

static void on_trap(struct live *l, struct lwp *p)
{
	siginfo_t info = { 0 };
	uint64_t pc = 0;

	if (ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0 || !live_get_pc(p, &pc))
		return; /* killed meanwhile: its exit is on the way */
	switch (info.si_code) {
	case SI_KERNEL: /* int3 on x86 */
		on_breakpoint_trap(l, p, pc);
		return;
	case TRAP_BRKPT: /* the end of a step over a system call, on x86 */
	case TRAP_TRACE:
	case TRAP_HWBKPT:
		if (!on_debug_register(l, p, pc))
			live_stepped(l, p, pc);
		return;
	case SIGTRAP: /* a step that entered a signal handler: ptrace_notify() in the kernel */
		p->in_signal = false;
		live_stepped(l, p, pc);
		return;
	default: /* sent by somebody */
		on_signal(l, p, SIGTRAP);
	}
}

static pid_t event_message(struct lwp *p)
{
	unsigned long msg = 0;
	if (ptrace(PTRACE_GETEVENTMSG, p->tid, NULL, &msg) != 0)
		return 0;
	return (pid_t)msg;
}

static void on_birth(struct live *l, struct lwp *p, pid_t tid, pid_t group)
{
	int status;

	if (lwp_find(l, tid))
		return;
	struct lwp *born = lwp_add(l, tid);
	if (!born)
		return; /* out of memory: it stays stopped until we end */
	born->resumed = p->resumed;
	born->group = group;
	born->newborn = l->target.tells_threads;
	if (p->options & THREAD_TELLS_CLONE) {
		born->resumed = born->newborn = false;
		born->told = true;
		born->event = (struct stop_event){ .tid = tid, .kind = STOP_SIGNAL };
		live_set_event(p, STOP_CLONE, SIGTRAP);
		p->event.addr = (uint64_t)tid;
	}
	/* It stops by itself, once; that stop answers any PTRACE_INTERRUPT. */
	born->asked = l->phase == LIVE_STOPPING;
	if (live_take_early(l, tid, &status))
		live_handle_status(l, tid, status);
}

/* False: it is not there any more. */
static bool await_child(struct live *l, pid_t child)
{
	int status = 0;

	return (live_take_early(l, child, &status) || waitpid(child, &status, __WALL) == child) &&
	       WIFSTOPPED(status);
}

/* A new process is not ours: it goes its way, and our traps are not in it. */
static void release_child(struct live *l, pid_t child, uint64_t flags)
{
	if (!(flags & CLONE_VM)) {
		live_clean_child(l, child);
	} else if (!(flags & CLONE_VFORK) && l->nsharers < SHARERS_MAX) {
		l->sharer[l->nsharers++] = child;
	}
	(void)ptrace(PTRACE_DETACH, child, NULL, NULL);
}

/* Which event it is depends on the signal of the child's end, not on what the child is. */
static void on_clone(struct live *l, struct lwp *p, int event)
{
	pid_t child = event_message(p);
	bool thread = child > 0 && proc_state(lwp_group(l, p), child);
	uint64_t flags = child > 0 && !thread ? live_clone_flags(l, p) : 0;

	if (thread) {
		on_birth(l, p, child, p->group);
	} else if (live_is_companion(event, flags)) {
		on_birth(l, p, child, child);
	} else if (child > 0) {
		if ((flags & CLONE_VFORK) && !p->vforking) {
			p->vforking = true;
			l->nvforks++;
		}
		bool there = await_child(l, child);
		/* Who is told has it stand still: others may need our traps meanwhile. */
		if (there && live_tell_fork(l, p, child, flags))
			return;
		if (flags & CLONE_VM)
			live_lift_points(l);
		if (there)
			release_child(l, child, flags);
	}
	if (!p->pending)
		live_quiet_stop(l, p);
}

static void on_vfork_done(struct live *l, struct lwp *p)
{
	l->nvforks -= p->vforking;
	p->vforking = false;
	if (!live_memory_shared(l))
		live_lower_points(l);
	if (p->tells_done)
		live_set_event(p, STOP_VFORK_DONE, SIGTRAP);
	else
		live_quiet_stop(l, p);
	p->tells_done = false;
}

/* What is left of a thread that has become another program. */
static void renew_lwp(struct lwp *p)
{
	struct lwp fresh = {
		.next = p->next,
		.prev = p->prev,
		.chain = p->chain,
		.tid = p->tid,
		.stopped = true,
		.resumed = true,
	};
	*p = fresh;
}

/*
 * The event comes inside of execve, which still has its result to put into a
 * register.  A step traps on the way out of it, before the first instruction.
 */
static void leave_exec(struct lwp *p)
{
	p->in_exec = p->asked = true;
	p->stopped = false;
	(void)ptrace(PTRACE_SINGLESTEP, p->tid, NULL, NULL);
}

/* Whoever called execve, the survivor has the leader's id; the other threads are gone. */
static void on_exec(struct live *l, struct lwp *p)
{
	live_release_early(l);
	live_release_companions(l);
	for (struct lwp *q = l->first, *next; q; q = next) {
		next = q->next;
		if (q != p)
			lwp_remove(l, q);
	}
	renew_lwp(p);
	if (l->borrows_memory)
		live_remove_points(l); /* out of its parent's */
	l->borrows_memory = false;
	points_clear(&l->points);
	live_forget_displaced(l);
	l->dregs = (struct x86_dregs){ .generation = l->dregs.generation + 1 };
	l->nvforks = l->nsharers = 0;
	l->hopper = NULL;
	if (l->phase == LIVE_HOPPING)
		l->phase = LIVE_STOPPING;
	l->lifted = l->leader_untraced = false;
	l->target.epoch++;
	target_moved(&l->target);
	struct err *err = live_open_image(l);
	if (err) {
		fprintf(stderr, "archerfish: %s\n", err->msg);
		err_drop(err);
	}
	leave_exec(p);
}

/*
 * A thread that PTRACE_INTERRUPT stopped right after it ran into a trap shows
 * the world as the trap left it, and the trap's signal comes only when it goes
 * on.  By then the client may have taken the breakpoint away, so let it come now.
 */
static bool let_trap_come(struct live *l, struct lwp *p, const struct user_regs_struct *r)
{
	if (l->phase == LIVE_RUNNING && p->resumed && !p->wanted)
		return false; /* it goes on anyway */
	/* In a system call, unless it is being stepped over, there is none. */
	bool steps = p->stepping || p->hopping || p->followed;
	if ((!l->points.n && !steps && !x86_dregs_any(&l->dregs)) ||
	    ((int64_t)r->orig_rax >= 0 && !steps) || !live_trap_queued(p) ||
	    ptrace(PTRACE_CONT, p->tid, NULL, NULL) != 0)
		return false;
	p->stopped = false;
	p->asked = true;
	return true;
}

/* PTRACE_EVENT_STOP: the answer to PTRACE_INTERRUPT, a birth, or job control. */
static void on_event_stop(struct live *l, struct lwp *p, int signo)
{
	struct user_regs_struct r;

	if (p->in_exec) {
		leave_exec(p);
		return;
	}
	if (!is_stop_signal(signo))
		l->job_overridden = false;
	p->job_stopped = is_stop_signal(signo) && !l->job_overridden;
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) == 0) {
		if (!p->job_stopped)
			live_hide_interruption(p, &r);
		if (let_trap_come(l, p, &r))
			return;
	}
	if (p->newborn)
		live_set_event(p, STOP_BORN, SIGTRAP);
	else
		live_quiet_stop(l, p); /* live_continue_lwp() keeps a job-control stop */
	p->newborn = false;
}

static void on_event(struct live *l, struct lwp *p, int status)
{
	switch (STATUS_EVENT(status)) {
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		on_clone(l, p, STATUS_EVENT(status));
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
		p->in_signal = true;
		if (p->in_exec) {
			p->in_exec = false;
			p->exec_done = true;
			live_set_event(p, STOP_EXEC, SIGTRAP);
			break;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) /* PTRACE_O_TRACESYSGOOD */
			live_on_syscall(l, p);
		else if (WSTOPSIG(status) == SIGTRAP)
			on_trap(l, p);
		else
			on_signal(l, p, WSTOPSIG(status));
	}
}

static void on_stopped(struct live *l, struct lwp *p, int status)
{
	p->stopped = true;
	p->asked = p->stuck = p->in_signal = false;
	if (p->stepping || p->hopping || p->followed)
		live_repair_flags(l, p);
	live_replace(l, p);
	if (l->hopper == p)
		live_end_hop(l, p);
	if (l->nsharers && !live_memory_shared(l))
		live_lower_points(l);
	if (p->group && STATUS_EVENT(status) == PTRACE_EVENT_EXEC) {
		live_lose_companion(l, p);
		return;
	}
	on_event(l, p, status);
	p->hopping = p->hopping && !p->stopped; /* let_trap_come() */
}

/* The leader's status comes last, and is the process's. */
static void on_process_exit(struct live *l, int status)
{
	live_release_early(l);
	live_release_companions(l);
	if (l->borrows_memory)
		live_remove_points(l);
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

static void note_gone(struct live *l, const struct lwp *p, int status)
{
	l->left |= p->resumed;
	if ((!l->target.tells_threads && !(p->options & THREAD_TELLS_END)) || p->zombie)
		return;
	if (l->ngone == l->gone_cap) {
		size_t cap = l->gone_cap ? l->gone_cap * 2 : 16;
		struct stop_event *more = reallocarray(l->gone, cap, sizeof(*more));
		if (!more)
			return; /* the client finds out by the list of threads */
		l->gone = more;
		l->gone_cap = cap;
	}
	l->gone[l->ngone++] = (struct stop_event){
		.tid = p->tid,
		.kind = STOP_GONE,
		.signo = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	};
}

static void on_thread_exit(struct live *l, struct lwp *p, int status)
{
	if (l->hopper == p)
		live_end_hop(l, p);
	note_gone(l, p, status);
	lwp_remove(l, p);
	if (!l->nvforks && l->lifted && !live_memory_shared(l))
		live_lower_points(l); /* it was the one that waited for a vfork child */
	/* The end of the whole process gives every thread its status. */
	if (l->leader_untraced && l->nlwps == 1 && l->first->zombie)
		on_process_exit(l, status);
}

void live_handle_status(struct live *l, pid_t tid, int status)
{
	struct lwp *p = lwp_find(l, tid);

	if (!p)
		live_route(l, tid, status); /* it is not ours */
	else if (WIFSTOPPED(status))
		on_stopped(l, p, status);
	else if (tid == l->target.pid)
		on_process_exit(l, status);
	else
		on_thread_exit(l, p, status);
}

/*
 * Those that were asked to stop, by their ids: waitpid(-1) goes through all that have stopped
 * before it finds one that is news, which adds up to seconds where there are 5,000.  They stop
 * about in order, so the search ends at some that have not yet.  False: nothing has come.
 */
static bool drain_asked(struct live *l)
{
	unsigned int waiting = 0;
	bool any = false;
	int status;

	for (struct lwp *p = l->first, *next; p && waiting < WAITING_MAX; p = next) {
		size_t threads = l->nlwps;
		next = p->next;
		if (!p->asked || p->stopped)
			continue;
		if (waitpid(p->tid, &status, __WALL | WNOHANG) != p->tid) {
			waiting++;
			continue;
		}
		any = true;
		live_handle_status(l, p->tid, status);
		if (l->exited || l->nlwps != threads)
			break; /* `next' may be gone */
	}
	return any;
}

void live_drain(struct live *l)
{
	int status;
	pid_t tid = 1;
	unsigned int n = 0;

	while (!l->exited && live_read_mail(l))
		;
	for (; !l->exited && n < DRAIN_MAX; n++) {
		while (l->phase == LIVE_STOPPING && !l->exited && drain_asked(l))
			;
		if (l->exited)
			break;
		tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid <= 0)
			break;
		live_route(l, tid, status);
	}
	l->more = n == DRAIN_MAX;
}
