/* SPDX-License-Identifier: MIT */
/*
 * Which C frame runs which Python frames.
 *
 * C calls Python by _PyEval_EvalFrameDefault(), whose loop goes on to run what
 * Python calls from there.  A group is the Python frames of one such loop; the C
 * frame that runs it is found
 *   - from 3.12 on by the shim at the end of its frames, a variable of the loop;
 *   - in 3.11 by the _PyCFrame that knows its innermost frame, another one;
 *   - to 3.10, where a loop runs one frame, by name and order: the loop's C frame
 *     must also hold the address of that frame, in a register or on its stack.
 * So up to 3.10 a name is needed (it is among the dynamic symbols), later it only
 * confirms.
 */
#include "qxfer/python/mixed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/state.h"

#define EVAL_NAME  "_PyEval_EvalFrameDefault"
#define SCAN_MAX   65536u /* bytes of one C frame searched for a pointer */
#define EMPTY_MAX  64u	  /* loops without frames one within the other */
#define CFRAME_MAX (PY_FRAMES_MAX + 64u)
#define PARTS_MAX  8u /* of the function with the loop, that have no name */
#define NOWHERE	   SIZE_MAX

struct group {
	uint32_t thread;  /* in py_snapshot.threads */
	size_t first, n;  /* in py_snapshot.frames */
	uint64_t c_frame; /* an address in the C frame of its loop, or 0 */
	size_t native;	  /* that frame, in native.frames; or NOWHERE */
};

/* The groups of one state: a row of those in py_mixer. */
struct row {
	size_t first, n;
};

struct py_mixer {
	struct native *native;
	struct group *groups;
	size_t ngroups, groups_cap;
	struct row *rows;
	size_t nrows, rows_cap;
	struct py_mixed_item *items;
	size_t nitems, items_cap;
	int32_t *loops; /* of each native frame, as py_mixed_item.loop */
	size_t loops_cap;
	size_t *by_sp; /* native frames, sorted by their place in memory */
	size_t by_sp_cap;
	char mismatch[128];
};

/* One mixing. */
struct mix {
	struct py_mixer *mx;
	struct py_walker w;
	pid_t tid;
	struct native_stack native;
	bool damaged;  /* a state's frames end early, so loops may seem to be empty */
	uint32_t last; /* the state last met */
};

void py_mixer_free(struct py_mixer *mx)
{
	if (!mx)
		return;
	native_destroy(mx->native);
	free(mx->groups);
	free(mx->rows);
	free(mx->items);
	free(mx->loops);
	free(mx->by_sp);
	free(mx);
}

static struct err *get_mixer(struct python *py, struct py_mixer **ret)
{
	struct err *err = NULL;
	if (!py->mixer) {
		struct py_mixer *mx = calloc(1, sizeof(*mx));
		if (!mx)
			return &err_nomem;
		err = native_create(&mx->native);
		if (err)
			free(mx);
		else
			py->mixer = mx;
	}
	if (!err)
		native_set_jit(py->mixer->native, py->jit);
	*ret = py->mixer;
	return err;
}

/* ---- groups ---- */

static struct err *add_group(struct mix *m, uint32_t thread, size_t first, size_t n)
{
	struct py_mixer *mx = m->mx;
	struct err *err = py_array_grow((void **)&mx->groups, mx->ngroups, &mx->groups_cap,
					sizeof(*mx->groups));
	if (!err)
		mx->groups[mx->ngroups++] = (struct group){
			.thread = thread,
			.first = first,
			.n = n,
			.c_frame = m->w.py->snap.frames[first + n - 1].c_frame,
			.native = NOWHERE,
		};
	return err;
}

static struct err *add_groups(struct mix *m, uint32_t thread)
{
	const struct py_snapshot *snap = &m->w.py->snap;
	const struct py_thread *t = &snap->threads[thread];
	struct err *err = NULL;
	size_t first = t->first_frame, end = t->first_frame + t->nframes;
	m->damaged |= t->corrupt != NULL;
	for (size_t i = first; i < end && !err; i++) {
		if (!snap->frames[i].entry && i + 1 < end)
			continue;
		err = add_group(m, thread, first, i + 1 - first);
		first = i + 1;
	}
	return err;
}

/* 3.11: gives the groups of one state the _PyCFrame that knows them. */
static void locate_by_cframes(struct mix *m, const struct row *row, const struct py_thread *t)
{
	const struct py_offsets *off = m->w.off;
	const struct py_frame *frames = m->w.py->snap.frames;
	struct group *g = row->n ? &m->mx->groups[row->first] : NULL;
	uint64_t at = t->c_stack, frame, previous;
	for (size_t i = 0, steps = 0; i < row->n && at && steps < CFRAME_MAX; steps++) {
		struct err *err = mem_ptr(m->w.mem, at + off->cframe.current_frame, &frame);
		if (!err)
			err = mem_ptr(m->w.mem, at + off->cframe.previous, &previous);
		if (err) {
			err_drop(err);
			return;
		}
		if (frame == frames[g[i].first].addr)
			g[i++].c_frame = at;
		at = previous;
	}
}

