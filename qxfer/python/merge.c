/* SPDX-License-Identifier: MIT */
/*
 * Thread states of several interpreters on one thread of the operating system.
 *
 * A function of one interpreter can run code in another (concurrent.interpreters,
 * _interpreters, _xxsubinterpreters; PyThreadState_Swap() in C).  Each state then
 * has a chain of frames of its own, and which frame called which only the C stack
 * tells: it grows down, so a frame whose evaluation loop lies lower was called
 * later.  Where loops lie: from 3.12 on the shim at the end of each loop's frames
 * is a variable of the loop (_PyEval_EvalFrameDefault(), entry_frame); in 3.10 and 3.11
 * the CFrame is, one for each frame that is marked as an entry.  Before there is
 * nothing of the kind.
 */
#include <stdlib.h>

#include "qxfer/python/state.h"

/* Frames read to find the loop of those that are shown, if not all are. */
#define FOLLOW_MAX PY_FRAMES_MAX

struct place {
	uint64_t c_frame;
	size_t thread, frame; /* in the snapshot */
};

static int by_c_frame(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->c_frame != y->c_frame)
		return x->c_frame < y->c_frame ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* 3.10, 3.11: the CFrame of each loop, from the innermost out. */
static void find_cframes(struct py_walker *w, struct py_thread *t)
{
	struct py_frame *f = &w->py->snap.frames[t->first_frame];
	uint64_t at = t->c_stack;
	if (!at) {
		struct err *err = mem_ptr(w->mem, t->addr + w->off->cframe.innermost, &at);
		err_drop(err);
	}
	t->c_stack = at;
	for (size_t i = 0; i < t->nframes && at; i++) {
		f[i].c_frame = at;
		if (!f[i].entry)
			continue;
		struct err *err = mem_ptr(w->mem, at + w->off->cframe.previous, &at);
		if (err) {
			err_drop(err);
			return;
		}
	}
}

/* The shim behind the last frame that was collected, if that was not the chain's last. */
static void find_shim(struct py_walker *w, struct py_thread *t)
{
	struct py_frame *f = &w->py->snap.frames[t->first_frame];
	size_t n = t->nframes;
	if (!w->walk.max_frames || f[n - 1].c_frame)
		return;
	uint64_t at = f[n - 1].addr;
	for (size_t i = 0; at && i < FOLLOW_MAX; i++) {
		struct py_raw_frame raw;
		struct err *err = py_frame_read(w, at, &raw);
		if (err) {
			err_drop(err);
			return;
		}
		if (raw.owner >= w->off->owner_shim)
			break;
		at = raw.previous;
	}
	while (n && !f[n - 1].c_frame)
		f[--n].c_frame = at;
}

static void find_loops(struct py_walker *w, struct py_thread *t)
{
	bool has_shims = w->off->owner_shim <= w->off->owner_last;
	if (!has_shims && w->off->cframe.innermost != PY_NONE)
		find_cframes(w, t);
	else if (has_shims)
		find_shim(w, t);
	if (!t->c_stack)
		t->c_stack = w->py->snap.frames[t->first_frame].c_frame;
}

/* Loops are known, and lie the one above the other as the frames say. */
static bool is_ordered(const struct py_snapshot *snap, const struct py_thread *t)
{
	const struct py_frame *f = &snap->frames[t->first_frame];
	for (size_t i = 0; i < t->nframes; i++)
		if (!f[i].c_frame || (i && f[i].c_frame < f[i - 1].c_frame))
			return false;
	return t->nframes && !t->corrupt;
}

/* One state behind the other: how they lie is not known. */
static void append_group(struct py_snapshot *snap, struct place *group, size_t n)
{
	uint32_t depth = 0;
	for (size_t i = 0; i < n; i++)
		group[i].c_frame = snap->threads[group[i].thread].c_stack;
	qsort(group, n, sizeof(*group), by_c_frame);
	for (size_t i = 0; i < n; i++) {
		const struct py_thread *t = &snap->threads[group[i].thread];
		for (size_t k = 0; k < t->nframes; k++)
			snap->frames[t->first_frame + k].depth = depth++;
	}
}

/* The states @group[0..n), of one tid. */
static struct err *merge_group(struct py_walker *w, struct place *group, size_t n)
{
	struct py_snapshot *snap = &w->py->snap;
	size_t total = 0, at = 0;
	bool ordered = !w->space->tries; /* else they are not of one instant */
	for (size_t i = 0; i < n; i++) {
		struct py_thread *t = &snap->threads[group[i].thread];
		if (ordered)
			find_loops(w, t);
		t->shared = true;
		ordered = ordered && is_ordered(snap, t);
		total += t->nframes;
	}
	if (!ordered) {
		append_group(snap, group, n);
		return NULL;
	}
	struct place *place = calloc(total, sizeof(*place));
	if (!place)
		return &err_nomem;
	for (size_t i = 0; i < n; i++) {
		struct py_thread *t = &snap->threads[group[i].thread];
		t->merged = true;
		for (size_t k = t->first_frame; k < t->first_frame + t->nframes; k++)
			place[at++] = (struct place){ snap->frames[k].c_frame, group[i].thread, k };
	}
	qsort(place, total, sizeof(*place), by_c_frame);
	for (size_t i = 0; i < total; i++)
		snap->frames[place[i].frame].depth = (uint32_t)i;
	free(place);
	return NULL;
}

/* The threads that have frames, with their tid in place of c_frame. */
static size_t list_threads(struct py_snapshot *snap, struct place *list)
{
	size_t n = 0;
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		for (size_t k = 0; k < t->nframes; k++)
			snap->frames[t->first_frame + k].depth = (uint32_t)k;
		if (t->tid && t->nframes)
			list[n++] = (struct place){ (uint64_t)t->tid, i, 0 };
	}
	return n;
}

struct err *py_stacks_merge(struct py_walker *w)
{
	struct py_snapshot *snap = &w->py->snap;
	struct place *list = calloc(snap->nthreads + 1, sizeof(*list));
	struct err *err = NULL;
	if (!list)
		return &err_nomem;
	size_t n = list_threads(snap, list);
	qsort(list, n, sizeof(*list), by_c_frame);
	for (size_t i = 0, end; i < n && !err; i = end) {
		end = i + 1;
		while (end < n && list[end].c_frame == list[i].c_frame)
			end++;
		if (end - i > 1)
			err = merge_group(w, &list[i], end - i);
	}
	free(list);
	return err;
}
