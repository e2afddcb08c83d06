/* SPDX-License-Identifier: MIT */
/*
 * Walks over recorded memory, tests/mem/NAME.mem, with what must come of them in
 * tests/mem/NAME.txt.  UPDATE=1 rewrites the latter.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "tests/unit/recordings.h"

static void setup(void)
{
	find_recordings("tests/mem/*.mem");
}

TestSuite(python_recorded, .init = setup, .fini = forget_recordings);

/* A snapshot of everything; must succeed. */
static const struct py_snapshot *walk(const struct py_walk *how)
{
	const struct py_snapshot *snap;
	struct err *err = python_walk(py, &rec.space, how, &snap);
	cr_assert_null(err, "%s", err ? err->msg : "");
	return snap;
}

static const char *text(void)
{
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

/* Overwrites one recorded word. */
static void poke(uint64_t addr, uint64_t value)
{
	uint8_t *p = recorded_at(&rec, addr, sizeof(value));
	cr_assert_not_null(p, "0x%llx was not recorded", (unsigned long long)addr);
	memcpy(p, &value, sizeof(value));
	mem_invalidate(&rec.mem);
}

/* The thread that ends in @function. */
static const struct py_thread *thread_in(const struct py_snapshot *snap, const char *function)
{
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		for (size_t k = 0; k < t->nframes; k++)
			if (strcmp(snap->frames[t->first_frame + k].name, function) == 0)
				return t;
	}
	cr_assert_fail("no thread in %s", function);
	return NULL;
}

Test(python_recorded, every_recording_gives_the_stacks_it_gave)
{
	for_each_recording(i)
	{
		char path[256];
		size_t len;
		struct err *err = python_stacks_text(py, &rec.space, PYTHON_FULL, NULL, &out);
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

Test(python_recorded, the_version_is_the_file_s)
{
	for_each_recording(i)
	{
		const char *name = strrchr(files.gl_pathv[i], '/') + 1;
		const struct py_snapshot *snap = walk(NULL);
		cr_expect_eq(strncmp(name, snap->version, strlen(snap->version)), 0, "%s: %s", name,
			     snap->version);
		cr_expect(snap->verified);
		cr_expect_eq(snap->frames[0].qualified, snap->version_hex >= 0x030b0000);
	}
}

Test(python_recorded, a_document_has_one_element_per_frame_in_both_formats)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk(NULL);
		size_t want = 0, xml = 0, json = 0;
		for (size_t k = 0; k < snap->nthreads; k++)
			want += snap->threads[k].nframes;
		cr_assert_null(python_frames_document(py, &rec.space, "", &out));
		for (const char *p = text(); (p = strstr(p, "<frame ")); p++)
			xml++;
		buf_clear(&out);
		cr_assert_null(python_frames_document(py, &rec.space, ";format=json", &out));
		for (const char *p = text(); (p = strstr(p, "{\"level\":")); p++)
			json++;
		cr_expect_eq(xml, want);
		cr_expect_eq(json, want);
	}
}

Test(python_recorded, one_thread_can_be_asked_for)
{
	for_each_recording(i)
	{
		char annex[32];
		pid_t tid = thread_in(walk(NULL), "coroutine")->tid;
		snprintf(annex, sizeof(annex), "p1.%x;format=json", (unsigned int)tid);
		cr_assert_null(python_frames_document(py, &rec.space, annex, &out));
		cr_expect(strstr(text(), "\"name\":\"inner\""));
		cr_expect_null(strstr(text(), "\"numbers\""));
		buf_clear(&out);
		struct err *err = python_frames_document(py, &rec.space, "7fffffff", &out);
		cr_expect(err_catch(&err, ERR_NOT_FOUND));
	}
}

