/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "stub/handlers.h"
#include "tests/unit/bench.h"

static bool has_signal(const uint8_t *bits, int signo)
{
	return bits[signo / 8] >> signo % 8 & 1;
}

static bool announces(struct bench *b, const char *feature)
{
	return strstr(ask(b, "qSupported"), feature);
}

Test(h_query, what_is_announced_follows_what_the_target_has)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	cr_assert(announces(&b, "PacketSize=20000;"));
	cr_assert(announces(&b, ";swbreak+;hwbreak+"));
	cr_assert(announces(&b, ";vContSupported+"));
	cr_assert(announces(&b, ";qXfer:features:read+"));
	cr_assert_not(announces(&b, "error-message"));
	cr_assert(announces(&b, ";ConditionalBreakpoints+;BreakpointCommands+"));
	b.fake.target.point = NULL;
	cr_assert_not(announces(&b, "swbreak"));
	cr_assert_not(announces(&b, "ConditionalBreakpoints"));
	b.fake.target.run = NULL;
	cr_assert_not(announces(&b, "vContSupported"));
	cr_assert(strstr(ask(&b, "qSupported:error-message+"), ";error-message+"));
	bench_deinit(&b);
}

Test(h_query, no_packet_is_in_the_table_twice)
{
	for (size_t i = 0; i < handlers_count; i++)
		for (size_t j = 0; j < i; j++)
			cr_assert_str_neq(handlers[i].name, handlers[j].name);
}

Test(h_query, disabled_packets_are_unknown_and_not_announced)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "qC", "QC1a2b");
	b.options.disable_packets[0] = "threads";
	b.options.ndisabled = 1;
	assert_answer(&b, "qC", "");
	assert_answer(&b, "qfThreadInfo", "");
	cr_assert_not(announces(&b, "vContSupported"));
	cr_assert(announces(&b, "multiprocess+"));
	cr_assert_eq(ask(&b, "?")[0], 'T');
	assert_answer(&b, "vCont?", "");
	assert_answer(&b, "vCont;c", "");
	cr_assert_null(strstr(ask(&b, "?"), "thread:"));
	b.options.disable_packets[0] = "T";
	assert_answer(&b, "qC", "QC1a2b");
	assert_answer(&b, "?", "S05");
	bench_deinit(&b);
}

Test(h_query, the_current_thread_is_one_that_exists)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	ask(&b, "qSupported:multiprocess+");
	assert_answer(&b, "qC", "QCp1a2b.1a2b");
	b.s.g_tid = 99;
	assert_answer(&b, "qC", "QCp1a2b.1a2b");
	b.fake.target.pid = 0;
	assert_answer(&b, "qC", "E01");
	bench_deinit(&b);
}

Test(h_query, attached_is_told_from_created)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "qAttached", "0");
	b.fake.target.attached = true;
	assert_answer(&b, "qAttached:1a2b", "1");
	assert_answer(&b, "qAttached:1a2c", "E01");
	assert_answer(&b, "qAttached:", "E01");
	assert_answer(&b, "qAttached:1a2bx", "E01");
	bench_deinit(&b);
}

Test(h_query, lists_of_signals_arrive_in_linux_numbers)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	/* SIGALRM, SIGUSR1, SIG33, SIGCHLD, and two that Linux lacks. */
	assert_answer(&b, "QPassSignals:e;1e;2d;14;7;1d", "OK");
	static const int set[] = { SIGALRM, SIGUSR1, 33, SIGCHLD };
	for (size_t i = 0; i < 4; i++)
		cr_assert(has_signal(b.s.pass_signals, set[i]), "%d", set[i]);
	cr_assert_not(has_signal(b.s.pass_signals, SIGUSR2));
	assert_answer(&b, "QPassSignals:e;zz", "E01");
	cr_assert(has_signal(b.s.pass_signals, SIGUSR1), "a bad list changes nothing");
	/* SIGPOLL is SIGIO here, and that one is not in the list. */
	assert_answer(&b, "QPassSignals:21", "OK");
	cr_assert_not(has_signal(b.s.pass_signals, SIGIO));
	assert_answer(&b, "QPassSignals:e", "OK");
	assert_answer(&b, "QPassSignals:", "OK");
	cr_assert_not(has_signal(b.s.pass_signals, SIGUSR1));
	assert_answer(&b, "QProgramSignals:0;ffffffffffffffff;f", "OK");
	cr_assert(has_signal(b.s.program_signals, SIGTERM));
	assert_answer(&b, "QPassSignals", "E01");
	bench_deinit(&b);
}

Test(h_query, unknown_packets_get_the_empty_answer)
{
	static const char *const packets[] = {
		"vMustReplyEmpty", "qOffsets", "qP1",	   "QTSave:61", "bc", "",
		"\x80\xff",	   "qSearch",  "vNothing", "jFoo",	"qCx"
	};
	struct bench b;
	bench_init(&b, NULL, 0);
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_answer(&b, packets[i], "");
	assert_answer(&b, "qSymbol::", "OK");
	bench_deinit(&b);
}

