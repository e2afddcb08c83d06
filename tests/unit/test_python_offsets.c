/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "qxfer/python/offsets.h"
#include "tests/fake/fake_target.h"

#define ADDR 0x20000u

static struct fake fake;
static uint64_t debug[128];
static struct py_offsets got;
static bool verified;

static void teardown(void)
{
	fake_deinit(&fake);
	memset(&fake, 0, sizeof(fake));
}
TestSuite(python_offsets, .fini = teardown);

static const struct py_debug_layout *layout_of(uint16_t minor)
{
	for (size_t i = 0; i < py_debug_nlayouts; i++)
		if (py_debug_layouts[i].minor == minor)
			return &py_debug_layouts[i];
	return &py_debug_layouts[py_debug_nlayouts - 1];
}

/* The _Py_DebugOffsets of an interpreter that is laid out as @row. */
static void describe(const struct py_offsets *row, uint32_t version_hex)
{
	const struct py_debug_layout *layout = layout_of(PY_MINOR(version_hex));
	memset(debug, 0, sizeof(debug));
	memcpy(debug, PY_COOKIE, PY_COOKIE_SIZE);
	debug[1] = version_hex;
	debug[2] = row->build == PY_BUILD_FREE_THREADED;
	for (size_t i = 0; i < layout->n; i++) {
		const struct py_debug_field *f = &layout->fields[i];
		uint32_t value = *(const uint32_t *)((const char *)row + f->field);
		debug[f->at / 8] = value;
	}
	/* Sums and differences: the other operand of each is described as 0. */
	for (size_t i = 0; i < layout->n; i++) {
		const struct py_debug_field *f = &layout->fields[i];
		if (f->plus)
			debug[f->plus / 8] = 0;
		if (f->minus)
			debug[f->minus / 8] = 0;
	}
}

static struct err *read_debug(void)
{
	const struct fake_region region = { ADDR, debug, sizeof(debug) };
	fake_init(&fake, &region, 1, NULL);
	return py_offsets_debug(&fake.target.mem, ADDR, &got, &verified);
}

Test(python_offsets, every_row_can_be_walked_with)
{
	for (size_t i = 0; i < py_offsets_rows; i++) {
		struct err *err = py_offsets_check(&py_offsets_table[i]);
		cr_expect_null(err, "row %zu: %s", i, err ? err->msg : "");
		err_drop(err);
		cr_expect_leq(py_offsets_tstate_span(&py_offsets_table[i]),
			      sizeof(((struct obj *)0)->data));
		cr_expect_leq(py_offsets_frame_span(&py_offsets_table[i]), 160);
	}
}

Test(python_offsets, versions_3_6_to_3_15_have_a_row_and_others_have_none)
{
	for (uint32_t minor = 0; minor < 32; minor++) {
		const struct py_offsets *row =
			py_offsets_find(0x03000000 | minor << 16, PY_BUILD_GIL);
		cr_expect_eq(row != NULL, minor >= 6 && minor <= 15, "3.%u", minor);
	}
	for (uint32_t minor = 0; minor < 32; minor++) {
		const struct py_offsets *row =
			py_offsets_find(0x03000000 | minor << 16, PY_BUILD_FREE_THREADED);
		cr_expect_eq(row != NULL, minor >= 13 && minor <= 15, "3.%ut", minor);
	}
}

Test(python_offsets, the_nearest_older_point_release_is_taken)
{
	cr_expect_eq(py_offsets_find(0x030d05f0, PY_BUILD_GIL)->version_hex, 0x030d00f0);
	cr_expect_eq(py_offsets_find(0x030d12f0, PY_BUILD_GIL)->version_hex, 0x030d12f0);
	cr_expect_eq(py_offsets_find(0x030dfff0, PY_BUILD_GIL)->version_hex, 0x030d12f0);
	cr_expect_eq(py_offsets_find(0x030b02f0, PY_BUILD_GIL)->version_hex, 0x030b07f0);
}

Test(python_offsets, what_the_interpreter_says_of_itself_is_what_the_table_says)
{
	for (size_t i = 0; i < py_offsets_rows; i++) {
		const struct py_offsets *row = &py_offsets_table[i];
		if (row->version_hex < 0x030d0000)
			continue;
		describe(row, row->version_hex);
		struct err *err = read_debug();
		cr_assert_null(err, "%s", err ? err->msg : "");
		cr_expect_eq(verified, !row->untested);
		cr_expect_arr_eq(&got, row, sizeof(got), "row %zu", i);
		teardown();
	}
}

Test(python_offsets, the_interpreter_is_believed_against_the_table)
{
	struct py_offsets row = *py_offsets_find(0x030d0000, PY_BUILD_GIL);
	row.tstate.size += 8;
	row.tstate.thread_id += 8;
	row.version_hex = 0x030d63f0;
	describe(&row, row.version_hex);
	cr_assert_null(read_debug());
	cr_expect(verified);
	cr_expect_eq(got.version_hex, row.version_hex);
	cr_expect_eq(got.tstate.thread_id, row.tstate.thread_id);
	/* Of a structure whose size is new, what only the table knows is not used. */
	cr_expect_eq(got.tstate.raising, PY_NONE);
	cr_expect_eq(got.code.first_traceable, row.code.first_traceable);
}

Test(python_offsets, a_newer_version_is_tried_and_not_vouched_for)
{
	struct py_offsets row = py_offsets_table[py_offsets_rows - 1];
	describe(&row, 0x031000f0);
	cr_assert_null(read_debug());
	cr_expect_not(verified);
	cr_expect_eq(got.version_hex, 0x031000f0);
}

Test(python_offsets, without_a_cookie_there_is_nothing)
{
	memset(debug, 0, sizeof(debug));
	struct err *err = read_debug();
	cr_assert(err_catch(&err, ERR_NOT_FOUND));
}

Test(python_offsets, older_versions_are_named_in_the_refusal)
{
	describe(&py_offsets_table[py_offsets_rows - 1], 0x030f00f0);
	debug[1] = 0x030c00f0;
	struct err *err = read_debug();
	cr_assert_not_null(err);
	cr_expect_eq(err->code, ERR_BAD_DATA);
	cr_expect(strstr(err->msg, "Python 3.12 is not supported"), "%s", err->msg);
	err_drop(err);
}

Test(python_offsets, a_free_threaded_build_has_rows_of_its_own)
{
	const struct py_offsets *row = py_offsets_find(0x030f00f0, PY_BUILD_FREE_THREADED);
	cr_assert_not_null(row);
	describe(row, 0x031000f0);
	cr_assert_null(read_debug());
	cr_expect_not(verified);
	cr_expect_eq(got.build, PY_BUILD_FREE_THREADED);
	cr_expect_eq(got.object.type, 24);
	cr_expect_eq(got.code.tlbc, row->code.tlbc);
}

Test(python_offsets, offsets_outside_their_structures_are_refused)
{
	const struct py_offsets *row = &py_offsets_table[py_offsets_rows - 1];
	const struct py_debug_layout *layout = layout_of(PY_MINOR(row->version_hex));
	for (size_t i = 0; i < layout->n; i++) {
		describe(row, row->version_hex);
		debug[layout->fields[i].at / 8] = 1ull << 40;
		struct err *err = read_debug();
		err_drop(err); /* some are optional; none may be used */
		if (!err)
			cr_expect_null(py_offsets_check(&got));
		teardown();
	}
}
