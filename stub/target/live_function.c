/* SPDX-License-Identifier: MIT */
/*
 * A function of the process that a stopped thread calls because we want it to, and a system
 * call that is made to end.
 *
 * The thread goes through the function step by step, on its own stack beyond what the ABI
 * lets it use below its stack pointer, and returns to address 0, where it is caught before
 * anything happens: nobody is sent a signal, no code is written, no mask is changed.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "stub/target/live_priv.h"

#define BELOW_STACK 512u    /* the red zone is 128 bytes */
#define STEPS_MAX   400000u /* a symbol may have to be looked up first */
#define DIRECTION   0x400u
#define TRAP_FLAG   0x100u

/* Kernel: include/linux/errno.h; what a call returns inside that is to be made again. */
#define ERESTARTSYS	      512
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

/* What of a thread has to be put back. */
struct saved {
	struct user_regs_struct regs;
	siginfo_t info;
	bool has_info;
	uint64_t mask;
	bool masked;
	struct iovec vectors;
	uint8_t xsave[REGSET_MAX];
};

static struct err *save(const struct lwp *p, struct saved *s)
{
	s->has_info = p->in_signal && ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &s->info) == 0;
	s->vectors = (struct iovec){ s->xsave, sizeof(s->xsave) };
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &s->regs) != 0)
		return err_os("reading the registers of thread %d", p->tid);
	if (ptrace(PTRACE_GETREGSET, p->tid, (void *)NT_X86_XSTATE, &s->vectors) != 0)
		s->vectors.iov_len = 0;
	if (s->regs.cs != LIVE_USER_CS64)
		return err_new(ERR_STATE, "thread %d is in 32-bit code", p->tid);
	s->masked = live_unmask_trap(p, &s->mask);
	return NULL;
}

static struct err *restore(struct live *l, struct lwp *p, struct saved *s)
{
	pid_t tid = p->tid;

	if (!lwp_find(l, tid))
		return NULL; /* it is gone */
	if (s->masked)
		live_remask(tid, s->mask);
	if (s->vectors.iov_len)
		(void)ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &s->vectors);
	if (ptrace(PTRACE_SETREGS, tid, NULL, &s->regs) != 0)
		return err_os("setting the registers of thread %d", tid);
	if (s->has_info)
		(void)ptrace(PTRACE_SETSIGINFO, tid, NULL, &s->info);
	p->in_signal = true; /* the stop is one for a signal now */
	(void)live_take_dr6(p);
	return NULL;
}

/* The next instruction is a system call: write(2) is answered, others are not for here. */
static struct err *pretend(struct live *l, struct lwp *p, struct user_regs_struct *r, bool *done)
{
	const struct arch *a = l->target.arch;
	uint8_t bytes[8];

	*done = a->syscall_len <= sizeof(bytes) &&
		live_read_code(l, r->rip, bytes, a->syscall_len) == a->syscall_len &&
		memcmp(bytes, a->syscall_insn, a->syscall_len) == 0;
	if (!*done)
		return NULL;
	if (r->rax != SYS_write)
		return err_new(ERR_STATE, "the function makes system call %llu",
			       (unsigned long long)r->rax);
	r->rax = r->rdx;
	r->rip += a->syscall_len;
	if (ptrace(PTRACE_SETREGS, p->tid, NULL, r) != 0)
		return err_os("setting the registers of thread %d", p->tid);
	return NULL;
}

static struct err *step(struct live *l, struct lwp *p, struct live_held *held)
{
	int status = 0;

	if (ptrace(PTRACE_SINGLESTEP, p->tid, NULL, NULL) != 0)
		return err_os("stepping thread %d", p->tid);
	while (waitpid(p->tid, &status, __WALL) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(status)) {
		live_handle_status(l, p->tid, status);
		return err_new(ERR_STATE, "the thread ended in a function that we called");
	}
	int signo = WSTOPSIG(status);
	if (status >> 16 || signo == SIGTRAP)
		return NULL;
	if (signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE)
		return err_new(ERR_STATE, "the function failed: %s", strsignal(signo));
	if (held->n == LIVE_HELD_MAX)
		return err_new(ERR_STATE, "thread %d gets signals and nothing else", p->tid);
	held->signo[held->n++] = signo;
	return NULL;
}

