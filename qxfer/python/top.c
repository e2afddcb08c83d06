/* SPDX-License-Identifier: MIT */
/*
 * Stops between two stores.
 *
 * CPython enters a frame with several stores (the frame's link to its caller, the
 * thread's current frame, in 3.11 and 3.12 also the thread's _PyCFrame), and the
 * compiler orders them as it likes.  A thread that is stopped between two of them
 * shows a chain that does not hold together: a new frame with the link of whatever
 * lay there before, a generator already unlinked but still current, a _PyCFrame
 * not filled in yet.  Seen with gcc: about one stop in 5,000 of a program that does
 * nothing but call, with 3.11 and 3.12; none in 3.13 and later.
 *
 * To 3.10 one store enters a frame that is complete by then, and one leaves it, but for
 * an exception that is thrown into a generator and on into the one that it waits for:
 * the outer one is current then and no loop evaluates it.  3.9 does not link it to its
 * caller at all (Objects/genobject.c, _gen_throw()), and 3.10 takes the link away before
 * the caller is current again.
 *
 * What does hold: each evaluation loop's first frame points to the frame that was
 * current when the loop was entered (3.11, 3.12), or every chain ends in a shim of
 * the loop (3.13 and later).  If a chain fails that, the frame that is missing
 * is in a register of the thread, maybe a vector register (gcc 12 keeps the outer
 * _PyCFrame of 3.12 in one alone for a few instructions), or was just spilled
 * beside the _PyCFrame.
 */
#include "qxfer/python/state.h"

#define REGS_MAX    96u	  /* vector registers too */
#define NEAR	    1024u /* bytes of C stack on either side of the _PyCFrame */
#define C_STACK_MAX (64ull << 20)
/* Frames read, in all threads, to find which chain is the right one. */
#define TRIES_MAX   (5ul * PY_FRAMES_MAX)

static size_t read_regs(struct py_walker *w, pid_t tid, uint64_t *ret, size_t n)
{
	return w->space->thread_regs && tid ? w->space->thread_regs(w->space->ctx, tid, ret, n) : 0;
}

static bool has_cframes(const struct py_walker *w)
{
	return w->off->cframe.current_frame != PY_NONE;
}

bool py_top_is_whole(const struct py_walker *w, const struct py_top *top,
		     const struct py_chain *chain)
{
	if (!top->frame || chain->cut)
		return true;
	if (w->off->lasti_unit)
		return chain->damaged || !chain->idle_last;
	if (!has_cframes(w))
		return !chain->damaged && chain->shim_last;
	if (chain->level_ended && chain->level_previous == top->caller)
		return true;
	/* 3.11: all is there but the mark that a loop begins here. */
	return w->off->frame.is_entry != PY_NONE && chain->n &&
	       chain->first_previous == top->caller;
}

/* A frame on the data stack must lie below what is free and below the frame in doubt. */
static bool may_be_live(const struct py_top *top, uint64_t addr)
{
	uint64_t limit = top->stack_top;
	if (!top->stack || !limit || addr < top->stack)
		return true;
	if (top->frame > top->stack && top->frame < limit)
		limit = top->frame;
	/* Above the limit may also be another mapping: as long as a chunk is, it is not. */
	return addr < limit || addr > limit + (1u << 20);
}

/* How many frames the chain from @addr has, if it is whole; else 0. */
static size_t try_chain(struct py_walker *w, const struct py_top *top, uint64_t addr)
{
	const struct py_top as = { .frame = addr, .caller = top->caller };
	bool by_level = has_cframes(w);
	struct py_chain chain = { 0 };
	struct py_brent brent = { 0 };

	if (!addr || addr % 8 || addr == top->frame || !may_be_live(top, addr))
		return 0;
	while (addr && !(by_level && chain.level_ended)) {
		struct py_raw_frame raw;
		if (w->frames_tried++ >= TRIES_MAX || py_brent_seen(&brent, addr, 0))
			return 0;
		struct err *err = py_frame_read(w, addr, &raw);
		if (err) {
			err_drop(err);
			return 0;
		}
		py_chain_note(w->off, &chain, &raw);
		addr = raw.previous;
	}
	return py_top_is_whole(w, &as, &chain) ? chain.n : 0;
}