Test(python_recorded, what_an_annex_cannot_mean_is_an_error)
{
	static const char *const wrong[] = { "x",	    "1x",
					     ";",	    ";local",
					     ";natives",    ";format=yaml",
					     "-",	    ";;format=json",
					     "1;format=js", ";format=json;",
					     "p1.2,",	    "\xff" };
	open_recording(files.gl_pathv[0]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err *err = python_frames_document(py, &rec.space, wrong[i], &out);
		cr_expect_not_null(err, "'%s'", wrong[i]);
		cr_expect_eq(out.len, 0);
		err_drop(err);
	}
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;
	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

Test(python_recorded, where_native_frames_cannot_be_had_python_frames_still_can)
{
	for_each_recording(i)
	{
		struct err *err = python_frames_document(py, &rec.space, "", &out);
		cr_assert_null(err);
		buf_put(&out, "", 1);
		size_t frames = count((const char *)out.data, "<frame ");
		buf_clear(&out);
		err = python_frames_document(py, &rec.space, ";native", &out);
		cr_assert_null(err);
		buf_put(&out, "", 1);
		cr_expect_eq(count((const char *)out.data, "<frame "), frames);
		cr_expect_eq(count((const char *)out.data, "<native "), 0);
		cr_expect(strstr((const char *)out.data, "<cut "));
		cr_expect_null(strstr((const char *)out.data, "mismatch"));
		close_recording();
	}
}

static struct err *bt(pid_t tid, const char *args, struct buf *ret)
{
	const struct python_view view = { .py = py, .space = &rec.space, .tid = tid };
	return python_bt_text(&view, args, ret);
}

Test(python_recorded, monitor_texts_speak_of_the_thread_they_are_asked_for)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		pid_t tid = t->tid;
		char args[32], head[96];
		snprintf(args, sizeof(args), "0x%llx", (unsigned long long)t->ident);
		cr_assert_eq(strncmp(t->name, "Thread-3", 8), 0, "%s", t->name);
		snprintf(head, sizeof(head), "Thread %d \"%s\" (%s):\n", tid, t->name, args);
		cr_assert_null(bt(tid, "", &out));
		const char *shown = text();
		cr_expect_eq(strncmp(shown, head, strlen(head)), 0, "%s", shown);
		cr_expect_not_null(strstr(shown,
					  "):\nTraceback (most recent call first):\n"
					  "  File \"/srv/shapes.py\", line 16, in block\n"
					  "  File \"/srv/shapes.py\", line 47, in inner\n"
					  "  File \"/srv/shapes.py\", line 51, in outer\n"
					  "  File \"/srv/shapes.py\", line 55, in coroutine\n"),
				   "%s", shown);
		struct buf same = { 0 };
		cr_assert_null(bt(1, args, &same));
		cr_expect_eq(same.len, out.len - 1);
		buf_deinit(&same);
		buf_clear(&out);
		cr_assert_null(python_thread_text(py, &rec.space, tid, &out));
		cr_expect_str_eq(text(), "block (shapes.py:16)");
	}
}

Test(python_recorded, py_bt_refuses_what_is_no_thread)
{
	static const char *const wrong[] = { "al",	  "-1",		 "0",  "0x",
					     "full stop", "99999999999", "1 x" };
	open_recording(files.gl_pathv[0]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err *err = bt(1, wrong[i], &out);
		cr_expect_not_null(err, "'%s'", wrong[i]);
		cr_expect_eq(out.len, 0);
		err_drop(err);
	}
}

Test(python_recorded, the_states_of_one_thread_come_innermost_first)
{
	open_recording("tests/mem/3.13.0.mem");
	pid_t tid = thread_in(walk(NULL), "inside")->tid;
	cr_expect_eq(thread_in(walk(NULL), "subinterpreter")->tid, tid);
	cr_assert_null(bt(tid, "", &out));
	const char *inner = strstr(text(), "in inside"),
		   *outer = strstr(text(), "in subinterpreter");
	cr_assert(inner && outer);
	cr_expect_lt(inner, outer);
	cr_expect(strstr(text(), "(interpreter 1)\n") && strstr(text(), "(interpreter 0)\n"));
}

