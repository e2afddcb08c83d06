/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "qxfer/python/code.h"

/*
 * The line table that CPython 3.13.0 makes of a function of 11 lines with a
 * comprehension, a call over two lines and a finally, and what its own
 * co_positions() says: the first byte offset of each place.
 */
static const uint8_t table[] =
	"\x80\x00\xe1\x14\x15\xf3\x00\x01\x09\x0f\x91\x41\x88\x71\xdc\x0c\x0d\xf7\x03\x00\x0a\x0b"
	"\x91\x41\x80\x41\xf0\x00\x01\x09\x0f\xf0\x04\x06\x05\x19\xd8\x0f\x10\x90\x11\x8a\x74\xd8"
	"\x0c\x0d\xf3\x03\x01\x10\x0f\xf4\x0a\x00\x09\x0e\x88\x66\x90\x61\xd5\x08\x18\xf9\xf2\x11"
	"\x01\x09\x0f\xf8\xf4\x10\x00\x09\x0e\x88\x66\x90\x61\xd5\x08\x18\xfa";

static const struct {
	int32_t lasti;
	struct py_position pos;
} places[] = {
	{ 0, { 1, 1, 0, 0 } },	     { 2, { 3, 3, 20, 21 } },	  { 6, { 3, 4, 8, 14 } },
	{ 14, { 3, 3, 20, 21 } },    { 18, { 3, 3, 15, 16 } },	  { 20, { 4, 4, 12, 13 } },
	{ 30, { 3, 3, 9, 10 } },     { 46, { 3, 3, 20, 21 } },	  { 50, { 3, 3, 4, 5 } },
	{ 52, { 3, 4, 8, 14 } },     { 54, { 5, 11, 4, 24 } },	  { 56, { 6, 6, 15, 16 } },
	{ 58, { 6, 6, 17, 18 } },    { 60, { 6, 6, 15, 19 } },	  { 66, { 7, 7, 12, 13 } },
	{ 68, { 6, 7, 15, 14 } },    { 76, { 11, 11, 8, 13 } },	  { 86, { 11, 11, 14, 20 } },
	{ 88, { 11, 11, 22, 23 } },  { 90, { 11, 11, 8, 24 } },	  { 102, { -1, -1, -1, -1 } },
	{ 106, { 3, 4, 8, 14 } },    { 112, { -1, -1, -1, -1 } }, { 114, { 11, 11, 8, 13 } },
	{ 124, { 11, 11, 14, 20 } }, { 126, { 11, 11, 22, 23 } }, { 128, { 11, 11, 8, 24 } },
	{ 140, { -1, -1, -1, -1 } },
};

static struct py_position find(const void *bytes, size_t len, int32_t first, int32_t lasti)
{
	struct py_position p = { -1, -1, -1, -1 };
	py_lines_find(PY_LINES_LOCATIONS, bytes, len, first, lasti, &p);
	return p;
}

static int32_t line_in(enum py_lines kind, const void *bytes, size_t len, int32_t lasti)
{
	struct py_position p = { -1, -1, -1, -1 };
	bool found = py_lines_find(kind, bytes, len, 1, lasti, &p);
	cr_expect_eq(found, p.line >= 0);
	cr_expect_eq(p.column, -1);
	return p.line;
}

/*
 * def f(x):		# co_firstlineno 1
 *     y = x; (400 bytes of it)
 *     # 150 empty lines
 *     return [x,
 *             y]
 */
