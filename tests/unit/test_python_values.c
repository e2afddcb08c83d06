/* SPDX-License-Identifier: MIT */
/* Values read from recorded memory: tests/mem/variables.py, blocked in inner(). */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

#include "qxfer/python.h"
#include "qxfer/python/locals.h"
#include "qxfer/python/state.h"
#include "qxfer/python/values_priv.h"
#include "tests/unit/recordings.h"

static void setup(void)
{
	find_recordings("tests/mem/values/*.mem");
}

TestSuite(python_values, .init = setup, .fini = forget_recordings);

/* The frame of @function. */
static const struct py_frame *frame_of(const char *function)
{
	const struct py_snapshot *snap;
	cr_assert_null(python_walk(py, &rec.space, NULL, &snap));
	for (size_t i = 0; i < snap->nframes; i++)
		if (strcmp(snap->frames[i].name, function) == 0)
			return &snap->frames[i];
	cr_assert_fail("no frame of %s", function);
	return NULL;
}

/* Takes the digits out of addresses, which differ from recording to recording. */
static void put_plain(const char *text)
{
	for (; *text; text++) {
		buf_put(&out, text, 1);
		if (text[0] == '0' && text[1] == 'x') {
			buf_put(&out, "x", 1);
			text++;
			while (isxdigit((unsigned char)text[1]))
				text++;
		}
	}
}

static void put_line(void *arg, const struct py_local *local)
{
	(void)arg;
	buf_puts(&out, local->name);
	buf_puts(&out, local->addr ? " = " : "?");
	put_plain(local->repr);
	buf_puts(&out, "\n");
}

static const char *show(const char *function, const struct py_limits *limits)
{
	const struct py_frame *f = frame_of(function);
	struct py_values v;
	buf_clear(&out);
	cr_assert_null(python_values(py, &rec.space, limits, &v));
	struct err *err = py_locals_visit(&v, f, put_line, NULL);
	if (err)
		buf_puts(&out, err->msg);
	err_drop(err);
	py_values_end(&v);
	buf_put(&out, "", 1);
	cr_assert_not(out.failed);
	return (const char *)out.data;
}

/* The address of a variable that holds a plain object. */
static void find_deep(void *arg, const struct py_local *local)
{
	if (strcmp(local->name, "deep") == 0)
		*(uint64_t *)arg = local->addr;
}

static uint64_t address_of_deep(void)
{
	uint64_t addr = 0;
	struct py_values v;
	const struct py_frame *f = frame_of("shared");
	cr_assert_null(python_values(py, &rec.space, NULL, &v));
	cr_assert_null(py_locals_visit(&v, f, find_deep, &addr));
	py_values_end(&v);
	cr_assert(addr);
	return addr;
}

/* 3.6 shows an exception's arguments as the tuple that they are. */
static const char comma[] = "error = ValueError('bad',)\n";

static const char all[] =
	"argument = 1000000.0\n"
	"cycle = [1, [...]]\n"
	"deep = {'k': [(1, 2.5), {'x'}, b'y']}\n"
	"texts = [\"it's\", '\u03bb\U0001f40d\\udc80\\n<&>']\n"
	"numbers = (0, -1, 1180591620717411303424, 1e+22, (1+2j), True, None, Ellipsis)\n"
	"plain = <Plain(a=1) at 0x>\n"
	"slots = <Slots(p=[1]) at 0x>\n"
	"custom = <Custom at 0x>\n"
	"job = Job(name='a')\n"
	"point = Point(x=1, y=2)\n"
	"red = <Color.RED: 1>\n"
	"queue = deque([1], maxlen=3)\n"
	"generator = <generator object generate at 0x, created>\n"
	"lock = <unlocked _thread.lock object at 0x>\n"
	"error = ValueError('bad')\n"
	"things = [<built-in function len>, <class '__main__.Plain'>, range(0, 3), "
	"slice(None, 1, None), bytearray(b'z'), frozenset()]\n"
	"deleted?\n"
	"inner = <function shared.<locals>.inner at 0x>\n";

Test(python_values, each_kind_is_shown_as_repr_has_it)
{
	for_each_recording(i)
	{
		char *text = (char *)(uintptr_t)show("shared", NULL);
		char *error = strstr(text, comma);
		if (py->rt.off.version_hex < 0x03070000 && error) {
			char *end = error + strlen(comma);
			memmove(end - 3, end - 2, strlen(end - 2) + 1);
		}
		cr_expect_str_eq(text, all, "%s:\n%s", files.gl_pathv[i], text);
	}
}