static struct err *add_state(struct mix *m, uint32_t thread)
{
	struct py_mixer *mx = m->mx;
	const struct py_offsets *off = m->w.off;
	struct row row = { .first = mx->ngroups };
	struct err *err = add_groups(m, thread);
	if (!err)
		err = py_array_grow((void **)&mx->rows, mx->nrows, &mx->rows_cap,
				    sizeof(*mx->rows));
	if (err)
		return err;
	row.n = mx->ngroups - row.first;
	mx->rows[mx->nrows++] = row;
	if (off->frame.is_entry != PY_NONE && off->cframe.previous != PY_NONE)
		locate_by_cframes(m, &row, &m->w.py->snap.threads[thread]);
	m->last = thread;
	return NULL;
}

static struct err *collect_groups(struct mix *m)
{
	const struct py_snapshot *snap = &m->w.py->snap;
	struct err *err = NULL;
	m->mx->ngroups = m->mx->nrows = 0;
	for (uint32_t i = 0; m->w.py->found && i < snap->nthreads && !err; i++)
		if (snap->threads[i].tid == m->tid)
			err = add_state(m, i);
	return err;
}

/* ---- native frames ---- */

/* The compiler may split a function, and names the parts after it: NAME.cold, NAME.part.0. */
static bool is_loop(const struct native_frame *f)
{
	size_t len = strlen(EVAL_NAME);
	return f->symbol && strncmp(f->symbol, EVAL_NAME, len) == 0 &&
	       (!f->symbol[len] || f->symbol[len] == '.');
}

static int by_place(const void *a, const void *b, void *arg)
{
	const struct native_frame *frames = arg;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	if (frames[i].sp != frames[k].sp)
		return frames[i].sp < frames[k].sp ? -1 : 1;
	return i < k ? -1 : i > k;
}

static struct err *index_natives(struct mix *m)
{
	struct py_mixer *mx = m->mx;
	size_t n = m->native.n;
	if (n > mx->by_sp_cap) {
		size_t *by_sp = reallocarray(mx->by_sp, n, sizeof(*by_sp));
		if (!by_sp)
			return &err_nomem;
		mx->by_sp = by_sp;
		mx->by_sp_cap = n;
	}
	if (n > mx->loops_cap) {
		int32_t *loops = reallocarray(mx->loops, n, sizeof(*loops));
		if (!loops)
			return &err_nomem;
		mx->loops = loops;
		mx->loops_cap = n;
	}
	for (size_t i = 0; i < n; i++) {
		mx->by_sp[i] = i;
		mx->loops[i] = is_loop(&m->native.frames[i]) ? 0 : -1;
	}
	if (n)
		qsort_r(mx->by_sp, n, sizeof(*mx->by_sp), by_place,
			(void *)(uintptr_t)m->native.frames);
	return NULL;
}

/* The native frame that @addr of the stack belongs to. */
static size_t native_at(const struct mix *m, uint64_t addr)
{
	const struct native_frame *frames = m->native.frames;
	size_t lo = 0, hi = m->native.n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (frames[m->mx->by_sp[mid]].sp <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NOWHERE;
	size_t i = m->mx->by_sp[lo - 1];
	return addr < frames[i].cfa ? i : NOWHERE;
}

/* ---- from 3.11 on: by address ---- */

static void say(struct mix *m, const char *what, const struct native_frame *f)
{
	if (*m->mx->mismatch)
		return;
	snprintf(m->mx->mismatch, sizeof(m->mx->mismatch), "%s%s%.40s", what, f ? " " : "",
		 f ? f->symbol : "");
}

static void place_by_address(struct mix *m, struct group *g)
{
	size_t i = native_at(m, g->c_frame);
	if (i == NOWHERE)
		return;
	const struct native_frame *f = &m->native.frames[i];
	if (f->symbol && m->mx->loops[i] < 0) {
		say(m, "Python frames seem to run in", f);
		return;
	}
	if (m->mx->loops[i] > 0) {
		say(m, "two loops seem to be one C frame", NULL);
		return;
	}
	g->native = i;
	m->mx->loops[i] = (int32_t)(g->n < INT32_MAX ? g->n : INT32_MAX);
}

/*
 * A loop whose last frame is being cleared has none left, yet that may run
 * Python (__del__): its shim comes right behind that of the loop it called.
 */
static void note_empty_loops(struct mix *m, uint64_t shim)
{
	for (unsigned int i = 0; i < EMPTY_MAX; i++) {
		struct py_raw_frame raw;
		struct err *err = py_frame_read(&m->w, shim, &raw);
		if (!err && raw.owner >= m->w.off->owner_shim && (shim = raw.previous))
			err = py_frame_read(&m->w, shim, &raw);
		else if (!err)
			return;
		if (err) {
			err_drop(err);
			return;
		}
		size_t at = raw.owner >= m->w.off->owner_shim ? native_at(m, shim) : NOWHERE;
		if (at == NOWHERE)
			return;
		m->mx->loops[at] = m->mx->loops[at] == 0 ? -2 : m->mx->loops[at];
	}
}

/* ---- to 3.10: by name and order ---- */

static bool has_word(const uint64_t *words, size_t n, uint64_t word)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] == word)
			return true;
	return false;
}

