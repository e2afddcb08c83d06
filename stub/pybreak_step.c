/* SPDX-License-Identifier: MIT */
/*
 * Steps.  Whatever the thread may do next has a place for the time of the step: every
 * instruction of its frame that is not in the line's range, and every instruction of the
 * frames that it can come back to.  Only that thread in those frames stops there.
 *
 * It comes back to its caller by a return, to one that called C which ends an exception,
 * and to any that has a handler.
 */
#include <string.h>

#include "qxfer/python/functions.h"
#include "stub/pybreak_priv.h"

/* PyCodeObject.co_exceptiontable, 3.11 to 3.15. */
#define CODE_EXCEPTIONTABLE 40u

#define PLACES_MAX 50000u /* beyond them no more frames are made ready to come back to */

/* ---- handlers ---- */

/* Six bits a byte, the highest first; bit 6: more follow.  Objects/exception_handling_notes.txt */
static uint32_t next_number(const uint8_t **p, const uint8_t *end)
{
	uint32_t v = 0;
	while (*p < end) {
		uint8_t b = *(*p)++;
		v = v << 6 | (b & 63);
		if (!(b & 64))
			break;
	}
	return v;
}

static bool table_covers(const uint8_t *p, const uint8_t *end, uint32_t unit)
{
	while (p < end) {
		uint32_t start = next_number(&p, end), length = next_number(&p, end);
		(void)next_number(&p, end); /* the handler */
		(void)next_number(&p, end); /* depth and lasti */
		if (unit >= start && unit - start < length)
			return true;
	}
	return false;
}

static bool has_handler(struct pybreak *pb, const struct py_frame *f)
{
	struct mem *m = &pb->target->mem;
	uint8_t table[4096];
	uint64_t bytes, len = 0;

	if (pb->bias || f->lasti < 0)
		return true; /* to 3.10 it may have; then its places are of no harm */
	struct err *err = mem_ptr(m, f->code_addr + CODE_EXCEPTIONTABLE, &bytes);
	if (!err)
		err = mem_ptr(m, bytes + pb->off.bytes.size, &len);
	if (!err && len > sizeof(table))
		len = sizeof(table);
	size_t n = err ? 0 : mem_read_some(m, bytes + pb->off.bytes.data, table, len);
	err_drop(err);
	return table_covers(table, table + n, (uint32_t)f->lasti / 2);
}

/* ---- places ---- */

struct range {
	struct py_code *code;
	uint32_t start, end;
	int32_t line; /* of the range */
};

/*
 * What no line has made (the begin of a handler, a cleanup) is not stopped at, nor is
 * what the same line has further on: only a jump back begins a line again.
 */
static bool is_outside(void *arg, uint32_t offset)
{
	const struct range *r = arg;
	struct py_position at;
	return (offset < r->start || offset >= r->end) &&
	       py_code_position(r->code, (int32_t)offset, &at) &&
	       (at.line != r->line || offset < r->start);
}

static bool has_line(void *arg, uint32_t offset)
{
	struct py_position at;
	return py_code_position(arg, (int32_t)offset, &at);
}

static struct err *get_code(struct pybreak *pb, uint64_t addr, struct py_code **ret)
{
	const struct space *space;
	struct err *err = target_space(pb->target, &space);
	if (!err)
		err = python_code(pb->python, space, addr, ret);
	if (!err && ((*ret)->corrupt || (*ret)->absent))
		err = err_new(ERR_STATE, "the code object at 0x%llx is damaged",
			      (unsigned long long)addr);
	return err;
}

static struct err *want_frame(struct pybreak *pb, uint32_t start, uint32_t end, uint64_t code)
{
	const struct want w = { .user = PYBREAK_STEP, .code = code, .frame = pb->step.frame };
	struct range r = { .start = start, .end = end };
	struct py_position at;
	struct err *err = get_code(pb, code, &r.code);
	if (!err && py_code_position(r.code, (int32_t)start, &at))
		r.line = at.line;
	return err ? err : pybreak_want_each(pb, &w, is_outside, &r);
}

static bool seen_code(const struct py_frame *f, size_t i)
{
	for (size_t k = 1; k < i; k++)
		if (f[k].code_addr == f[i].code_addr)
			return true;
	return false;
}

static struct err *want_older(struct pybreak *pb, const struct py_frame *f, size_t n)
{
	struct err *err = NULL;
	for (size_t i = 1; i < n && i <= STEP_FRAMES_MAX && !err; i++) {
		const struct want w = { .user = PYBREAK_STEP,
					.code = f[i].code_addr,
					.frame = STEP_OLDER };
		struct py_code *code;
		if (f[i].corrupt)
			break;
		if (i > 1 && !f[i - 1].entry && !has_handler(pb, &f[i]))
			continue;
		pb->step.older[pb->step.nolder++] = f[i].addr;
		if (seen_code(f, i) || pb->nplaces > PLACES_MAX)
			continue;
		err = get_code(pb, f[i].code_addr, &code);
		if (!err)
			err = pybreak_want_each(pb, &w, has_line, code);
	}
	return err;
}

/* ---- entries ---- */

static struct err *catch_entries(struct pybreak *pb)
{
	struct target *t = pb->target;
	struct err *err = NULL;

	pb->step.into = true;
	if (pb->bias) {
		if (!pb->entry)
			return err_new(ERR_STATE, "the evaluation loop's beginning is not known");
		pb->step.entry = pb->entry;
		return t->own->trap(t, pb->entry);
	}
	for (unsigned int op = 0; op < 256 && !err; op++)
		if (py_opcode_is_resume(pb->opcodes, (uint8_t)op))
			err = pybreak_send(pb, (uint8_t)op);
	return err;
}