Test(python_recorded, frames_of_several_interpreters_are_counted_as_one_stack)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk(NULL);
		for (size_t k = 0; k < snap->nthreads; k++) {
			const struct py_thread *t = &snap->threads[k];
			const struct py_frame *f = &snap->frames[t->first_frame];
			cr_expect_eq(t->shared, t->merged);
			for (size_t n = 0; n < t->nframes && !t->shared; n++)
				cr_expect_eq(f[n].depth, n);
		}
	}
}

Test(python_recorded, states_whose_place_is_not_known_are_not_merged)
{
	open_recording("tests/mem/3.13.0.mem");
	const struct py_thread *t = thread_in(walk(NULL), "inside");
	pid_t tid = t->tid;
	/* Its chain ends before a shim is seen. */
	poke(py->snap.frames[t->first_frame + 1].addr + py->rt.off.frame.previous, 0);
	const struct py_snapshot *snap = walk(NULL);
	cr_expect(thread_in(snap, "inside")->shared && !thread_in(snap, "inside")->merged);
	cr_assert_null(bt(tid, "", &out));
	cr_expect(strstr(text(), "its place among the others is not known"));
	cr_expect(strstr(text(), "in inside") && strstr(text(), "in subinterpreter"));
}

Test(python_recorded, states_of_no_live_thread_are_told_apart)
{
	for_each_recording(i)
	{
		walk(NULL);
		for (size_t k = 1; k < rec.space.nthreads; k++)
			rec.threads[k].tp = 1;
		rec.space.epoch++;
		cr_assert_null(python_stacks_text(py, &rec.space, 0, NULL, &out));
		cr_expect(strstr(text(), " thread states of no live thread)"));
		cr_expect_null(strstr(text(), "coroutine"));
		cr_expect(strstr(text(), "in main"));
		buf_clear(&out);
	}
}

Test(python_recorded, a_cycle_of_frames_is_shown_once_and_said)
{
	for_each_recording(i)
	{
		struct py_thread t = *thread_in(walk(NULL), "coroutine");
		const struct py_frame *f = &py->snap.frames[t.first_frame];
		/* The last but one points back to the second. */
		poke(f[t.nframes - 2].addr + py->rt.off.frame.previous, f[1].addr);
		const struct py_thread *now = thread_in(walk(NULL), "coroutine");
		cr_assert_not_null(now->corrupt);
		cr_expect(strstr(now->corrupt, "cycle"), "%s", now->corrupt);
		cr_expect_eq(now->nframes, t.nframes - 1);
	}
}

Test(python_recorded, a_frame_that_points_to_itself_is_shown_once)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		uint64_t addr = py->snap.frames[t->first_frame].addr;
		uint64_t ident = t->ident;
		poke(addr + py->rt.off.frame.previous, addr);
		const struct py_snapshot *snap = walk(NULL);
		for (size_t k = 0; k < snap->nthreads; k++)
			if (snap->threads[k].ident == ident)
				cr_expect_eq(snap->threads[k].nframes, 1);
	}
}

Test(python_recorded, a_cycle_of_threads_ends)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk(NULL);
		size_t n = snap->interps[snap->ninterps - 1].nthreads;
		const struct py_thread *t =
			&snap->threads[snap->interps[snap->ninterps - 1].first_thread];
		poke(t[n - 1].addr + py->rt.off.tstate.next, t[0].addr);
		snap = walk(NULL);
		cr_expect_not_null(snap->interps[snap->ninterps - 1].corrupt);
		cr_expect_eq(snap->interps[snap->ninterps - 1].nthreads, n);
	}
}

Test(python_recorded, a_cycle_of_interpreters_ends)
{
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk(NULL);
		size_t n = snap->ninterps;
		poke(snap->interps[n - 1].addr + py->rt.off.interp.next, snap->interps[0].addr);
		snap = walk(NULL);
		cr_expect_not_null(snap->corrupt);
		cr_expect_eq(snap->ninterps, n);
	}
}