/* Whether a register of @f, or a word of it on the stack, is @word. */
static bool holds(const struct mix *m, const struct native_frame *f, uint64_t word)
{
	uint64_t words[128];
	for (unsigned int i = 0; i < SPACE_REGS; i++)
		if (f->regs.known & 1u << i && f->regs.value[i] == word)
			return true;
	uint64_t end = f->cfa - f->sp < SCAN_MAX ? f->cfa : f->sp + SCAN_MAX;
	for (uint64_t at = f->sp; at < end; at += sizeof(words)) {
		size_t len = end - at < sizeof(words) ? (size_t)(end - at) : sizeof(words);
		size_t got = mem_read_some(m->w.mem, at, words, len);
		if (has_word(words, got / sizeof(words[0]), word))
			return true;
		if (got < len)
			break;
	}
	return false;
}

/*
 * Of the groups that are next, one of each state, the one that @f runs; it is taken
 * from its row.  @inward: the rows are taken from their outer end.
 */
static struct group *take_group(struct mix *m, const struct native_frame *f, bool inward)
{
	struct py_mixer *mx = m->mx;
	for (size_t i = 0; i < mx->nrows; i++) {
		struct row *row = &mx->rows[i];
		if (!row->n)
			continue;
		struct group *g = &mx->groups[inward ? row->first + row->n - 1 : row->first];
		if (!holds(m, f, m->w.py->snap.frames[g->first].addr))
			continue;
		row->n--;
		row->first += inward ? 0 : 1;
		return g;
	}
	return NULL;
}

/*
 * From the outermost loop on, since the innermost may not have its frame yet, or
 * not any more, and then holds what its caller left behind.
 */
static void place_by_name(struct mix *m)
{
	bool inward = !m->native.cut;
	for (size_t n = 0; n < m->native.n; n++) {
		size_t i = inward ? m->native.n - 1 - n : n;
		struct group *g =
			m->mx->loops[i] == 0 ? take_group(m, &m->native.frames[i], inward) : NULL;
		if (!g)
			continue;
		g->native = i;
		m->mx->loops[i] = (int32_t)g->n;
	}
}

/* ---- do they fit? ---- */

/* The innermost loop may be about to begin or have ended; any other runs something. */
static void check_loops(struct mix *m)
{
	bool inner = false;
	for (size_t i = 0; i < m->native.n; i++) {
		int32_t *loop = &m->mx->loops[i];
		if (*loop == 0 && inner && !m->damaged)
			say(m, "an evaluation loop runs no Python frame that is known", NULL);
		inner |= *loop >= 0;
		if (*loop == -2)
			*loop = 0;
	}
}

/*
 * Without a name a loop is known by where its function begins, once a group was
 * found in it.  A compiler splits the function into a few parts.
 */
static void learn_loops(struct mix *m)
{
	uint64_t start[PARTS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < m->native.n; i++) {
		const struct native_frame *f = &m->native.frames[i];
		if (m->mx->loops[i] > 0 && !f->symbol && f->start && n < PARTS_MAX &&
		    !has_word(start, n, f->start))
			start[n++] = f->start;
	}
	for (size_t i = 0; n && i < m->native.n; i++)
		if (m->mx->loops[i] == -1 && has_word(start, n, m->native.frames[i].start))
			m->mx->loops[i] = 0;
}

/* Whether each group is where it ran; those behind a cut need no place. */
static bool check_groups(struct mix *m)
{
	const struct py_mixer *mx = m->mx;
	for (size_t i = 0; i < mx->ngroups; i++) {
		const struct group *g = &mx->groups[i];
		bool follows = i && g[-1].thread == g->thread;
		bool lost =
			g->native == NOWHERE ? !m->native.cut : follows && g[-1].native == NOWHERE;
		if (lost)
			say(m, "no C frame runs some of the Python frames", NULL);
		else if (g->native != NOWHERE && follows && g[-1].native > g->native)
			say(m, "the Python frames are in another order than the C frames", NULL);
	}
	return !*mx->mismatch;
}

