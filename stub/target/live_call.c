/* SPDX-License-Identifier: MIT */
/*
 * A system call that a stopped process makes because we want it to.
 *
 * A thread's registers are set to the call's and it steps over a syscall instruction
 * that is there already, the vDSO's: nothing is written to the process's memory.  Then
 * it has its registers back, with them the call it may have been stopped in, which the
 * kernel begins again when the thread goes on (ptrace(2), "Syscall-stops").
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

#define VDSO_MAX   65536u
#define LOOK_EVERY 500u /* naps, of some 60 us each */
#define NAPS_A_MS  15u
#define TRIES_MAX  LIVE_HELD_MAX /* stops for signals before the step is done */

bool live_can_call(const struct lwp *p)
{
	siginfo_t info;

	if (!p->stopped || p->group || p->zombie || p->vforking || p->stuck || p->in_exec ||
	    p->job_stopped || ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) != 0)
		return false;
	int event = info.si_signo == SIGTRAP && info.si_code > 0 ? info.si_code >> 8 : 0;
	return !event || event == PTRACE_EVENT_STOP;
}

struct lwp *live_choose_caller(struct live *l)
{
	for (struct lwp *p = l->first; p; p = p->next)
		if (live_can_call(p))
			return p;
	return NULL;
}

struct err *live_syscall_insn(struct live *l, uint64_t *ret)
{
	static uint8_t const none[1];
	const struct arch *a = l->target.arch;
	const struct space *space;
	uint8_t bytes[VDSO_MAX];
	const uint8_t *at = none;

	struct err *err = target_space(&l->target, &space);
	if (err)
		return err;
	for (size_t i = 0; i < space->maps->n; i++) {
		const struct map *m = &space->maps->map[i];
		if (strcmp(m->path, "[vdso]") != 0 || m->end - m->start > sizeof(bytes))
			continue;
		ssize_t n = pread(l->mem_fd, bytes, m->end - m->start, (off_t)m->start);
		at = n > 0 ? memmem(bytes, (size_t)n, a->syscall_insn, a->syscall_len) : NULL;
		if (at) {
			*ret = m->start + (uint64_t)(at - bytes);
			return NULL;
		}
	}
	return err_new(ERR_NOT_FOUND, "the process has no vDSO to make a system call in");
}

void live_send_held(struct live *l, const struct lwp *p, const struct live_held *h)
{
	for (int i = 0; i < h->n; i++)
		(void)syscall(SYS_tgkill, lwp_group(l, p), p->tid, h->signo[i]);
}

/* A leader that ended says so to its tracer after its threads, which wait for us. */
static bool is_dead_leader(const struct live *l, const struct lwp *p)
{
	return p->tid == l->target.pid && proc_state(p->tid, p->tid) == 'Z';
}

bool live_wait(const struct live *l, const struct lwp *p, unsigned int limit_ms, int *status)
{
	const struct timespec nap = { 0, 10000 };
	bool asked = false;
	pid_t got;

	for (unsigned int n = 1;; n++) {
		got = waitpid(p->tid, status, __WALL | WNOHANG);
		if (got > 0)
			return !asked;
		if (got < 0 && errno != EINTR)
			return false;
		if (n % LOOK_EVERY == 0 && is_dead_leader(l, p))
			return false;
		if (limit_ms && !asked && n > limit_ms * NAPS_A_MS)
			asked = ptrace(PTRACE_INTERRUPT, p->tid, NULL, NULL) == 0;
		(void)nanosleep(&nap, NULL);
	}
}

/* Steps until the instruction at @insn is done. */
static struct err *step_over(struct live *l, struct lwp *p, uint64_t insn, struct live_held *held)
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		uint64_t pc = insn;
		int status = 0;

		if (ptrace(PTRACE_SINGLESTEP, p->tid, NULL, NULL) != 0)
			return err_os("stepping thread %d", p->tid);
		if (!live_wait(l, p, 0, &status))
			return err_new(ERR_STATE, "the process is ending");
		if (!WIFSTOPPED(status)) {
			live_handle_status(l, p->tid, status);
			return err_new(ERR_STATE, "the thread ended in a system call of ours");
		}
		if (!live_get_pc(p, &pc) || pc != insn)
			return NULL;
		if (!(status >> 16) && WSTOPSIG(status) != SIGTRAP)
			held->signo[held->n++] = WSTOPSIG(status);
	}
	return err_new(ERR_STATE, "thread %d gets signals and nothing else", p->tid);
}

