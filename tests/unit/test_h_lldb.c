/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/bench.h"

static const uint8_t code[4096];
static struct bench b;

static void setup(void)
{
	static const struct fake_region regions[] = {
		{ 0x1000, code, sizeof(code) },
		{ 0x5000, code, sizeof(code) },
	};
	bench_init(&b, regions, 2);
	b.fake.gpr = (struct user_regs_struct){ .rip = 0x1004, .rsp = 0x5f00, .rbp = 0x5f80 };
}
static void teardown(void)
{
	bench_deinit(&b);
}
TestSuite(h_lldb, .init = setup, .fini = teardown);

static void be_lldb(void)
{
	ask(&b, "qSupported:xmlRegisters=i386,arm,mips,arc");
	assert_answer(&b, "QThreadSuffixSupported", "OK");
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

Test(h_lldb, is_told_of_native_signals_and_not_of_gdbs_form_of_x)
{
	const char *gdb = ask(&b, "qSupported:xmlRegisters=i386;qRelocInsn+");
	cr_assert(has(gdb, "binary-upload+"));
	cr_assert_not(has(gdb, "native-signals+"));
	const char *lldb = ask(&b, "qSupported:xmlRegisters=i386,arm,mips,arc");
	cr_assert_not(has(lldb, "binary-upload+"));
	cr_assert(has(lldb, "native-signals+"));
	assert_answer(&b, "x0,0", "OK");
}

Test(h_lldb, who_asks_for_the_thread_suffix_is_lldb)
{
	ask(&b, "qSupported:multiprocess+");
	assert_answer(&b, "QThreadSuffixSupported", "OK");
	ask(&b, "x1000,2");
	cr_assert_eq(b.reply.len, 2);
}

Test(h_lldb, signals_are_this_systems_own)
{
	static const struct stop_event usr1[] = {
		{ .tid = FAKE_PID, .kind = STOP_SIGNAL, .signo = SIGUSR1 }
	};
	b.fake.script = usr1;
	b.fake.nscript = 1;
	b.s.stop = usr1[0];
	cr_assert_eq(strncmp(ask(&b, "?"), "T1e", 3), 0);
	be_lldb();
	cr_assert_eq(strncmp(ask(&b, "?"), "T0a", 3), 0);
	assert_answer(&b, "QPassSignals:a", "OK");
	cr_assert_eq(b.s.pass_signals[1], 1 << 2);
	assert_answer(&b, "C80", "E01");
}

Test(h_lldb, an_error_has_a_number_and_a_text_once_it_asked)
{
	assert_answer(&b, "m3000,4", "E0e");
	assert_answer(&b, "QEnableErrorStrings", "OK");
	assert_answer(&b, "m3000,4",
		      "E0e;63616e6e6f7420616363657373206d656d6f727920617420307833303030");
	assert_answer(&b, "qXfer:nosuch:read::0,10", "");
}

Test(h_lldb, the_host_and_the_process_say_what_they_are)
{
	const char *host = ask(&b, "qHostInfo");
	cr_assert(has(host,
		      "triple:7838365f36342d70632d6c696e75782d676e75;")); /* x86_64-pc-linux-gnu */
	cr_assert(has(host, "ptrsize:8;endian:little;"));
	const char *process = ask(&b, "qProcessInfo");
	cr_assert_eq(strncmp(process, "pid:1a2b;", 9), 0, "%s", process);
	cr_assert(has(process, "ostype:linux;"));
	b.fake.target.pid = 0;
	assert_answer(&b, "qProcessInfo", "E01");
}

Test(h_lldb, the_owners_of_a_process_are_told)
{
	char want[64];

	b.fake.target.pid = getpid();
	snprintf(want, sizeof(want), "parent-pid:%x;real-uid:%x;effective-uid:%x;",
		 (unsigned int)getppid(), getuid(), geteuid());
	const char *process = ask(&b, "qProcessInfo");
	cr_assert(has(process, want), "%s: no %s", process, want);
}

Test(h_lldb, a_region_is_a_mapping_or_the_hole_before_the_next)
{
	assert_answer(&b, "qMemoryRegionInfo:1010", "start:1000;size:1000;permissions:rwx;");
	assert_answer(&b, "qMemoryRegionInfo:0", "start:0;size:1000;");
	assert_answer(&b, "qMemoryRegionInfo:2000", "start:2000;size:3000;");
	assert_answer(&b, "qMemoryRegionInfo:6000", "start:6000;size:ffffffffffff9fff;");
	assert_answer(&b, "qMemoryRegionInfo:ffffffffffffffff", "E01");
	assert_answer(&b, "qMemoryRegionInfo:", "E01");
	assert_answer(&b, "qMemoryRegionInfo:10000000000000000", "E01");
	assert_answer(&b, "qMemoryRegionInfo:1000;", "E01");
}

/* A walk over all regions, as lldb does it, ends. */
Test(h_lldb, the_regions_cover_the_address_space)
{
	uint64_t at = 0;
	unsigned long long start, size;

	for (int i = 0; i < 10 && at != UINT64_MAX; i++) {
		char packet[64];
		snprintf(packet, sizeof(packet), "qMemoryRegionInfo:%llx", (unsigned long long)at);
		cr_assert_eq(sscanf(ask(&b, packet), "start:%llx;size:%llx;", &start, &size), 2);
		cr_assert_eq(start, at);
		at = start + size;
	}
	cr_assert_eq(at, UINT64_MAX);
}

Test(h_lldb, every_thread_has_a_stop_of_its_own)
{
	fake_add_thread(&b.fake, 0x1a2c);
	be_lldb();
	assert_answer(&b, "qThreadStopInfo1a2b",
		      "T0506:805f000000000000;07:005f000000000000;10:0410000000000000;thread:1a2b;"
		      "core:3;hexname:66616b652031613262;");
	assert_answer(&b, "qThreadStopInfop1a2b.1a2c",
		      "T0006:805f000000000000;07:005f000000000000;10:0410000000000000;thread:1a2c;"
		      "core:0;hexname:66616b652031613263;");
	assert_answer(&b, "qThreadStopInfo77", "E01");
	assert_answer(&b, "qThreadStopInfop5.1a2b", "E01");
	assert_answer(&b, "qThreadStopInfo", "E01");
	assert_answer(&b, "qThreadStopInfo-1", "E01");
}

Test(h_lldb, a_stop_lists_the_threads_if_it_asked_for_them)
{
	fake_add_thread(&b.fake, 0x1a2c);
	be_lldb();
	cr_assert_not(has(ask(&b, "?"), "threads:"));
	assert_answer(&b, "QListThreadsInStopReply", "OK");
	cr_assert(has(ask(&b, "?"), "threads:1a2b,1a2c;thread-pcs:1004,1004;"));
	session_close(&b.s);
	session_open(&b.s);
	cr_assert_not(has(ask(&b, "?"), "threads:"));
}

Test(h_lldb, all_threads_are_one_array)
{
	fake_add_thread(&b.fake, 0x1a2c);
	be_lldb();
	b.s.stop = (struct stop_event){ .tid = 0x1a2c, .kind = STOP_SWBREAK, .signo = SIGTRAP };
	assert_answer(
		&b, "jThreadsInfo",
		"[{\"tid\":6699,\"name\":\"fake 1a2b\",\"registers\":{\"6\":\"805f000000000000\","
		"\"7\":\"005f000000000000\",\"16\":\"0410000000000000\"}},"
		"{\"tid\":6700,\"name\":\"fake 1a2c\",\"signal\":5,\"reason\":\"breakpoint\","
		"\"registers\":{\"6\":\"805f000000000000\",\"7\":\"005f000000000000\","
		"\"16\":\"0410000000000000\"}}]");
}

Test(h_lldb, a_kill_is_confirmed)
{
	be_lldb();
	assert_answer(&b, "k", "X09");
	cr_assert(b.fake.killed);
}

Test(h_lldb, exec_is_a_reason)
{
	b.s.stop = (struct stop_event){ .tid = FAKE_PID, .kind = STOP_EXEC, .signo = SIGTRAP };
	be_lldb();
	cr_assert_eq(strncmp(ask(&b, "?"), "T05reason:exec;", 15), 0);
}

/* A program that has DT_DEBUG in its second dynamic entry. */
Test(h_lldb, the_word_that_leads_to_the_libraries_is_found)
{
	static const struct {
		Elf64_Phdr ph[2];
		Elf64_Dyn dyn[3];
	} image = {
		.ph = { { .p_type = PT_PHDR, .p_vaddr = 0x1000 },
			{ .p_type = PT_DYNAMIC, .p_vaddr = 0x1000 + 2 * sizeof(Elf64_Phdr) } },
		.dyn = { { .d_tag = DT_NEEDED }, { .d_tag = DT_DEBUG }, { .d_tag = DT_NULL } },
	};
	static const uint64_t auxv[] = { AT_PHDR,  0x1000, AT_PHENT, sizeof(Elf64_Phdr),
					 AT_PHNUM, 2,	   AT_NULL,  0 };
	char want[32];

	assert_answer(&b, "qShlibInfoAddr", "E01");
	bench_deinit(&b);
	bench_init(&b, &(struct fake_region){ 0x1000, &image, sizeof(image) }, 1);
	b.fake.auxv = auxv;
	b.fake.nauxv = sizeof(auxv) / sizeof(auxv[0]);
	snprintf(want, sizeof(want), "%zx", 0x1000 + 2 * sizeof(Elf64_Phdr) + 16 + 8);
	assert_answer(&b, "qShlibInfoAddr", want);
}

Test(h_lldb, small_questions_have_small_answers)
{
	assert_answer(&b, "qGDBServerVersion", "name:archerfish;version:" OPTIONS_VERSION ";");
	assert_answer(&b, "qEcho:12", "qEcho:12");
	assert_answer(&b, "qEcho", "E01");
	assert_answer(&b, "qWatchpointSupportInfo:", "num:4;");
	cr_assert_eq(strncmp(ask(&b, "jSignalsInfo"), "[{\"signo\":1,\"name\":\"SIGHUP\"", 26), 0);
}
