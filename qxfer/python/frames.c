/* SPDX-License-Identifier: MIT */
/*
 * The chain of frames of one thread: _PyInterpreterFrames, to 3.10 PyFrameObjects.
 *
 * CPython 3.6 to 3.10, Include/frameobject.h (3.9 on: Include/cpython/frameobject.h);
 * 3.11 to 3.15, Include/internal/pycore_frame.h (3.14 on: pycore_interpframe_structs.h).
 * There frames that belong to the evaluation loop itself (owner FRAME_OWNED_BY_CSTACK,
 * FRAME_OWNED_BY_INTERPRETER) lie in C frames and mark where C called Python; the chain
 * goes on behind them.
 */
#include "qxfer/python/state.h"

#include <string.h>

#define STEPS_MAX (4ul * PY_FRAMES_MAX)
/* Of all threads together. */
#define READS_MAX (8ul * PY_ALL_FRAMES_MAX)

/* While only the innermost frames are wanted, how much further to look for damage. */
#define PEEK_MAX 64u

static bool is_evaluated(const struct py_offsets *off, struct obj *o)
{
	if (off->frame.state != PY_NONE)
		return (int8_t)obj_uint(o, off->frame.state, 1) == 0;
	return off->frame.executing == PY_NONE || obj_uint(o, off->frame.executing, 1) != 0;
}

/*
 * To 3.10: a PyFrameObject, one for each call of _PyEval_EvalFrameDefault().  f_gen is
 * borrowed and cleared when the generator is done with it.
 */
static struct py_raw_frame frame_object(const struct py_offsets *off, struct obj *o)
{
	bool generator = py_field(o, off->frame.generator, 8) != 0;
	return (struct py_raw_frame){
		.code = obj_uint(o, off->frame.code, 8),
		.previous = obj_uint(o, off->frame.previous, 8),
		.instr = (uint64_t)(int64_t)(int32_t)obj_uint(o, off->frame.instr, 4),
		.owner = generator ? PY_OWNER_GENERATOR : PY_OWNER_THREAD,
		.is_entry = true,
		.idle = generator && !is_evaluated(off, o),
	};
}

/* The first one tells the type, if that is called so; the others must be of it. */
static struct err *check_frame_type(struct py_walker *w, struct obj *o)
{
	static const char name[] = "frame";
	char text[sizeof(name)] = "";
	uint64_t at = 0, type = obj_uint(o, w->off->object.type, 8);
	if (type == w->frame_type && type)
		return NULL;
	/* A core need not hold the name: then there is no telling. */
	struct err *err = mem_ptr(w->mem, type + w->off->type.name, &at);
	size_t n = err ? 0 : mem_read_some(w->mem, at, text, sizeof(text));
	err_drop(err);
	if (!type || w->frame_type || (n && memcmp(text, name, sizeof(name)) != 0))
		return err_new(ERR_BAD_DATA, "no frame object at 0x%llx",
			       (unsigned long long)o->addr);
	w->frame_type = type;
	return NULL;
}

struct err *py_frame_read(struct py_walker *w, uint64_t addr, struct py_raw_frame *ret)
{
	const struct py_offsets *off = w->off;
	struct obj o;
	if (w->frames_read++ > READS_MAX)
		return err_new(ERR_BAD_DATA, "more frames than are served");
	if (addr % 8)
		return err_new(ERR_BAD_DATA, "frame at 0x%llx is not aligned",
			       (unsigned long long)addr);
	struct err *err = obj_load(w->mem, addr, py_offsets_frame_span(off), &o);
	if (err)
		return err;
	if (off->lasti_unit) {
		*ret = frame_object(off, &o);
		return check_frame_type(w, &o);
	}
	*ret = (struct py_raw_frame){
		.code = obj_uint(&o, off->frame.code, 8) & ~(uint64_t)off->code_tag,
		.previous = obj_uint(&o, off->frame.previous, 8),
		.instr = obj_uint(&o, off->frame.instr, 8),
		.owner = (unsigned int)obj_uint(&o, off->frame.owner, 1),
		.is_entry = py_field(&o, off->frame.is_entry, 1) != 0,
	};
	if (ret->owner > off->owner_last)
		return err_new(ERR_BAD_DATA, "frame at 0x%llx has unknown owner %u",
			       (unsigned long long)addr, ret->owner);
	if (!ret->code && ret->owner < off->owner_shim)
		return err_new(ERR_BAD_DATA, "frame at 0x%llx has no code",
			       (unsigned long long)addr);
	return NULL;
}

