/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/native.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/jit.h"
#include "qxfer/unwind/code.h"
#include "qxfer/unwind/modules.h"

#define ROWS	 2048u /* remembered; a power of two */
#define SWITCHES 64u   /* to another stack, which only signal frames may do */
#define RED_ZONE 128u  /* bytes below the stack pointer that a leaf may use: x86-64 psABI */

struct native {
	struct modules modules;
	struct jit *jit;      /* borrowed, or NULL */
	struct cfi_row *rows; /* direct mapped by pc; pc 0 is an empty one */
	struct native_frame *frames;
	size_t n, cap;
	char cut[sizeof(((struct err *)0)->msg)];
};

/* One walk. */
struct walk {
	struct native *nt;
	const struct space *s;
	struct cfi_source tables;
	uint64_t credit; /* what was not yet added to `tables' */
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

void native_set_jit(struct native *nt, struct jit *jit)
{
	nt->jit = jit;
}

/* ---- rows ---- */

/* What holds at @pc; NULL: *err says why not. */
static const struct cfi_row *find_row(struct walk *w, const struct module *module, uint64_t pc,
				      struct err **err)
{
	struct cfi_row *row = &w->nt->rows[(pc ^ pc >> 11) % ROWS], fresh;
	if (pc && row->pc == pc)
		return row;
	if (!module)
		*err = err_new(ERR_NOT_FOUND,
			       "no unwind table for 0x%llx, which is code of no file",
			       (unsigned long long)pc);
	else if (cfi_is_there(&module->table))
		*err = cfi_find(&module->table, &w->tables, pc, &fresh);
	else
		*err = err_new(ERR_NOT_FOUND, "no unwind table for 0x%llx in %.60s",
			       (unsigned long long)pc, module->path);
	if (*err)
		return NULL;
	*row = fresh;
	return row;
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
		.made = -1,
	};
	return NULL;
}

/* Of a return address what is before it counts: a call may be a function's last instruction. */
static uint64_t place_of(const struct native_frame *f)
{
	return f->exact ? f->pc : f->pc - 1;
}

static struct err *name_frame(struct walk *w, struct native_frame *f, struct module *module)
{
	uint64_t at = place_of(f), offset;
	f->module = module->path;
	f->module_offset = f->pc - module->bias;
	struct err *err = modules_symbol(&w->nt->modules, module, w->s, at, &f->symbol, &offset);
	if (f->symbol)
		f->offset = offset + (f->pc - at);
	return err;
}

/*
 * A callee's frame ends where its caller's begins: the stack grows down.  The innermost one may have
 * nothing on the stack, its return address being in a register.
 */
static struct err *check_progress(struct walk *w, const struct native_frame *f, bool signal)
{
	uint64_t sp = w->nt->n == 1 ? f->sp + RED_ZONE - 8 : f->sp;
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
	struct err *err = cfi_apply(row, &w->tables, &w->regs, &f->cfa);
	if (!err)
		err = check_progress(w, f, row->signal);
	return err;
}

/* Where no table says how, the code may: *done. */
static struct err *unwind_by_code(struct walk *w, struct native_frame *f,
				  const struct module *module, bool *done)
{
	struct cfi_row row;
	enum code_kind kind = code_known(&w->tables, module ? &module->table : NULL, f, &row);
	*done = kind != CODE_UNKNOWN;
	if (kind == CODE_ROW)
		return unwind_by_row(w, f, &row);
	if (kind == CODE_SIGNAL) {
		struct err *err = code_leave_signal(w->s->mem, &w->regs);
		f->signal = true;
		f->cfa = w->regs.value[SPACE_REG_SP];
		return err ? err : check_progress(w, f, true);
	}
	if (kind == CODE_OUTERMOST)
		w->regs.known &= ~(1u << SPACE_REG_PC);
	return NULL;
}

/* A null pointer that was called, for one: nothing is mapped there, or it is no code. */
static bool cannot_run(const struct walk *w, const struct native_frame *f,
		       const struct module *module)
{
	const struct map *map = maps_find(w->s->maps, f->pc);
	return f->exact && !module && (!map || !(map->prot & MAP_X));
}

