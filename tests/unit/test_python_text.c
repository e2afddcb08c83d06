/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "qxfer/python/text.h"
#include "tests/fake/fake_target.h"

#define ADDR 0x10000u

static struct fake fake;
static struct buf out;

/* struct PyASCIIObject of 3.12 and later: refcount, type, length, hash, state. */
struct str {
	uint64_t head[2], length, hash;
	uint32_t state, pad;
	uint8_t data[64];
};

enum { COMPACT = 1 << 5, ASCII = 1 << 6 };
#define KIND(k) ((uint32_t)(k) << 2)

static void teardown(void)
{
	fake_deinit(&fake);
	memset(&fake, 0, sizeof(fake));
	buf_deinit(&out);
}
TestSuite(python_text, .fini = teardown);

static const struct py_offsets *offsets(void)
{
	return py_offsets_find(0x030d0000, PY_BUILD_GIL);
}

static struct err *read_str(const struct str *s, size_t max)
{
	const struct fake_region region = { ADDR, s, sizeof(*s) };
	fake_init(&fake, &region, 1, NULL);
	struct err *err = py_text_str(&fake.target.mem, offsets(), ADDR, max, &out);
	buf_put(&out, "", 1);
	return err;
}

/* @at: where the characters lie behind the fixed part of ASCII strings. */
static struct str make(uint32_t state, uint64_t length, size_t at, const void *data, size_t len)
{
	struct str s = { .length = length, .state = state };
	memcpy(s.data + at, data, len);
	return s;
}

#define TEXT ((const char *)out.data)

Test(python_text, an_ascii_string_follows_its_header)
{
	struct str s = make(KIND(1) | COMPACT | ASCII, 5, 0, "hello", 5);
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "hello");
}

Test(python_text, latin_1_lies_behind_the_longer_header)
{
	struct str s = make(KIND(1) | COMPACT, 3, 16, "a\xe9z", 3);
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "a\xc3\xa9z");
}

Test(python_text, two_byte_characters_become_utf_8)
{
	static const uint16_t units[] = { 0x3c0, 'x', 0x20ac };
	struct str s = make(KIND(2) | COMPACT, 3, 16, units, sizeof(units));
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "\xcf\x80x\xe2\x82\xac");
}

Test(python_text, four_byte_characters_become_utf_8_and_impossible_ones_a_replacement)
{
	static const uint32_t units[] = { 0x1f40d, 0x110000 };
	struct str s = make(KIND(4) | COMPACT, 2, 16, units, sizeof(units));
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "\xf0\x9f\x90\x8d\xef\xbf\xbd");
}

Test(python_text, lone_surrogates_and_controls_are_escaped_as_by_repr)
{
	static const uint16_t units[] = { 0xdc80, '\n', 0x1b, 0x7f, 0x9f, 0xfffe, 0 };
	struct str s = make(KIND(2) | COMPACT, 7, 16, units, sizeof(units));
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "\\udc80\\n\\x1b\\x7f\\x9f\\ufffe\\x00");
}

Test(python_text, a_string_that_is_not_compact_points_to_its_characters)
{
	struct str s = make(KIND(1) | ASCII, 3, 24, "abc", 3);
	uint64_t data = ADDR + offsetof(struct str, data) + 24;
	memcpy(s.data + 16, &data, sizeof(data));
	cr_assert_null(read_str(&s, 100));
	cr_expect_str_eq(TEXT, "abc");
}

Test(python_text, a_long_string_is_cut_and_says_so)
{
	struct str s = make(KIND(1) | COMPACT | ASCII, 40, 0, "0123456789abcdef", 16);
	cr_assert_null(read_str(&s, 10));
	cr_expect_str_eq(TEXT, "0123456789...");
}

Test(python_text, a_length_beyond_memory_is_an_error_not_a_read)
{
	struct str s = make(KIND(1) | COMPACT | ASCII, UINT64_MAX, 0, "x", 1);
	struct err *err = read_str(&s, 100);
	cr_assert_not_null(err);
	cr_expect_eq(err->code, ERR_BAD_DATA);
	err_drop(err);
}

Test(python_text, a_string_that_runs_out_of_memory_is_a_fault)
{
	struct str s = make(KIND(4) | COMPACT, 100000, 16, "", 1);
	struct err *err = read_str(&s, 100000);
	cr_assert_not_null(err);
	cr_expect_eq(err->code, ERR_FAULT);
	err_drop(err);
}

Test(python_text, what_is_no_string_is_refused)
{
	for (uint32_t kind = 0; kind < 8; kind++) {
		struct str s = make(KIND(kind) | COMPACT | ASCII, 1, 0, "x", 1);
		struct err *err = read_str(&s, 10);
		cr_expect_eq(err == NULL, kind == 1, "kind %u", kind);
		err_drop(err);
		teardown();
	}
}

Test(python_text, bytes_that_are_not_utf_8_are_shown_as_escapes)
{
	static const uint8_t bytes[] =
		"ok \xc3\xa4 \xff \xed\xa0\x80 \xc0\x80 \xf0\x9f\x90\x8d \xe2\x82";
	py_text_put_bytes(&out, bytes, sizeof(bytes) - 1);
	buf_put(&out, "", 1);
	cr_expect_str_eq(
		TEXT, "ok \xc3\xa4 \\xff \\xed\\xa0\\x80 \\xc0\\x80 \xf0\x9f\x90\x8d \\xe2\\x82");
}