static struct err *run(struct live *l, struct lwp *p, struct live_held *held)
{
	struct user_regs_struct r;
	bool pretended;

	for (unsigned int n = 0; n < STEPS_MAX; n++) {
		if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
			return err_os("reading the registers of thread %d", p->tid);
		if (!r.rip)
			return NULL;
		struct err *err = pretend(l, p, &r, &pretended);
		if (!err && !pretended)
			err = step(l, p, held);
		if (err)
			return err;
	}
	return err_new(ERR_STATE, "a function that we called does not return");
}

static struct err *enter(struct live *l, const struct lwp *p, const struct saved *s, uint64_t addr,
			 uint64_t arg)
{
	static const uint64_t nowhere;
	struct user_regs_struct r = s->regs;

	r.rsp = ((r.rsp - BELOW_STACK) & ~15ull) - sizeof(nowhere);
	if (live_mem_ops.write(l, r.rsp, &nowhere, sizeof(nowhere)) != sizeof(nowhere))
		return err_new(ERR_STATE, "thread %d has no stack to call a function on", p->tid);
	r.rip = addr;
	r.rdi = arg;
	r.rax = 0;
	r.orig_rax = UINT64_MAX; /* no call that is to be made again */
	r.eflags &= ~(unsigned long long)(DIRECTION | TRAP_FLAG);
	if (ptrace(PTRACE_SETREGS, p->tid, NULL, &r) != 0)
		return err_os("setting the registers of thread %d", p->tid);
	return NULL;
}

static struct err *call_saved(struct live *l, struct lwp *p, uint64_t addr, uint64_t arg)
{
	struct live_held held = { .n = 0 };
	pid_t tid = p->tid;
	struct saved *s = calloc(1, sizeof(*s));
	if (!s)
		return &err_nomem;
	struct err *err = save(p, s);
	if (!err) {
		err = enter(l, p, s, addr, arg);
		if (!err)
			err = run(l, p, &held);
		struct err *last = lwp_find(l, tid) ? restore(l, p, s) : NULL;
		if (err)
			err_drop(last);
		else
			err = last;
		if (lwp_find(l, tid))
			live_send_held(l, p, &held);
	}
	free(s);
	return err;
}

struct err *live_function(struct target *t, pid_t tid, uint64_t addr, uint64_t arg)
{
	struct live *l = to_live(t);

	if (l->phase != LIVE_STOPPED || l->exited)
		return err_new(ERR_STATE, "the process runs");
	struct lwp *p = tid ? lwp_find(l, tid) : live_choose_caller(l);
	if (!p || !live_can_call(p))
		return err_new(ERR_STATE, "no thread is where it can call a function");
	bool lifts = l->points.n && !l->lifted;
	if (lifts)
		live_lift_points(l);
	struct err *err = call_saved(l, p, addr, arg);
	if (lifts && !l->exited)
		live_lower_points(l);
	mem_invalidate(&t->mem);
	t->regs.generation = 0;
	t->space_stop = 0;
	return err;
}

bool live_wake(struct target *t, pid_t tid)
{
	struct live *l = to_live(t);
	const struct lwp *p = lwp_find(l, tid);
	struct user_regs_struct r;

	if (!p || !live_can_call(p) || ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0 ||
	    (int64_t)r.orig_rax < 0)
		return false;
	int64_t result = -(int64_t)r.rax;
	if (result != ERESTARTSYS && result != ERESTARTNOHAND && result != ERESTART_RESTARTBLOCK)
		return false;
	r.rax = (uint64_t)-EINTR;
	r.orig_rax = UINT64_MAX;
	if (ptrace(PTRACE_SETREGS, tid, NULL, &r) != 0)
		return false;
	t->regs.generation = 0;
	return true;
}
