/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "arch/x86_dregs.h"

Test(dregs, the_control_word_is_the_manuals)
{
	struct x86_dregs d = { 0 };

	cr_assert_null(x86_dregs_insert(&d, X86_DR_EXEC, 0x401000, 1));
	cr_assert_null(x86_dregs_insert(&d, X86_DR_WRITE, 0x1000, 4));
	cr_assert_null(x86_dregs_insert(&d, X86_DR_ACCESS, 0x2000, 8));
	/* L0 L1 L2; exec one byte; write four: 1101; access eight: 1011. */
	cr_assert_eq(x86_dregs_control(&d), 0x0bd00015);
}

Test(dregs, an_unaligned_region_takes_aligned_pieces)
{
	struct x86_dregs d = { 0 };

	cr_assert_null(x86_dregs_insert(&d, X86_DR_WRITE, 0x1003, 9));
	/* 1003:1 1004:4 1008:4 */
	cr_assert_eq(d.reg[0].len, 1);
	cr_assert_eq(d.reg[1].addr, 0x1004);
	cr_assert_eq(d.reg[1].len, 4);
	cr_assert_eq(d.reg[2].len, 4);
	x86_dregs_remove(&d, X86_DR_WRITE, 0x1003, 9);
	cr_assert_not(x86_dregs_any(&d));
}

Test(dregs, what_does_not_fit_leaves_nothing_behind)
{
	struct x86_dregs d = { 0 };

	for (uint64_t i = 0; i < 3; i++)
		cr_assert_null(x86_dregs_insert(&d, X86_DR_WRITE, 0x1000 + 8 * i, 8));
	uint64_t before = x86_dregs_control(&d);
	struct err *err = x86_dregs_insert(&d, X86_DR_WRITE, 0x2000, 16);
	cr_assert_not_null(err);
	err_drop(err);
	cr_assert_eq(x86_dregs_control(&d), before);
	err = x86_dregs_insert(&d, X86_DR_WRITE, 0x2000, UINT64_MAX);
	cr_assert_not_null(err);
	err_drop(err);
}

Test(dregs, equal_ones_share_a_register)
{
	struct x86_dregs d = { 0 };

	for (int i = 0; i < 6; i++)
		cr_assert_null(x86_dregs_insert(&d, X86_DR_WRITE, 0x1000, 8));
	for (int i = 0; i < 5; i++)
		x86_dregs_remove(&d, X86_DR_WRITE, 0x1000, 8);
	cr_assert(x86_dregs_any(&d));
	x86_dregs_remove(&d, X86_DR_WRITE, 0x1000, 8);
	cr_assert_not(x86_dregs_any(&d));
	x86_dregs_remove(&d, X86_DR_WRITE, 0x1000, 8);
	cr_assert_not(x86_dregs_any(&d));
}

Test(dregs, a_data_hit_is_told_before_an_execution_one)
{
	struct x86_dregs d = { 0 };

	cr_assert_null(x86_dregs_insert(&d, X86_DR_EXEC, 0x401000, 1));
	cr_assert_null(x86_dregs_insert(&d, X86_DR_WRITE, 0x1000, 4));
	cr_assert_eq(x86_dregs_hit(&d, 3)->addr, 0x1000);
	cr_assert_eq(x86_dregs_hit(&d, 1)->addr, 0x401000);
	cr_assert_null(x86_dregs_hit(&d, 4));
}