Test(h_thread, hg_takes_a_thread_or_leaves_things_as_they_are)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	fake_add_thread(&b.fake, 0x77);
	assert_answer(&b, "Hg77", "OK");
	cr_assert_eq(b.s.g_tid, 0x77);
	assert_answer(&b, "Hg0", "OK");
	cr_assert_eq(b.s.g_tid, 0x77);
	assert_answer(&b, "Hgp1a2b.-1", "OK");
	cr_assert_eq(b.s.g_tid, 0x77);
	static const char *const bad[] = { "Hg78", "Hgp77.77",	 "Hgzzz",	"Hg",	  "Hg77 ",
					   "Hc78", "Hg7fffffff", "Hg100000077", "Hgp.77", "Hcx" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_answer(&b, bad[i], "E01");
	cr_assert_eq(b.s.g_tid, 0x77);
	assert_answer(&b, "H", "");
	assert_answer(&b, "Hs77", "");
	assert_answer(&b, "Hgp1a2b.1a2b", "OK");
	cr_assert_eq(b.s.g_tid, FAKE_PID);
	bench_deinit(&b);
}

Test(h_thread, hc_needs_no_process_and_remembers_all)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "Hc-1", "OK");
	cr_assert_eq(b.s.c_tid, -1);
	assert_answer(&b, "Hc0", "OK");
	cr_assert_eq(b.s.c_tid, 0);
	assert_answer(&b, "Hcp1a2b.1a2b", "OK");
	cr_assert_eq(b.s.c_tid, FAKE_PID);
	b.fake.target.pid = 0;
	assert_answer(&b, "Hc-1", "OK");
	assert_answer(&b, "Hg0", "OK");
	assert_answer(&b, "Hg77", "E01");
	bench_deinit(&b);
}

Test(h_thread, t_says_who_lives)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "T1a2b", "OK");
	assert_answer(&b, "Tp1a2b.1a2b", "OK");
	assert_answer(&b, "T1a2c", "E01");
	assert_answer(&b, "Tp1.1a2b", "E01");
	assert_answer(&b, "T", "E01");
	assert_answer(&b, "T-1", "E01");
	assert_answer(&b, "T0", "E01");
	bench_deinit(&b);
}

Test(h_thread, the_list_comes_in_as_few_packets_as_fit)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	fake_add_thread(&b.fake, 0x77);
	assert_answer(&b, "qfThreadInfo", "m1a2b,77");
	assert_answer(&b, "qsThreadInfo", "l");
	assert_answer(&b, "qsThreadInfo", "l");
	ask(&b, "qSupported:multiprocess+");
	assert_answer(&b, "qfThreadInfo", "mp1a2b.1a2b,p1a2b.77");
	assert_answer(&b, "qsThreadInfo", "l");
	b.fake.target.pid = 0;
	assert_answer(&b, "qfThreadInfo", "l");
	bench_deinit(&b);
}

static struct err *many_threads(struct target *t, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	(void)t;
	for (pid_t tid = 0x10000000; tid < 0x10000000 + 20000; tid++)
		if (!visit(tid, arg))
			break;
	return NULL;
}

Test(h_thread, twenty_thousand_threads_are_listed_once_each)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	struct target_ops ops = *b.fake.target.ops;
	ops.threads = many_threads;
	b.fake.target.ops = &ops;
	ask(&b, "qSupported:multiprocess+");
	const char *reply = ask(&b, "qfThreadInfo");
	unsigned int next = 0x10000000, packets = 0;
	for (; *reply == 'm'; packets++) {
		cr_assert_leq(b.reply.len, RSP_PACKET_MAX);
		for (const char *p = reply + 1; *p; p += *p == ',') {
			unsigned int pid, tid;
			int len = 0;
			cr_assert_eq(sscanf(p, "p%x.%x%n", &pid, &tid, &len), 2);
			cr_assert_eq(tid, next++);
			p += len;
		}
		reply = ask(&b, "qsThreadInfo");
	}
	cr_assert_str_eq(reply, "l");
	cr_assert_eq(next, 0x10000000 + 20000);
	cr_assert_leq(packets, 3);
	bench_deinit(&b);
}

Test(h_thread, extra_info_is_the_name_in_hex)
{
	struct bench b;
	bench_init(&b, NULL, 0);
	assert_answer(&b, "qThreadExtraInfo,1a2b", "66616b652031613262");
	assert_answer(&b, "qThreadExtraInfo,p1a2b.1a2b", "66616b652031613262");
	assert_answer(&b, "qThreadExtraInfo,77", "E01");
	assert_answer(&b, "qThreadExtraInfo", "E01");
	bench_deinit(&b);
}

Test(read_only, nothing_that_is_asked_changes_the_process)
{
	static const char *const packets[] = {
		"M1000,1:00", "X1000,1:a", "G00",	   "P0=0000000000000000",
		"Z0,1000,1",  "z0,1000,1", "c1000",	   "s1000",
		"C0b",	      "S0b",	   "vCont;C0b:-1", "vCont;S0b:-1",
		"vKill;1a2b",
	};
	static const uint8_t memory[16];
	const struct fake_region region = { 0x1000, memory, sizeof(memory) };
	struct bench b;
	bench_init(&b, &region, 1);
	b.options.read_only = true;
	b.fake.target.attached = true;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		assert_answer(&b, packets[i], "E01");
	cr_assert_eq(b.fake.resumes, 0);
	cr_assert_not(b.fake.killed);
	wire_send(&b.s, "k", 1);
	cr_assert(b.fake.detached && !b.fake.killed);
	bench_deinit(&b);
}
