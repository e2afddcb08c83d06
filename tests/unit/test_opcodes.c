/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "qxfer/python/opcodes.h"

static const uint8_t *bytes_read;
static size_t bytes_len;

static size_t read_bytes(void *ctx, uint64_t addr, void *buf, size_t len)
{
	(void)ctx;
	if (addr < 0x1000 || addr - 0x1000 >= bytes_len)
		return 0;
	len = len < bytes_len - (addr - 0x1000) ? len : bytes_len - (addr - 0x1000);
	memcpy(buf, bytes_read + (addr - 0x1000), len);
	return len;
}

static const struct mem_ops ops = { .read = read_bytes };

static struct mem memory_of(const void *bytes, size_t len)
{
	bytes_read = bytes;
	bytes_len = len;
	return (struct mem){ .ops = &ops, .generation = 1, .addr_size = 8 };
}

Test(opcodes, every_version_from_3_8_on_is_known)
{
	for (uint32_t minor = 8; minor <= 15; minor++)
		cr_expect_not_null(py_opcodes_find(0x03000000 | minor << 16), "%u", minor);
	cr_expect_null(py_opcodes_find(0x03070000));
	cr_expect_null(py_opcodes_find(0x03100000));
}

Test(opcodes, a_base_form_is_no_special_form_and_has_its_caches)
{
	for (size_t i = 0; i < py_opcodes_rows; i++) {
		const struct py_opcodes *o = &py_opcodes_table[i];
		for (unsigned int op = 0; op < 256; op++) {
			uint8_t base = py_opcode_base(o, (uint8_t)op);
			cr_expect_eq(o->deopt[base], 0, "%x: %u", o->minor, op);
			cr_expect_eq(o->caches[base], o->caches[op], "%x: %u", o->minor, op);
			cr_expect_not(o->undefined[base] && op != base, "%x: %u", o->minor, op);
			cr_expect_leq(o->caches[op], 16);
		}
	}
}

Test(opcodes, an_instruction_begins_behind_the_caches_of_the_one_before)
{
	const struct py_opcodes *o = py_opcodes_find(0x030c01f0);
	/* RESUME; LOAD_GLOBAL with 4 caches that look like instructions; EXTENDED_ARG; LOAD_FAST */
	const uint8_t bytes[] = { 151, 0,   116, 1,   116, 0,	116, 0,	 116,
				  0,   116, 0,	 144, 1,   124, 0,   83, 0 };
	struct mem m = memory_of(bytes, sizeof(bytes));
	struct py_instrs c;

	cr_assert_null(py_instrs_read(&m, o, 0x1000, sizeof(bytes), NULL, &c));
	cr_expect(py_instrs_begins(&c, 0));
	cr_expect(py_instrs_begins(&c, 2));
	for (uint32_t at = 4; at < 12; at += 2)
		cr_expect_not(py_instrs_begins(&c, at), "%u", at);
	cr_expect(py_instrs_begins(&c, 12));
	cr_expect_not(py_instrs_begins(&c, 14), "the rest of an EXTENDED_ARG");
	cr_expect(py_instrs_begins(&c, 16));
	cr_expect_not(py_instrs_begins(&c, 3));
	cr_expect_not(py_instrs_begins(&c, 18));
	cr_expect_eq(py_instrs_next(&c, 2), 12);
	cr_expect_eq(py_instrs_before(&c, 12), 2);
	cr_expect_eq(py_instrs_next(&c, 16), c.len);
	cr_expect_eq(py_instrs_before(&c, 0), c.len);
	cr_expect(py_opcode_is_resume(o, 151));
	py_instrs_deinit(&c);
}

Test(opcodes, instructions_that_cannot_be_read_are_an_error)
{
	const uint8_t bytes[4] = { 0 };
	struct mem m = memory_of(bytes, sizeof(bytes));
	struct py_instrs c;
	struct err *err = py_instrs_read(&m, py_opcodes_find(0x030c0000), 0x1000, 8, NULL, &c);
	cr_assert_not_null(err);
	err_drop(err);
	err = py_instrs_read(&m, py_opcodes_find(0x030c0000), 0x1000, 1u << 30, NULL, &c);
	cr_assert_not_null(err);
	err_drop(err);
}

/* An image of two mappings: handlers at 0x10000.., a table somewhere in the other. */
static struct map image[2] = {
	{ .start = 0x1000, .end = 0x3000, .inode = 7, .prot = MAP_R, .path = (char[]){ "" } },
	{ .start = 0x10000,
	  .end = 0x20000,
	  .inode = 7,
	  .prot = MAP_R | MAP_X,
	  .path = (char[]){ "" } },
};

static void fill_table(uint64_t *table, const struct py_opcodes *o, bool tracing)
{
	for (unsigned int i = 0; i < 256; i++)
		table[i] = o->undefined[i] ? 0x10008 : tracing ? 0x10010 : 0x11000 + 16 * i;
}

Test(opcodes, the_table_of_handlers_is_the_one_with_the_undefined_ones_alike)
{
	const struct py_opcodes *o = py_opcodes_find(0x030f0000);
	const struct maps maps = { image, 2 };
	uint64_t words[1024] = { 0 };
	struct mem m = memory_of(words, sizeof(words));
	const struct space s = { .mem = &m, .maps = &maps };
	struct py_handlers h;

	struct err *err = py_handlers_find(&s, o, 0x1100, &h);
	cr_assert_not_null(err, "there is none yet");
	err_drop(err);
	fill_table(&words[100], o, true);
	fill_table(&words[356], o, false);
	cr_assert_null(py_handlers_find(&s, o, 0x1100, &h));
	cr_expect_eq(h.table, 0x1000 + 8 * 356);
	cr_expect_eq(h.unknown, 0x10008);
	cr_expect_eq(h.target[42], 0x11000 + 16 * 42);
	words[356 + 42] = 0x30000; /* no code */
	err = py_handlers_find(&s, o, 0x1100, &h);
	cr_expect(err || h.table != 0x1000 + 8 * 356);
	err_drop(err);
	fill_table(&words[356], o, false);
	fill_table(&words[700], o, false);
	err = py_handlers_find(&s, o, 0x1100, &h);
	cr_assert_not_null(err, "two of the same");
	err_drop(err);
}
