/* SPDX-License-Identifier: MIT */
/*
 * What happens at our traps.
 *
 * All handlers of the evaluation loop are reached by the same jumps, so the registers at
 * the handler of undefined opcodes are what any handler finds: the loop's pointer at the
 * instruction (to 3.10 past it), the argument, and in some builds the opcode.  Sending the
 * thread to another handler is then a matter of the pc and of that opcode.
 *
 * Only the thread of the hit is known to be stopped.  It holds the GIL, so what it could
 * read of Python's objects itself can be read for it.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/pybreak_priv.h"

#define FREEZE_EVERY 256u  /* hits; a counter lasts for 4095 */
#define SETTLE_TRIES 4096u /* instructions until nothing looks like it any more */
#define INTERPS_MAX  64u
#define THREADS_MAX  10000u
#define GPRS	     15u
#define ALL_GPRS     ((1u << GPRS) - 1)

static const uint16_t gprs[GPRS] = {
#define GPR(name) offsetof(struct user_regs_struct, name)
	GPR(rax), GPR(rbx), GPR(rcx), GPR(rdx), GPR(rsi), GPR(rdi), GPR(rbp), GPR(r8),
	GPR(r9),  GPR(r10), GPR(r11), GPR(r12), GPR(r13), GPR(r14), GPR(r15),
#undef GPR
};

static uint64_t get_gpr(const struct user_regs_struct *r, size_t i)
{
	uint64_t v;
	memcpy(&v, (const char *)r + gprs[i], sizeof(v));
	return v;
}

static void set_gpr(struct user_regs_struct *r, size_t i, uint64_t v)
{
	memcpy((char *)r + gprs[i], &v, sizeof(v));
}

bool pybreak_raw_read(struct pybreak *pb, uint64_t addr, void *ret, size_t len)
{
	struct mem *m = &pb->target->mem;
	return addr && m->ops->read(m->ctx, addr, ret, len) == len;
}

/* ---- registers, past every cache: others may run ---- */

static const struct regset *general(const struct target *t)
{
	return &t->arch->regsets[t->arch->regs[t->arch->pc].set];
}

static bool read_regs(struct target *t, pid_t tid, struct user_regs_struct *r)
{
	size_t size = sizeof(*r);
	struct err *err = t->ops->regset_read(t, tid, general(t), r, &size);
	bool ok = !err && size == sizeof(*r);
	err_drop(err);
	return ok;
}

static bool write_regs(struct target *t, pid_t tid, const struct user_regs_struct *r)
{
	struct err *err = t->write->regset_write(t, tid, general(t), r, sizeof(*r));
	bool ok = !err;
	err_drop(err);
	t->regs.tid = 0; /* what is kept of them is old */
	return ok;
}

/* ---- frames ---- */

static uint64_t current_frame(struct pybreak *pb, uint64_t tstate)
{
	uint64_t frame = pybreak_word(pb, tstate + pb->off.tstate.frame);
	if (frame && pb->off.cframe.current_frame != PY_NONE)
		frame = pybreak_word(pb, frame + pb->off.cframe.current_frame);
	return frame;
}

/* To 3.10 code objects may share their instructions: any that has the same will do. */
static bool runs_code(struct pybreak *pb, uint64_t frame, uint64_t code)
{
	const struct py_offsets *off = &pb->off;
	uint64_t its =
		frame ? pybreak_word(pb, frame + off->frame.code) & ~(uint64_t)off->code_tag : 0;
	if (!its || its == code || off->code.bytes == PY_NONE || off->code.bytecode != PY_NONE)
		return its && its == code;
	return pybreak_word(pb, its + off->code.bytes) == pybreak_word(pb, code + off->code.bytes);
}