struct search {
	uint64_t best;
	size_t depth;
};

static void try_words(struct py_walker *w, const struct py_top *top, const uint64_t *word, size_t n,
		      struct search *s)
{
	for (size_t i = 0; i < n; i++) {
		size_t depth = try_chain(w, top, word[i]);
		if (depth > s->depth)
			*s = (struct search){ word[i], depth };
	}
}

/* ---- 3.11 and 3.12: the _PyCFrame ---- */

/*
 * The C stack grows down, so the _PyCFrame of the loop outside lies above; the
 * outermost of all is inside the thread state.
 */
static bool may_be_outer(const struct py_walker *w, const struct py_top *top, uint64_t addr)
{
	if (addr % 8)
		return false;
	return addr == top->thread + w->off->cframe.root ||
	       (addr > top->cframe && addr - top->cframe < C_STACK_MAX);
}

static bool is_root(const struct py_walker *w, const struct py_top *top)
{
	return top->cframe == top->thread + w->off->cframe.root;
}

static struct err *read_cframe(struct py_walker *w, uint64_t addr, uint64_t *frame,
			       uint64_t *previous)
{
	struct err *err = mem_ptr(w->mem, addr + w->off->cframe.current_frame, frame);
	return err ? err : mem_ptr(w->mem, addr + w->off->cframe.previous, previous);
}

/* Fills in what the _PyCFrame top->cframe leads to; false if it leads nowhere. */
static bool follow_cframe(struct py_walker *w, struct py_top *top)
{
	uint64_t previous, beyond;
	struct err *err = read_cframe(w, top->cframe, &top->frame, &previous);
	top->caller = 0;
	if (!err && !is_root(w, top)) {
		if (!may_be_outer(w, top, previous))
			return false;
		err = read_cframe(w, previous, &top->caller, &beyond);
	}
	err_drop(err);
	return !err;
}

/*
 * The frame of an outer loop was current when the inner one was entered, and what
 * is below it does not change: if it is not whole, the link to it is not one.
 */
static bool outer_is_whole(struct py_walker *w, const struct py_top *top)
{
	uint64_t frame, previous;
	struct py_top outer = *top;
	struct err *err = read_cframe(w, top->cframe, &frame, &previous);
	if (err) {
		err_drop(err);
		return false;
	}
	if (is_root(w, top))
		return true;
	outer.cframe = previous;
	if (!may_be_outer(w, top, previous) || !follow_cframe(w, &outer))
		return false;
	const struct py_top probe = { .caller = outer.caller };
	return is_root(w, &outer) ? !outer.frame : try_chain(w, &probe, outer.frame) != 0;
}

/* The nearest _PyCFrame outside that a register knows and that holds together. */
static bool find_outer_cframe(struct py_walker *w, struct py_top *top)
{
	uint64_t word[REGS_MAX];
	struct py_top best = { .cframe = 0 };
	size_t n = read_regs(w, top->tid, word, REGS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct py_top as = *top;
		as.cframe = word[i];
		if (!may_be_outer(w, top, word[i]) || !follow_cframe(w, &as))
			continue;
		/* That frame was current when the inner loop was entered: it must be whole. */
		struct py_top probe = { .caller = as.caller };
		if (as.frame && !try_chain(w, &probe, as.frame))
			continue;
		if (!best.cframe ||
		    (is_root(w, &best) ? !is_root(w, &as) : as.cframe < best.cframe))
			best = as;
	}
	if (best.cframe)
		*top = best;
	return best.cframe != 0;
}

/*
 * How many frames the chain from @addr has, if it goes on to the outermost frame of the
 * thread; else 0.  *caller is the frame that called its innermost loop.
 */