Test(python_recorded, the_thread_that_stopped_the_others_to_collect_garbage_is_told)
{
	size_t seen = 0;
	for_each_recording(i)
	{
		const struct py_snapshot *snap = walk(NULL);
		const struct py_offsets *off = &py->rt.off;
		if (off->interp.stopper == PY_NONE)
			continue; /* not free-threaded */
		const struct py_thread *t = thread_in(snap, "coroutine");
		size_t at = (size_t)(t - snap->threads), n = 0;
		while (at - snap->interps[n].first_thread >= snap->interps[n].nthreads)
			n++;
		uint64_t interp = snap->interps[n].addr, collector = t->addr;
		poke(interp + off->interp.stopper, collector);
		for (size_t k = 0; k < walk(NULL)->nthreads; k++)
			cr_expect_not(py->snap.threads[k].collects, "it may be another reason");
		poke(interp + off->interp.gc_collecting, 1);
		snap = walk(NULL);
		for (size_t k = 0; k < snap->nthreads; k++)
			cr_expect_eq(snap->threads[k].collects, snap->threads[k].addr == collector);
		seen++;
	}
	cr_expect(seen);
}

Test(python_recorded, a_broken_link_keeps_the_frames_before_it)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		poke(py->snap.frames[t->first_frame + 3].addr + py->rt.off.frame.previous, 0x10);
		t = thread_in(walk(NULL), "coroutine");
		cr_assert_not_null(t->corrupt);
		cr_expect_eq(t->nframes, 4);
		cr_assert_null(python_frames_document(py, &rec.space, "", &out));
		cr_expect(strstr(text(), "<corrupt reason="));
	}
}

Test(python_recorded, a_frame_without_a_code_object_says_so_and_the_rest_follows)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		size_t n = t->nframes;
		poke(py->snap.frames[t->first_frame + 1].addr + py->rt.off.frame.code, 0x1230);
		t = thread_in(walk(NULL), "coroutine");
		const struct py_frame *f = &py->snap.frames[t->first_frame + 1];
		cr_expect_eq(t->nframes, n);
		cr_expect(f->corrupt);
		cr_expect_eq(strncmp(f->name, "<corrupt: ", 10), 0, "%s", f->name);
	}
}

Test(python_recorded, what_was_read_at_one_stop_is_not_believed_at_the_next)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		uint64_t code = py->snap.frames[t->first_frame + 3].code_addr;
		uint64_t name = 0;
		cr_assert_null(mem_ptr(&rec.mem, code + py->rt.off.code.name, &name));
		/* "coroutine" becomes "COroutine" in place. */
		memcpy(recorded_at(&rec, name + py->rt.off.str.ascii_size, 2), "CO", 2);
		cr_expect_str_eq(py->snap.frames[t->first_frame + 3].name, "coroutine");
		mem_invalidate(&rec.mem);
		if (py->rt.off.interp.code_generation != PY_NONE) {
			uint64_t at = py->snap.interps[0].addr + py->rt.off.interp.code_generation;
			poke(at, 1 + *(uint64_t *)recorded_at(&rec, at, 8));
		}
		thread_in(walk(NULL), "COroutine");
	}
}

/* ---- stops between two stores, see top.c ---- */

static uint64_t reg;

static size_t one_reg(void *ctx, pid_t tid, uint64_t *ret, size_t n)
{
	(void)ctx;
	(void)tid;
	(void)n;
	*ret = reg;
	return 1;
}

/* Makes @frame current, as the thread's state or its innermost _PyCFrame says. */
static void set_current(const struct py_thread *t, uint64_t frame)
{
	uint64_t at = t->addr + py->rt.off.tstate.frame;
	if (py->rt.off.cframe.current_frame != PY_NONE) {
		cr_assert_null(mem_ptr(&rec.mem, at, &at));
		at += py->rt.off.cframe.current_frame;
	}
	poke(at, frame);
}

static uint64_t inner_frame;

