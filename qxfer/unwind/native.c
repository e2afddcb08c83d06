/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/native.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/unwind/modules.h"

#define ROWS	 2048u /* remembered; a power of two */
#define SWITCHES 64u   /* to another stack, which only signal frames may do */
#define RED_ZONE 128u  /* bytes below the stack pointer that a leaf may use: x86-64 psABI */

struct native {
	struct modules modules;
	struct cfi_row *rows; /* direct mapped by pc; pc 0 is an empty one */
	struct native_frame *frames;
	size_t n, cap;
	char cut[sizeof(((struct err *)0)->msg)];
};

/* One walk. */
struct walk {
	struct native *nt;
	const struct space *s;
	struct space_regs regs;
	bool exact;
	unsigned int switches;
};

struct err *native_create(struct native **ret)
{
	struct native *nt = calloc(1, sizeof(*nt));
	if (!nt)
		return &err_nomem;
	nt->rows = calloc(ROWS, sizeof(*nt->rows));
	if (!nt->rows) {
		free(nt);
		return &err_nomem;
	}
	*ret = nt;
	return NULL;
}

void native_destroy(struct native *nt)
{
	if (!nt)
		return;
	modules_deinit(&nt->modules);
	free(nt->rows);
	free(nt->frames);
	free(nt);
}

/* ---- rows ---- */

/* What holds at @pc; NULL: *err says why not. */
static const struct cfi_row *find_row(struct native *nt, struct mem *m, const struct module *module,
				      uint64_t pc, struct err **err)
{
	struct cfi_row *row = &nt->rows[(pc ^ pc >> 11) % ROWS], fresh;
	if (row->pc == pc)
		return row;
	if (module->table.hdr)
		*err = cfi_find(&module->table, m, pc, &fresh);
	else
		*err = err_new(ERR_NOT_FOUND, "no unwind table for 0x%llx in %.60s",
			       (unsigned long long)pc, module->path);
	if (*err)
		return NULL;
	*row = fresh;
	return row;
}

/* ---- the kernel's signal frame ---- */

/* struct rt_sigframe after its return address is popped: ucontext_t's uc_mcontext. */
#define UC_MCONTEXT 40u
static const uint8_t sigcontext_regs[] = {
	8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16
};

/* mov $15,%rax; syscall: rt_sigreturn, where a C library has no table for it (musl). */
static bool is_sigreturn(struct mem *m, uint64_t pc)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	uint8_t bytes[sizeof(code)];
	return mem_read_some(m, pc, bytes, sizeof(bytes)) == sizeof(bytes) &&
	       memcmp(bytes, code, sizeof(code)) == 0;
}

static bool leave_signal(struct mem *m, struct space_regs *regs)
{
	uint64_t words[sizeof(sigcontext_regs)];
	uint64_t at = regs->value[SPACE_REG_SP] + UC_MCONTEXT;
	if (mem_read_some(m, at, words, sizeof(words)) != sizeof(words))
		return false;
	for (size_t i = 0; i < sizeof(sigcontext_regs); i++)
		regs->value[sigcontext_regs[i]] = words[i];
	regs->known = (1u << SPACE_REGS) - 1;
	return true;
}

/* ---- clone ---- */

#define CLONE_GAP 16u

/*
 * glibc ends the description of clone() and clone3() at their system call, because
 * the child has another stack; up to the return, and in the parent, it still holds:
 *	syscall; test %rax,%rax; jl error; je child; ret
 * A new thread has nothing on its stack yet.
 */
static bool is_in_clone(struct mem *m, const struct module *module, uint64_t pc,
			struct cfi_row *row)
{
	static const uint8_t code[] = { 0x0f, 0x05, 0x48, 0x85, 0xc0 };
	uint8_t bytes[sizeof(code)];
	if (!module->table.hdr)
		return false;
	struct err *err = cfi_find_before(&module->table, m, pc, CLONE_GAP, row);
	bool found = !err && mem_read_some(m, row->end, bytes, sizeof(bytes)) == sizeof(bytes) &&
		     memcmp(bytes, code, sizeof(code)) == 0;
	err_drop(err);
	return found;
}

static bool is_new_thread(const struct native_frame *f, const struct cfi_row *row)
{
	return f->pc != row->end && f->regs.known & 1 && !f->regs.value[0];
}

/* ---- one frame after the other ---- */

static struct err *append(struct walk *w, struct native_frame **ret)
{
	struct native *nt = w->nt;
	if (nt->n == nt->cap) {
		size_t cap = nt->cap ? nt->cap * 2 : 64;
		struct native_frame *frames = reallocarray(nt->frames, cap, sizeof(*frames));
		if (!frames)
			return &err_nomem;
		nt->frames = frames;
		nt->cap = cap;
	}
	*ret = &nt->frames[nt->n++];
	**ret = (struct native_frame){
		.pc = w->regs.value[SPACE_REG_PC],
		.sp = w->regs.value[SPACE_REG_SP] - (nt->n == 1 ? RED_ZONE : 0),
		.regs = w->regs,
		.exact = w->exact,
	};
	return NULL;
}

