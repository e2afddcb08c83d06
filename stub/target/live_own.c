/* SPDX-License-Identifier: MIT */
/* What the stub itself changes in a live process; see struct target_own_ops. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stub/target/live_priv.h"

void live_guard(struct live *l)
{
	if (!l->guard && (l->points.shared || (!l->points.n && points_share(&l->points))))
		l->guard = guard_start(&l->points, l->mem_fd);
}

static bool poke(struct live *l, uint64_t addr, uint8_t byte)
{
	return pwrite(l->mem_fd, &byte, 1, (off_t)addr) == 1;
}

static struct err *change(struct live *l, uint64_t addr, uint8_t byte, bool scratch)
{
	struct point *p = points_find(&l->points, addr);
	uint8_t saved;

	if (l->points.len != 1)
		return err_new(ERR_UNSUPPORTED, "not on this processor");
	live_guard(l);
	if (!p) {
		if (pread(l->mem_fd, &saved, 1, (off_t)addr) != 1)
			return err_new(ERR_FAULT, "cannot read memory at 0x%llx",
				       (unsigned long long)addr);
		struct err *err = points_add(&l->points, addr, &saved, &p);
		if (err)
			return err;
	}
	p->own = true;
	p->scratch = scratch;
	p->trap[0] = byte;
	if (poke(l, addr, byte))
		return NULL;
	points_drop(&l->points, addr);
	return err_new(ERR_FAULT, "cannot write memory at 0x%llx", (unsigned long long)addr);
}

static struct err *live_trap(struct target *t, uint64_t addr)
{
	struct live *l = to_live(t);
	return change(l, addr, l->points.insn[0], false);
}

static struct err *live_put(struct target *t, uint64_t addr, uint8_t byte, bool scratch)
{
	return change(to_live(t), addr, byte, scratch);
}

static void live_take(struct target *t, uint64_t addr)
{
	struct live *l = to_live(t);
	struct point *p = points_find(&l->points, addr);
	uint8_t now;

	if (!p || !p->own)
		return;
	p->own = false;
	if ((p->client || p->trace) && !l->lifted)
		return;
	if (p->scratch || (pread(l->mem_fd, &now, 1, (off_t)addr) == 1 && now == p->trap[0]))
		(void)poke(l, addr, p->saved[0]);
	if (!p->client && !p->trace)
		points_drop(&l->points, addr);
}

/* Waits for the end of a step; false: it was something else, of which *status tells. */
static bool wait_step(pid_t tid, int *status)
{
	siginfo_t info;
	pid_t got;

	while ((got = waitpid(tid, status, __WALL)) < 0 && errno == EINTR)
		;
	return got == tid && WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGTRAP &&
	       *status >> 16 == 0 && ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 &&
	       (info.si_code == TRAP_TRACE || info.si_code == TRAP_BRKPT);
}

static bool live_step(struct target *t, pid_t tid)
{
	struct live *l = to_live(t);
	struct lwp *p = lwp_find(l, tid);
	uint64_t pc = 0;
	int status = 0;

	if (!p || !p->stopped || !live_get_pc(p, &pc))
		return false;
	const struct point *point = points_find(&l->points, pc);
	bool lift = point && (point->own || !l->lifted);
	if (lift)
		(void)poke(l, pc, point->saved[0]);
	bool started = ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL) == 0;
	bool done = started && wait_step(tid, &status);
	if (lift)
		(void)poke(l, pc, point->trap[0]);
	if (done) {
		p->in_signal = true;
		return true;
	}
	if (started) {
		p->stopped = false;
		live_handle_status(l, tid, status);
	}
	return false;
}

const struct target_own_ops live_own_ops = {
	.trap = live_trap,
	.put = live_put,
	.take = live_take,
	.step = live_step,
};
