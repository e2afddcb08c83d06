/* SPDX-License-Identifier: MIT */
/*
 * Hits of breakpoints that are judged before anybody is told.
 *
 * A hit that is not to be told must cost the program as little as possible: the other
 * threads run on, and the thread itself is sent over the instruction by emulating it,
 * with the trap left where it is.  What can't be emulated the thread executes elsewhere
 * (live_displace.c), or alone: all others are stopped meanwhile, since the trap has to be
 * taken out (a hop).
 *
 * Judging is done once for each hit: a breakpoint may have commands.  One that comes
 * while all are being stopped waits; it is told, judged or forgotten when the client
 * resumes the thread.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "arch/x86_emulate.h"
#include "stub/target/live_priv.h"

#define HOP_PATIENCE_MS 20
#define CHASE_NS	30000 /* about as long as a hit and what led to it take */
#define CHASE_MAX	64u   /* hits; then it is the others' turn, and the client's */

struct emulation {
	struct live *live;
	struct lwp *lwp;
};

/* As the program itself may: neither past protections nor into what is not there yet. */
static bool read_own(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct emulation *e = ctx;
	struct iovec here = { buf, len }, there = { (void *)(uintptr_t)addr, len };
	return process_vm_readv(e->lwp->tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

static bool write_own(void *ctx, uint64_t addr, const void *buf, size_t len)
{
	const struct emulation *e = ctx;
	struct iovec here = { (void *)(uintptr_t)buf, len },
		     there = { (void *)(uintptr_t)addr, len };
	return !points_overlap(&e->live->points, addr, len) &&
	       process_vm_writev(e->lwp->tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

#define NT_X86_SHSTK_SET 0x204 /* <linux/elf.h> since 6.6 */

static bool has_shadow_stack(void *ctx)
{
	const struct emulation *e = ctx;
	uint64_t pointer;
	struct iovec iov = { &pointer, sizeof(pointer) };
	return ptrace(PTRACE_GETREGSET, e->lwp->tid, (void *)NT_X86_SHSTK_SET, &iov) == 0;
}

static bool watches_data(const struct live *l)
{
	for (size_t i = 0; i < X86_DREGS; i++)
		if (l->dregs.reg[i].refs)
			return true;
	return false;
}

/*
 * The processor would stop at a watched place, or for a trap flag of the program's own.  In
 * 32-bit code the same bytes are other instructions.
 */
bool live_emulate(struct live *l, struct lwp *p, const uint8_t *code, size_t len,
		  struct user_regs_struct *r)
{
	struct emulation e = { l, p };
	const struct x86_memory mem = { read_own, write_own, has_shadow_stack, &e };

	return !watches_data(l) && !(r->eflags & 0x100) && r->cs == LIVE_USER_CS64 &&
	       x86_emulate(code, len, r, &mem);
}

static bool emulate(struct live *l, struct lwp *p, struct user_regs_struct *r)
{
	uint8_t code[X86_INSN_MAX];
	size_t n = live_read_code(l, r->rip, code, sizeof(code));

	return live_emulate(l, p, code, n, r) && ptrace(PTRACE_SETREGS, p->tid, NULL, r) == 0;
}

static bool is_told(struct live *l, struct lwp *p, const struct user_regs_struct *r)
{
	const struct target_judge *judge = l->target.judge;
	uint8_t regset[sizeof(*r)];
	struct target_hit hit = {
		.tid = p->tid,
		.type = p->event.kind == STOP_HWBREAK ? POINT_HW : POINT_SW,
		.addr = p->event_pc,
		.traced = p->traced,
		.client = p->client_hit,
		.regset = regset,
		.regset_size = live_put_gprs(l, r, regset, sizeof(regset)),
	};
	/* It was there when the thread ran into it; or a tracepoint was, of a run that is over. */
	if (!judge || (!p->client_hit && !judge->follows))
		return p->client_hit;
	target_moved(&l->target); /* nothing that was read before is true now */
	bool told = judge->is_told(judge->ctx, &hit);
	if (p->traced && judge->follows && judge->follows(judge->ctx, p->tid))
		p->followed = true;
	return told;
}

void live_follow(struct live *l, struct lwp *p)
{
	const struct target_judge *judge = l->target.judge;
	struct user_regs_struct r;

	uint8_t regset[sizeof(r)];

	p->followed = judge && judge->stepped && ptrace(PTRACE_GETREGS, p->tid, NULL, &r) == 0;
	if (!p->followed)
		return;
	struct target_hit hit = {
		.tid = p->tid,
		.type = POINT_SW,
		.addr = r.rip,
		.regset = regset,
		.regset_size = live_put_gprs(l, &r, regset, sizeof(regset)),
	};
	target_moved(&l->target);
	p->followed = judge->stepped(judge->ctx, &hit);
}

/* Judges the hit that @p has pending.  False: it goes on, once any hop is done. */
static bool judge(struct live *l, struct lwp *p)
{
	struct user_regs_struct r;

	p->unjudged = false;
	if (ptrace(PTRACE_GETREGS, p->tid, NULL, &r) != 0)
		return true; /* it is being killed */
	r.rip = p->event_pc;
	if (is_told(l, p, &r)) {
		(void)live_set_pc(p, p->event_pc);
		p->seen = p->traced;
		return true;
	}
	p->pending = false;
	l->passed = p->tid;
	if (p->event.kind == STOP_HWBREAK)
		return false; /* the kernel has the processor pass it once */
	if (!emulate(l, p, &r)) {
		(void)live_set_pc(p, p->event_pc);
		p->hop = true;
		return false;
	}
	if (p->stepping || p->followed)
		live_stepped(l, p, r.rip);
	return p->pending;
}

/* The client may have sent the thread elsewhere, or taken the breakpoint away. */
static bool must_hop(struct live *l, struct lwp *p)
{
	uint64_t pc = 0;

	/* The client has been told, and its breakpoint is out of the way: the tracepoint is not. */
	if (p->seen) {
		const struct point *point = points_find(&l->points, p->event_pc);
		p->hop |= point && point->trace && !point->client;
		p->seen = false;
	}
	if (p->hop && (l->lifted || !points_find(&l->points, p->event_pc) || !live_get_pc(p, &pc) ||
		       pc != p->event_pc))
		p->hop = false;
	return p->hop;
}

void live_get_over(struct live *l, struct lwp *p)
{
	if (must_hop(l, p) && !live_displace(l, p))
		live_ask_to_stop(l);
	else if (p->stopped)
		live_continue_lwp(l, p, p->deliver);
}

void live_take_hit(struct live *l, struct lwp *p, uint64_t at)
{
	p->event_pc = at;
	if (!l->target.judge && p->client_hit) {
		(void)live_set_pc(p, at);
		return;
	}
	if (l->phase != LIVE_RUNNING || !p->resumed) {
		(void)live_set_pc(p, at);
		p->unjudged = true;
		return;
	}
	if (judge(l, p))
		return;
	if (p->hop)
		live_get_over(l, p);
	else if (p->stopped)
		live_quiet_stop(l, p);
}

static int64_t now_ns(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* By its id: asking for any child costs more the more there are. */
static void take_one(struct live *l, pid_t tid)
{
	int status;

	l->passed = 0;
	if (waitpid(tid, &status, __WALL | WNOHANG) == tid)
		live_handle_status(l, tid, status);
}

void live_chase_hits(struct live *l)
{
	pid_t tid = l->passed;
	int64_t last = tid ? now_ns() : 0;
	unsigned int n = 0;

	while (tid && n < CHASE_MAX && l->phase == LIVE_RUNNING && !l->exited) {
		take_one(l, tid);
		int64_t now = now_ns();
		if (l->passed) {
			last = now;
			n++;
		} else if (now - last > CHASE_NS) {
			break;
		}
	}
	l->target.busy = n == CHASE_MAX;
	l->passed = 0;
}

static void start_hop(struct live *l, struct lwp *p)
{
	bool stepping = p->stepping;

	live_lift_point(l, p->event_pc);
	l->hopper = p;
	l->hopping_since = live_now_ms();
	l->phase = LIVE_HOPPING;
	p->hop = false;
	p->stepping = true;
	live_continue_lwp(l, p, p->deliver);
	p->stepping = stepping;
	p->hopping = true;
}

void live_end_hop(struct live *l, struct lwp *p)
{
	uint64_t pc;

	live_lower_point(l, p->event_pc);
	l->hopper = NULL;
	if (l->phase == LIVE_HOPPING)
		l->phase = LIVE_STOPPING;
	/* Stopped by a signal before it got anywhere; after a step this is taken back. */
	p->hop = live_get_pc(p, &pc) && pc == p->event_pc;
}

bool live_settle_hits(struct live *l)
{
	struct lwp *hopper = NULL;
	bool tells = false;

	for (struct lwp *p = l->first; p; p = p->next)
		if (p->resumed && p->stopped && p->pending && p->unjudged && !p->zombie)
			tells |= judge(l, p);
	if (tells && !l->target.alone) {
		l->phase = LIVE_STOPPING;
		return false;
	}
	for (struct lwp *p = l->first; p && !hopper; p = p->next)
		if (p->resumed && p->stopped && !p->pending && !p->zombie && must_hop(l, p) &&
		    !live_displace(l, p))
			hopper = p;
	if (hopper)
		start_hop(l, hopper);
	return !hopper;
}

void live_start_one(struct live *l, struct lwp *p)
{
	if (p->pending && p->unjudged && judge(l, p))
		return;
	if (must_hop(l, p))
		live_get_over(l, p);
	else
		live_continue_lwp(l, p, p->deliver);
}

/* In a system call: the instruction was fetched, and the trap may be put back. */
void live_look_after_hop(struct live *l)
{
	struct lwp *p = l->hopper;
	char state;

	l->target.wait_ms = HOP_PATIENCE_MS;
	if (!p || p->stopped || live_now_ms() - l->hopping_since < HOP_PATIENCE_MS)
		return;
	state = proc_state(lwp_group(l, p), p->tid);
	if (state != 'S' && state != 'D')
		return;
	live_lower_point(l, p->event_pc);
	l->hopper = NULL;
	l->phase = LIVE_STOPPING;
	live_go_on(l);
}