void py_chain_note(const struct py_offsets *off, struct py_chain *c, const struct py_raw_frame *raw)
{
	c->shim_last = raw->owner >= off->owner_shim;
	c->idle_last = raw->idle;
	if (!c->n) {
		c->shim_first = c->shim_last;
		c->first_previous = raw->previous;
	}
	c->n++;
	if (c->level_ended || (!c->shim_last && !raw->is_entry))
		return;
	c->level_ended = true;
	c->level_previous = raw->previous;
}

static struct err *append_frame(struct py_walker *w, uint64_t addr, const struct py_raw_frame *raw)
{
	struct py_snapshot *snap = &w->py->snap;
	struct err *err = py_array_grow((void **)&snap->frames, snap->nframes, &w->py->frames_cap,
					sizeof(*snap->frames));
	if (err)
		return err;
	snap->frames[snap->nframes++] = (struct py_frame){
		.addr = addr,
		.code_addr = raw->code,
		.instr = raw->instr,
		.owner = (enum py_owner)raw->owner,
		.entry = raw->is_entry,
	};
	return NULL;
}

/* Takes back what came twice: from @first on the frames repeat after @period. */
static void cut_cycle(struct py_snapshot *snap, size_t first, size_t period)
{
	const struct py_frame *f = snap->frames;
	while (first + period < snap->nframes && f[first].addr != f[first + period].addr)
		first++;
	if (first + period < snap->nframes)
		snap->nframes = first + period;
}

/* A shim of the evaluation loop: the frame before it, if any, was called by C. */
static void note_shim(struct py_walker *w, struct py_thread *thread, uint64_t addr)
{
	struct py_snapshot *snap = &w->py->snap;
	if (!thread->c_stack)
		thread->c_stack = addr;
	if (snap->nframes > thread->first_frame)
		snap->frames[snap->nframes - 1].entry = true;
	for (size_t i = snap->nframes; i > thread->first_frame && !snap->frames[i - 1].c_frame; i--)
		snap->frames[i - 1].c_frame = addr;
}

static struct err *cycle(struct py_snapshot *snap, const struct py_thread *thread,
			 const struct py_brent *brent)
{
	cut_cycle(snap, thread->first_frame, snap->nframes - brent->n);
	return err_new(ERR_BAD_DATA, "the frames form a cycle at 0x%llx",
		       (unsigned long long)brent->mark);
}

/* Whether there is room for a frame; if not, why, unless the caller wanted no more. */
static struct err *check_room(const struct py_walker *w, const struct py_thread *thread, bool *room)
{
	const struct py_snapshot *snap = &w->py->snap;
	size_t n = snap->nframes - thread->first_frame;
	*room = !w->walk.max_frames || n < w->walk.max_frames;
	if (!*room || (n < PY_FRAMES_MAX && snap->nframes < PY_ALL_FRAMES_MAX))
		return NULL;
	return err_new(ERR_BAD_DATA, "more frames than are served (%zu)", n);
}

static struct err *take_frame(struct py_walker *w, struct py_thread *thread, uint64_t addr,
			      const struct py_raw_frame *raw, size_t *beyond)
{
	bool room;
	if (raw->owner >= w->off->owner_shim) {
		note_shim(w, thread, addr);
		return NULL;
	}
	struct err *err = check_room(w, thread, &room);
	if (err)
		return err;
	if (room)
		return append_frame(w, addr, raw);
	++*beyond;
	return NULL;
}

static struct err *collect(struct py_walker *w, struct py_thread *thread, uint64_t addr,
			   struct py_chain *chain)
{
	struct py_snapshot *snap = &w->py->snap;
	struct py_brent brent = { 0 };
	size_t beyond = 0; /* frames seen that are not wanted */

