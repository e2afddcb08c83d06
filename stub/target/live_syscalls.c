/* SPDX-License-Identifier: MIT */
/*
 * The beginning and end of system calls, as events: ptrace(2), "Syscall-stops".
 *
 * A thread that steps is not stopped there; the step over a call ends behind it.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "stub/target/live_priv.h"

static bool is_caught(const struct live *l, uint64_t number)
{
	const struct target_catches *c = &l->target.catches;

	return c->any &&
	       (c->all || (number < SYSCALLS_MAX && (c->bits[number / 8] >> number % 8 & 1)));
}

int live_continue_request(const struct live *l)
{
	return l->target.catches.any ? PTRACE_SYSCALL : PTRACE_CONT;
}

/* The kernel says which it is since Linux 5.3; before, a call that begins has -ENOSYS as its result. */
static bool is_entry(const struct lwp *p, const struct user_regs_struct *r)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, p->tid, (void *)sizeof(info), &info) > 0)
		return info.op == PTRACE_SYSCALL_INFO_ENTRY;
	return (int64_t)r->rax == -ENOSYS;
}

void live_on_syscall(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;

	p->in_signal = false;
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
		return; /* killed meanwhile: its exit is on the way */
	if (!is_caught(l, r.orig_rax)) {
		live_quiet_stop(l, p);
		return;
	}
	live_set_event(p, is_entry(p, &r) ? STOP_SYSCALL_ENTRY : STOP_SYSCALL_RETURN, SIGTRAP);
	p->event.addr = r.orig_rax;
}

void live_exec_returns(struct live *l, struct lwp *p)
{
	const uint64_t number = l->target.arch->addr_size == 4 ? 11 : SYS_execve;

	p->exec_done = false;
	if (!is_caught(l, number))
		return;
	live_set_event(p, STOP_SYSCALL_RETURN, SIGTRAP);
	p->event.addr = number;
}