static void leave_entries(struct pybreak *pb)
{
	struct target *t = pb->target;

	if (!pb->step.into)
		return;
	pybreak_settle(pb);
	if (pb->bias) {
		t->own->take(t, pb->entry);
		return;
	}
	for (unsigned int op = 0; op < 256; op++)
		if (py_opcode_is_resume(pb->opcodes, (uint8_t)op))
			pybreak_send_back(pb, (uint8_t)op);
}

bool pybreak_step_agrees(const struct pybreak *pb, const struct want *w, pid_t tid, uint64_t frame)
{
	if (pb->step.tid != tid)
		return false;
	if (w->frame != STEP_OLDER)
		return w->frame == frame;
	for (size_t i = 0; i < pb->step.nolder; i++)
		if (pb->step.older[i] == frame)
			return true;
	return false;
}

void pybreak_step_entered(struct pybreak *pb, pid_t tid, uint64_t frame, uint64_t code,
			  uint32_t offset)
{
	struct want w = { .user = PYBREAK_STEP, .code = code, .offset = offset, .frame = frame };
	struct py_code *in;
	if (pb->step.tid != tid || !pb->step.into || frame == pb->step.frame)
		return;
	for (size_t i = 0; i < pb->step.nolder; i++)
		if (pb->step.older[i] == frame)
			return;
	mem_invalidate(&pb->target->mem);
	struct err *err = get_code(pb, w.code, &in);
	/* What makes a generator ready may have no line. */
	for (unsigned int i = 0; i < 8 && !err && !has_line(in, w.offset); i++)
		w.offset += 2;
	if (!err)
		err = pybreak_want(pb, &w);
	err_drop(err); /* then it is stepped over */
	mem_invalidate(&pb->target->mem);
}

void pybreak_step_called(struct pybreak *pb, pid_t tid, const struct user_regs_struct *r)
{
	const struct py_offsets *off = &pb->off;
	uint64_t frame = pb->opcodes->minor <= 0x0308 ? r->rdi : r->rsi;
	int32_t lasti;

	if (!pybreak_raw_read(pb, frame + off->frame.instr, &lasti, sizeof(lasti)))
		return;
	/* Not begun: -1.  Else it goes on behind where it was. */
	uint32_t next = lasti < 0 ? 0 : (uint32_t)lasti * off->lasti_unit + 2;
	pybreak_step_entered(pb, tid, frame, pybreak_word(pb, frame + off->frame.code), next);
}

/* ---- the step ---- */

static struct err *find_frames(struct pybreak *pb, pid_t tid, const struct py_frame **frames,
			       size_t *n)
{
	const struct py_walk walk = { .tid = tid, .max_frames = STEP_FRAMES_MAX + 1 };
	const struct py_snapshot *snap;
	const struct space *space;
	struct err *err = target_space(pb->target, &space);
	if (!err)
		err = python_walk(pb->python, space, &walk, &snap);
	if (err)
		return err;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		if (t->tid != tid || !t->nframes)
			continue;
		*frames = &snap->frames[t->first_frame];
		*n = t->nframes;
		return NULL;
	}
	return err_new(ERR_NOT_FOUND, "thread %d runs no Python", tid);
}

/* A loop has the same stack pointer wherever it is between two instructions of Python. */
static struct err *find_stack(struct pybreak *pb, pid_t tid)
{
	const struct space *space;
	struct space_regs regs;
	struct err *err = target_space(pb->target, &space);

	if (!err && !space->dwarf_regs(space->ctx, tid, &regs))
		err = err_new(ERR_STATE, "the registers of thread %d are not known", (int)tid);
	if (!err)
		pb->step.stack = regs.value[SPACE_REG_SP];
	return err;
}

struct err *pybreak_step(struct pybreak *pb, pid_t tid, enum pybreak_step how, uint32_t start,
			 uint32_t end)
{
	const struct py_frame *f = NULL;
	size_t n = 0;
	struct err *err = pybreak_ready(pb);
	if (!err)
		err = find_frames(pb, tid, &f, &n);
	if (!err && f[0].corrupt)
		err = err_new(ERR_STATE, "the frame is damaged: %s", f[0].name);
	if (!err)
		err = pybreak_trap(pb);
	if (err)
		return err;
	pybreak_step_end(pb);
	pb->step = (struct step){ .tid = tid, .frame = f[0].addr };
	if (how != PYBREAK_OUT)
		err = want_frame(pb, start, end, f[0].code_addr);
	if (!err)
		err = want_older(pb, f, n);
	if (!err && how == PYBREAK_NEAR)
		err = find_stack(pb, tid);
	/* To 3.10 each frame has a loop of its own. */
	if (!err && (how == PYBREAK_INTO || (how == PYBREAK_NEAR && !pb->bias)))
		err = catch_entries(pb);
	mem_invalidate(&pb->target->mem);
	if (err)
		pybreak_step_end(pb);
	return err;
}

static bool is_step(const struct want *w, const void *arg)
{
	(void)arg;
	return w->user == PYBREAK_STEP;
}

void pybreak_step_end(struct pybreak *pb)
{
	if (!pb || !pb->step.tid)
		return;
	if (pb->ready && pb->target->pid > 0 && pb->epoch == pb->target->epoch) {
		leave_entries(pb);
		pybreak_drop(pb, is_step, NULL);
		if (!pb->nwants) {
			pybreak_settle(pb);
			pybreak_untrap(pb);
		}
		mem_invalidate(&pb->target->mem);
	}
	pb->step = (struct step){ 0 };
}
