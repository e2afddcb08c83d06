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
