/* SPDX-License-Identifier: MIT */
/* asyncio's tasks in recorded memory: tests/mem/tasks.py, blocked in main(). */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "qxfer/python/tasks.h"
#include "qxfer/python/tasks_layout.h"
#include "tests/mem/recorded.h"

static glob_t files;
static struct recorded rec;
static struct python *py;
static struct py_tasks tasks;
static struct buf out;

static void open_recording(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(python_create(&py));
}

static void close_recording(void)
{
	py_tasks_end(&tasks);
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
}

static void setup(void)
{
	cr_assert_eq(glob("tests/mem/tasks/*.mem", 0, NULL, &files), 0, "no recordings");
}

static void teardown(void)
{
	globfree(&files);
}
TestSuite(python_tasks, .init = setup, .fini = teardown);

#define for_each_recording(i)                                                               \
	for (size_t i = 0; i < files.gl_pathc && (open_recording(files.gl_pathv[i]), true); \
	     close_recording(), i++)

static void look(void)
{
	py_tasks_end(&tasks);
	mem_invalidate(&rec.mem);
	struct err *err = python_tasks(py, &rec.space, &tasks);
	cr_assert_null(err, "%s", err ? err->msg : "");
}

static const struct py_task *task_named(const char *name)
{
	for (size_t i = 0; i < tasks.ntasks; i++)
		if (tasks.tasks[i].name && strcmp(tasks.tasks[i].name, name) == 0)
			return &tasks.tasks[i];
	cr_assert_fail("no task %s", name);
	return NULL;
}

static bool waits_for(const struct py_task *a, const struct py_task *b)
{
	for (size_t i = 0; i < b->nwaiters; i++)
		if (&tasks.tasks[tasks.edges[b->first_waiter + i]] == a)
			return true;
	return false;
}

static void poke(uint64_t addr, uint64_t value)
{
	void *at = recorded_at(&rec, addr, sizeof(value));
	cr_assert_not_null(at, "0x%llx was not recorded", (unsigned long long)addr);
	memcpy(at, &value, sizeof(value));
}

static uint64_t peek(uint64_t addr)
{
	uint64_t value;
	cr_assert_null(mem_ptr(&rec.mem, addr, &value));
	return value;
}

