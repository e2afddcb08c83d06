/* SPDX-License-Identifier: MIT */
/*
 * A function of the process that a stopped thread calls because we want it to, and a system
 * call that is made to end.
 *
 * The thread runs the function on its own stack, beyond what the ABI lets it use below its
 * stack pointer, under PTRACE_SYSEMU: it stops at each system call, which is not made.  The
 * function returns to a syscall instruction, the vDSO's, and so is caught there too, in three
 * stops altogether: nobody is sent a signal, no code is written.
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

#define BELOW_STACK  512u /* the red zone is 128 bytes */
#define STOPS_MAX    64u  /* on the way: signals, what it writes */
#define LIMIT_MS     5000 /* it waits for nothing */
#define SYSCALL_STOP 0x80 /* PTRACE_O_TRACESYSGOOD */
#define DIRECTION    0x400u
#define TRAP_FLAG    0x100u

/* Kernel: include/linux/errno.h; what a call returns inside that is to be made again. */
#define ERESTARTSYS	      512
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

struct call {
	uint64_t addr, arg;
};

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

enum caught { CAUGHT_AT_CALL, CAUGHT_OTHERWISE };

/* On to the next system call, signal, or event. */
static struct err *go_on(struct live *l, struct lwp *p, struct live_held *held, enum caught *ret)
{
	siginfo_t info;
	int status = 0;

	if (ptrace(PTRACE_SYSEMU, p->tid, NULL, NULL) != 0)
		return err_os("running thread %d", p->tid);
	if (!live_wait(l, p, LIMIT_MS, &status))
		return err_new(ERR_STATE, "a function that we called does not return");
	if (!WIFSTOPPED(status)) {
		live_handle_status(l, p->tid, status);
		return err_new(ERR_STATE, "the thread ended in a function that we called");
	}
	int signo = WSTOPSIG(status) & ~SYSCALL_STOP;
	*ret = CAUGHT_OTHERWISE;
	if (status >> 16)
		return NULL;
	if (signo == SIGTRAP && ptrace(PTRACE_GETSIGINFO, p->tid, NULL, &info) == 0 &&
	    (info.si_code & ~SYSCALL_STOP) == SIGTRAP) {
		*ret = CAUGHT_AT_CALL;
		return NULL;
	}
	if (signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE)
		return err_new(ERR_STATE, "the function failed: %s", strsignal(signo));
	if (held->n == LIVE_HELD_MAX)
		return err_new(ERR_STATE, "thread %d gets signals and nothing else", p->tid);
	if (signo != SIGTRAP)
		held->signo[held->n++] = signo;
	return NULL;
}

/* write(2) is answered as if it had been made; other system calls are not for here. */
static struct err *pretend(const struct lwp *p, struct user_regs_struct *r)
{
	if (r->orig_rax != SYS_write)
		return err_new(ERR_STATE, "the function makes system call %llu",
			       (unsigned long long)r->orig_rax);
	r->rax = r->rdx;
	if (ptrace(PTRACE_SETREGS, p->tid, NULL, r) != 0)
		return err_os("setting the registers of thread %d", p->tid);
	return NULL;
}

/*
 * From the stop at a system call that is not made to one for a signal: only from such a
 * one does the kernel begin again what the thread was stopped in.
 */
static void leave_call(struct live *l, struct lwp *p, struct live_held *held)
{
	for (unsigned int n = 0; n < STOPS_MAX; n++) {
		int status = 0;

		if (ptrace(PTRACE_SINGLESTEP, p->tid, NULL, NULL) != 0)
			return;
		if (!live_wait(l, p, 0, &status))
			return;
		if (!WIFSTOPPED(status)) {
			live_handle_status(l, p->tid, status);
			return;
		}
		if (!(status >> 16) && WSTOPSIG(status) == SIGTRAP)
			return;
		if (!(status >> 16) && held->n < LIVE_HELD_MAX)
			held->signo[held->n++] = WSTOPSIG(status);
	}
}