Test(python_code, lines_of_3_6_to_3_9_are_sums_of_steps)
{
	static const uint8_t bytes[] = { 0, 1, 255, 0, 145, 127, 0, 24, 2, 1, 2, 0xff };
	static const int32_t lines[][2] = {
		{ 0, 2 },     { 2, 2 },	    { 254, 2 },	  { 398, 2 },
		{ 400, 153 }, { 402, 154 }, { 404, 153 }, { 4000, 153 }
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect_eq(line_in(PY_LINES_LNOTAB, bytes, sizeof(bytes), lines[i][0]),
			     lines[i][1], "at %d", lines[i][0]);
	cr_expect_eq(line_in(PY_LINES_LNOTAB, bytes, sizeof(bytes), -1), -1);
	cr_expect_eq(line_in(PY_LINES_LNOTAB, NULL, 0, 6), 1, "all on the first line");
	cr_expect_eq(line_in(PY_LINES_LNOTAB, bytes, 3, 6), 2, "half a pair is none");
}

Test(python_code, lines_of_3_10_are_ranges_that_may_have_none)
{
	static const uint8_t bytes[] = { 4, 1, 254, 128, 6, 127, 0, 24, 2, 0xff };
	static const int32_t lines[][2] = { { 0, 2 },	  { 2, 2 },	{ 4, -1 },    { 256, -1 },
					    { 258, 129 }, { 262, 129 }, { 264, 152 }, { 266, -1 } };
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect_eq(line_in(PY_LINES_RANGES, bytes, sizeof(bytes), lines[i][0]),
			     lines[i][1], "at %d", lines[i][0]);
	cr_expect_eq(line_in(PY_LINES_RANGES, bytes, sizeof(bytes), -1), -1);
	cr_expect_eq(line_in(PY_LINES_RANGES, NULL, 0, 0), -1);
}

static void expect(struct py_position got, struct py_position want, int32_t lasti)
{
	cr_expect(got.line == want.line && got.end_line == want.end_line &&
			  got.column == want.column && got.end_column == want.end_column,
		  "at %d: got %d:%d-%d:%d, want %d:%d-%d:%d", lasti, got.line, got.column,
		  got.end_line, got.end_column, want.line, want.column, want.end_line,
		  want.end_column);
}

Test(python_code, a_line_table_gives_what_co_positions_says)
{
	size_t n = sizeof(places) / sizeof(places[0]);
	for (size_t i = 0; i < n; i++) {
		int32_t end = i + 1 < n ? places[i + 1].lasti : 146;
		for (int32_t lasti = places[i].lasti; lasti < end; lasti += 2)
			expect(find(table, sizeof(table) - 1, 1, lasti), places[i].pos, lasti);
	}
}

Test(python_code, past_the_end_and_before_the_start_there_is_no_line)
{
	cr_expect_eq(find(table, sizeof(table) - 1, 1, 146).line, -1);
	cr_expect_eq(find(table, sizeof(table) - 1, 1, INT32_MAX).line, -1);
	cr_expect_eq(find(table, sizeof(table) - 1, 1, -1).line, -1);
	cr_expect_eq(find(table, 0, 1, 0).line, -1);
	cr_expect_eq(find(NULL, 0, 1, 0).line, -1);
}

Test(python_code, a_table_cut_anywhere_is_read_no_further)
{
	for (size_t len = 0; len < sizeof(table) - 1; len++) {
		uint8_t *copy = malloc(len ? len : 1); /* so that the sanitizer sees its end */
		memcpy(copy, table, len);
		for (int32_t lasti = 0; lasti < 150; lasti += 2)
			find(copy, len, 1, lasti);
		free(copy);
	}
}

Test(python_code, lines_go_back_and_columns_may_be_missing)
{
	/* code 13, one unit: svarint -5, then code 13: svarint +70 */
	static const uint8_t t[] = { 0x80 | 13 << 3, 11, 0x80 | 13 << 3, 64 | 12, 2 };
	expect(find(t, sizeof(t), 100, 0), (struct py_position){ 95, 95, -1, -1 }, 0);
	expect(find(t, sizeof(t), 100, 2), (struct py_position){ 165, 165, -1, -1 }, 2);
}

Test(python_code, an_endless_number_ends_with_the_table)
{
	uint8_t t[64];
	memset(t, 0xff, sizeof(t));
	t[0] = 0x80 | 14 << 3;
	find(t, sizeof(t), 1, 0);
	memset(t, 0x7f, sizeof(t));
	t[0] = 0x80 | 13 << 3;
	find(t, sizeof(t), INT32_MAX, 0);
}
