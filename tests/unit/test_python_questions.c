/* SPDX-License-Identifier: MIT */
/* py-print and py-exc on recorded memory: tests/mem/questions.py, blocked in asked(). */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>

#include "qxfer/python.h"
#include "qxfer/python/exceptions.h"
#include "qxfer/python/state.h"
#include "tests/mem/recorded.h"

static glob_t files;
static struct recorded rec;
static struct python *py;
static struct buf out;
static struct py_quotes quotes;

static void open_recording(const char *path)
{
	cr_assert(recorded_load(path, &rec), "%s", path);
	cr_assert_null(python_create(&py));
}

static void close_recording(void)
{
	python_destroy(py);
	py = NULL;
	recorded_free(&rec);
	buf_deinit(&out);
	py_quotes_deinit(&quotes);
}

static void setup(void)
{
	cr_assert_eq(glob("tests/mem/questions/*.mem", 0, NULL, &files), 0, "no recordings");
}

static void teardown(void)
{
	close_recording();
	globfree(&files);
}
TestSuite(python_questions, .init = setup, .fini = teardown);

#define for_each_recording(i)                                                               \
	for (size_t i = 0; i < files.gl_pathc && (open_recording(files.gl_pathv[i]), true); \
	     close_recording(), i++)

static struct python_view view(void)
{
	return (struct python_view){
		.py = py, .space = &rec.space, .tid = rec.space.threads[0].tid, .quotes = &quotes
	};
}

