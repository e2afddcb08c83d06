/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/unit/bench.h"

static struct bench b;
static struct space_syscall made[64];
static size_t nmade;
static int64_t refuse; /* an error for the next call, or 0 */

static struct err *make_call(struct target *t, const struct space_syscall *call, uint64_t *ret)
{
	(void)t;
	cr_assert_lt(nmade, sizeof(made) / sizeof(made[0]));
	made[nmade++] = *call;
	*ret = refuse ? (uint64_t)refuse : call->nr == SYS_mmap ? 0x70000 + 0x1000 * nmade : 0;
	return NULL;
}
static const struct target_call_ops calls = { .syscall = make_call };

static void setup(void)
{
	bench_init(&b, NULL, 0);
	b.fake.target.call = &calls;
	b.fake.gpr = (struct user_regs_struct){ .rax = 5, .rip = 0x1000, .orig_rax = 35 };
	b.s.g_tid = FAKE_PID;
}
static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(calls, .init = setup, .fini = teardown);

Test(calls, memory_is_mapped_with_the_permissions_asked_for)
{
	assert_answer(&b, "_M1000,rw", "71000");
	cr_assert_eq(made[0].nr, SYS_mmap);
	cr_assert_eq(made[0].arg[1], 0x1000);
	cr_assert_eq(made[0].arg[2], 3);
	assert_answer(&b, "_M20,x", "72000");
	cr_assert_eq(made[1].arg[2], 4);
	assert_answer(&b, "_m71000", "OK");
	cr_assert_eq(made[2].nr, SYS_munmap);
	cr_assert_eq(made[2].arg[0], 0x71000);
	cr_assert_eq(made[2].arg[1], 0x1000);
	assert_answer(&b, "_m71000", "E01");
}

Test(calls, what_the_kernel_refuses_is_an_error)
{
	refuse = -ENOMEM;
	assert_answer(&b, "_M1000,rw", "E0c");
	refuse = 0;
	ask(&b, "D");
	cr_assert_eq(nmade, 1);
}

Test(calls, a_detach_takes_away_what_is_left)
{
	ask(&b, "_M1000,rw");
	ask(&b, "_M2000,rw");
	assert_answer(&b, "D", "OK");
	cr_assert_eq(nmade, 4);
	cr_assert_eq(made[2].nr, SYS_munmap);
	cr_assert_eq(made[3].nr, SYS_munmap);
}

Test(calls, so_does_a_client_that_goes)
{
	ask(&b, "_M1000,rw");
	session_close(&b.s);
	cr_assert_eq(nmade, 2);
}

Test(calls, after_an_exec_nothing_is_ours_any_more)
{
	ask(&b, "_M1000,rw");
	b.fake.target.epoch++;
	assert_answer(&b, "_m71000", "E01");
	session_close(&b.s);
	cr_assert_eq(nmade, 1);
}

Test(calls, bad_requests_are_refused)
{
	static const char *const bad[] = {
		"_M",
		"_M0,rwx",
		"_M1000",
		"_M1000,",
		"_Mffffffffffffffff,rw",
		"_M1000,rz",
		"_M1000,rwxr",
		"_M-1,r",
		"_m",
		"_mzz",
		"_m0",
		"_m71000,1",
		"QRestoreRegisterState",
		"QRestoreRegisterState:",
		"QRestoreRegisterState:0",
		"QRestoreRegisterState:1",
		"QRestoreRegisterState:4294967296",
		"QRestoreRegisterState:99999999999999999999999",
		"QRestoreRegisterState:-1",
		"QSaveRegisterState;thread:",
		"QSaveRegisterState;thread:77;",
		"QSaveRegisterState;thread:p5.1a2b;",
		"QSaveRegisterState;thread:1a2b;x",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (strcmp(bad[i], "_M1000,") == 0)
			continue; /* memory without permissions is memory */
		cr_assert_eq(ask(&b, bad[i])[0], 'E', "%s -> %s", bad[i], (char *)b.reply.data);
	}
	cr_assert_eq(nmade, 0);
}

Test(calls, without_the_ability_the_packet_is_unknown)
{
	b.fake.target.call = NULL;
	assert_answer(&b, "_M1000,rw", "");
}

Test(calls, saved_registers_come_back_once)
{
	assert_answer(&b, "QSaveRegisterState;thread:1a2b;", "1");
	b.fake.gpr.rax = 6;
	b.fake.gpr.orig_rax = UINT64_MAX;
	target_moved(&b.fake.target);
	assert_answer(&b, "QRestoreRegisterState:1;thread:1a2b;", "OK");
	cr_assert_eq(b.fake.gpr.rax, 5);
	cr_assert_eq(b.fake.gpr.orig_rax, 35);
	assert_answer(&b, "QRestoreRegisterState:1;thread:1a2b;", "E01");
}

Test(calls, of_too_many_saved_the_oldest_goes)
{
	char packet[64];

	for (unsigned int i = 0; i < CALLS_SAVED_MAX + 1; i++)
		ask(&b, "QSaveRegisterState;thread:1a2b;");
	assert_answer(&b, "QRestoreRegisterState:1;thread:1a2b;", "E01");
	snprintf(packet, sizeof(packet), "QRestoreRegisterState:%u;thread:1a2b;",
		 CALLS_SAVED_MAX + 1);
	assert_answer(&b, packet, "OK");
	assert_answer(&b, "QRestoreRegisterState:2;thread:1a2b;", "OK");
}

Test(calls, lldb_sends_a_thread_out_of_its_system_call)
{
	assert_answer(&b, "P10=0020000000000000", "OK");
	cr_assert_eq(b.fake.gpr.orig_rax, 35);
	ask(&b, "QThreadSuffixSupported");
	assert_answer(&b, "P10=0030000000000000;thread:1a2b;", "OK");
	cr_assert_eq(b.fake.gpr.rip, 0x3000);
	cr_assert_eq(b.fake.gpr.orig_rax, UINT64_MAX);
}