static struct err *name_frame(struct walk *w, struct native_frame *f, struct module *module)
{
	uint64_t at =
		f->exact ? f->pc : f->pc - 1; /* a call may be a function's last instruction */
	uint64_t offset;
	f->module = module->path;
	f->module_offset = f->pc - module->bias;
	struct err *err = module_symbol(module, w->s, at, &f->symbol, &offset);
	if (f->symbol)
		f->offset = offset + (f->pc - at);
	return err;
}

/* x86-64 psABI, "Process Initialization": the outermost frame has a zero %rbp. */
static bool is_outermost(const struct walk *w)
{
	const struct space_regs *r = &w->regs;
	return r->known & 1u << SPACE_REG_FP && !r->value[SPACE_REG_FP] && w->nt->n > 1;
}

/* A callee's frame ends where its caller's begins: the stack grows down. */
static struct err *check_progress(struct walk *w, const struct native_frame *f, bool signal)
{
	uint64_t sp = w->nt->n == 1 ? f->sp + RED_ZONE : f->sp;
	if (f->cfa % 8 == 0 && f->cfa > sp)
		return NULL;
	if (signal && w->switches++ < SWITCHES)
		return NULL;
	return err_new(ERR_BAD_DATA, "the frame at 0x%llx does not lie above the one it called",
		       (unsigned long long)f->cfa);
}

/* By the table: fills in the frame, and makes w->regs its caller's. */
static struct err *unwind_by_row(struct walk *w, struct native_frame *f, const struct cfi_row *row)
{
	f->start = row->start;
	f->signal = row->signal;
	struct err *err = cfi_apply(row, w->s->mem, &w->regs, &f->cfa);
	if (!err)
		err = check_progress(w, f, row->signal);
	return err;
}

static void end_here(struct walk *w)
{
	w->regs.known &= ~(1u << SPACE_REG_PC);
}

/* Where no table says how; *done: it could be told otherwise, or ends here. */
static struct err *unwind_by_code(struct walk *w, struct native_frame *f,
				  const struct module *module, bool *done)
{
	struct cfi_row row;
	*done = true;
	if (is_sigreturn(w->s->mem, f->pc) && leave_signal(w->s->mem, &w->regs)) {
		f->signal = true;
		f->cfa = w->regs.value[SPACE_REG_SP];
		return check_progress(w, f, true);
	}
	if (f->exact && is_in_clone(w->s->mem, module, f->pc, &row)) {
		if (!is_new_thread(f, &row))
			return unwind_by_row(w, f, &row);
		end_here(w);
	} else if (is_outermost(w)) {
		end_here(w);
	} else {
		*done = false;
	}
	return NULL;
}

static struct err *unwind(struct walk *w, struct native_frame *f, const struct module *module)
{
	struct err *err = NULL;
	bool done;
	uint64_t at = f->exact ? f->pc : f->pc - 1;
	const struct cfi_row *row = find_row(w->nt, w->s->mem, module, at, &err);
	if (row)
		return unwind_by_row(w, f, row);
	if (err->code != ERR_NOT_FOUND)
		return err;
	struct err *also = unwind_by_code(w, f, module, &done);
	if (!done)
		return err;
	err_drop(err);
	return also;
}

/* Adds one frame; *more: it has a caller, whose registers are then w->regs. */
static struct err *step(struct walk *w, bool *more)
{
	struct native_frame *f;
	struct module *module;
	struct err *err = append(w, &f);
	if (!err)
		err = modules_find(&w->nt->modules, w->s, f->exact ? f->pc : f->pc - 1, &module);
	if (!err && !module)
		return err_new(ERR_NOT_FOUND,
			       "no unwind table for 0x%llx, which is code of no file",
			       (unsigned long long)f->pc);
	if (!err)
		err = name_frame(w, f, module);
	if (!err)
		err = unwind(w, f, module);
	if (err)
		return err;
	w->exact = f->signal;
	*more = w->regs.known & 1u << SPACE_REG_PC && w->regs.value[SPACE_REG_PC];
	return NULL;
}

static struct err *walk_frames(struct walk *w)
{
	bool more = true;
	struct err *err = NULL;
	while (more && !err) {
		more = false;
		if (w->nt->n >= NATIVE_FRAMES_MAX)
			err = err_new(ERR_BAD_DATA, "more native frames than are served (%zu)",
				      w->nt->n);
		else
			err = step(w, &more);
	}
	return err;
}

struct err *native_walk(struct native *nt, const struct space *s, pid_t tid,
			struct native_stack *ret)
{
	struct walk w = { .nt = nt, .s = s, .exact = true };
	struct err *err = NULL;
	bool changed;

	modules_refresh(&nt->modules, s, &changed);
	if (changed)
		memset(nt->rows, 0, ROWS * sizeof(*nt->rows));
	nt->n = 0;
	if (!s->dwarf_regs || !s->dwarf_regs(s->ctx, tid, &w.regs))
		err = err_new(ERR_NOT_FOUND, "the registers of thread %d are not known", (int)tid);
	else
		err = walk_frames(&w);
	*ret = (struct native_stack){ .frames = nt->frames, .n = nt->n };
	if (!err)
		return NULL;
	if (err->code == ERR_NOMEM)
		return err;
	memcpy(nt->cut, err->msg, sizeof(nt->cut));
	ret->cut = nt->cut;
	err_drop(err);
	return NULL;
}