static struct cfi_rule ra_rule(const struct jit_rule *r)
{
	if (r->ra_kind == JIT_RA_AT_CFA)
		return (struct cfi_rule){ .kind = CFI_AT, .offset = -8 };
	return (struct cfi_rule){ .kind = r->ra_kind == JIT_RA_IN_REG ? CFI_COPY : CFI_AT_REG,
				  .reg = r->ra_reg,
				  .offset = r->ra_disp };
}

static bool read_word(void *ctx, uint64_t addr, uint64_t *word)
{
	struct err *err = mem_ptr(ctx, addr, word);
	err_drop(err);
	return !err;
}

static struct cfi_row jit_row(uint64_t pc, const struct jit_place *place,
			      const struct space_regs *regs, struct mem *m)
{
	const struct jit_rule *r = &place->rule;
	struct cfi_row row = {
		.pc = pc,
		.start = place->start,
		.end = place->end,
		.ra = SPACE_REG_PC,
		.cfa = { .kind = CFI_COPY, .reg = r->cfa_reg, .offset = r->cfa_off },
	};
	uint64_t cfa;
	if (r->cfa_kind != JIT_CFA_REG && jit_rule_cfa(r, regs->value, read_word, m, &cfa))
		row.cfa.offset = (int64_t)(cfa - regs->value[r->cfa_reg]);
	row.reg[SPACE_REG_PC] = ra_rule(r);
	for (unsigned int i = 0; i < JIT_SAVED; i++)
		if (r->at[i])
			row.reg[jit_saved[i]] =
				(struct cfi_rule){ .kind = CFI_AT, .offset = r->at[i] };
	return row;
}

/* Code of no table, by the rules that were made from it: *done. */
static struct err *unwind_by_jit(struct walk *w, struct native_frame *f, bool *done)
{
	struct jit_place place;
	*done = w->nt->jit && jit_find(w->nt->jit, w->s, place_of(f), &place);
	if (!*done)
		return NULL;
	f->made = place.kind;
	if (place.name) {
		f->symbol = place.name;
		f->offset = f->pc - place.start;
	}
	/* It may be other code by the next stop: not remembered. */
	const struct cfi_row row = jit_row(place_of(f), &place, &w->regs, w->s->mem);
	return unwind_by_row(w, f, &row);
}

static struct err *unwind(struct walk *w, struct native_frame *f, const struct module *module)
{
	struct err *err = NULL;
	struct cfi_row called;
	bool done;

	if (cannot_run(w, f, module) && code_was_called(w->s->mem, f, &called))
		return unwind_by_row(w, f, &called);
	const struct cfi_row *row = find_row(w, module, place_of(f), &err);
	if (row)
		return unwind_by_row(w, f, row);
	if (err->code != ERR_NOT_FOUND)
		return err;
	struct err *also = unwind_by_code(w, f, module, &done);
	if (!done)
		also = unwind_by_jit(w, f, &done);
	if (!done)
		return err;
	err_drop(err);
	return also;
}

/* A stack of more frames may need more tables. */
static void earn(struct walk *w)
{
	uint64_t more = w->credit < NATIVE_TABLES_FRAME ? w->credit : NATIVE_TABLES_FRAME;
	w->credit -= more;
	w->tables.left += more;
}

/* Adds one frame; *more: it has a caller, whose registers are then w->regs. */
static struct err *step(struct walk *w, bool *more)
{
	struct native_frame *f;
	struct module *module;
	struct err *err = append(w, &f);
	earn(w);
	if (!err)
		err = modules_find(&w->nt->modules, w->s, place_of(f), &module);
	if (!err && module)
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
	if (!err || err->code == ERR_NOMEM || w->tables.left)
		return err;
	err_drop(err);
	return err_new(ERR_BAD_DATA, "the unwind tables for this stack are longer than is read");
}

struct err *native_walk(struct native *nt, const struct space *s, pid_t tid,
			struct native_stack *ret)
{
	struct walk w = { .nt = nt, .s = s, .exact = true };
	w.tables = (struct cfi_source){ .mem = s->mem, .left = NATIVE_TABLES };
	w.credit = NATIVE_TABLES_MAX - NATIVE_TABLES;
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
