/* SPDX-License-Identifier: MIT */
/* Rules as Windows' unwind codes. */
#include <criterion/criterion.h>
#include <string.h>

#include "qxfer/jit/pe.h"

static void check(const struct jit_rule *r, const uint8_t *want, size_t len)
{
	_cleanup_buf_ struct buf out = { 0 };
	cr_assert(pe_put_info(&out, r));
	cr_assert_eq(out.len, len, "%zu bytes", out.len);
	cr_assert_eq(memcmp(out.data, want, len), 0);
}

Test(jit_pe, an_entry_needs_no_codes)
{
	const struct jit_rule r = jit_rule_entry(JIT_BY_FLOW);
	static const uint8_t want[] = { 1, 0, 0, 0 };
	check(&r, want, sizeof(want));
}

Test(jit_pe, a_frame_of_rbp_is_its_register_and_a_push)
{
	const struct jit_rule r = jit_rule_frame(JIT_BY_FLOW);
	static const uint8_t want[] = { 1, 0, 2, 5, 0, 0x03, 0, 0x50 };
	check(&r, want, sizeof(want));
}

Test(jit_pe, a_deep_stack_with_rbp_saved_is_two_allocations_around_a_push)
{
	const struct jit_rule r = { .cfa_reg = JIT_RSP, .cfa_off = 48, .at = { -24 } };
	/* add 24; pop rbp; add 8. */
	static const uint8_t want[] = { 1, 0, 3, 0, 0, 0x22, 0, 0x50, 0, 0x02, 0, 0 };
	check(&r, want, sizeof(want));
}

Test(jit_pe, a_return_address_in_a_register_cannot_be_said)
{
	const struct jit_rule r = { .cfa_reg = JIT_RSP,
				    .ra_kind = JIT_RA_IN_REG,
				    .ra_reg = JIT_R10 };
	_cleanup_buf_ struct buf out = { 0 };
	cr_assert_not(pe_put_info(&out, &r));
	cr_assert_eq(out.len, 0);
}

Test(jit_pe, what_is_saved_below_the_frame_is_found_from_below_it)
{
	/* JSEntry: r12 at rbp - 8, rbx at rbp - 40. */
	const struct jit_rule r = { .cfa_reg = JIT_RBP, .cfa_off = 16, .at = { -16, -56, -24 } };
	static const uint8_t want[] = { 1, 0,	 7, 0x35, 0, 0x03, 0, 0x34, 1, 0,
					0, 0xc4, 5, 0,	  0, 0x52, 0, 0x50, 0, 0 };
	check(&r, want, sizeof(want));
}

/* A row of .pdata, and what it leads to. */
struct entry {
	uint32_t begin, end, info;
	const uint8_t *codes;
};

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* Of an image as pe_write() lays it out: sections .text, .xdata, .pdata. */
static struct entry entry_of(const struct buf *image, size_t i)
{
	const uint8_t *sections = image->data + 64 + 24 + 240, *xdata = sections + 40,
		      *pdata = sections + 80;
	const uint8_t *row = image->data + u32_at(pdata + 20) + i * 12;
	struct entry e = { u32_at(row), u32_at(row + 4), u32_at(row + 8), NULL };
	e.codes = image->data + u32_at(xdata + 20) + (e.info - u32_at(xdata + 12));
	return e;
}

Test(jit_pe, rows_of_a_function_are_chained_to_its_first)
{
	struct jit_table t = { 0 };
	const struct jit_rule entry = jit_rule_entry(JIT_BY_FLOW),
			      frame = jit_rule_frame(JIT_BY_FLOW);
	const struct jit_region r = {
		.start = 0x7f0000000000, .end = 0x7f0000000080, .table = &t, .base = 0x7f0000000000
	};
	_cleanup_buf_ struct buf out = { 0 };
	/* Two functions: of the second the first row begins within the last of the first. */
	jit_table_add(&t, 0, &entry);
	jit_table_add(&t, 4, &frame);
	jit_table_add(&t, 0x20, &entry);
	jit_table_add(&t, 0x50, &frame);
	jit_table_add_func(&t, 0, 0x40, "f");
	jit_table_add_func(&t, 0x40, 0x40, "g");
	cr_assert_null(pe_write(&out, &r, PE_CHAINED, NULL));
	const struct entry f = entry_of(&out, 0), g = entry_of(&out, 3);
	cr_assert_eq(f.codes[0], 1);
	cr_assert_eq(g.begin - f.begin, 0x40);
	cr_assert_eq(g.codes[0], 1);
	for (size_t i = 1; i < 5; i++) {
		const struct entry e = entry_of(&out, i), first = i < 3 ? f : g;
		if (i == 3)
			continue;
		/* Flags, codes of an even number, and then the first one's row. */
		cr_assert_eq(e.codes[0], 1 | 4 << 3, "row %zu", i);
		const uint8_t *chained = e.codes + 4 + (e.codes[2] + 1u) / 2 * 4;
		cr_assert_eq(u32_at(chained), first.begin, "row %zu", i);
		cr_assert_eq(u32_at(chained + 4), first.end, "row %zu", i);
		cr_assert_eq(u32_at(chained + 8), first.info, "row %zu", i);
	}
	jit_table_deinit(&t);
}
