/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "stub/target/point.h"

static const uint8_t trap[] = { 0xcc };
static const uint8_t wide_trap[] = { 0x00, 0x00, 0x20, 0xd4 };

static void add(struct points *ps, uint64_t addr, const uint8_t *saved)
{
	struct point *p;
	cr_assert_null(points_add(ps, addr, saved, &p));
}

Test(point, a_read_shows_what_the_trap_replaced)
{
	struct points ps = { .insn = trap, .len = 1 };
	uint8_t mem[8] = { 0, 1, 0xcc, 3, 4, 5, 6, 0xcc };

	add(&ps, 0x1007, &(uint8_t){ 7 });
	add(&ps, 0x1002, &(uint8_t){ 2 });
	points_hide(&ps, 0x1000, mem, sizeof(mem));
	for (uint8_t i = 0; i < 8; i++)
		cr_assert_eq(mem[i], i);
	points_deinit(&ps);
}

Test(point, a_write_goes_under_the_trap)
{
	struct points ps = { .insn = trap, .len = 1 };
	uint8_t bytes[3] = { 0xa, 0xb, 0xc };

	add(&ps, 0x1001, &(uint8_t){ 1 });
	points_merge(&ps, 0x1000, bytes, 3);
	cr_assert_eq(bytes[1], 0xcc);
	cr_assert_eq(points_find(&ps, 0x1001)->saved[0], 0xb);
	points_deinit(&ps);
}

Test(point, a_wide_trap_is_hidden_at_both_edges)
{
	struct points ps = { .insn = wide_trap, .len = 4 };
	const uint8_t saved[4] = { 1, 2, 3, 4 };
	uint8_t tail[2] = { 0x20, 0xd4 }, head[2] = { 0xff, 0x00 };

	add(&ps, 0x1000, saved);
	points_hide(&ps, 0x1002, tail, 2);
	cr_assert(tail[0] == 3 && tail[1] == 4);
	points_hide(&ps, 0xfff, head, 2);
	cr_assert(head[0] == 0xff && head[1] == 1);
	cr_assert(points_overlap(&ps, 0x1003, 1));
	cr_assert_not(points_overlap(&ps, 0x1004, 1));
	cr_assert_not(points_overlap(&ps, 0xff0, 16));
	points_deinit(&ps);
}

Test(point, a_trap_at_either_end_of_the_address_space_is_no_special_case)
{
	struct points ps = { .insn = trap, .len = 1 };
	uint8_t byte = 0xcc;

	add(&ps, 0, &(uint8_t){ 1 });
	add(&ps, UINT64_MAX, &(uint8_t){ 2 });
	points_hide(&ps, UINT64_MAX, &byte, 1);
	cr_assert_eq(byte, 2);
	byte = 0xcc;
	points_hide(&ps, 0, &byte, 1);
	cr_assert_eq(byte, 1);
	points_deinit(&ps);
}

Test(point, memory_that_was_mapped_anew_is_shown_as_it_is)
{
	struct points ps = { .insn = trap, .len = 1 };
	uint8_t byte = 0x90;

	add(&ps, 0x1000, &(uint8_t){ 0x55 });
	points_hide(&ps, 0x1000, &byte, 1);
	cr_assert_eq(byte, 0x90);
	points_deinit(&ps);
}

Test(point, many_are_kept_in_order_and_found)
{
	struct points ps = { .insn = trap, .len = 1 };

	for (uint64_t i = 0; i < 1000; i++)
		add(&ps, i * 7919 % 1000, &(uint8_t){ (uint8_t)i });
	for (uint64_t i = 0; i < 1000; i += 2)
		points_drop(&ps, i);
	points_drop(&ps, 12345);
	cr_assert_eq(ps.n, 500);
	for (uint64_t i = 0; i < 1000; i++)
		cr_assert_eq(points_find(&ps, i) != NULL, i % 2 == 1, "%d", (int)i);
	points_deinit(&ps);
}
