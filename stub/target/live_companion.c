/* SPDX-License-Identifier: MIT */
/*
 * Companions: processes that a clone(2) with CLONE_VM, but without CLONE_THREAD, has made
 * and whose end sends no SIGCHLD.  They run our program in our memory, traps included, and
 * gdbserver has them as threads; so they are here.  The kernel sees processes: they have a
 * thread group of their own, and live on when ours ends or becomes another program.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "stub/target/live_priv.h"

bool live_is_companion(int event, uint64_t flags)
{
	return event == PTRACE_EVENT_CLONE && (flags & CLONE_VM) && !(flags & CLONE_VFORK);
}

/* False: it is gone. */
static bool stop_now(const struct lwp *p)
{
	int status = 0;
	pid_t got;

	if (p->stopped)
		return true;
	if (!p->asked && ptrace(PTRACE_INTERRUPT, p->tid, NULL, NULL) != 0)
		return false;
	do
		got = waitpid(p->tid, &status, __WALL);
	while (got < 0 && errno == EINTR);
	return got == p->tid && WIFSTOPPED(status);
}

void live_lose_companion(struct live *l, struct lwp *p)
{
	live_clear_dregs(p);
	(void)ptrace(PTRACE_DETACH, p->tid, NULL, (long)p->deliver);
	if (l->hopper == p)
		l->hopper = NULL;
	lwp_remove(l, p);
}

void live_release_companions(struct live *l)
{
	for (struct lwp *p = l->first, *next; p; p = next) {
		next = p->next;
		if (!p->group)
			continue;
		if (stop_now(p))
			live_clean_child(l, p->tid);
		live_lose_companion(l, p);
	}
}

void live_kill_companions(struct live *l)
{
	for (const struct lwp *p = l->first; p; p = p->next)
		if (p->group)
			(void)kill(p->group, SIGKILL);
}
