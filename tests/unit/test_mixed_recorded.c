/* SPDX-License-Identifier: MIT */
/*
 * C and Python frames of recorded processes, tests/mem/native/NAME.mem, with what must
 * come of them in NAME.txt.  UPDATE=1 rewrites the latter.  The recordings hold unwind
 * tables and stacks, and no names of C functions.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "qxfer/python.h"
#include "qxfer/python/mixed.h"
#include "tests/unit/recordings.h"

static void setup(void)
{
	find_recordings("tests/mem/native/*.mem");
}

TestSuite(mixed_recorded, .init = setup, .fini = forget_recordings);

static const struct py_snapshot *walk(void)
{
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, &rec.space, NULL, &snap);
	cr_assert_null(err, "%s", err ? err->msg : "");
	return snap;
}

static struct py_mixed mixed_of(pid_t tid)
{
	struct py_mixed m;
	cr_assert_null(python_mixed(py, &rec.space, tid, &m));
	return m;
}

Test(mixed_recorded, every_recording_gives_the_stacks_it_gave)
{
	for_each_recording(i)
	{
		char path[256];
		size_t len;
		struct err *err =
			python_stacks_text(py, &rec.space, PYTHON_FULL | PYTHON_NATIVE, NULL, &out);
		cr_assert_null(err, "%s: %s", files.gl_pathv[i], err ? err->msg : "");
		snprintf(path, sizeof(path), "%.*s.txt", (int)strlen(files.gl_pathv[i]) - 4,
			 files.gl_pathv[i]);
		if (getenv("UPDATE"))
			spit(path, &out);
		const char *want = slurp(path, &len);
		cr_expect(out.len == len && memcmp(out.data, want, len) == 0,
			  "%s differs; got:\n%.*s", path, (int)out.len, (const char *)out.data);
	}
}

Test(mixed_recorded, every_python_frame_lies_in_front_of_the_c_frame_that_runs_it)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk();
		for (size_t k = 0; k < snap->nthreads; k++) {
			struct py_mixed m = mixed_of(snap->threads[k].tid);
			int32_t group = 0;
			size_t frames = 0;
			cr_expect_null(m.mismatch);
			cr_expect_null(m.native.cut, "%s", m.native.cut);
			for (size_t j = 0; j < m.n; j++) {
				bool python = m.items[j].kind == PY_MIXED_PYTHON;
				frames += python;
				if (!python && (group || m.items[j].loop > 0))
					cr_expect_eq(m.items[j].loop, group);
				group = python ? group + 1 : 0;
			}
			cr_expect_eq(group, 0);
			cr_expect_eq(frames, snap->threads[k].nframes);
		}
	}
}

/* Of one thread's stack, the C frame that runs Python frame number @n. */
static const struct native_frame *runner_of(const struct py_mixed *m, size_t n)
{
	size_t seen = 0;
	for (size_t i = 0; i < m->n; i++) {
		seen += m->items[i].kind == PY_MIXED_PYTHON;
		if (seen > n && m->items[i].kind == PY_MIXED_NATIVE)
			return &m->native.frames[m->items[i].index];
	}
	cr_assert_fail("no such frame");
	return NULL;
}

Test(mixed_recorded, a_loop_that_is_elsewhere_is_a_mismatch_and_nothing_is_misplaced)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk();
		const struct py_thread *t = &snap->threads[0];
		struct py_mixed m = mixed_of(t->tid);
		uint64_t sp = runner_of(&m, 0)->cfa;
		/* Past the outermost C frame: no C frame has such a variable. */
		uint64_t beyond = m.native.frames[m.native.n - 1].cfa + 64;
		struct py_frame *f = (struct py_frame *)(uintptr_t)&snap->frames[t->first_frame];
		if (!f->c_frame)
			continue; /* 3.11, where it is looked up */
		cr_expect_lt(f->c_frame, sp);
		for (size_t k = 0; k < t->nframes && f[k].c_frame < sp; k++)
			f[k].c_frame = beyond;
		m = mixed_of(t->tid);
		cr_expect_not_null(m.mismatch);
		cr_expect(m.apart);
		for (size_t k = 0; k < m.n; k++)
			cr_expect_eq(m.items[k].kind,
				     k < t->nframes ? PY_MIXED_PYTHON : PY_MIXED_NATIVE);
	}
}

static bool no_regs(void *ctx, pid_t tid, struct space_regs *ret)
{
	(void)ctx;
	(void)tid;
	(void)ret;
	return false;
}

Test(mixed_recorded, without_registers_the_python_frames_are_told_behind_the_reason)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk();
		rec.space.dwarf_regs = no_regs;
		struct py_mixed m = mixed_of(snap->threads[0].tid);
		cr_assert_eq(m.n, 1 + snap->threads[0].nframes);
		cr_expect_eq(m.items[0].kind, PY_MIXED_CUT);
		cr_expect_null(m.mismatch);
	}
}

Test(mixed_recorded, a_stack_that_ends_half_way_keeps_what_came_before)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk();
		const struct py_thread *t = &snap->threads[0];
		struct py_mixed m = mixed_of(t->tid);
		size_t half = m.native.n / 2;
		uint64_t at = m.native.frames[half].cfa - 8;
		uint8_t *ra = recorded_at(&rec, at, 8);
		cr_assert_not_null(ra);
		memset(ra, 0x11, 8);
		mem_invalidate(&rec.mem);
		snap = walk();
		m = mixed_of(t->tid);
		cr_expect_not_null(m.native.cut);
		cr_expect_null(m.mismatch, "%s", m.mismatch);
		cr_expect_eq(m.native.n, half + 2);
		size_t frames = 0;
		for (size_t k = 0; k < m.n; k++)
			frames += m.items[k].kind == PY_MIXED_PYTHON;
		cr_expect_eq(frames, t->nframes);
	}
}

/* Every so many bytes one is changed; under the sanitizers this finds what is not bounded. */
Test(mixed_recorded, damage_anywhere_neither_crashes_nor_hangs, .timeout = 120)
{
	unsigned int seed = 1;
	open_recording(files.gl_pathv[files.gl_pathc - 1]);
	for (size_t r = 0; r < rec.nranges; r++) {
		struct recorded_range *range = &rec.range[r];
		for (size_t at = (size_t)(rand_r(&seed) % 24); at < range->len;
		     at += 1 + (size_t)(rand_r(&seed) % 96)) {
			uint8_t before = range->data[at];
			range->data[at] = (uint8_t)rand_r(&seed);
			mem_invalidate(&rec.mem);
			rec.space.epoch++;
			struct err *err = python_frames_document(py, &rec.space, ";native", &out);
			err_drop(err);
			cr_assert_lt(out.len, 16u << 20);
			buf_clear(&out);
			range->data[at] = before;
		}
	}
}