static void slurp(const char *path, struct buf *ret)
{
	char part[4096];
	FILE *f = fopen(path, "r");
	size_t n;
	cr_assert_not_null(f, "%s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_put(ret, part, n);
	fclose(f);
}

Test(python_tasks, every_recording_gives_the_tree_it_gave)
{
	for_each_recording(i)
	{
		char path[256];
		_cleanup_buf_ struct buf want = { 0 };
		cr_assert_null(python_tasks_text(py, &rec.space, 0, &out));
		snprintf(path, sizeof(path), "%.*s.txt", (int)strlen(files.gl_pathv[i]) - 4,
			 files.gl_pathv[i]);
		if (getenv("UPDATE")) {
			FILE *f = fopen(path, "w");
			cr_assert_not_null(f);
			fwrite(out.data, 1, out.len, f);
			fclose(f);
		}
		slurp(path, &want);
		cr_expect(out.len == want.len && memcmp(out.data, want.data, want.len) == 0,
			  "%s differs; got:\n%.*s", path, (int)out.len, (const char *)out.data);
	}
}

Test(python_tasks, each_is_in_the_state_that_it_is_in)
{
	for_each_recording(i)
	{
		look();
		cr_expect_eq(tasks.ntasks, 10, "%zu", tasks.ntasks);
		cr_expect_null(tasks.corrupt, "%s", tasks.corrupt);
		cr_expect_eq(task_named("new")->state, PY_TASK_CREATED);
		cr_expect_eq(task_named("Task-1")->state, PY_TASK_RUNNING);
		cr_expect_eq(task_named("left")->state, PY_TASK_WAITING);
		cr_expect_str_eq(task_named("left")->what, "sleep(3600)");
		cr_expect_eq(strncmp(task_named("waiter")->what, "Lock at 0x", 10), 0);
		for (size_t k = 0; k < tasks.ntasks; k++)
			cr_expect_null(tasks.tasks[k].corrupt, "%s", tasks.tasks[k].corrupt);
	}
}

Test(python_tasks, a_chain_goes_through_an_async_generator)
{
	static const char *const want[] = { "reader", "numbers", "nap", "sleep" };
	for_each_recording(i)
	{
		look();
		const struct py_task *t = task_named("reader");
		cr_assert_eq(t->nawaits, 4);
		for (size_t k = 0; k < 4; k++)
			cr_expect_str_eq(tasks.awaits[t->first_await + k].qualname, want[k]);
		cr_expect_eq(tasks.awaits[t->first_await + 1].kind, PY_AWAIT_ASYNC_GENERATOR);
	}
}

Test(python_tasks, who_gathers_waits_for_what_it_gathers)
{
	for_each_recording(i)
	{
		look();
		const struct py_task *both = task_named("both");
		cr_expect(waits_for(both, task_named("left")));
		cr_expect(waits_for(both, task_named("right")));
		cr_expect_eq(both->nwaited, 2);
		cr_expect_eq(task_named("reader")->nwaiters, 0);
	}
}

Test(python_tasks, a_circle_of_tasks_is_found_once)
{
	for_each_recording(i)
	{
		look();
		cr_assert_eq(tasks.ncycles, 1);
		cr_assert_eq(tasks.cycles[0].n, 2);
		const struct py_task *first = &tasks.tasks[tasks.members[tasks.cycles[0].first]];
		cr_expect(first == task_named("a") || first == task_named("b"));
	}
}

Test(python_tasks, one_that_is_done_is_left_out)
{
	for_each_recording(i)
	{
		struct py_task_layout lay;
		look();
		uint64_t addr = task_named("left")->addr;
		cr_assert_null(py_task_layout_find(&rec.space, &py->rt.off, &lay));
		uint64_t at = (addr + lay.future.state) & ~7ull;
		poke(at, peek(at) | 2ull << 8 * (addr + lay.future.state - at));
		look();
		cr_expect_eq(tasks.ntasks, 9);
		cr_expect_eq(task_named("both")->nwaited, 1);
	}
}

Test(python_tasks, a_list_that_runs_in_a_circle_ends_and_says_so)
{
	for_each_recording(i)
	{
		struct py_task_layout lay;
		look();
		cr_assert_null(py_task_layout_find(&rec.space, &py->rt.off, &lay));
		if (lay.task.node == PY_NONE)
			continue; /* to 3.13 there is no list */
		uint64_t node = task_named("left")->addr + lay.task.node;
		poke(node, node);
		look();
		cr_assert_not_null(tasks.corrupt);
		cr_expect(strstr(tasks.corrupt, "cycle"), "%s", tasks.corrupt);
		cr_expect_geq(tasks.ntasks, 1);
	}
}

Test(python_tasks, a_coroutine_that_awaits_itself_ends_and_says_so)
{
	for_each_recording(i)
	{
		struct py_task_layout lay;
		look();
		cr_assert_null(py_task_layout_find(&rec.space, &py->rt.off, &lay));
		if (lay.frame.pointer == PY_NONE)
			continue;
		const struct py_task *t = task_named("left");
		uint64_t frame = tasks.awaits[t->first_await].frame.addr;
		uint64_t end = peek(frame + lay.frame.pointer);
		uint64_t top =
			peek(end - 8) < 4096 || (peek(end - 8) & 3) == 3 ? end - 16 : end - 8;
		poke(top, tasks.awaits[t->first_await].object);
		look();
		t = task_named("left");
		cr_assert_not_null(t->corrupt);
		cr_expect(strstr(t->corrupt, "cycle"), "%s", t->corrupt);
	}
}

Test(python_tasks, no_size_but_the_known_one_is_believed)
{
	for_each_recording(i)
	{
		look();
		uint64_t type = peek(task_named("left")->addr + py->rt.off.object.type);
		poke(type + py->rt.off.type.basicsize, 1024);
		look();
		cr_assert_not_null(tasks.corrupt);
		cr_expect(strstr(tasks.corrupt, "laid out"), "%s", tasks.corrupt);
		cr_expect_eq(tasks.ntasks, 0);
	}
}

Test(python_tasks, an_annex_is_a_format_or_nothing)
{
	static const char *const wrong[] = { "x", ";", ";json", ";format=yaml", ";format=json;" };
	open_recording(files.gl_pathv[0]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err *err = python_tasks_document(py, &rec.space, wrong[i], &out);
		cr_expect_not_null(err, "'%s'", wrong[i]);
		cr_expect_eq(out.len, 0);
		err_drop(err);
	}
	close_recording();
}

/* Everything, with one recorded piece after the other missing. */
Test(python_tasks, any_piece_of_memory_may_be_missing, .timeout = 120)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < rec.nranges; k += 3) {
			size_t len = rec.range[k].len;
			rec.range[k].len = 0;
			rec.space.epoch++;
			struct err *err = python_tasks_text(py, &rec.space, 0, &out);
			err_drop(err);
			buf_clear(&out);
			rec.range[k].len = len;
		}
	}
}

/* tests/mem/greenlets.py with greenlet 1.1, which keeps everything in the PyGreenlet. */
Test(python_tasks, greenlets_of_old_have_stacks)
{
	static const struct {
		const char *type;
		size_t nframes;
		int32_t line; /* of the outermost */
	} expected[] = { { "greenlet", 1, 40 }, { "Worker", 3, 37 }, { "greenlet", 4, 27 } };
	open_recording("tests/mem/greenlets/3.8.18-greenlet-1.1.mem");
	look();
	cr_assert_eq(tasks.ngreenlets, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct py_greenlet *g = NULL;
		for (size_t k = 0; k < 3 && !g; k++)
			if (tasks.greenlets[k].nframes == expected[i].nframes)
				g = &tasks.greenlets[k];
		cr_assert(g);
		cr_expect_null(g->corrupt);
		cr_expect_str_eq(g->type, expected[i].type);
		cr_expect_eq(tasks.frames[g->first_frame + g->nframes - 1].pos.line,
			     expected[i].line);
	}
	close_recording();
}

/* ---- an inferior that runs ---- */

static uint64_t rests(void *ctx, pid_t tid)
{
	(void)ctx;
	return tid ? 1 : 0;
}

static bool rested(void *ctx, pid_t tid, uint64_t since)
{
	(void)tid;
	return since && *(const bool *)ctx;
}

Test(python_tasks, of_an_inferior_that_runs_are_whole_only_if_the_last_with_the_gil_rested)
{
	for_each_recording(i)
	{
		bool rest = true;
		rec.space.tries = 3;
		rec.space.thread_rest = rests;
		rec.space.thread_rested = rested;
		rec.space.ctx = &rest;
		look();
		if (!strstr(files.gl_pathv[i], "free-threaded")) /* whoever likes changes things */
			cr_expect_null(tasks.corrupt, "%s: %s", files.gl_pathv[i], tasks.corrupt);
		cr_expect_gt(tasks.ntasks, 5);
		rest = false;
		look();
		cr_assert(tasks.corrupt);
		cr_expect(strstr(tasks.corrupt, "torn"));
	}
}