static bool place_groups(struct mix *m)
{
	struct py_mixer *mx = m->mx;
	bool by_address = true;
	for (size_t i = 0; i < mx->ngroups; i++)
		by_address = by_address && mx->groups[i].c_frame;
	if (!by_address) {
		place_by_name(m);
	} else {
		for (size_t i = 0; i < mx->ngroups; i++)
			place_by_address(m, &mx->groups[i]);
		learn_loops(m);
		for (size_t i = 0; i < mx->ngroups && m->w.off->frame.is_entry == PY_NONE; i++)
			note_empty_loops(m, mx->groups[i].c_frame);
	}
	bool placed = check_groups(m);
	check_loops(m);
	return placed && (by_address || !*mx->mismatch);
}

/* ---- the one stack ---- */

static struct err *add_item(struct mix *m, enum py_mixed_kind kind, size_t index, int32_t loop)
{
	struct py_mixer *mx = m->mx;
	struct err *err =
		py_array_grow((void **)&mx->items, mx->nitems, &mx->items_cap, sizeof(*mx->items));
	if (!err)
		mx->items[mx->nitems++] = (struct py_mixed_item){
			.kind = kind,
			.thread = m->last,
			.index = index,
			.loop = loop,
		};
	return err;
}

static struct err *add_python(struct mix *m, const struct group *g)
{
	struct err *err = NULL;
	m->last = g->thread;
	for (size_t i = 0; i < g->n && !err; i++)
		err = add_item(m, PY_MIXED_PYTHON, g->first + i, -1);
	return err;
}

/* What was called from Python frames belongs to the state that these are of. */
static void own_calls(struct mix *m, size_t first)
{
	for (size_t i = first; i < m->mx->nitems; i++)
		m->mx->items[i].thread = m->last;
}

/* @at: of each native frame the group it runs, plus 1. */
static struct err *add_natives(struct mix *m, const size_t *at)
{
	struct err *err = NULL;
	size_t called = m->mx->nitems;
	for (size_t i = 0; i < m->native.n && !err; i++) {
		if (at && at[i]) {
			m->last = m->mx->groups[at[i] - 1].thread;
			own_calls(m, called);
			err = add_python(m, &m->mx->groups[at[i] - 1]);
		}
		if (!err)
			err = add_item(m, PY_MIXED_NATIVE, i, m->mx->loops[i]);
		if (at && at[i])
			called = m->mx->nitems;
	}
	if (!err && m->native.cut)
		err = add_item(m, PY_MIXED_CUT, 0, -1);
	return err;
}

static struct err *add_unplaced(struct mix *m, bool all)
{
	struct err *err = NULL;
	for (size_t i = 0; i < m->mx->ngroups && !err; i++)
		if (all || m->mx->groups[i].native == NOWHERE)
			err = add_python(m, &m->mx->groups[i]);
	return err;
}

static struct err *add_merged(struct mix *m)
{
	size_t *at = calloc(m->native.n + 1, sizeof(*at));
	if (!at)
		return &err_nomem;
	for (size_t i = 0; i < m->mx->ngroups; i++)
		if (m->mx->groups[i].native != NOWHERE)
			at[m->mx->groups[i].native] = i + 1;
	struct err *err = add_natives(m, at);
	free(at);
	return err ? err : add_unplaced(m, false);
}

static struct err *mix(struct mix *m, struct py_mixed *ret)
{
	struct err *err = index_natives(m);
	if (!err)
		err = collect_groups(m);
	if (err)
		return err;
	m->mx->nitems = 0;
	m->mx->mismatch[0] = '\0';
	ret->apart = !place_groups(m);
	if (!ret->apart)
		return add_merged(m);
	err = add_unplaced(m, true);
	return err ? err : add_natives(m, NULL);
}

struct err *python_mixed(struct python *py, const struct space *s, pid_t tid, struct py_mixed *ret)
{
	struct mix m = { .w = { .py = py, .space = s, .mem = s->mem, .off = &py->rt.off },
			 .tid = tid };
	struct err *err = get_mixer(py, &m.mx);
	*ret = (struct py_mixed){ .n = 0 };
	if (!err)
		err = native_walk(m.mx->native, s, tid, &m.native);
	if (!err)
		err = mix(&m, ret);
	if (err)
		return err;
	ret->items = m.mx->items;
	ret->n = m.mx->nitems;
	ret->native = m.native;
	ret->mismatch = *m.mx->mismatch ? m.mx->mismatch : NULL;
	return NULL;
}
