/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_xsave.h"
#include "tests/unit/bench.h"

#define RAX   "efcdab8967452301"
#define ZEROS "0000000000000000"

static struct bench b;

static void setup(void)
{
	bench_init(&b, NULL, 0);
	b.fake.gpr = (struct user_regs_struct){ .rax = 0x0123456789abcdef, .rip = 0x401000 };
	b.fake.fpr.cwd = 0x37f;
	b.s.g_tid = FAKE_PID;
}
static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(h_regs, .init = setup, .fini = teardown);

/* 24 general, st0..7, eight x87 control words, 16 SSE, mxcsr, three of Linux's. */
#define G_BYTES (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 3 * 8)

Test(h_regs, g_is_all_registers_in_their_order)
{
	const char *g = ask(&b, "g");
	cr_assert_eq(strlen(g), 2 * G_BYTES);
	cr_assert_eq(strncmp(g, RAX, 16), 0);
	cr_assert_eq(strncmp(g + 2 * 16 * 8, "0010400000000000", 16), 0);
}

Test(h_regs, p_is_one_register_with_or_without_lldbs_thread)
{
	assert_answer(&b, "p0", RAX);
	assert_answer(&b, "p10", "0010400000000000");
	assert_answer(&b, "p0;thread:1a2b;", RAX);
	assert_answer(&b, "p0;thread:p1a2b.1a2b;", RAX);
	assert_answer(&b, "p20", "7f030000");
	cr_assert_eq(strlen(ask(&b, "g;thread:1a2b;")), 2 * G_BYTES);
}

Test(h_regs, a_thread_suffix_wins_over_the_selected_thread)
{
	ask(&b, "qSupported:error-message+");
	assert_answer(&b, "p0;thread:99;", "E.no thread 153");
	assert_answer(&b, "p0;thread:p77.1a2b;", "E.no process 119");
	b.s.g_tid = 0;
	assert_answer(&b, "p0;thread:1a2b;", RAX);
}

Test(h_regs, without_a_thread_the_error_says_how_to_select_one)
{
	ask(&b, "qSupported:error-message+");
	b.s.g_tid = 0;
	assert_answer(&b, "g", "E.no thread is selected: select one with Hg");
	assert_answer(&b, "p0", "E.no thread is selected: select one with Hg");
}