static void set_call(struct user_regs_struct *r, uint64_t insn, const struct space_syscall *call)
{
	r->rip = insn;
	r->rax = (uint64_t)call->nr;
	r->orig_rax = UINT64_MAX; /* no call that is to be made again */
	r->rdi = call->arg[0];
	r->rsi = call->arg[1];
	r->rdx = call->arg[2];
	r->r10 = call->arg[3];
	r->r8 = call->arg[4];
	r->r9 = call->arg[5];
}

/* linux/ptrace.h; glibc's sys/ptrace.h has them since 2.34 under the same names */
#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

bool live_unmask_trap(const struct lwp *p, uint64_t *was)
{
	if (ptrace(PTRACE_GETSIGMASK, p->tid, (void *)sizeof(*was), was) != 0 ||
	    !(*was & 1ull << (SIGTRAP - 1)))
		return false;
	uint64_t mask = *was & ~(1ull << (SIGTRAP - 1));
	return ptrace(PTRACE_SETSIGMASK, p->tid, (void *)sizeof(mask), &mask) == 0;
}

void live_remask(pid_t tid, uint64_t was)
{
	(void)ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof(was), &was);
}

static struct err *call_in(struct live *l, struct lwp *p, uint64_t insn,
			   const struct space_syscall *call, uint64_t *ret)
{
	struct user_regs_struct saved, r;
	struct live_held held = { .n = 0 };
	siginfo_t info;
	bool had_info = p->in_signal && ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) == 0;

	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &saved) != 0)
		return err_os("reading the registers of thread %d", p->tid);
	if (saved.cs != LIVE_USER_CS64)
		return err_new(ERR_STATE, "thread %d is in 32-bit code", p->tid);
	r = saved;
	set_call(&r, insn, call);
	if (ptrace(PTRACE_SETREGS, p->tid, NULL, &r) != 0)
		return err_os("setting the registers of thread %d", p->tid);
	pid_t tid = p->tid;
	uint64_t mask;
	bool masked = live_unmask_trap(p, &mask);
	struct err *err = step_over(l, p, insn, &held);
	if (!lwp_find(l, tid))
		return err; /* it is gone, and @p with it */
	if (masked)
		live_remask(tid, mask);
	if (!err && ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0)
		err = err_os("reading the registers of thread %d", tid);
	if (ptrace(PTRACE_SETREGS, tid, NULL, &saved) != 0 && !err)
		err = err_os("setting the registers of thread %d", tid);
	/* The stop is one for a signal now: the one that it was for, if it was. */
	if (had_info)
		(void)ptrace(PTRACE_SETSIGINFO, tid, NULL, &info);
	p->in_signal = true;
	(void)live_take_dr6(p);
	live_send_held(l, p, &held);
	*ret = r.rax;
	return err;
}

static struct err *live_syscall(struct target *t, const struct space_syscall *call, uint64_t *ret)
{
	struct live *l = to_live(t);
	uint64_t insn;

	if (l->phase != LIVE_STOPPED || l->exited)
		return err_new(ERR_STATE, "the process runs");
	struct lwp *p = live_choose_caller(l);
	if (!p)
		return err_new(ERR_STATE, "no thread is where it can make a system call");
	struct err *err = live_syscall_insn(l, &insn);
	if (!err)
		err = live_check_seccomp(p->tid, call, insn + l->target.arch->syscall_len);
	if (!err)
		err = call_in(l, p, insn, call, ret);
	/* Memory and mappings may differ now, though nobody has moved. */
	mem_invalidate(&t->mem);
	t->space_stop = 0;
	return err;
}

const struct target_call_ops live_call_ops = {
	.syscall = live_syscall,
	.function = live_function,
	.wake = live_wake,
	.detour = live_detour,
};