static uint64_t frame_of_interp(struct pybreak *pb, uint64_t interp, uint64_t tp, uint64_t code,
				uint64_t *tstate)
{
	const struct py_offsets *off = &pb->off;
	uint64_t ts = pybreak_word(pb, interp + off->interp.threads_head);

	for (size_t n = 0; ts && n < THREADS_MAX; n++) {
		if (pybreak_word(pb, ts + off->tstate.thread_id) == tp) {
			uint64_t frame = current_frame(pb, ts);
			if (!code || runs_code(pb, frame, code)) {
				*tstate = ts;
				return frame;
			}
		}
		ts = pybreak_word(pb, ts + off->tstate.next);
	}
	return 0;
}

uint64_t pybreak_frame(struct pybreak *pb, uint64_t tp, uint64_t code)
{
	const struct py_offsets *off = &pb->off;
	struct tstate *kept = &pb->tstates[tp >> 12 & (TSTATES - 1)];

	if (kept->tp == tp && tp && pybreak_word(pb, kept->addr + off->tstate.thread_id) == tp) {
		uint64_t frame = current_frame(pb, kept->addr);
		if (frame && (!code || runs_code(pb, frame, code)))
			return frame;
	}
	uint64_t interp = pybreak_word(pb, pb->runtime + off->runtime.interpreters_head);
	for (size_t n = 0; interp && n < INTERPS_MAX; n++) {
		uint64_t ts, frame = frame_of_interp(pb, interp, tp, code, &ts);
		if (frame) {
			*kept = (struct tstate){ tp, ts };
			return frame;
		}
		interp = pybreak_word(pb, interp + off->interp.next);
	}
	return 0;
}

/*
 * The handler begins by noting where it is (frame->prev_instr, instr_ptr; to 3.10 the
 * dispatch did); whoever looks at the frame now shall see the same.
 */
static void note_instruction(struct pybreak *pb, uint64_t frame, uint64_t addr)
{
	struct mem *m = &pb->target->mem;
	if (frame && !pb->off.lasti_unit)
		(void)m->ops->write(m->ctx, frame + pb->off.frame.instr, &addr, sizeof(addr));
}

/* ---- where the loop is ---- */

/*
 * Of two places the likelier one, while it is not known which register counts: that of
 * the frame's code; to 3.10 where f_lasti is; later not where the frame last noted to be,
 * since the handler has not noted this instruction yet.
 */
static bool is_likelier(struct pybreak *pb, uint64_t frame, const struct place *p,
			const struct place *than)
{
	const struct py_offsets *off = &pb->off;
	uint64_t instr = 0;

	bool fits = runs_code(pb, frame, p->code), other = runs_code(pb, frame, than->code);
	if (fits != other || !frame)
		return fits;
	if (!pb->bias) {
		instr = pybreak_word(pb, frame + off->frame.instr);
		return than->addr == instr;
	}
	(void)pybreak_raw_read(pb, frame + off->frame.instr, &instr, 4);
	return p->offset == instr * off->lasti_unit;
}

/*
 * One and the same register has the loop's pointer at every hit.  Others that happen to
 * hold the address of a place fall out as soon as they do not.
 */
static struct place *find_place(struct pybreak *pb, const struct user_regs_struct *r)
{
	struct place *found = NULL;
	uint16_t holding = 0;

	for (size_t i = 0; i < GPRS; i++) {
		if (!(pb->pointers >> i & 1))
			continue;
		struct place *p = pybreak_find(pb, get_gpr(r, i) - pb->bias);
		if (!p)
			continue;
		if (found && p != found &&
		    is_likelier(pb, pybreak_frame(pb, r->fs_base, 0), p, found))
			found = NULL;
		if (!found)
			holding = 0;
		if (!found || p == found)
			holding |= (uint16_t)(1u << i);
		found = found ? found : p;
	}
	if (found)
		pb->pointers &= holding;
	return found;
}

/* The opcode, alone or with the argument above it as it was loaded. */
static void replace_opcode(struct pybreak *pb, struct user_regs_struct *r, const struct place *p)
{
	uint64_t both = (uint64_t)p->arg << 8;
	for (size_t i = 0; i < GPRS; i++) {
		uint64_t v = get_gpr(r, i);
		if (v == p->mark)
			set_gpr(r, i, p->op);
		else if (v == (both | p->mark))
			set_gpr(r, i, both | p->op);
		else if (v == pb->handlers.unknown) /* where it jumped to; nobody reads it */
			set_gpr(r, i, pb->handlers.target[p->op]);
	}
}