Test(h_regs, what_is_malformed_is_an_error_and_changes_nothing)
{
	static const char *const bad[] = { "p",
					   "pzz",

					   "p0;thread:",
					   "p0;thread:zz;",
					   "p0;thread:-1;",
					   "p0=1",
					   "p95",
					   "P0",
					   "P0=",
					   "P0=00",
					   "P0=" ZEROS "00",
					   "P0=0",
					   "PG",
					   "G0",
					   "Gxx",
					   "P95=00",
					   "Gzz;thread:1a2b;",
					   "P=0000",
					   "g;zz",
					   "G00;thread:1a2b;extra",
					   "pffffffffffffffff" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(ask(&b, bad[i])[0], 'E', "%s", bad[i]);
	cr_assert_eq(b.fake.regset_writes, 0);
	cr_assert_eq(b.fake.gpr.rax, 0x0123456789abcdef);
}

Test(h_regs, P_sets_one_register)
{
	assert_answer(&b, "P0=0807060504030201", "OK");
	cr_assert_eq(b.fake.gpr.rax, 0x0102030405060708);
	assert_answer(&b, "P1=1100000000000000;thread:1a2b;", "OK");
	cr_assert_eq(b.fake.gpr.rbx, 0x11);
	assert_answer(&b, "p0", "0807060504030201");
	/* -1 in orig_rax: gdb's way to keep the kernel from restarting a system call. */
	assert_answer(&b, "P39=ffffffffffffffff", "OK");
	cr_assert_eq(b.fake.gpr.orig_rax, UINT64_MAX);
}

Test(h_regs, G_writes_each_changed_regset_once_and_no_other)
{
	char packet[2 * G_BYTES + 2];
	snprintf(packet, sizeof(packet), "G%s", ask(&b, "g"));
	assert_answer(&b, packet, "OK");
	cr_assert_eq(b.fake.regset_writes, 0);

	memcpy(packet + 1, ZEROS ZEROS ZEROS, 48); /* rax, rbx, rcx */
	assert_answer(&b, packet, "OK");
	cr_assert_eq(b.fake.regset_writes, 1);
	cr_assert_eq(b.fake.gpr.rax, 0);
	cr_assert_eq(b.fake.gpr.rip, 0x401000);
}

Test(h_regs, a_short_G_sets_the_first_registers)
{
	assert_answer(&b, "G" ZEROS "2a00000000000000", "OK");
	cr_assert_eq(b.fake.gpr.rax, 0);
	cr_assert_eq(b.fake.gpr.rbx, 42);
	assert_answer(&b, "G0100000000000000ffff", "OK"); /* half of rbx: left alone */
	cr_assert_eq(b.fake.gpr.rax, 1);
	cr_assert_eq(b.fake.gpr.rbx, 42);
}

Test(h_regs, a_refused_write_is_not_believed)
{
	b.fake.refuse_writes = true;
	cr_assert_eq(ask(&b, "P0=" ZEROS)[0], 'E');
	assert_answer(&b, "p0", RAX);
	cr_assert_eq(ask(&b, "G" ZEROS)[0], 'E');
	assert_answer(&b, "p0", RAX);
}

Test(h_regs, a_missing_regset_is_unavailable_and_cannot_be_set)
{
	struct arch *a = NULL;
	const struct xsave_layout layout = { .xcr0 = 7, .offset = { [XSAVE_AVX] = 576 } };
	char packet[8192];

	cr_assert_null(arch_x86_64_select(&layout, &a));
	b.fake.target.arch = a;
	assert_answer(&b, "p28", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_answer(&b, "p3c", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_answer(&b, "p0", RAX);
	cr_assert_eq(ask(&b, "P28=" ZEROS ZEROS)[0], 'E');

	/* What gdb sends for a G of such registers: zeros. */
	snprintf(packet, sizeof(packet), "G%s", ask(&b, "g"));
	for (char *p = packet; *p; p++)
		if (*p == 'x')
			*p = '0';
	memcpy(packet + 1, ZEROS, 16);
	assert_answer(&b, packet, "OK");
	cr_assert_eq(b.fake.gpr.rax, 0);
	cr_assert_eq(b.fake.regset_writes, 1);
	arch_free(a);
}

Test(h_regs, an_xstate_register_is_written_back_with_the_whole_area)
{
	struct arch *a = NULL;
	const struct xsave_layout layout = { .xcr0 = 7, .offset = { [XSAVE_AVX] = 576 } };

	cr_assert_null(arch_x86_64_select(&layout, &a));
	b.fake.target.arch = a;
	b.fake.xstate_size = 832;
	assert_answer(&b, "p3d", ZEROS ZEROS);
	assert_answer(&b, "P3d=11000000000000000000000000000022", "OK");
	cr_assert_eq(b.fake.xstate[576 + 16], 0x11);
	cr_assert_eq(b.fake.xstate[576 + 31], 0x22);
	cr_assert_eq(b.fake.xstate[XSAVE_BV_AT], 1 << XSAVE_AVX);
	assert_answer(&b, "p3d", "11000000000000000000000000000022");
	arch_free(a);
}

/* An area cut short, by a kernel or a core: what is outside is not there. */
Test(h_regs, a_register_past_the_end_of_its_regset_is_unavailable)
{
	struct arch *a = NULL;
	const struct xsave_layout layout = { .xcr0 = 7, .offset = { [XSAVE_AVX] = 576 } };

	cr_assert_null(arch_x86_64_select(&layout, &a));
	b.fake.target.arch = a;
	b.fake.xstate_size = 600;
	assert_answer(&b, "p3c", ZEROS ZEROS);
	assert_answer(&b, "p3d", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	arch_free(a);
}