Test(python_values, a_class_body_shows_its_names)
{
	for_each_recording(i)
	{
		cr_expect(strstr(show("Body", NULL), "\none = 1\n"), "%s", (const char *)out.data);
	}
}

Test(python_values, what_is_of_a_function_around_is_seen_through_its_cell)
{
	for_each_recording(i)
	{
		cr_expect_str_eq(show("inner", NULL), "argument = 1000000.0\n");
	}
}

Test(python_values, bounds_are_kept_and_said)
{
	const struct py_limits depth = { .depth = 1 }, items = { .items = 1 },
			       chars = { .chars = 1 };
	const struct py_limits bytes = { .bytes = 4 }, reads = { .reads = 5 };
	for_each_recording(i)
	{
		cr_expect(strstr(show("shared", &depth), "deep = {'k': ...}\n"));
		cr_expect(strstr(show("shared", &items), "numbers = (0, ...)\n"));
		cr_expect(strstr(show("shared", &chars), "job = Job(name='a')\n"));
		cr_expect(strstr(show("shared", &chars), "texts = [\"i\"..., '\u03bb'...]\n") ||
			  strstr(show("shared", &chars), "texts = ['i'..., '\u03bb'...]\n"));
		cr_expect(strstr(show("shared", &bytes), "numbers = (0, -1, ...)\n"), "%s",
			  (const char *)out.data);
		cr_expect(strstr(show("shared", &reads), "more reads than are allowed"));
	}
}

Test(python_values, a_frame_that_is_incomplete_has_no_variables)
{
	for_each_recording(i)
	{
		struct py_frame f = *frame_of("shared");
		struct py_values v;
		f.incomplete = true;
		cr_assert_null(python_values(py, &rec.space, NULL, &v));
		cr_expect_null(py_locals_visit(&v, &f, put_line, NULL));
		cr_expect_eq(out.len, 0);
		py_values_end(&v);
	}
}

Test(python_values, what_has_no_type_is_corrupt_and_the_rest_is_shown)
{
	for_each_recording(i)
	{
		uint64_t bad = 0x1230, deep = address_of_deep();
		memcpy(recorded_at(&rec, deep + py->rt.off.object.type, 8), &bad, 8);
		mem_invalidate(&rec.mem);
		cr_expect(strstr(show("shared", NULL),
				 "deep = <corrupt: cannot access memory at 0x>\ntexts = "),
			  "%s", (const char *)out.data);
	}
}

Test(python_values, a_dict_with_absurd_keys_is_corrupt)
{
	for_each_recording(i)
	{
		struct py_layout lay;
		uint64_t keys, deep = address_of_deep();
		cr_assert_null(py_layout_find(&rec.mem, py->rt.addr, &py->rt.off, &lay));
		cr_assert_null(mem_ptr(&rec.mem, deep + lay.dict.keys, &keys));
		memset(recorded_at(&rec, keys + lay.keys.nentries, 8), 0x7f, 8);
		mem_invalidate(&rec.mem);
		cr_expect(strstr(show("shared", NULL), "deep = <corrupt: no dict keys at 0x>\n"));
	}
}

/* With one recorded piece after the other missing, it ends, and says so. */
Test(python_values, any_piece_of_memory_may_be_missing)
{
	open_recording(files.gl_pathv[files.gl_pathc - 1]);
	for (size_t k = 0; k < rec.nranges; k++) {
		size_t len = rec.range[k].len;
		rec.range[k].len = 0;
		rec.space.epoch++;
		struct err *err =
			python_frames_document(py, &rec.space, ";locals;format=json", &out);
		err_drop(err);
		buf_clear(&out);
		rec.range[k].len = len;
	}
}

Test(python_values, every_offset_of_the_layouts_has_a_place)
{
	for (size_t i = 0; i < py_layout_rows; i++) {
		const struct py_layout *row = &py_layout_table[i];
		cr_expect_lt(row->type.mro, 500);
		cr_expect_neq(row->frame.localsplus, PY_NONE);
		if (i)
			cr_expect(row[-1].version_hex < row->version_hex ||
				  row[-1].build != row->build);
	}
}
