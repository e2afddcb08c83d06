/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "stub/crc32.h"
#include "tests/unit/bench.h"

#define BASE 0x10000u
#define SIZE (64u * MEM_PAGE)

static uint8_t image[SIZE];

static void setup(struct bench *b)
{
	for (size_t i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i * 31 + (i >> 8));
	const struct fake_region regions[] = { { BASE, image, SIZE },
					       { -(uint64_t)MEM_PAGE, image, MEM_PAGE } };
	bench_init(b, regions, 2);
}

Test(h_mem, a_read_past_the_end_answers_what_there_is)
{
	struct bench b;
	setup(&b);
	assert_answer(&b, "m10000,4", "001f3e5d");
	assert_answer(&b, "m4fffe,10", "c1e0");
	bench_deinit(&b);
}

Test(h_mem, a_read_is_clamped_to_what_a_packet_holds)
{
	struct bench b;
	setup(&b);
	cr_assert_eq(strlen(ask(&b, "m10000,ffffffffffffffff")), RSP_PACKET_MAX);
	bench_ask(&b, "x10000,ffffffffffffffff", 23);
	cr_assert_leq(b.reply.len, RSP_PACKET_MAX);
	cr_assert_gt(b.reply.len, RSP_PACKET_MAX * 9 / 10);
	cr_assert_arr_eq(b.reply.data + 1, image, b.reply.len - 1);
	cr_assert_leq(b.s.last.len, RSP_PACKET_MAX + 4);
	bench_deinit(&b);
}

Test(h_mem, an_unreadable_first_byte_is_an_error)
{
	struct bench b;
	setup(&b);
	assert_answer(&b, "m5000,4", "E0e");
	assert_answer(&b, "x5000,4", "E0e");
	ask(&b, "qSupported:error-message+");
	assert_answer(&b, "m5000,4", "E.cannot access memory at 0x5000");
	assert_answer(&b, "M5000,1:00", "E.cannot access memory at 0x5000");
	bench_deinit(&b);
}

Test(h_mem, the_last_page_of_the_address_space_reads_and_does_not_wrap)
{
	struct bench b;
	setup(&b);
	cr_assert_eq(strlen(ask(&b, "mfffffffffffffffe,10")), 4);
	assert_answer(&b, "Mfffffffffffffffe,2:abcd", "OK");
	assert_answer(&b, "mfffffffffffffffe,2", "abcd");
	bench_deinit(&b);
}

Test(h_mem, a_binary_read_speaks_gdbs_dialect_to_all_but_lldb)
{
	struct bench b;
	setup(&b);
	bench_ask(&b, "x10000,2", 8);
	cr_assert_eq(b.reply.len, 3);
	cr_assert_arr_eq(b.reply.data, "b\0\x1f", 3);
	assert_answer(&b, "x0,0", "b");
	ask(&b, "qSupported:xmlRegisters=i386,arm,mips,arc");
	assert_answer(&b, "x0,0", "OK");
	bench_ask(&b, "x10001,1", 8);
	cr_assert_eq(b.reply.len, 1);
	cr_assert_eq(b.reply.data[0], 0x1f);
	bench_deinit(&b);
}

Test(h_mem, writes_of_both_kinds_arrive)
{
	struct bench b;
	setup(&b);
	assert_answer(&b, "M10000,3:A1b2C3", "OK");
	bench_ask(&b, "X10003,4:#$}*", 13);
	cr_assert_str_eq((char *)b.reply.data, "OK");
	assert_answer(&b, "m10000,7", "a1b2c323247d2a");
	assert_answer(&b, "X0,0:", "OK");
	assert_answer(&b, "M0,0:", "OK");
	bench_deinit(&b);
}

Test(h_mem, what_is_malformed_writes_nothing)
{
	static const char *const packets[] = { "M10000,2:00",	     "M10000,1:000",
					       "M10000,1:zz",	     "M10000,1",
					       "X10000,8",	     "X10000,2:a",
					       "X10000,1:ab",	     "Xzz,1:a",
					       "M10000,ffffffff:00", "X10000,ffffffffffffffff:a" };
	struct bench b;
	setup(&b);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_answer(&b, packets[i], "E01");
	assert_answer(&b, "m10000,4", "001f3e5d");
	assert_answer(&b, "MultiMemRead:ranges:10000,2;", "");
	bench_deinit(&b);
}

Test(h_mem, a_pattern_is_found_wherever_it_lies)
{
	struct bench b;
	/* Across the end of a chunk, of a page, at either end. */
	static const size_t places[] = { 0, 1, MEM_PAGE - 3, 0x10000 - 5, 0x20000 - 1, SIZE - 7 };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char want[32];
		char packet[64];
		setup(&b);
		memcpy(b.fake.regions[0].data + places[i], "#needle", 7);
		snprintf(want, sizeof(want), "1,%zx", BASE + places[i]);
		snprintf(packet, sizeof(packet), "qSearch:memory:%x;%x;#needle", BASE, SIZE);
		assert_answer(&b, packet, want);
		snprintf(packet, sizeof(packet), "qSearch:memory:%zx;%zx;#needle",
			 BASE + places[i] + 1, SIZE - places[i] - 1);
		assert_answer(&b, packet, "0");
		bench_deinit(&b);
	}
}

Test(h_mem, a_search_that_meets_a_hole_says_where)
{
	struct bench b;
	setup(&b);
	ask(&b, "qSupported:error-message+");
	assert_answer(&b, "qSearch:memory:10000;ffffffffffffffff;no such bytes here",
		      "E.cannot access memory at 0x50000");
	assert_answer(&b, "qSearch:memory:fffffffffffff000;ffffffff;no such bytes here", "0");
	assert_answer(&b, "qSearch:memory:10000;10;", "E.malformed qSearch:memory");
	assert_answer(&b, "qSearch:memory:10000;2;abcd", "0");
	bench_deinit(&b);
}

Test(h_mem, a_crc_is_the_one_gdb_computes)
{
	struct crc32 c;
	struct bench b;
	setup(&b);
	crc32_init(&c);
	/* The check value of CRC-32/MPEG-2. */
	cr_assert_eq(crc32_add(&c, CRC32_START, "123456789", 9), 0x0376e6e7u);
	uint32_t pieces = crc32_add(&c, CRC32_START, image, 12345);
	pieces = crc32_add(&c, pieces, image + 12345, SIZE - 12345);
	cr_assert_eq(pieces, crc32_add(&c, CRC32_START, image, SIZE));
	char want[16];
	snprintf(want, sizeof(want), "C%x", pieces);
	assert_answer(&b, "qCRC:10000,40000", want);
	assert_answer(&b, "qCRC:10000,40001", "E0e");
	assert_answer(&b, "qCRC:10000,ffffffffffffffff", "E01");
	assert_answer(&b, "qCRC:10000", "E01");
	bench_deinit(&b);
}