/* The coroutine "inner" is current but no longer linked; returns who awaits it. */
static struct py_frame unlink_inner(pid_t *tid)
{
	const struct py_thread *t = thread_in(walk(NULL), "coroutine");
	const struct py_frame *f = &py->snap.frames[t->first_frame];
	struct py_frame caller = f[2];
	*tid = t->tid;
	inner_frame = f[1].addr;
	cr_assert_str_eq(f[1].name, "inner");
	set_current(t, f[1].addr);
	poke(f[1].addr + py->rt.off.frame.previous, 0);
	return caller;
}

static const struct py_thread *thread_of(const struct py_snapshot *snap, pid_t tid)
{
	for (size_t i = 0; i < snap->nthreads; i++)
		if (snap->threads[i].tid == tid)
			return &snap->threads[i];
	cr_assert_fail("no thread %d", (int)tid);
	return NULL;
}

/* To 3.10 a call's frame is current from after it was linked until before it is unlinked. */
static bool never_torn(void)
{
	walk(NULL);
	return py->rt.off.lasti_unit != 0;
}

Test(python_recorded, an_unlinked_frame_s_caller_is_found_in_a_register)
{
	for_each_recording(i)
	{
		pid_t tid;
		if (never_torn())
			continue;
		struct py_frame caller = unlink_inner(&tid);
		reg = caller.addr;
		rec.space.thread_regs = one_reg;
		const struct py_snapshot *snap = walk(NULL);
		const struct py_thread *t = thread_of(snap, tid);
		cr_expect_null(t->corrupt, "%s", t->corrupt);
		cr_expect_eq(snap->frames[t->first_frame].addr, caller.addr);
		cr_expect_gt(t->nframes, 3);
	}
}

Test(python_recorded, without_registers_a_stack_that_may_lack_frames_says_so)
{
	for_each_recording(i)
	{
		pid_t tid;
		if (never_torn())
			continue;
		unlink_inner(&tid);
		const struct py_snapshot *snap = walk(NULL);
		const struct py_thread *t = thread_of(snap, tid);
		cr_assert_not_null(t->corrupt);
		cr_expect(strstr(t->corrupt, "in the middle of a call"), "%s", t->corrupt);
	}
}

/*
 * To 3.10 an exception thrown on into the generator that another one waits for: the
 * latter is current and linked to nobody (3.9), or not any more (3.10).
 */
Test(python_recorded, a_generator_that_is_thrown_into_may_not_know_its_caller)
{
	for_each_recording(i)
	{
		if (!never_torn())
			continue;
		pid_t tid;
		struct py_frame caller = unlink_inner(&tid);
		const struct py_offsets *off = &py->rt.off;
		bool by_state = off->frame.state != PY_NONE;
		uint64_t word,
			at = inner_frame + (by_state ? off->frame.state : off->frame.executing);
		cr_assert_null(mem_ptr(&rec.mem, at & ~7ull, &word));
		((uint8_t *)&word)[at & 7] = by_state ? 0xff : 0;
		poke(at & ~7ull, word);
		const struct py_thread *t = thread_of(walk(NULL), tid);
		cr_expect_eq(t->nframes, 1);
		cr_expect_not_null(t->corrupt);
		reg = caller.addr;
		rec.space.thread_regs = one_reg;
		mem_invalidate(&rec.mem);
		t = thread_of(walk(NULL), tid);
		cr_expect_null(t->corrupt, "%s", t->corrupt);
		cr_expect_eq(py->snap.frames[t->first_frame].addr, caller.addr);
	}
}