static bool redirect(struct pybreak *pb, pid_t tid, struct user_regs_struct *r,
		     const struct place *p)
{
	replace_opcode(pb, r, p);
	r->rip = pb->handlers.target[p->op];
	return write_regs(pb->target, tid, r);
}

/* ---- hits ---- */

static struct stop *stop_of(struct pybreak *pb, pid_t tid)
{
	for (size_t i = 0; i < pb->nstops; i++)
		if (pb->stop[i].hit.tid == tid)
			return &pb->stop[i];
	if (pb->nstops == pb->stops_cap) {
		size_t cap = pb->stops_cap ? pb->stops_cap * 2 : 16;
		struct stop *fresh = reallocarray(pb->stop, cap, sizeof(*fresh));
		if (!fresh)
			return NULL;
		pb->stop = fresh;
		pb->stops_cap = cap;
	}
	return &pb->stop[pb->nstops++];
}

/* Whether a condition or the frame of a step lets it stop. */
static bool agrees(struct pybreak *pb, const struct want *w, struct pybreak_hit *hit)
{
	hit->code = w->code;
	hit->offset = w->offset;
	if (w->user == PYBREAK_STEP && !pybreak_step_agrees(pb, w, hit->tid, hit->frame))
		return false;
	if (!w->holds)
		return true;
	return w->holds(w->arg, pb->target, hit);
}

static bool ask_wants(struct pybreak *pb, uint64_t addr, struct pybreak_hit *hit)
{
	struct pybreak_hit at = *hit;

	for (size_t i = pybreak_first_want(pb, addr); i < pb->nwants && pb->want[i].addr == addr;
	     i++) {
		struct pybreak_hit asked = at;
		if (!agrees(pb, &pb->want[i], &asked))
			continue;
		/* Of several the client's is told. */
		if (!hit->users || pb->want[i].user == PYBREAK_CLIENT) {
			hit->code = asked.code;
			hit->offset = asked.offset;
		}
		hit->users |= pb->want[i].user;
	}
	return hit->users != 0;
}

static enum own_verdict at_place(struct pybreak *pb, pid_t tid, struct user_regs_struct *r,
				 struct place *p)
{
	struct pybreak_hit hit = { .tid = tid };
	uint64_t addr = p->addr;

	if (++p->hits >= FREEZE_EVERY)
		pybreak_freeze(pb, p);
	hit.frame = pybreak_frame(pb, r->fs_base, p->code);
	if (!redirect(pb, tid, r, p))
		return OWN_GO; /* it is being killed */
	if (!ask_wants(pb, addr, &hit))
		return OWN_GO;
	struct stop *s = stop_of(pb, tid);
	if (!s)
		return OWN_GO;
	*s = (struct stop){ .hit = hit };
	note_instruction(pb, hit.frame, addr);
	return OWN_STOP;
}

/* Executes what is under the trap at @addr, itself. */
static enum own_verdict step_over(struct pybreak *pb, pid_t tid, struct user_regs_struct *r,
				  uint64_t addr)
{
	r->rip = addr;
	if (!write_regs(pb->target, tid, r))
		return OWN_GO;
	return pb->target->own->step(pb->target, tid) ? OWN_GO : OWN_LEFT;
}

static uint64_t code_of(struct pybreak *pb, uint64_t frame)
{
	return frame ? pybreak_word(pb, frame + pb->off.frame.code) & ~(uint64_t)pb->off.code_tag
		     : 0;
}

static bool is_mark(const struct pybreak *pb, uint8_t op)
{
	return op == pb->mark[0] || op == pb->mark[1];
}

