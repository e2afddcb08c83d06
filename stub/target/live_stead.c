/* SPDX-License-Identifier: MIT */
/*
 * Steps done in the thread's stead: a step by the trap flag costs two switches of tasks and a
 * fault, what most instructions do is a few assignments.  What arch/x86_emulate.h leaves to the
 * processor, the processor does, and the thread is where steps would have brought it.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <time.h>

#include "arch/x86_emulate.h"
#include "stub/target/live_priv.h"

#define AT_ONCE_MAX 10000u /* instructions; then it is the others' turn, and the client's */
#define CODE_SIZE   256u   /* of the program's, at a time */
/* Of so many steps one is the processor's if other threads are to run: they do only then. */
#define TURNS	    16u
#define STEP_NS	    1000000 /* mostly it has long happened */

struct code {
	uint64_t from;
	size_t len;
	uint8_t bytes[CODE_SIZE];
};

/*
 * Nothing but the step is to happen to it.  A thread that stopped otherwise than by a trap
 * steps by the processor once: the kernel still has that stop's siginfo.
 */
static bool is_plain(const struct live *l, const struct lwp *p)
{
	bool to_do = p->pending || p->deliver || p->wanted || p->exec_done || p->in_exec;
	bool on_its_way = p->hop || p->hopping || p->followed || p->vforking || p->job_stopped;

	return p->resumed && p->stepping && p->stopped && !p->zombie && !to_do && !on_its_way &&
	       !l->lifted && !l->nvforks && !l->nsharers && p->event.signo == SIGTRAP;
}

static bool in_range(const struct lwp *p, uint64_t pc)
{
	return pc >= p->range_start && pc < p->range_end;
}

/* The instruction at r->rip.  False: it is the processor's, or has a breakpoint. */
static bool do_one(struct live *l, struct lwp *p, struct code *c, struct user_regs_struct *r)
{
	if (points_find(&l->points, r->rip))
		return false;
	if (r->rip < c->from || r->rip - c->from + X86_INSN_MAX > c->len) {
		c->from = r->rip;
		c->len = live_read_code(l, r->rip, c->bytes, sizeof(c->bytes));
	}
	size_t at = (size_t)(r->rip - c->from);
	return live_emulate(l, p, c->bytes + at, c->len - at, r);
}

bool live_step_in_stead(struct live *l, struct lwp *p)
{
	struct code code = { 0 };
	struct user_regs_struct r;
	unsigned int n = 0;

	/* On its way out of a system call the kernel may have its program counter go back. */
	if (!is_plain(l, p) || ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0 ||
	    (int64_t)r.orig_rax >= 0)
		return false;
	while (n < AT_ONCE_MAX && do_one(l, p, &code, &r)) {
		n++;
		if (!in_range(p, r.rip))
			break;
	}
	if (!n || ptrace(PTRACE_SETREGS, p->tid, NULL, &r) != 0 || in_range(p, r.rip))
		return false;
	live_set_event(p, STOP_SIGNAL, SIGTRAP);
	p->step_done = true;
	return true;
}

bool live_steps_in_stead(struct live *l)
{
	struct lwp *stepping = NULL;
	size_t running = 0;

	for (struct lwp *p = l->first; p; p = p->next) {
		running += p->resumed && !p->zombie;
		if (p->resumed && p->stepping)
			stepping = p;
	}
	if (!stepping || (running > 1 && ++l->turn % TURNS == 0))
		return false;
	return live_step_in_stead(l, stepping);
}

void live_await_step(struct live *l)
{
	const struct timespec patience = { 0, STEP_NS };
	const struct lwp *running = NULL;
	sigset_t child;

	for (const struct lwp *p = l->first; p; p = p->next) {
		if (p->stopped || p->zombie)
			continue;
		if (running || !p->stepping || p->range_end)
			return;
		running = p;
	}
	if (!running)
		return;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigtimedwait(&child, NULL, &patience);
}