	/* Shims grow no array, so what bounds the frames does not bound the steps. */
	for (size_t steps = 0; addr && steps < STEPS_MAX; steps++) {
		struct py_raw_frame raw;
		struct err *err = py_frame_read(w, addr, &raw);
		if (err) {
			chain->cut = w->frames_read > READS_MAX;
			return err;
		}
		if (py_brent_seen(&brent, addr, snap->nframes))
			return cycle(snap, thread, &brent);
		py_chain_note(w->off, chain, &raw);
		err = take_frame(w, thread, addr, &raw, &beyond);
		chain->cut = err || beyond > PEEK_MAX || (beyond && chain->level_ended);
		if (err || chain->cut)
			return err;
		addr = raw.previous;
	}
	if (addr)
		return err_new(ERR_BAD_DATA, "the frames do not end");
	if (snap->nframes > thread->first_frame && !beyond)
		snap->frames[snap->nframes - 1].entry = true;
	return NULL;
}

/* Keeps why a thread's frames end early; what is left is ERR_NOMEM or nothing. */
static struct err *say_why(struct py_walker *w, struct py_thread *thread, struct err *err)
{
	if (!err || err->code == ERR_NOMEM)
		return err;
	thread->corrupt = py_reason(w, err);
	return thread->corrupt ? NULL : &err_nomem;
}

/* Begins again with @from what did not hold together. */
static struct err *collect_instead(struct py_walker *w, struct py_thread *thread, uint64_t from)
{
	struct py_chain chain = { 0 };
	w->py->snap.nframes = thread->first_frame;
	thread->c_stack = 0;
	thread->corrupt = NULL;
	return say_why(w, thread, collect(w, thread, from, &chain));
}

static const char *missing_text(const struct py_chain *chain)
{
	if (chain->idle_last)
		return "an exception is thrown into a generator: what called it is not linked";
	return "stopped in the middle of a call or return: frames may be missing";
}

struct err *py_frames_collect(struct py_walker *w, struct py_thread *thread,
			      const struct py_top *top)
{
	struct py_chain chain = { 0 };
	uint64_t instead;

	thread->first_frame = w->py->snap.nframes;
	struct err *err = say_why(w, thread, collect(w, thread, top->frame, &chain));
	chain.damaged = thread->corrupt != NULL;
	if (!err && !py_top_is_whole(w, top, &chain)) {
		if (py_top_instead(w, top, &chain, &instead))
			err = collect_instead(w, thread, instead);
		else if (!thread->corrupt)
			thread->corrupt = missing_text(&chain);
	}
	thread->nframes = w->py->snap.nframes - thread->first_frame;
	return err;
}

/* ---- names and places ---- */

/*
 * 3.14 and later, free-threaded: each thread runs a copy of its own of the instructions,
 * for the first to run it the code object's (Include/internal/pycore_code.h, _PyCodeArray).
 */
static bool find_copy(const struct py_walker *w, const struct py_frame *f,
		      const struct py_code *code, uint64_t *ret)
{
	const struct py_offsets *off = w->off;
	uint64_t array, n, copy;
	uint32_t index;
	if (off->code.tlbc == PY_NONE || off->frame.tlbc_index == PY_NONE ||
	    f->instr - code->bytecode < code->bytecode_len)
		return false;
	struct err *err = mem_ptr(w->mem, code->addr + off->code.tlbc, &array);
	if (!err)
		err = mem_read(w->mem, f->addr + off->frame.tlbc_index, &index, sizeof(index));
	if (!err)
		err = mem_ptr(w->mem, array, &n);
	if (!err && index < n)
		err = mem_ptr(w->mem, array + 8 + 8ull * index, &copy);
	bool found = !err && index < n;
	err_drop(err);
	if (found)
		*ret = copy;
	return found;
}