/* Where the instructions of a code object are, and how many bytes. */
static uint64_t instructions(struct pybreak *pb, uint64_t code, uint64_t *size)
{
	const struct py_offsets *off = &pb->off;
	if (off->code.bytecode != PY_NONE) {
		*size = 2 * pybreak_word(pb, code + off->object.var_size);
		return code + off->code.bytecode;
	}
	uint64_t bytes = pybreak_word(pb, code + off->code.bytes);
	*size = pybreak_word(pb, bytes + off->bytes.size);
	return bytes + off->bytes.data;
}

/*
 * The place of which an instruction is a copy, that the program has made of code with
 * breakpoints (code.replace(), marshal): it has our opcode, or CACHE where the program
 * was given the base form of that; the caches are NOPs.
 */
static const struct place *find_twin(struct pybreak *pb, uint64_t addr, uint64_t offset)
{
	uint8_t is[2];

	if (!pybreak_raw_read(pb, addr, is, 2) || (is[0] && !is_mark(pb, is[0])))
		return NULL;
	for (size_t i = 0; i < pb->nplaces; i++)
		if (pb->place[i].offset == offset && pb->place[i].arg == is[1])
			return &pb->place[i];
	return NULL;
}

/* Makes the copy what its original is. */
static bool heal(struct pybreak *pb, uint64_t addr, const struct place *twin)
{
	static const uint8_t zeros[2 * CACHES_MAX];
	struct mem *m = &pb->target->mem;
	size_t n = (size_t)2 * twin->caches;
	return n <= sizeof(zeros) && m->ops->write(m->ctx, addr + 2, zeros, n) == n &&
	       m->ops->write(m->ctx, addr, &twin->op, 1) == 1;
}

static bool at_copy(struct pybreak *pb, pid_t tid, struct user_regs_struct *r, uint64_t code)
{
	uint64_t size, base = instructions(pb, code, &size);

	for (size_t i = 0; code && i < GPRS; i++) {
		uint64_t at = get_gpr(r, i) - pb->bias;
		if (!(pb->pointers >> i & 1) || at < base || at - base >= size)
			continue;
		const struct place *twin = find_twin(pb, at, at - base);
		if (!twin || !heal(pb, at, twin))
			continue;
		struct place copy = *twin;
		copy.addr = at;
		return redirect(pb, tid, r, &copy);
	}
	return false;
}

/* The instruction that the loop is at, by its frame's code: a RESUME; 0: it is none. */
static uint64_t find_resume(struct pybreak *pb, const struct user_regs_struct *r, uint64_t code,
			    uint8_t *op)
{
	uint64_t base = code + pb->off.code.bytecode;
	uint64_t size = 2 * pybreak_word(pb, code + pb->off.object.var_size);

	for (size_t i = 0; code && i < GPRS; i++) {
		uint64_t at = get_gpr(r, i);
		if ((pb->pointers >> i & 1) && at >= base && at - base < size && at % 2 == 0 &&
		    pybreak_raw_read(pb, at, op, 1) && py_opcode_is_resume(pb->opcodes, *op))
			return at;
	}
	return 0;
}

/* The table sent a RESUME here, for a step that wants to know what is entered. */
static bool at_resume(struct pybreak *pb, pid_t tid, struct user_regs_struct *r)
{
	uint64_t frame = pybreak_frame(pb, r->fs_base, 0), code = code_of(pb, frame);
	uint8_t op;
	uint64_t at = find_resume(pb, r, code, &op);

	if (!at)
		return false;
	r->rip = pb->handlers.target[op];
	if (write_regs(pb->target, tid, r) && (!pb->step.stack || pb->step.stack == r->rsp))
		pybreak_step_entered(pb, tid, frame, code,
				     (uint32_t)(at - code - pb->off.code.bytecode));
	return true;
}

static enum own_verdict at_unknown(struct pybreak *pb, pid_t tid, struct user_regs_struct *r)
{
	struct place *p = find_place(pb, r);

	if (p)
		return at_place(pb, tid, r, p);
	if (!pb->bias && at_resume(pb, tid, r))
		return OWN_GO;
	if (at_copy(pb, tid, r, code_of(pb, pybreak_frame(pb, r->fs_base, 0))))
		return OWN_GO;
	/* The program's own: it gets what it asked for. */
	return step_over(pb, tid, r, pb->handlers.unknown);
}

