/* SPDX-License-Identifier: MIT */
/* Recorded memory of which it is said that the program goes on running. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "tests/mem/recorded.h"

#define RECORDING "tests/mem/3.13.0.mem"
#define TRIES	  5u

/* The thread rests in every try from this one on; -1: never. */
static int rests_from;
static int looks;
static uint64_t changing; /* a word that each read of it finds changed, or 0 */

static struct recorded rec;
static struct python *py;
static struct buf out;
static const struct mem_ops *steady;

static uint64_t rest(void *ctx, pid_t tid)
{
	(void)ctx;
	(void)tid;
	return rests_from < 0 ? 0 : 1;
}

static bool rested(void *ctx, pid_t tid, uint64_t since)
{
	(void)ctx;
	(void)tid;
	cr_assert_eq(since, 1);
	return looks++ >= rests_from;
}

static size_t read_changing(void *ctx, uint64_t addr, void *buf, size_t len)
{
	size_t n = steady->read(ctx, addr, buf, len);
	if (changing >= addr && changing < addr + n) {
		uint8_t *word = recorded_at(ctx, changing, 1);
		*word ^= 2;
	}
	return n;
}

static const struct mem_ops changing_ops = { .read = read_changing };

static void setup(void)
{
	cr_assert(recorded_load(RECORDING, &rec));
	cr_assert_null(python_create(&py));
	rests_from = looks = 0;
	changing = 0;
	rec.space.tries = TRIES;
	rec.space.thread_rest = rest;
	rec.space.thread_rested = rested;
	steady = rec.mem.ops;
}

static void teardown(void)
{
	python_destroy(py);
	recorded_free(&rec);
	buf_deinit(&out);
}
TestSuite(python_moving, .init = setup, .fini = teardown);

static const char *text(void)
{
	buf_clear(&out);
	struct err *err = python_stacks_text(py, &rec.space, 0, NULL, &out);
	cr_assert_null(err, "%s", err ? err->msg : "");
	buf_put(&out, "", 1);
	return (const char *)out.data;
}

static const struct py_snapshot *walk(void)
{
	const struct py_snapshot *snap;
	cr_assert_null(python_walk(py, &rec.space, NULL, &snap));
	cr_assert_eq(snap->tries, rec.space.tries);
	return snap;
}

/* What every frame says, in words. */
static char *list(void)
{
	const struct py_snapshot *snap = walk();
	buf_clear(&out);
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		buf_printf(&out, "%d %s\n", (int)t->tid, t->name ? t->name : "");
		for (size_t k = t->first_frame; k < t->first_frame + t->nframes; k++)
			buf_printf(&out, " %s:%d %s\n", snap->frames[k].file,
				   snap->frames[k].pos.line, snap->frames[k].qualname);
	}
	buf_put(&out, "", 1);
	return strdup((const char *)out.data);
}

Test(python_moving, a_program_whose_threads_rest_is_read_as_if_it_were_stopped)
{
	char *moving = list();
	rec.space.tries = 0;
	mem_invalidate(&rec.mem);
	char *stopped = list();
	cr_assert_str_eq(moving, stopped);
	free(moving);
	free(stopped);
}

Test(python_moving, a_thread_that_never_rests_is_marked)
{
	rests_from = -1;
	const struct py_snapshot *snap = walk();
	for (size_t i = 0; i < snap->nthreads; i++)
		cr_assert_eq(snap->threads[i].torn, snap->threads[i].nframes > 0);
	cr_assert_not_null(strstr(text(), "torn: not clean after 5 tries"));
	buf_clear(&out);
	cr_assert_null(python_frames_document(py, &rec.space, "", &out));
	buf_put(&out, "", 1);
	cr_assert_not_null(strstr((char *)out.data, "torn=\"yes\""));
	cr_assert_not_null(strstr((char *)out.data, "tries=\"5\""));
	buf_clear(&out);
	cr_assert_null(python_frames_document(py, &rec.space, ";format=json", &out));
	buf_put(&out, "", 1);
	cr_assert_not_null(strstr((char *)out.data, "\"torn\":true"));
}

Test(python_moving, a_stopped_program_has_nothing_that_could_be_torn)
{
	rec.space.tries = 0;
	cr_assert_null(python_frames_document(py, &rec.space, "", &out));
	buf_put(&out, "", 1);
	cr_assert_null(strstr((char *)out.data, "torn"));
	cr_assert_null(strstr((char *)out.data, "tries"));
}

Test(python_moving, a_thread_is_looked_at_until_it_rested)
{
	rests_from = 3;
	const struct py_snapshot *snap = walk();
	for (size_t i = 0; i < snap->nthreads; i++)
		cr_assert(!snap->threads[i].torn);
	cr_assert_eq(looks, (int)snap->nthreads + 3);
}

Test(python_moving, after_so_many_tries_a_thread_is_given_up)
{
	rests_from = TRIES;
	const struct py_snapshot *snap = walk();
	cr_assert(snap->threads[0].torn);
	for (size_t i = 1; i < snap->nthreads; i++)
		cr_assert(!snap->threads[i].torn);
}

Test(python_moving, what_two_reads_find_different_is_not_clean)
{
	const struct py_snapshot *snap = walk();
	uint64_t frame = snap->frames[snap->threads[1].first_frame].addr;
	changing = frame + 56; /* its instruction pointer, in 3.13 */
	rec.mem.ops = &changing_ops;
	mem_invalidate(&rec.mem);
	snap = walk();
	for (size_t i = 0; i < snap->nthreads; i++)
		cr_assert_eq(snap->threads[i].torn, i == 1, "thread %zu", i);
}

Test(python_moving, without_a_way_to_know_of_rest_two_equal_reads_have_to_do)
{
	rec.space.thread_rest = NULL;
	rec.space.thread_rested = NULL;
	const struct py_snapshot *snap = walk();
	for (size_t i = 0; i < snap->nthreads; i++)
		cr_assert(!snap->threads[i].torn);
}

Test(python_moving, threads_are_known_by_the_id_the_program_sees)
{
	struct space_thread inner[RECORDED_THREADS_MAX];
	size_t n = rec.space.nthreads;
	const struct py_snapshot *snap = walk();
	cr_assert_geq(n, 2);
	/* As in another pid namespace: ours are 1000 higher. */
	for (size_t i = 0; i < n; i++)
		inner[i] = (struct space_thread){ .tid = rec.threads[i].tid + 1000,
						  .inner = rec.threads[i].tid };
	pid_t before[RECORDED_THREADS_MAX];
	for (size_t i = 0; i < snap->nthreads; i++)
		before[i] = snap->threads[i].tid;
	rec.space.threads = inner;
	mem_invalidate(&rec.mem);
	snap = walk();
	for (size_t i = 0; i < snap->nthreads; i++)
		cr_assert_eq(snap->threads[i].tid, before[i] ? before[i] + 1000 : 0);
}

Test(python_moving, variables_are_not_read_while_they_may_change)
{
	struct err *err = python_frames_document(py, &rec.space, ";locals", &out);
	cr_assert_not_null(err);
	cr_assert_eq(err->code, ERR_STATE);
	err_drop(err);
}