static int32_t last_instruction(const struct py_walker *w, const struct py_frame *f,
				const struct py_code *code)
{
	const struct py_offsets *off = w->off;
	uint64_t instr = f->instr, bytecode = code->bytecode;
	if (find_copy(w, f, code, &bytecode) && instr - bytecode >= code->bytecode_len)
		return -1;
	uint64_t at = off->lasti_unit ? instr * off->lasti_unit : instr - bytecode;
	/* 3.11 and 3.12 point one code unit before the first to say "not begun". */
	if (off->prev_instr && at == (uint64_t)-2)
		return -1;
	return at < code->bytecode_len ? (int32_t)at : -1;
}

/* _PyFrame_IsIncomplete() */
static bool is_incomplete(const struct py_offsets *off, const struct py_frame *f,
			  const struct py_code *code)
{
	/* To 3.10 a frame is complete before the thread gets to it. */
	if (f->owner == PY_OWNER_GENERATOR || off->lasti_unit)
		return false;
	if (f->lasti < 0) /* of a corrupt instruction pointer nothing is known */
		return off->prev_instr && f->instr == code->bytecode - 2;
	return f->lasti < code->first_traceable;
}

static void resolve(const struct py_walker *w, struct py_frame *f, struct py_code *code)
{
	const struct py_offsets *off = w->off;
	f->lasti = -1;
	f->pos = (struct py_position){ -1, -1, -1, -1 };
	if (code->corrupt) {
		f->name = f->qualname = f->file = code->corrupt;
		f->corrupt = true;
		return;
	}
	f->name = code->name;
	f->qualname = code->qualname;
	f->qualified = off->code.qualname != PY_NONE;
	f->file = code->file;
	f->first_line = code->first_line;
	f->lasti = last_instruction(w, f, code);
	f->incomplete = is_incomplete(off, f, code);
	/* What sets a frame up (copying cells, making the generator) may have no line. */
	bool not_begun = f->incomplete || (off->lasti_unit && f->instr == (uint64_t)-1);
	if (!py_code_position(code, f->lasti, &f->pos) && not_begun)
		f->pos.line = f->pos.end_line = code->first_line;
}

/*
 * Code objects count their references, so the process can write them, but for
 * _Py_InitCleanup (3.13 and later, Python/specialize.c), a constant of the interpreter's
 * that a core without its file does not hold; see py_code.trampoline.
 */
static bool is_constant(const struct py_walker *w, uint64_t addr)
{
	const struct map *m = maps_find(w->space->maps, addr);
	return m && m->inode && !(m->prot & MAP_W);
}

struct err *py_frame_single(struct py_walker *w, uint64_t addr, struct py_frame *ret)
{
	struct py_raw_frame raw;
	struct py_code *code;
	struct err *err = py_frame_read(w, addr, &raw);
	if (!err)
		err = py_codes_get(&w->py->codes, w->mem, w->off, raw.code, &code);
	if (!err && (code->absent || code->trampoline))
		err = err_new(ERR_NOT_FOUND, "the frame at 0x%llx is the interpreter's own",
			      (unsigned long long)addr);
	if (err)
		return err;
	*ret = (struct py_frame){
		.addr = addr,
		.code_addr = raw.code,
		.instr = raw.instr,
		.owner = (enum py_owner)raw.owner,
	};
	resolve(w, ret, code);
	return NULL;
}

struct err *py_frames_resolve(struct py_walker *w, struct py_thread *thread)
{
	struct py_frame *frames = &w->py->snap.frames[thread->first_frame];
	size_t kept = 0;
	for (size_t i = 0; i < thread->nframes; i++) {
		struct py_code *code;
		struct err *err =
			py_codes_get(&w->py->codes, w->mem, w->off, frames[i].code_addr, &code);
		if (err)
			return err;
		resolve(w, &frames[i], code);
		bool ours =
			code->trampoline || (code->corrupt && is_constant(w, frames[i].code_addr));
		/*
		 * Frames that nobody wrote are left out.  One with None for code is C's, whether
		 * or not its owner says so yet.
		 */
		if (!ours && !code->absent)
			frames[kept++] = frames[i];
		else if (kept && (frames[i].entry || code->absent))
			frames[kept - 1].entry = true;
	}
	thread->nframes = kept;
	return NULL;
}