static enum own_verdict hit(void *arg, struct target *t, pid_t tid, uint64_t addr)
{
	struct pybreak *pb = arg;
	struct user_regs_struct r;

	if (!read_regs(t, tid, &r))
		return OWN_GO;
	if (addr == pb->handlers.unknown)
		return at_unknown(pb, tid, &r);
	if (addr == pb->dealloc)
		pybreak_forget_code(pb, r.rdi);
	if (addr == pb->step.entry)
		pybreak_step_called(pb, tid, &r);
	return step_over(pb, tid, &r, addr);
}

static bool wanted(void *arg, pid_t tid)
{
	struct pybreak *pb = arg;
	for (size_t i = 0; i < pb->nstops; i++) {
		const struct pybreak_hit *h = &pb->stop[i].hit;
		if (h->tid != tid)
			continue;
		for (size_t k = 0; k < pb->nwants; k++)
			if (pb->want[k].code == h->code && pb->want[k].offset == h->offset &&
			    (pb->want[k].user & h->users))
				return true;
	}
	return false;
}

static void child(void *arg, struct mem *m)
{
	struct pybreak *pb = arg;
	for (size_t i = 0; i < pb->nplaces; i++)
		pybreak_clean_copies(pb, m, &pb->place[i]);
}

static void leave(void *arg, struct target *t)
{
	(void)t;
	pybreak_clear(arg, ~0u);
}

const struct target_catcher pybreak_catcher = {
	.hit = hit,
	.wanted = wanted,
	.child = child,
	.leave = leave,
};

/* ---- threads on their way to a trap ---- */

/* Perhaps it has loaded one of our opcodes, or where that leads, and not jumped yet. */
static bool is_on_its_way(const struct pybreak *pb, const struct user_regs_struct *r)
{
	if (r->rip < pb->lo || r->rip >= pb->hi)
		return false;
	for (size_t i = 0; i < GPRS; i++) {
		uint64_t v = get_gpr(r, i);
		if (is_mark(pb, (uint8_t)v) || v == pb->handlers.unknown)
			return true;
	}
	return false;
}

static bool is_handler(const struct pybreak *pb, uint64_t pc)
{
	for (size_t i = 0; i < 256; i++)
		if (pb->handlers.target[i] == pc)
			return true;
	return false;
}

static void settle_one(struct pybreak *pb, pid_t tid)
{
	struct user_regs_struct r;
	struct target *t = pb->target;

	for (unsigned int tries = 0; tries < SETTLE_TRIES; tries++) {
		if (!read_regs(t, tid, &r))
			return;
		if (r.rip == pb->handlers.unknown) {
			struct place *p = find_place(pb, &r);
			if (p)
				(void)redirect(pb, tid, &r, p);
			else if (!pb->bias)
				(void)at_resume(pb, tid, &r);
			return;
		}
		if (is_handler(pb, r.rip) || !is_on_its_way(pb, &r))
			return;
		(void)t->own->step(t, tid);
	}
}

struct threads {
	pid_t *tid;
	size_t n, cap;
};

static bool note_thread(pid_t tid, void *arg)
{
	struct threads *ts = arg;
	if (ts->n == ts->cap) {
		size_t cap = ts->cap ? ts->cap * 2 : 64;
		pid_t *fresh = reallocarray(ts->tid, cap, sizeof(*fresh));
		if (!fresh)
			return false;
		ts->tid = fresh;
		ts->cap = cap;
	}
	ts->tid[ts->n++] = tid;
	return true;
}

void pybreak_settle(struct pybreak *pb)
{
	struct threads ts = { 0 };
	struct target *t = pb->target;

	if (!pb->trapped || t->pid <= 0)
		return;
	struct err *err = t->ops->threads(t, note_thread, &ts);
	err_drop(err);
	for (size_t i = 0; i < ts.n; i++)
		settle_one(pb, ts.tid[i]);
	free(ts.tid);
	mem_invalidate(&t->mem);
	t->regs.tid = 0;
}