/* What is printed, or why not. */
static const char *ask(struct err *(*how)(const struct python_view *view, const char *args,
					  struct buf *out),
		       const char *args)
{
	const struct python_view v = view();
	buf_clear(&out);
	struct err *err = how(&v, args, &out);
	if (err)
		buf_printf(&out, "%s", err->msg);
	err_drop(err);
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

static const struct {
	const char *asked, *answer;
} questions[] = {
	{ "x.jobs[0]['id']", "x.jobs[0]['id'] = 7\n" },
	{ "x.text[-1]", "x.text[-1] = '猫'\n" },
	{ "x.data[1]", "x.data[1] = 'the'\n" },
	{ "x.computed", "not by memory alone: the property Plain.computed" },
	{ "x.nosuch", "'Plain' object has no attribute 'nosuch'" },
	{ "slots.p[1:]", "slots.p[1:] = [2, 3]\n" },
	{ "slots.unset", "that attribute is not set" },
	{ "point.y", "point.y = 4\n" },
	{ "d[1]", "d[1] = 'one'\n" },
	{ "d['s']", "d['s'] = 2\n" },
	{ "d[b'b']", "d[b'b'] = 3\n" },
	{ "d[None]", "d[None] = 4\n" },
	{ "d[1, 't']", "d[1, 't'] = 5\n" },
	{ "d[2.5]", "d[2.5] = 6\n" },
	{ "d['no']", "no such key: 'no'" },
	{ "queue[-1]", "queue[-1] = 3\n" },
	{ "raw[0]", "raw[0] = 114\n" },
	{ "GLOBAL['k'][::-1]", "GLOBAL['k'][::-1] = [30, 20, 10]\n" },
	{ "len(d)", "len(d) = 6\n" },
	{ "type(x)", "type(x) = <class '__main__.Plain'>\n" },
	{ "len", "builtin 'len' = <built-in function len>\n" },
	{ "argument", "local 'argument' = 1000000.0\n" },
	{ "nosuch", "'nosuch' is not defined" },
	{ "e.args", "e.args = ('deep', 3)\n" },
	{ "Plain.data", "Plain.data = ('of', 'the', 'class')\n" },
	{ "-f 1 GLOBAL", "global 'GLOBAL' = {'k': [10, 20, 30]}\n" },
	{ "-f 9 x", NULL },
	{ "-f", NULL },
	{ "-f x", NULL },
	{ "", "py-print takes a name or an expression" },
};

Test(python_questions, py_print_answers_from_memory_alone)
{
	for_each_recording(i)
	{
		for (size_t k = 0; k < sizeof(questions) / sizeof(questions[0]); k++) {
			const char *answer = ask(python_print_text, questions[k].asked);
			if (questions[k].answer)
				cr_expect_str_eq(answer, questions[k].answer, "%s, %s: %s",
						 files.gl_pathv[i], questions[k].asked, answer);
			else
				cr_expect_null(strstr(answer, " = "), "%s", answer);
		}
	}
}

static const char exceptions[] =
	"handling:\n"
	"Traceback (most recent call last):\n"
	"  File \"/srv/questions.py\", line 50, in asked\n"
	"  File \"/srv/questions.py\", line 40, in recurse\n"
	"  File \"/srv/questions.py\", line 40, in recurse\n"
	"  File \"/srv/questions.py\", line 40, in recurse\n"
	"  [Previous line repeated 2 more times]\n"
	"  File \"/srv/questions.py\", line 41, in recurse\n"
	"ValueError: ('deep', 3)\n"
	"\n"
	"The above exception was the direct cause of the following exception:\n"
	"\n"
	"Traceback (most recent call last):\n"
	"  File \"/srv/questions.py\", line 53, in asked\n"
	"KeyError: 'gone'\n";

Test(python_questions, py_exc_tells_of_exceptions_as_traceback_does)
{
	for_each_recording(i)
	{
		cr_expect_str_eq(ask(python_exc_text, ""), exceptions, "%s: %s", files.gl_pathv[i],
				 (const char *)out.data);
		cr_expect_eq(quotes.n, 6, "a source line for each entry");
		cr_expect_not_null(
			strstr(ask(python_bt_text, ""), "\n  handling: KeyError: 'gone'\n"), "%s",
			(const char *)out.data);
	}
}

/* ---- damage ---- */

static struct py_exceptions found;

static const struct py_exceptions *read_exceptions(void)
{
	const struct py_snapshot *snap;
	struct py_values values;
	rec.space.epoch++;
	mem_invalidate(&rec.mem);
	py_exceptions_end(&found);
	cr_assert_null(python_walk(py, &rec.space, NULL, &snap));
	cr_assert_null(python_values(py, &rec.space, NULL, &values));
	cr_assert_null(py_exceptions_read(py, &values, &snap->threads[0], false, &found));
	py_values_end(&values);
	return &found;
}

/* Where an exception has its traceback; see exceptions.c. */
static uint64_t traceback_at(uint64_t exception)
{
	bool notes = PY_MINOR(py->rt.off.version_hex) >= 0x030b;
	return exception + py->rt.off.object.var_size + (notes ? 24 : 16);
}

Test(python_questions, a_traceback_that_is_a_cycle_ends)
{
	for_each_recording(i)
	{
		uint64_t value = read_exceptions()->exc[1].addr, tb;
		size_t whole = found.exc[1].nentries;
		cr_assert_eq(whole, 7);
		cr_assert_null(mem_ptr(&rec.mem, traceback_at(value), &tb));
		uint64_t next = tb + py->rt.off.object.var_size;
		memcpy(recorded_at(&rec, next, 8), &tb, 8);
		const struct py_exceptions *e = read_exceptions();
		cr_expect_leq(e->exc[1].nentries, 2);
		cr_expect_not_null(strstr(e->exc[1].corrupt, "cycle"), "%s", e->exc[1].corrupt);
		cr_expect_str_eq(e->exc[0].text, "'gone'", "the other is well");
		py_exceptions_end(&found);
	}
}

Test(python_questions, exceptions_that_came_after_each_other_in_a_circle_end)
{
	for_each_recording(i)
	{
		uint64_t first = read_exceptions()->exc[0].addr, second = found.exc[1].addr;
		memcpy(recorded_at(&rec, traceback_at(second) + 16, 8), &first, 8); /* cause */
		const struct py_exceptions *e = read_exceptions();
		cr_expect_eq(e->n, 2);
		cr_expect_eq(e->exc[1].next, 0);
		const char *text = ask(python_exc_text, "");
		cr_expect_lt(strlen(text), 2000, "%s", text);
		py_exceptions_end(&found);
	}
}

Test(python_questions, what_is_no_exception_is_said_to_be_none)
{
	for_each_recording(i)
	{
		uint64_t value = read_exceptions()->exc[0].addr, bad = 0x1230;
		memcpy(recorded_at(&rec, value + py->rt.off.object.type, 8), &bad, 8);
		const struct py_exceptions *e = read_exceptions();
		cr_expect_eq(e->n, 1);
		cr_expect_not_null(e->exc[0].corrupt);
		py_exceptions_end(&found);
	}
}

/* With one recorded piece after the other missing, everything ends, and says so. */
Test(python_questions, any_piece_of_memory_may_be_missing)
{
	open_recording(files.gl_pathv[files.gl_pathc - 1]);
	for (size_t k = 0; k < rec.nranges; k++) {
		size_t len = rec.range[k].len;
		rec.range[k].len = 0;
		rec.space.epoch++;
		(void)ask(python_exc_text, "");
		for (size_t q = k % 4; q < sizeof(questions) / sizeof(questions[0]); q += 4) {
			mem_invalidate(&rec.mem);
			(void)ask(python_print_text, questions[q].asked);
		}
		rec.range[k].len = len;
	}
}

/* Words of the recorded memory changed at random: never another way out than an end. */
Test(python_questions, any_word_of_memory_may_be_wrong)
{
	uint32_t seed = 7;
	open_recording(files.gl_pathv[0]);
	for (unsigned int n = 0; n < 3000; n++) {
		seed = seed * 1664525 + 1013904223;
		struct recorded_range *range = &rec.range[(seed >> 8) % rec.nranges];
		uint64_t at, kept;
		seed = seed * 1664525 + 1013904223;
		if (range->len < 8)
			continue;
		at = (seed >> 8) % (range->len / 8) * 8;
		memcpy(&kept, range->data + at, 8);
		const uint64_t wrong[] = { 0, UINT64_MAX, kept + 8, range->addr, seed };
		memcpy(range->data + at, &wrong[n % 5], 8);
		rec.space.epoch++;
		(void)ask(python_print_text,
			  questions[n % (sizeof(questions) / sizeof(questions[0]))].asked);
		if (n % 4 == 0)
			(void)ask(python_exc_text, "");
		memcpy(range->data + at, &kept, 8);
	}
}