Test(python_recorded, a_shim_is_one_before_its_owner_says_so)
{
	for_each_recording(i)
	{
		struct py_thread before = *thread_in(walk(NULL), "coroutine");
		uint64_t shim = 0, owners = 0;
		if (py->rt.off.frame.is_entry != PY_NONE || py->rt.off.lasti_unit)
			continue; /* to 3.11 there are none */
		/* "outer" is sent to by C, so it points to a shim. */
		cr_assert_str_eq(py->snap.frames[before.first_frame + 2].name, "outer");
		uint64_t at = py->snap.frames[before.first_frame + 2].addr;
		cr_assert_null(mem_ptr(&rec.mem, at + py->rt.off.frame.previous, &shim));
		at = shim + py->rt.off.frame.owner;
		cr_assert_null(mem_ptr(&rec.mem, at, &owners));
		poke(at, owners & ~0xffull);
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		cr_expect_eq(t->nframes, before.nframes);
		cr_expect(py->snap.frames[t->first_frame + 2].entry);
		for (size_t k = 0; k < t->nframes; k++)
			cr_expect_not(py->snap.frames[t->first_frame + k].corrupt);
	}
}

Test(python_recorded, a_loop_not_yet_entered_shows_who_enters_it)
{
	for_each_recording(i)
	{
		const struct py_thread *t = thread_in(walk(NULL), "coroutine");
		pid_t tid = t->tid;
		if (py->rt.off.cframe.current_frame == PY_NONE)
			continue;
		set_current(t, 1);
		reg = 0;
		rec.space.thread_regs = one_reg;
		const struct py_snapshot *snap = walk(NULL);
		t = thread_of(snap, tid);
		cr_expect_null(t->corrupt, "%s", t->corrupt);
		/* 3.11 enters a loop for each coroutine. */
		const char *name = snap->frames[t->first_frame].name;
		cr_expect(strcmp(name, "coroutine") == 0 || strcmp(name, "outer") == 0, "%s", name);
	}
}

Test(python_recorded, a_limit_on_frames_is_no_damage)
{
	for_each_recording(i)
	{
		const struct py_walk how = { .max_frames = 2 };
		const struct py_snapshot *snap = walk(&how);
		for (size_t k = 0; k < snap->nthreads; k++) {
			cr_expect_leq(snap->threads[k].nframes, 2);
			cr_expect_null(snap->threads[k].corrupt);
		}
	}
}

Test(python_recorded, threads_that_do_not_live_have_no_tid)
{
	open_recording(files.gl_pathv[0]);
	rec.space.nthreads = 0;
	const struct py_snapshot *snap = walk(NULL);
	cr_assert_gt(snap->nthreads, 1);
	for (size_t k = 0; k < snap->nthreads; k++)
		cr_expect_eq(snap->threads[k].tid, 0);
}

/* Everything, with one recorded piece after the other missing. */
Test(python_recorded, any_piece_of_memory_may_be_missing)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < rec.nranges; k++) {
			size_t len = rec.range[k].len;
			rec.range[k].len = 0;
			rec.space.epoch++;
			struct err *err =
				python_stacks_text(py, &rec.space, PYTHON_FULL, NULL, &out);
			err_drop(err);
			buf_clear(&out);
			rec.range[k].len = len;
		}
	}
}

Test(python_recorded, another_process_is_looked_at_afresh)
{
	open_recording(files.gl_pathv[0]);
	walk(NULL);
	struct recorded other;
	cr_assert(recorded_load(files.gl_pathv[files.gl_pathc - 1], &other));
	other.space.epoch = 2;
	const struct py_snapshot *snap;
	cr_assert_null(python_walk(py, &other.space, NULL, &snap));
	cr_expect(strstr(files.gl_pathv[files.gl_pathc - 1], snap->version));
	recorded_free(&other);
}

Test(python_recorded, where_there_is_no_python_the_search_is_made_once)
{
	open_recording(files.gl_pathv[0]);
	const struct py_snapshot *snap;
	for (size_t k = 0; k < rec.nranges; k++)
		rec.range[k].len = 0;
	struct err *err = python_walk(py, &rec.space, NULL, &snap);
	cr_assert(err_catch(&err, ERR_NOT_FOUND));
	cr_expect_neq(py->absent, 0);
	err = python_walk(py, &rec.space, NULL, &snap);
	cr_assert(err_catch(&err, ERR_NOT_FOUND));
}