/* Until it returns to the instruction at @back, with its stack as it was called with. */
static struct err *run(struct live *l, struct lwp *p, uint64_t back, uint64_t sp,
		       struct live_held *held)
{
	struct user_regs_struct r;
	enum caught caught = CAUGHT_OTHERWISE;
	struct err *err = NULL;
	bool returned = false;

	for (unsigned int n = 0; !err && !returned && n < STOPS_MAX; n++) {
		err = go_on(l, p, held, &caught);
		if (err || caught != CAUGHT_AT_CALL)
			continue;
		if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
			return err_os("reading the registers of thread %d", p->tid);
		returned = r.rip == back + l->target.arch->syscall_len && r.rsp == sp;
		if (!returned)
			err = pretend(p, &r);
	}
	if (caught == CAUGHT_AT_CALL)
		leave_call(l, p, held);
	if (!err && !returned)
		err = err_new(ERR_STATE, "a function that we called does not return");
	return err;
}

/* The stack pointer that a return from the function leaves. */
static uint64_t called_sp(const struct saved *s)
{
	return (s->regs.rsp - BELOW_STACK) & ~15ull;
}

static struct err *enter(struct live *l, const struct lwp *p, const struct saved *s,
			 const struct call *c, uint64_t back)
{
	struct user_regs_struct r = s->regs;

	r.rsp = called_sp(s) - sizeof(back);
	if (live_mem_ops.write(l, r.rsp, &back, sizeof(back)) != sizeof(back))
		return err_new(ERR_STATE, "thread %d has no stack to call a function on", p->tid);
	r.rip = c->addr;
	r.rdi = c->arg;
	r.rax = 0;
	r.orig_rax = UINT64_MAX; /* no call that is to be made again */
	r.eflags &= ~(unsigned long long)(DIRECTION | TRAP_FLAG);
	if (ptrace(PTRACE_SETREGS, p->tid, NULL, &r) != 0)
		return err_os("setting the registers of thread %d", p->tid);
	return NULL;
}

static struct err *call_saved(struct live *l, struct lwp *p, const struct call *c)
{
	struct live_held held = { .n = 0 };
	pid_t tid = p->tid;
	uint64_t back;
	struct saved *s = calloc(1, sizeof(*s));
	if (!s)
		return &err_nomem;
	struct err *err = live_syscall_insn(l, &back);
	if (!err)
		err = save(p, s);
	if (!err) {
		err = enter(l, p, s, c, back);
		if (!err)
			err = run(l, p, back, called_sp(s), &held);
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
	const struct call c = { addr, arg };
	struct err *err = call_saved(l, p, &c);
	if (lifts && !l->exited)
		live_lower_points(l);
	mem_invalidate(&t->mem);
	t->regs.generation = 0;
	t->space_stop = 0;
	return err;
}

/* As its registers will be if the system call that it was stopped in fails with EINTR. */
bool live_interrupted(const struct lwp *p, struct user_regs_struct *ret)
{
	struct user_regs_struct r;

	if (!live_can_call(p) || ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0 ||
	    (int64_t)r.orig_rax < 0 || r.cs != LIVE_USER_CS64)
		return false;
	int64_t result = -(int64_t)r.rax;
	if (result != ERESTARTSYS && result != ERESTARTNOHAND && result != ERESTART_RESTARTBLOCK)
		return false;
	r.rax = (uint64_t)-EINTR;
	r.orig_rax = UINT64_MAX;
	*ret = r;
	return true;
}

bool live_wake(struct target *t, pid_t tid)
{
	struct live *l = to_live(t);
	const struct lwp *p = lwp_find(l, tid);
	struct user_regs_struct r;

	if (!p || !live_interrupted(p, &r) || ptrace(PTRACE_SETREGS, tid, NULL, &r) != 0)
		return false;
	t->regs.generation = 0;
	return true;
}