static size_t measure(struct py_walker *w, const struct py_top *top, uint64_t addr,
		      uint64_t *caller)
{
	struct py_chain chain = { 0 };
	struct py_brent brent = { 0 };
	bool ended = false;
	if (!may_be_live(top, addr))
		return 0;
	while (addr) {
		struct py_raw_frame raw;
		if (addr % 8 || w->frames_tried++ >= TRIES_MAX || py_brent_seen(&brent, addr, 0))
			return 0;
		struct err *err = py_frame_read(w, addr, &raw);
		if (err) {
			err_drop(err);
			return 0;
		}
		py_chain_note(w->off, &chain, &raw);
		ended = chain.shim_last || raw.is_entry;
		addr = raw.previous;
	}
	*caller = chain.level_previous;
	return ended ? chain.n : 0;
}

/*
 * The _PyCFrame of the loop outside may be known to no general register any more, while
 * the frame that was current, or the new one, still is.
 */
static bool find_frame(struct py_walker *w, struct py_top *top)
{
	uint64_t word[REGS_MAX], caller = 0;
	const struct py_top probe = { .stack = top->stack, .stack_top = top->stack_top };
	size_t n = read_regs(w, top->tid, word, REGS_MAX), deepest = 0;
	for (size_t i = 0; i < n; i++) {
		size_t depth = measure(w, &probe, word[i], &caller);
		if (depth <= deepest)
			continue;
		deepest = depth;
		top->frame = word[i];
		top->caller = caller;
	}
	if (deepest)
		top->cframe = 0;
	return deepest && w->frames_tried < TRIES_MAX;
}

/* ---- what to begin with ---- */

/* The loop being entered has no frame yet, so its caller is the innermost one. */
static bool caller_will_do(const struct py_top *top, const struct py_chain *chain)
{
	return top->cframe && (chain->damaged || chain->shim_first || chain->n == 1);
}

/*
 * No system call comes between the stores: a thread that is in one, and whose frames can't
 * be read, has been damaged, and what its registers know was current once, or never.
 */
static bool is_damaged(const struct py_walker *w, const struct py_top *top,
		       const struct py_chain *chain)
{
	const struct space *space = w->space;
	struct space_syscall call;
	return chain->damaged && !w->off->lasti_unit && top->tid && space->thread_syscall &&
	       space->thread_syscall(space->ctx, top->tid, &call);
}

bool py_top_instead(struct py_walker *w, const struct py_top *top, const struct py_chain *chain,
		    uint64_t *ret)
{
	uint64_t word[2 * NEAR / 8] = { 0 };
	struct py_top outer = *top;
	struct search s = { 0 };

	if (is_damaged(w, top, chain))
		return false;
	size_t nregs = read_regs(w, top->tid, word, REGS_MAX);
	if (w->off->lasti_unit && chain->n != 1)
		return false;
	if (top->cframe && nregs && !outer_is_whole(w, top)) {
		if (!find_outer_cframe(w, &outer) && !find_frame(w, &outer))
			return false;
		*ret = outer.frame;
		return true;
	}
	try_words(w, top, word, nregs, &s);
	if (top->cframe && nregs) {
		size_t len = mem_read_some(w->mem, top->cframe - NEAR, word, sizeof(word));
		try_words(w, top, word, len / 8, &s);
	}
	if (w->frames_tried >= TRIES_MAX)
		return false; /* the best may not have been among them */
	if (s.depth)
		*ret = s.best;
	else if (nregs && caller_will_do(top, chain))
		*ret = top->caller;
	else
		return false;
	return true;
}

struct err *py_top_find(struct py_walker *w, struct obj *ts, pid_t tid, struct py_top *ret)
{
	const struct py_offsets *off = w->off;
	*ret = (struct py_top){
		.tid = tid,
		.thread = ts->addr,
		.stack = py_field(ts, off->tstate.datastack_chunk, 8),
		.stack_top = py_field(ts, off->tstate.datastack_top, 8),
		.frame = obj_uint(ts, off->tstate.frame, 8),
	};
	if (!has_cframes(w) || !ret->frame)
		return NULL;
	ret->cframe = ret->frame;
	/* Its link is one of the stores that a stop can come before. */
	if (follow_cframe(w, ret) || find_outer_cframe(w, ret) || find_frame(w, ret))
		return NULL;
	return err_new(ERR_BAD_DATA, "stopped in the middle of a call, at the C frame 0x%llx",
		       (unsigned long long)ret->cframe);
}
